# SPDX-License-Identifier: Apache-2.0
"""The shipped systemd units, users and directories, judged by systemd's own programs; none of it has to run."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

CONFIG = pathlib.Path(os.environ["PSW_SOURCE"]) / "config"
UNITS = ("psw-manager.service", "psw-manager.socket", "quoted.service", "quoted.socket")
EXPOSURE_MAX = {"psw-manager.service": 2.0, "quoted.service": 2.5}


class Units(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A root directory with systemd's own units and ours, and with programs to start."""
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="psw-units-"))
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        units = cls.root / "usr/lib/systemd/system"
        shutil.copytree("/lib/systemd/system", units, symlinks=True)
        for unit in UNITS:
            shutil.copy(CONFIG / "systemd" / unit, units)
        for folder in "usr/sbin", "etc", "run", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d":
            (cls.root / folder).mkdir(parents=True)
        for program in "psw-manager", "quoted":
            (cls.root / "usr/sbin" / program).write_text("#!/bin/sh\n")
            (cls.root / "usr/sbin" / program).chmod(0o755)
        for folder in "sysusers.d", "tmpfiles.d":
            shutil.copy(CONFIG / folder / "psw-manager.conf", cls.root / "usr/lib" / folder)

    def run_systemd(self, program, *arguments):
        """One of systemd's programs on the root directory; its output, of which there may be none on an error."""
        result = subprocess.run([program, f"--root={self.root}", *arguments], capture_output=True, text=True, timeout=60,
                                check=False, env={**os.environ, "SYSTEMD_COLORS": "0"})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result

    def test_they_are_sound(self):
        result = self.run_systemd("systemd-analyze", "--man=no", "verify", *UNITS)
        self.assertEqual(result.stdout + result.stderr, "")

    def test_they_expose_little(self):
        for unit, most in EXPOSURE_MAX.items():
            with self.subTest(unit=unit):
                result = self.run_systemd("systemd-analyze", "security", "--offline=true", "--no-pager",
                                          f"--threshold={int(most * 10)}", unit)
                self.assertIn(f"Overall exposure level for {unit}: ", result.stdout)

    def test_the_users_that_they_name_are_made(self):
        if os.geteuid() != 0:
            self.skipTest("making users takes root")
        self.run_systemd("systemd-sysusers", "psw-manager.conf")
        users = dict(line.split(":", 1) for line in (self.root / "etc/passwd").read_text().splitlines())
        groups = (self.root / "etc/group").read_text()
        for unit in UNITS:
            for line in (CONFIG / "systemd" / unit).read_text().splitlines():
                key, _, name = line.partition("=")
                if key in ("User", "SocketUser"):
                    self.assertIn(name, users)
                    self.assertNotEqual(users[name].split(":")[1], "0")
                    for group in "sgx", "sgx_prv":
                        self.assertRegex(groups, rf"(?m)^{group}:.*\b{name}\b")

    def test_they_run_without_root_and_without_capabilities(self):
        for unit in EXPOSURE_MAX:
            settings = dict(line.split("=", 1) for line in (CONFIG / "systemd" / unit).read_text().splitlines()
                            if "=" in line and not line.startswith("#"))
            self.assertNotIn(settings["User"], ("", "root", "0"))
            self.assertEqual((settings["CapabilityBoundingSet"], settings["AmbientCapabilities"]), ("", ""))
            self.assertEqual(settings["NoNewPrivileges"], "yes")

    def test_certificate_providers_have_a_cache_of_the_unit(self):
        for unit in EXPOSURE_MAX:
            lines = (CONFIG / "systemd" / unit).read_text().splitlines()
            cache = next(line.split("=", 1)[1] for line in lines if line.startswith("CacheDirectory="))
            self.assertIn(f"Environment=AZDCAP_CACHE=/var/cache/{cache}", lines)


if __name__ == "__main__":
    unittest.main()
