# SPDX-License-Identifier: Apache-2.0
# alone
# label: slow
"""The demo does what its account says, also as an ordinary user, and leaves nothing behind."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["PSW_SOURCE"]) / "tests" / "demo.sh"
SHORT = {"DEMO_STEADY_SECONDS": "2", "DEMO_SWAPPING_SECONDS": "4"}


class DemoTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="psw-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.directory.chmod(0o777)

    def start(self, **options):
        return subprocess.Popen([SCRIPT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, env={**os.environ, **SHORT, "TMPDIR": str(self.directory)}, **options)

    def assert_nothing_is_left(self):
        self.assertEqual(list(self.directory.iterdir()), [])
        left = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if bytes(self.directory) in entry.read_bytes():
                    left.append(entry)
            except OSError:
                continue
        self.assertEqual(left, [])

    def assert_account(self, process):
        out, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, out)
        last = re.fullmatch(r"demo: (\d+) requests, (\d+) swaps, 0 failed", out.splitlines()[-1])
        self.assertIsNotNone(last, out)
        self.assertGreater(int(last[1]), 500)
        self.assertGreater(int(last[2]), 3)
        self.assertRegex(out, r"latency steady: .*p99 \d+ us")
        self.assertRegex(out, r"latency swapping: .*p99 \d+ us")

    def test_nothing_fails(self):
        with self.start() as process:
            self.assert_account(process)
        self.assert_nothing_is_left()

    def test_ctrl_c_ends_everything(self):
        with self.start(start_new_session=True) as process:
            for line in process.stdout:
                if "fetched" in line:
                    break
            os.killpg(process.pid, signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, out)
        self.assert_nothing_is_left()


if __name__ == "__main__":
    unittest.main()
