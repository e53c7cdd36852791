# SPDX-License-Identifier: Apache-2.0
"""The main job as an ordinary user without capabilities, as the unit runs it: fetch, stage, swap, crash,
roll back."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from tests.support import node as nodes
from tests.support.tls_site import Nginx

USER = 61234  # nobody's


class Unprivileged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.access(nodes.program("psw-manager"), os.X_OK):
            raise unittest.SkipTest("the programs lie where an ordinary user cannot reach them")

    def test_the_main_job_needs_no_root(self):
        self.assertNotEqual(os.getuid(), 0)
        directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        (directory / "www").mkdir()
        site = Nginx(directory, directory / "www")
        self.addCleanup(site.stop)
        node = nodes.Node({"swap": {"soak": "1h"}, "fetch": {"ca": site.authority}})
        self.addCleanup(node.stop)
        first, second = node.platform.bundle("1.0", 8), node.platform.bundle("2.0", 9, output=directory / "www/b.pswb")
        node.start()
        node.ctl("stage", first)
        node.ctl("fetch", f"{site.url}/b.pswb", "--sha256", hashlib.sha256(second.read_bytes()).hexdigest(), "--stage")
        node.ctl("swap", "1.0", "--soak", "0")
        load = node.load("--flow", "full", "--target", "mixed:50", "--clients", "2", "--rate", "50", "--duration", "2m")
        node.ctl("swap", "2.0", "--soak", "0")
        node.ctl("rollback", "--soak", "0")
        before = node.serving()
        os.kill(before["pid"], 9)
        nodes.wait_until(lambda: (node.serving() or before)["pid"] != before["pid"], "another generation")
        report = load.stop()
        self.assertEqual(report["failed"], 0, report)
        for pid in node.manager.pid, node.serving()["pid"]:
            facts = pathlib.Path("/proc", str(pid), "status").read_text(encoding="ascii")
            self.assertRegex(facts, r"(?m)^CapEff:\t0+$")


def become_ordinary():
    """Starts this file again as somebody without rights; in a container that allows it, without any to come."""
    who = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all", "--no-new-privs"]
    bounded = [*who, "--bounding-set=-all"]
    if subprocess.run([*bounded, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        who = bounded
    os.environ["HOME"] = "/nonexistent"
    os.execvp(who[0], [*who, sys.executable, "-B", __file__])


if __name__ == "__main__":
    if os.geteuid() == 0 and shutil.which("setpriv"):
        become_ordinary()
    unittest.main()
