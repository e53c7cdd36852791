# SPDX-License-Identifier: Apache-2.0
"""The advisor: verdicts by fetched collateral for today and for Intel's newest data, and servers that go wrong."""

import datetime
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from tests.support.collateral import Collateral, split_chain
from tests.support.node import Api, Node, Platform, program, run
from tests.support.pcs import Pcs
from tests.support.tls_site import Channel


class Tcb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="psw-tcb-")
        cls.addClassCleanup(directory.cleanup)
        cls.platform = Platform(pathlib.Path(directory.name) / "platform")

    def setUp(self):
        self.node = Node(platform=self.platform)
        self.addCleanup(self.node.stop)
        self.base = Collateral(self.node.platform.directory)
        self.pcs = Pcs(self.base)
        self.addCleanup(self.pcs.close)

    def start(self, channel=None, **collateral):
        """A manager that serves bundle 1.0 and has the server's URL."""
        settings = {"urls": [self.pcs.url], "root": str(self.node.platform.directory / "root.pem"), "check_interval": "0",
                    **collateral}
        updates = channel.settings(f"file://{channel.public}") if channel else {}
        self.node.write_config({**updates, "collateral": {key: value for key, value in settings.items() if value is not None},
                                "fetch": {"timeout": "60s", "stall_timeout": "30s"}})
        self.node.start()
        self.node.ctl("stage", self.node.platform.bundle("1.0", 8, 13))
        self.node.ctl("swap", "1.0", "--soak", "0")

    def tcb(self):
        """Exit status and report of pswctl tcb."""
        result = subprocess.run([program("pswctl"), "tcb", "--json", "--api", self.node.api_path], text=True,
                                stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        return result.returncode, json.loads(result.stdout) if result.stdout else None, result.stderr

    def verdicts(self, report):
        """{policy: {version: (status, short)}}"""
        return {policy["policy"]: {bundle["version"]: (bundle["status"], bundle["short"]) for bundle in policy["bundles"]}
                for policy in report["policies"]}

    def newer(self, **changes):
        """The platform's collateral, one evaluation further; qe: the ISVSVN that is wanted then."""
        early = self.base.copy()
        for part in (early.tcb_info, early.qe_identity):
            part["tcbEvaluationDataNumber"] = 18
        if "qe" in changes:
            level = dict(early.qe_identity["tcbLevels"][0], tcb={"isvsvn": changes["qe"]}, tcbDate="2025-08-13T00:00:00Z")
            early.qe_identity["tcbLevels"][0].update(tcbStatus="OutOfDate", advisoryIDs=["SIMULATED-SA-00009"])
            early.qe_identity["tcbLevels"].insert(0, level)
        early.tcb_info["tcbLevels"][0]["tcb"].update(changes.get("tcb", {}))
        return early

    def test_a_bundle_is_good_today_and_short_under_the_newest_data(self):
        self.pcs.early = self.newer(qe=9)
        self.start()
        self.node.ctl("stage", self.node.platform.bundle("2.0", 9, 13))
        code, report, error = self.tcb()
        self.assertEqual(code, 0, error)
        self.assertEqual(self.verdicts(report),
                         {"standard": {"1.0": ("UpToDate", []), "2.0": ("UpToDate", [])},
                          "early": {"1.0": ("OutOfDate", ["bundle"]), "2.0": ("UpToDate", [])}})
        early = next(each for policy in report["policies"] if policy["policy"] == "early" for each in policy["bundles"]
                     if each["serving"])
        self.assertEqual((early["since"], early["qe"]["advisories"]), ("2025-08-13T00:00:00Z", ["SIMULATED-SA-00009"]))
        self.assertIn("ISVSVN 8, needed 9", early["advice"][0])
        self.assertIn("update before", report["summary"])
        self.assertEqual((report["trial"]["status"], report["trial"]["problems"]), ("UpToDate", []))
        text = run("pswctl", "status", "--api", self.node.api_path).stdout
        self.assertRegex(text, r"TCB +UpToDate today; OutOfDate under Intel's newest data")
        text = run("pswctl", "tcb", "--api", self.node.api_path, timeout=60).stdout
        for part in ("trial quote verified to the root", "short: bundle", "swap to a bundle with a newer QE"):
            self.assertIn(part, text)
        self.assertIn("tcb-verdict", run("pswctl", "journal", "--api", self.node.api_path).stdout)

    def offered(self, report, policy="early"):
        """The verdict on the bundle that is offered and not staged."""
        found = [bundle for each in report["policies"] if each["policy"] == policy for bundle in each["bundles"]
                 if bundle["offered"] and not bundle["staged"]]
        self.assertEqual(len(found), 1, report)
        return found[0]

    def test_what_is_offered_is_judged_before_it_is_downloaded(self):
        self.pcs.early = self.newer(qe=10)
        channel = Channel(self.node.directory / "repository", self.platform)
        channel.add("1.1", 9)
        self.start(channel)
        self.node.ctl("check-update")
        code, report, error = self.tcb()
        self.assertEqual(code, 0, error)
        offered = self.offered(report)
        self.assertEqual((offered["version"], offered["qe_isv_svn"], offered["pce_isv_svn"]), ("1.1", 9, 15))
        self.assertEqual((offered["status"], offered["short"], offered["since"]),
                         ("OutOfDate", ["bundle"], "2025-08-13T00:00:00Z"))
        self.assertEqual(self.offered(report, "standard")["status"], "UpToDate")
        self.assertEqual([each["version"] for each in self.node.ctl("list")["bundles"]], ["1.0"])
        # The next one cures it; then it is staged, and judged by what it really is.
        channel.add("1.2", 10)
        self.node.ctl("check-update")
        text = run("pswctl", "tcb", "--api", self.node.api_path, timeout=60).stdout
        self.assertRegex(text, r"offered +psw-simulated 1\.2 \(QE ISVSVN 10, PCE ISVSVN 15\): UpToDate")
        self.node.ctl("update", "--stage-only")
        self.assertEqual(self.verdicts(self.tcb()[1])["early"], {"1.0": ("OutOfDate", ["bundle"]), "1.2": ("UpToDate", [])})

    def test_an_offer_whose_publisher_does_not_say_what_it_has_is_unknown(self):
        channel = Channel(self.node.directory / "repository", self.platform)
        channel.add("1.1", 9, {"isv_svn": None})
        self.start(channel)
        self.node.ctl("check-update")
        report = self.tcb()[1]
        offered = self.offered(report)
        self.assertEqual((offered["status"], offered["short"], "qe_isv_svn" in offered), ("Unknown", [], False))
        self.assertIn("unknown until it is downloaded", offered["advice"][0])

    def test_what_is_said_of_the_metadata_is_only_advice(self):
        # The bundle's QE has ISVSVN 6, the metadata says 9: the gate goes by the bundle.
        channel = Channel(self.node.directory / "repository", self.platform)
        channel.add("1.1", 6, {"isv_svn": {"qe3": 9, "pce": 16}})
        self.start(channel)
        self.node.ctl("check-update")
        self.assertEqual(self.offered(self.tcb()[1])["status"], "UpToDate")
        result = self.node.ctl_raw("update")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("ISVSVN", result.stderr)
        staged = next(each for each in self.tcb()[1]["policies"][0]["bundles"] if each["version"] == "1.1")
        self.assertEqual((staged["qe_isv_svn"], staged["status"]), (6, "OutOfDate"))

    def test_a_swap_changes_what_status_says_at_once(self):
        self.pcs.early = self.newer(qe=9)
        self.start()
        self.node.ctl("stage", self.node.platform.bundle("2.0", 9, 13))
        self.tcb()
        self.node.ctl("swap", "2.0", "--soak", "0")
        status = json.loads(run("pswctl", "status", "--json", "--api", self.node.api_path).stdout)
        self.assertEqual(status["tcb"]["early"], "UpToDate")

    def test_another_bundle_is_judged_without_being_asked(self):
        self.start(check_interval="7d")
        self.tcb()
        self.node.ctl("stage", self.node.platform.bundle("2.0", 9, 13))
        api = Api(self.node.api_path)
        self.addCleanup(api.close)
        deadline = datetime.datetime.now() + datetime.timedelta(seconds=60)
        while len(api.call("GET", "/v1/tcb")["policies"][0]["bundles"]) != 2:
            self.assertLess(datetime.datetime.now(), deadline)

    def test_what_is_short_is_told_apart(self):
        # The PCK certificate is for PCESVN 13, the bundle's PCE is 13; wanted are 16 and newer microcode.
        components = [dict(each) for each in self.base.tcb_info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"]]
        components[0]["svn"] = 15
        self.pcs.early = self.newer(tcb={"pcesvn": 16, "sgxtcbcomponents": components})
        self.start()
        self.node.ctl("stage", self.node.platform.bundle("2.0", 9, 16))
        _, report, _ = self.tcb()
        self.assertEqual(self.verdicts(report)["early"], {"1.0": ("OutOfDate", ["bundle", "microcode"]),
                                                          "2.0": ("OutOfDate", ["pck-certificate", "microcode"])})

    def checks(self, version, fine=True):
        """{id: (status, text)} of what pswctl test says of the quotes of a staged bundle."""
        result = self.node.ctl_raw("test", version, "--json")
        self.assertEqual(result.returncode == 0, fine, result.stdout + result.stderr)
        operation = json.loads(result.stdout)
        self.assertNotIn("quote", operation["result"]["trial"])
        return {each["id"]: (each["status"], each["text"]) for each in operation["result"]["checks"]["checks"]
                if each["id"].startswith("collateral.") or each["id"] == "quote.verified"}

    def test_the_test_of_a_bundle_says_what_relying_parties_will_see(self):
        self.pcs.early = self.newer(qe=9)
        self.start()
        self.tcb()
        expected = ("quote.verified", "pass"), ("collateral.status", "pass"), ("collateral.early", "warn"), ("collateral.current", "pass")
        self.assertEqual({check: result[0] for check, result in self.checks("1.0").items()}, dict(expected))
        self.node.ctl("stage", self.node.platform.bundle("2.0", 9, 13))
        self.assertIn(("collateral.early", "pass"), [(check, result[0]) for check, result in self.checks("2.0").items()])
        self.pcs.standard = self.newer()
        self.pcs.standard.qe_identity["tcbLevels"][0]["tcbStatus"] = "Revoked"
        self.tcb()
        check, text = self.checks("1.0", fine=False)["collateral.status"]
        self.assertEqual(check, "fail")
        self.assertIn("platform UpToDate, QE Revoked", text)

    def test_a_quote_with_a_revoked_certificate_fails_the_test(self):
        self.start()
        authority = split_chain(self.base.pck_chain)[0]
        self.pcs.standard = self.pcs.early = self.base.copy()
        self.pcs.standard.root_crl = self.base.crl("root", [authority])
        self.tcb()
        checks = self.checks("1.0", fine=False)
        for check in ("quote.verified", "collateral.status"):
            status, text = checks[check]
            self.assertEqual(status, "fail")
            self.assertIn("PCK CA certificate: revoked", text)

    def test_bad_answers_change_nothing_and_what_is_cached_serves_on(self):
        self.start()
        self.assertEqual(self.tcb()[1]["standard"], "UpToDate")
        cached = {path: path.read_bytes() for path in (self.node.directory / "state/collateral/standard").iterdir()}
        self.assertEqual({path.name for path in cached}, {"tcb", "qe-identity", "pck-crl", "root-crl"})
        expired, future, other, forged, older = (self.base.copy() for _ in range(5))
        expired.shift(days=-400)
        future.shift(days=10)
        other.tcb_info["fmspc"] = "00906ED50000"
        forged.keys = dict(forged.keys, **{"tcb-signer": forged.keys["ca"]})
        older.tcb_info["tcbEvaluationDataNumber"] = 16
        cases = [({"standard": expired}, {}, "expired"), ({"standard": future}, {}, "valid from"),
                 ({"standard": other}, {}, "FMSPC"), ({"standard": forged}, {}, "signature"),
                 ({"standard": older}, {}, "older than evaluation 17"), ({}, {"/tcb": "html"}, "not collateral"),
                 ({}, {"/qe": "404"}, "no server has"), ({}, {"/tcb": "big"}, "larger"), ({}, {"/pckcrl": "html"}, "pck-crl"),
                 ({}, {"/pckcrl": "forged"}, "PCK CRL: its authority did not sign it")]
        for change, faults, part in cases:
            with self.subTest(part=part, faults=faults):
                self.pcs.standard, self.pcs.early = change.get("standard", self.base), self.base
                self.pcs.faults = faults
                code, report, error = self.tcb()
                self.assertEqual((code, report["standard"]), (0, "UpToDate"), error)
                self.assertIn(part, report["failure"])
                self.assertEqual({path: path.read_bytes() for path in cached}, cached)
        self.assertIn("PROBLEM", run("pswctl", "status", "--api", self.node.api_path).stdout)
        self.pcs.standard, self.pcs.faults = self.base, {}
        self.assertIsNone(self.tcb()[1]["failure"])

    def test_a_server_that_hangs_is_left_and_the_manager_goes_on(self):
        self.start()
        self.assertEqual(self.tcb()[0], 0)
        self.pcs.faults = {"/tcb": "hang"}
        run("pswctl", "tcb", "--no-wait", "--api", self.node.api_path)
        self.assertEqual(run("pswctl", "status", "--api", self.node.api_path).returncode, 0)
        result = run("pswctl", "tcb", "--api", self.node.api_path, check=False)
        self.assertEqual(result.returncode, 8)  # one look at a time
        self.pcs.released.set()

    def test_the_next_server_is_asked_when_one_is_away(self):
        self.start(urls=["http://127.0.0.1:1/sgx/certification/v4", self.pcs.url])
        code, report, error = self.tcb()
        self.assertEqual((code, report["standard"], report["failure"]), (0, "UpToDate", None), error)

    def test_what_was_fetched_is_collateral_for_verify_and_is_remembered(self):
        self.start()
        self.tcb()
        cache = self.node.directory / "state/collateral/standard"
        copy = self.node.directory / "copy"
        shutil.copytree(cache, copy)
        quote = self.node.directory / "trial"
        status = json.loads(run("pswctl", "tcb", "--json", "--api", self.node.api_path).stdout)
        self.assertEqual(status["trial"]["quote"]["certification_type"], 5)
        self.assertFalse(quote.exists())
        self.node.kill_manager()
        self.pcs.faults = {"/": "503"}
        self.node.start()
        report = json.loads(run("pswctl", "status", "--json", "--api", self.node.api_path).stdout)
        self.assertEqual(report["tcb"]["standard"], "UpToDate")
        _, report, _ = self.tcb()
        self.assertEqual(report["standard"], "UpToDate")
        self.assertIsNotNone(report["failure"])

    def test_it_looks_by_itself(self):
        self.start(check_interval="1s")
        api = Api(self.node.api_path)
        self.addCleanup(api.close)
        deadline = datetime.datetime.now() + datetime.timedelta(seconds=60)
        while api.call("GET", "/v1/tcb")["standard"] != "UpToDate":
            self.assertLess(datetime.datetime.now(), deadline)

    def test_a_directory_serves_where_there_is_no_network(self):
        self.start(urls=[f"file://{self.node.platform.directory}/collateral"])
        code, report, error = self.tcb()
        self.assertEqual((code, report["standard"], report["early"]), (0, "UpToDate", "Unknown"), error)
        self.assertEqual(report["trial"]["status"], "UpToDate")
        self.assertEqual(self.pcs.paths, [])

    def test_a_trial_quote_that_nobody_can_verify_is_not_called_verified(self):
        collateral = self.node.directory / "without-crl"
        shutil.copytree(self.node.platform.directory / "collateral", collateral, ignore=shutil.ignore_patterns("pck.crl"))
        self.start(urls=[f"file://{collateral}"])
        trial = self.tcb()[1]["trial"]
        self.assertEqual((trial["result"], trial["problems"][0]["what"]), ("not-verifiable", "PCK CRL"))
        self.assertIn("trial quote NOT VERIFIABLE: PCK CRL: missing", run("pswctl", "tcb", "--api", self.node.api_path).stdout)

    def test_another_root_is_not_believed(self):
        self.start(root=None)
        code, report, error = self.tcb()
        self.assertEqual(code, 0, error)
        self.assertIn("Intel SGX Root CA", report["failure"])
        self.assertEqual(report["standard"], "Unknown")

    def test_without_configuration_the_command_says_what_to_do(self):
        self.node.start()
        code, _, error = self.tcb()
        self.assertEqual(code, 3)
        self.assertIn("collateral.urls", error)


if __name__ == "__main__":
    unittest.main()
