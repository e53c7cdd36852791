# SPDX-License-Identifier: Apache-2.0
"""Compatibility checks on a node: doctor without a manager, test and swap with one, waivers, the platform's changes."""

import json
import os
import pathlib
import shutil
import tempfile
import unittest
import xml.etree.ElementTree
from unittest import mock

from tests.support.cases import PlatformCase
from tests.support.node import run, wait_until

VERIFY = 5
CONFIG = 3
INPUT = 4


def by_id(report):
    """{id: check} of a report."""
    return {check["id"]: check for check in report["checks"]}


class Doctor(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="psw-doctor-"))
        self.addCleanup(shutil.rmtree, self.root)

    def put(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="ascii")

    def doctor(self, *options):
        return run("pswctl", "doctor", "--root", self.root, *options, check=False)

    def test_another_root_is_looked_at_without_a_manager(self):
        self.put("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu sgx sgx_lc\n")
        self.put("proc/sys/kernel/osrelease", "5.10.0-28-amd64\n")
        self.put("dev/sgx_enclave", "made by mistake")
        junit = self.root / "junit.xml"
        result = self.doctor("--json", "--junit", junit)
        self.assertEqual(result.returncode, VERIFY)
        report = json.loads(result.stdout)
        checks = by_id(report)
        self.assertEqual({name: checks[name]["status"] for name in ("cpu.sgx", "cpu.flc", "driver.plain-file", "driver.kernel",
                                                                    "driver.open", "bundle.driver")},
                         {"cpu.sgx": "pass", "cpu.flc": "pass", "driver.plain-file": "fail", "driver.kernel": "fail",
                          "driver.open": "skip", "bundle.driver": "skip"})
        self.assertIn("--device", checks["driver.plain-file"]["remedy"])
        suite = xml.etree.ElementTree.parse(junit).getroot()
        self.assertEqual(int(suite.get("tests")), len(suite.findall("testcase")))
        self.assertEqual(len(suite.findall("testcase/failure")), report["counts"]["fail"])
        self.assertEqual(len(suite.findall("testcase/skipped")), report["counts"]["skip"])
        self.assertGreaterEqual(len(checks), 60)

    def test_junit_goes_to_a_file_or_to_what_is_open(self):
        pipe = self.root / "pipe"
        os.mkfifo(pipe)
        for what in (pipe, self.root, "/dev/zero"):
            result = self.doctor("--junit", what)
            self.assertEqual((result.returncode, result.stdout), (INPUT, ""))
            self.assertEqual(result.stderr, f"pswctl: --junit: {what} is not a regular file\n")
        result = self.doctor("--junit", "/dev/stdout")
        self.assertEqual(result.returncode, VERIFY)
        self.assertIn("<testsuite", result.stdout)
        self.assertEqual(self.doctor("--junit", "/dev/null").returncode, VERIFY)

    def test_people_are_told_what_is_wrong_and_what_to_do_first(self):
        result = self.doctor()
        self.assertEqual(result.returncode, VERIFY)
        self.assertRegex(result.stdout, r"FAIL +driver.nodes +there is neither")
        self.assertRegex(result.stdout, r"\nfirst: .* \(driver.nodes\)\n$")
        self.assertNotRegex(result.stdout, r"(?m)^(pass|skip)")

    def test_a_node_of_the_simulated_platform_needs_no_hardware(self):
        self.put("etc/psw-manager/manager.yaml", "simulated: allow\n")
        checks = by_id(json.loads(self.doctor("--json").stdout))
        self.assertEqual(checks["driver.nodes"]["status"], "skip")
        self.assertIn("simulated", checks["driver.nodes"]["text"])

    def test_a_waiver_for_a_check_that_does_not_exist_is_refused(self):
        self.put("manager.yaml", "waivers: [{check: driver.nose, reason: none, until: 2999-01-01}]\n")
        result = run("psw-manager", "--config", self.root / "manager.yaml", "--check", check=False)
        self.assertEqual(result.returncode, CONFIG)
        self.assertIn("there is no check 'driver.nose'", result.stderr)


class OnANode(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first = cls.platform.bundle("1.0", qe_svn=8)
        cls.second = cls.platform.bundle("2.0", qe_svn=9)

    def node(self, waivers=""):
        node = self.make_node()
        with node.config_path.open("a", encoding="ascii") as config:
            config.write(waivers)
        return node.start()

    def test_a_test_runs_the_checks_and_shows_one_line_each(self):
        node = self.node()
        node.ctl("stage", self.first)
        result = node.ctl_raw("test", "1.0", "--junit", node.directory)
        self.assertEqual((result.returncode, result.stdout), (INPUT, ""), result.stderr)
        self.assertIn("is not a regular file", result.stderr)
        junit = node.directory / "junit.xml"
        result = node.ctl_raw("test", "1.0", "--junit", junit)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"(?m)^pass +quote.trial +it made a quote")
        self.assertRegex(result.stdout, r"(?m)^pass +quote.target-info ")
        self.assertRegex(result.stdout, r"(?m)^pass +libraries.symbols ")
        self.assertRegex(result.stdout, r"\d+ checks: 0 failed")
        self.assertIn("test: psw-simulated 1.0", result.stdout)
        self.assertIn("<testsuite", junit.read_text(encoding="utf-8"))

    def test_a_check_that_fails_blocks_the_swap_and_a_rollback_goes_on(self):
        node = self.node()
        node.ctl("stage", self.second)
        node.ctl("swap", "2.0")
        (node.directory / "store").chmod(0o775)
        third = self.platform.bundle("3.0", qe_svn=10)
        node.ctl("stage", third)
        refused = node.ctl_raw("swap", "3.0")
        self.assertEqual(refused.returncode, VERIFY, refused.stderr)
        self.assertIn("check node.store-owner: ", refused.stderr)
        self.assertIn("chmod go-w", refused.stderr)
        tested = node.ctl_raw("test", "3.0")
        self.assertEqual(tested.returncode, VERIFY)
        self.assertRegex(tested.stdout, r"(?m)^FAIL +node.store-owner ")
        self.assertEqual(node.serving()["bundle"]["version"], "2.0")
        (node.directory / "store").chmod(0o755)
        node.ctl("swap", "3.0")
        (node.directory / "store").chmod(0o775)
        node.ctl("rollback")
        self.assertEqual(node.serving()["bundle"]["version"], "2.0")

    def test_waivers_are_shown_and_expired_ones_are_ignored_with_a_word(self):
        waivers = ("waivers:\n"
                   "  - {check: libraries.debug, reason: looking for a fault, until: 2999-01-01}\n"
                   "  - {check: node.backlog, reason: was so, until: '2020-01-01T00:00:00Z'}\n")
        with mock.patch.dict(os.environ, {"AZDCAP_DEBUG_LOG_LEVEL": "INFO"}):
            node = self.node(waivers)
        node.ctl("stage", self.first)
        checks = by_id(node.ctl("test", "1.0")["result"]["checks"])
        self.assertEqual(checks["libraries.debug"]["status"], "waived")
        self.assertIn("looking for a fault", checks["libraries.debug"]["text"])
        status = node.ctl("status")
        self.assertEqual([(waiver["check"], waiver["expired"]) for waiver in status["checks"]["waivers"]],
                         [("libraries.debug", False), ("node.backlog", True)])
        self.assertTrue(any("waiver of check node.backlog has expired" in problem["text"] for problem in status["problems"]))
        self.assertRegex(node.ctl_raw("status").stdout, r"waived +libraries.debug until 2999-01-01")

    def test_a_change_of_the_provider_is_noticed_while_the_manager_runs(self):
        provider = self.directory / "sgx_default_qcnl.conf"
        provider.write_text("{}", encoding="ascii")
        with mock.patch.dict(os.environ, {"QCNL_CONF_PATH": str(provider)}):
            node = self.node()
        self.assertEqual(node.ctl("status")["checks"]["changed"], "")
        provider.write_text('{"retry_times": 1}', encoding="ascii")
        events = wait_until(lambda: self.platform_events(node, 1), "the change")
        self.assertIn("provider configuration: ", events[0]["text"])

    def platform_events(self, node, count):
        """The journal's events about the platform once there are so many."""
        events = [event for event in node.ctl("journal")["events"] if event["event"].startswith("platform-")]
        return events if len(events) >= count else None

    def test_a_platform_that_changed_is_noticed_and_checked(self):
        node = self.node()
        node.ctl("stage", self.first)
        node.ctl("swap", "1.0")
        fingerprint = node.directory / "state" / "fingerprint.json"
        known = json.loads(fingerprint.read_text(encoding="utf-8"))
        self.assertIn("kernel", known)
        node.kill_manager()
        fingerprint.write_text(json.dumps({**known, "kernel": "4.19.0"}), encoding="ascii")
        node.start()
        events = wait_until(lambda: self.platform_events(node, 2), "the checks after the change")
        self.assertEqual([event["event"] for event in events], ["platform-changed", "platform-checked"])
        self.assertIn("kernel: 4.19.0 -> ", events[0]["text"])
        status = node.ctl("status")
        self.assertEqual(status["checks"]["serving"]["failed"], [])
        self.assertEqual(status["checks"]["platform"]["kernel"], known["kernel"])
        self.assertEqual([problem for problem in status["problems"] if problem["what"] == "checks"], [])


if __name__ == "__main__":
    unittest.main()
