# SPDX-License-Identifier: Apache-2.0
"""An independent verifier's view of the simulated platform's quotes, taken through the C ABI of real bundles."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from tests.support import aesm
from tests.support.node import Platform, run
from tests.support.quoted import Stage
from tests.support.sim_take import take_quote

SOURCE = pathlib.Path(os.environ.get("PSW_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
SUPPORT = SOURCE / "tests" / "support"
DEADLINE = 60


class SimulatedQuotes(unittest.TestCase):
    """One platform of each kind of CA, quotes of a current and of an old QE."""

    @classmethod
    def setUpClass(cls):
        cls.npm = subprocess.run([SUPPORT / "npm.sh"], capture_output=True, text=True, timeout=100, check=False)
        if cls.npm.returncode != 0:
            raise RuntimeError(cls.npm.stderr)
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-sim-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.platform = Platform(cls.directory / "platform")
        run("psw-bundle", "sim-platform", "--ca", "platform", "-o", cls.directory / "scalable")

    def quote(self, name, qe_svn, pce_svn=13, platform="platform"):
        """Path of a quote by a bundle with these ISVSVNs."""
        bundle = self.directory / f"{name}.pswb"
        run("psw-bundle", "sim", "--platform", self.directory / platform, "--version", "1.0", "--qe-svn", qe_svn,
            "--pce-svn", pce_svn, "-o", bundle)
        path = self.directory / name
        take_quote(bundle, path, self.directory)
        return path

    def verdicts(self, *quotes, root="platform", collateral="platform"):
        """What the verifier says of each quote."""
        result = subprocess.run(
            ["node", SUPPORT / "verify_quote.mjs", self.npm.stdout.strip(), self.directory / root / "root.pem",
             self.directory / collateral / "collateral.json", *quotes],
            capture_output=True, text=True, timeout=DEADLINE, check=True)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_quotes_of_current_enclaves_are_up_to_date(self):
        quotes = [self.quote("current", 8), self.quote("newer", 11, pce_svn=16)]
        self.assertEqual(self.verdicts(*quotes), [{"status": "UpToDate", "advisories": []}] * 2)

    def test_an_old_qe_is_out_of_date_and_the_advisory_says_why(self):
        self.assertEqual(self.verdicts(self.quote("old-qe", 6)),
                         [{"status": "OutOfDate", "advisories": ["SIMULATED-SA-00004"]}])

    def test_an_old_pce_is_out_of_date(self):
        self.assertEqual(self.verdicts(self.quote("old-pce", 8, pce_svn=11))[0]["status"], "OutOfDate")

    def test_certificates_of_a_platform_ca_are_accepted(self):
        quote = self.quote("scalable-quote", 8, platform="scalable")
        self.assertEqual(self.verdicts(quote, root="scalable", collateral="scalable")[0]["status"], "UpToDate")

    def test_another_platform_s_root_is_not_trusted(self):
        quote = self.quote("foreign", 8)
        self.assertIn("error", self.verdicts(quote, root="scalable")[0])

    def test_a_flipped_bit_in_anything_signed_is_refused(self):
        genuine = self.quote("genuine", 8).read_bytes()
        # header, report body, quote signature, attestation key, QE report, its signature, authentication data, chain
        places = [12, 60, 440, 520, 600, 960, 1020, 1300]
        flipped = []
        for place in places:
            path = self.directory / f"flipped-{place}"
            content = bytearray(genuine)
            content[place] ^= 1
            path.write_bytes(content)
            flipped.append(path)
        for place, verdict in zip(places, self.verdicts(*flipped), strict=True):
            with self.subTest(byte=place):
                self.assertIn("error", verdict)


class SimulationCommands(unittest.TestCase):
    """What an operator sees of sim-platform, sim and sim-report."""

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-sim-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.platform = Platform(cls.directory / "platform")

    def sim(self, *options, output="x.pswb"):
        """psw-bundle sim with these further options."""
        return run("psw-bundle", "sim", "--platform", self.platform.directory, "--version", "1.0", "--qe-svn", 8,
                   "--pce-svn", 13, *options, "-o", self.directory / output, check=False)

    def test_the_same_arguments_give_the_same_bytes(self):
        self.sim(output="a.pswb")
        self.sim(output="b.pswb")
        self.assertEqual((self.directory / "a.pswb").read_bytes(), (self.directory / "b.pswb").read_bytes())

    def test_a_bundle_says_that_it_is_simulated(self):
        self.sim(output="said.pswb")
        said = json.loads(run("psw-bundle", "verify", "--json", self.directory / "said.pswb").stdout)
        self.assertTrue(said["simulated"])

    def test_a_wrong_command_line_names_the_option_and_writes_nothing(self):
        for options in (["--fault", "quote"], ["--fault", "sleep:hang"], ["--fault", "quote:hang,sometimes=3"],
                        ["--qe-svn", "0"], ["--version", "one"]):
            with self.subTest(options=options):
                result = self.sim(*options, output="wrong.pswb")
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(options[0], result.stderr)
                self.assertFalse((self.directory / "wrong.pswb").exists())

    def test_a_directory_in_use_is_no_place_for_a_platform(self):
        result = run("psw-bundle", "sim-platform", "-o", self.platform.directory, check=False)
        self.assertEqual(result.returncode, 8)
        self.assertIn("not empty", result.stderr)

    def test_a_report_is_made_for_a_target_info(self):
        (self.directory / "target").write_bytes(bytes(512))
        run("psw-bundle", "sim-report", "--platform", self.platform.directory, "--target-info",
            self.directory / "target", "--report-data", "ab" * 64, "-o", self.directory / "report")
        report = (self.directory / "report").read_bytes()
        self.assertEqual(len(report), 432)
        self.assertEqual(report[320:384], b"\xab" * 64)
        (self.directory / "target").write_bytes(bytes(511))
        result = run("psw-bundle", "sim-report", "--platform", self.platform.directory, "--target-info",
                     self.directory / "target", "-o", self.directory / "none", check=False)
        self.assertEqual(result.returncode, 4)
        self.assertIn("511", result.stderr)


class ReportForDaemon(unittest.TestCase):
    """sim-report against a running quoted."""

    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)

    def sim_report(self, socket, output):
        """psw-bundle sim-report for the daemon there."""
        return run("psw-bundle", "sim-report", "--platform", self.stage.platform.directory, "--socket", socket, "-o",
                   output, check=False)

    def test_the_report_is_what_the_daemon_s_qe_takes(self):
        quoted = self.stage.start(self.stage.bundle("1.0", 8)).wait_serving()
        output = self.stage.path("report")
        result = self.sim_report(quoted.socket, output)
        self.assertEqual(result.returncode, 0, result.stderr)
        size = aesm.ask_answer(quoted.socket, aesm.size_request())[2]
        answer = aesm.ask_answer(quoted.socket, aesm.quote_request(output.read_bytes(), size, None))
        self.assertEqual(answer.code, 0)

    def test_without_a_daemon_it_says_where_none_is(self):
        nowhere = self.stage.path("aesm.socket")
        result = self.sim_report(nowhere, self.stage.path("report"))
        self.assertEqual(result.returncode, 15)
        self.assertIn(str(nowhere), result.stderr)


if __name__ == "__main__":
    unittest.main()
