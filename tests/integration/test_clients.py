# SPDX-License-Identifier: Apache-2.0
"""Who still lives on a former QE, as pswctl clients tells: over swaps, restarts of the manager, and their end."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from tests.support import aesm, node as nodes

# A client that asks for one quote at each line it reads, with a report that it was given.
CLIENT = """
import sys
sys.path.insert(0, {source!r})
from tests.support import aesm
report = open({report!r}, "rb").read()
for line in sys.stdin:
    print(aesm.ask_answer({socket!r}, aesm.quote_request(report, 16384)).code, flush=True)
"""


class Application:
    """A process of its own that holds a report for the QE which serves now."""

    def __init__(self, test, node):
        target, report = node.directory / "app-target", node.directory / f"app-report-{os.urandom(4).hex()}"
        target.write_bytes(aesm.ask_answer(node.socket, aesm.init_request())[2])
        nodes.run("psw-bundle", "sim-report", "--platform", node.platform.directory, "--target-info", target, "-o", report)
        code = CLIENT.format(source=os.environ["PSW_SOURCE"], report=str(report), socket=str(node.socket))
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        test.addCleanup(self.end)

    @property
    def pid(self):
        """Of the process."""
        return self.process.pid

    def quote(self):
        """The AESM code of one quote."""
        self.process.stdin.write("\n")
        return int(self.process.stdout.readline())

    def end(self):
        """Ends it; harmless if it has ended."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.communicate()


class Clients(unittest.TestCase):
    """One platform for all; a node of its own for each test."""

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.platform = nodes.Platform(cls.directory / "platform")
        cls.bundles = [cls.platform.bundle(version, svn) for version, svn in (("1.1", 8), ("1.2", 9), ("1.3", 10))]

    def node(self, settings=None):
        """A running node with all bundles staged, the first serving."""
        node = nodes.Node(settings, platform=self.platform)
        self.addCleanup(node.stop)
        node.start()
        for bundle in self.bundles:
            node.ctl("stage", bundle)
        node.ctl("swap", "1.1")
        return node

    def of(self, node, application):
        """What is known of an application: its entries, who was seen last first."""
        return [each for each in node.ctl("clients")["clients"] if each["pid"] == application.pid]

    def test_who_lives_on_a_former_qe_is_known_and_who_does_not_is_not(self):
        node = self.node()
        old = Application(self, node)
        former = node.serving()["qe"]
        self.assertEqual(old.quote(), 0)
        self.assertEqual(node.ctl("clients")["clients"], [])  # that QE serves
        node.ctl("swap", "1.2")
        new = Application(self, node)
        for application in (old, old, new):
            self.assertEqual(application.quote(), 0)
        entry, = self.of(node, old)
        self.assertEqual((entry["uid"], entry["qe"], entry["qe_isv_svn"], entry["generation"], entry["quotes"]),
                         (os.getuid(), former, 8, 1, 2))
        self.assertEqual(entry["command"], pathlib.Path(f"/proc/{old.pid}/comm").read_text().strip())
        groups = pathlib.Path(f"/proc/{old.pid}/cgroup").read_text()
        self.assertIn(entry["cgroup"], groups)
        self.assertEqual(self.of(node, new), [])
        text = node.ctl_raw("clients").stdout
        self.assertRegex(text, rf"QE {former[:16]} ISVSVN 8: its quotes show the TCB of that ISVSVN")
        self.assertRegex(text, rf"(?m)^  pid {old.pid} .* 2 quotes, ")
        self.assertIn("1 still use a former QE, 0 send reports that nobody accepts: pswctl clients", node.ctl_raw("status").stdout)

    def test_it_is_remembered_over_swaps_and_restarts_of_the_manager(self):
        node = self.node()
        old = Application(self, node)
        node.ctl("swap", "1.2")
        self.assertEqual((old.quote(), old.quote()), (0, 0))
        node.ctl("clients")
        node.ctl("swap", "1.3")
        self.assertEqual(old.quote(), 0)
        entry, = self.of(node, old)
        self.assertEqual((entry["quotes"], entry["generation"]), (3, 1))
        node.kill_manager()
        node.start()
        entry, = self.of(node, old)
        self.assertEqual(entry["quotes"], 3)

    def test_who_has_ended_is_not_listed_any_more(self):
        node = self.node()
        old = Application(self, node)
        node.ctl("swap", "1.2")
        self.assertEqual(old.quote(), 0)
        self.assertEqual(len(self.of(node, old)), 1)
        old.end()
        self.assertEqual(self.of(node, old), [])

    def test_whose_reports_nobody_accepts_is_listed_as_that(self):
        node = self.node({"lame_ducks": {"count": 0}})
        old = Application(self, node)
        node.ctl("swap", "1.2")
        nodes.wait_until(lambda: len(node.ctl("status")["generations"]) == 1, "the former one's end")
        self.assertEqual(old.quote(), 42)
        entry, = self.of(node, old)
        self.assertEqual((entry["qe"], entry["quotes"]), ("", 1))
        self.assertIn("No QE here accepts", node.ctl_raw("clients").stdout)


if __name__ == "__main__":
    unittest.main()
