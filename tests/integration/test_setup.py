# SPDX-License-Identifier: Apache-2.0
"""tests/setup.sh installs what is missing, is silent when nothing is, and says what to do when it cannot.

The package tools are stand-ins that record how they were called: the real ones would change the machine."""

import os
import pathlib
import subprocess
import tempfile
import unittest

SETUP = pathlib.Path(os.environ["PSW_SOURCE"]) / "tests/setup.sh"

# Every package but those in $MISSING is installed.
DPKG_QUERY = """#!/bin/sh
shift 3
for package in "$@"; do
  case " $MISSING " in *" $package "*) ;; *) echo "installed $package" ;; esac
done
"""
# "install" fails as long as $LISTS_ARE_OLD names a file that is there; "update" removes it.
APT_GET = """#!/bin/sh
echo "apt-get $*" >>"$CALLS"
case "$1" in
  update) rm -f "$LISTS_ARE_OLD" ;;
  install) [ ! -e "$LISTS_ARE_OLD" ] && [ -z "$BROKEN" ] ;;
esac
"""
ID = """#!/bin/sh
echo "$FAKE_UID"
"""


class Setup(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.place = pathlib.Path(directory.name)
        for name, text in (("dpkg-query", DPKG_QUERY), ("apt-get", APT_GET), ("id", ID)):
            (self.place / name).write_text(text, encoding="ascii")
            (self.place / name).chmod(0o755)

    def run_setup(self, missing="", uid=0, lists_are_old=False, broken=""):
        old = self.place / "old"
        if lists_are_old:
            old.touch()
        environment = {
            "PATH": f"{self.place}:{os.environ['PATH']}", "CALLS": str(self.place / "calls"), "BROKEN": broken,
            "MISSING": missing, "FAKE_UID": str(uid), "LISTS_ARE_OLD": str(old),
        }
        return subprocess.run(["bash", str(SETUP)], env=environment, capture_output=True, text=True, timeout=60,
                              check=False)

    def calls(self):
        path = self.place / "calls"
        return path.read_text(encoding="ascii").splitlines() if path.exists() else []

    def test_nothing_missing_is_silent_and_asks_apt_for_nothing(self):
        done = self.run_setup()
        self.assertEqual((done.returncode, done.stdout, done.stderr, self.calls()), (0, "", "", []))

    def test_only_what_is_missing_is_installed(self):
        done = self.run_setup(missing="scdoc libyaml-dev")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.calls()), 1)
        self.assertTrue(self.calls()[0].endswith(" libyaml-dev scdoc"), self.calls())

    def test_package_lists_are_fetched_only_when_they_are_too_old(self):
        done = self.run_setup(missing="scdoc", lists_are_old=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([call.split()[1] for call in self.calls()], ["install", "update", "install"])

    def test_without_root_it_says_which_command_to_run(self):
        done = self.run_setup(missing="scdoc", uid=1000)
        self.assertEqual((done.returncode, self.calls()), (1, []))
        self.assertIn("run as root: apt-get install --no-install-recommends scdoc", done.stderr)

    def test_a_failed_installation_is_a_failure_that_names_the_packages(self):
        done = self.run_setup(missing="scdoc", broken="yes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("could not install scdoc", done.stderr)


if __name__ == "__main__":
    unittest.main()
