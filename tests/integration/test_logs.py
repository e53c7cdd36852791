# SPDX-License-Identifier: Apache-2.0
"""The log: one line an event, of one form, and none for each thing that a client does."""

import os
import pathlib
import re
import shutil
import socket
import tempfile
import unittest

from tests.support import aesm, node as nodes
from tests.support.quoted import Stage

# TIME LEVEL PROGRAM: EVENT key=value …; a value with spaces is quoted.
LINE = re.compile(r'\S+Z (error|warning|info|debug) [\w.-]+(\[\d+\])?: [a-z0-9-]+( [a-z0-9_.-]+=("(\\.|[^"\\])*"|[^\s"]*))*')
MANY = 200


class Logs(unittest.TestCase):
    def assert_form(self, log):
        """Every line has it."""
        self.assertEqual([line for line in log.splitlines() if not LINE.fullmatch(line)], [])

    def test_a_client_cannot_fill_the_log_of_quoted(self):
        stage = Stage()
        self.addCleanup(stage.close)
        daemon = stage.start(stage.bundle("1.0", 8, "--fault", "quote:0xe001,after=2"))  # all but trial and canary
        daemon.wait_serving()
        target = aesm.ask_answer(daemon.socket, aesm.init_request())[2]
        report = stage.report(target)
        before = len(daemon.log().splitlines())
        for i in range(MANY):
            forged = report[:-1] + bytes([report[-1] ^ (1 + i % 255)])
            self.assertEqual(aesm.ask_answer(daemon.socket, aesm.quote_request(report, 16384)).code, 1)
            aesm.ask(daemon.socket, aesm.quote_request(forged, 16384))
            aesm.ask(daemon.socket, aesm.frame(b"\xff\xff\xff"))
            with socket.socket(socket.AF_UNIX) as silent:
                silent.connect(str(daemon.socket))
                silent.sendall(b"\xff\xff\xff\xff")
        self.assertLess(len(daemon.log().splitlines()) - before, MANY // 10)
        self.assert_form(daemon.log())

    def test_what_manager_and_generations_say_in_a_busy_life_has_one_form(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        platform = nodes.Platform(directory / "platform")
        node = nodes.Node({"log_level": "debug"}, platform=platform)
        self.addCleanup(node.stop)
        node.start()
        for version, svn in (("1.1", 8), ("1.2", 9)):
            node.ctl("stage", platform.bundle(version, svn))
        bad = directory / "bad.pswb"
        bad.write_bytes(b'no "bundle" at all\n')
        quoting = directory / 'a "quoted\\ name"'
        self.assertNotEqual(node.ctl_raw("stage", bad).returncode, 0)
        for path in ("/no where", quoting):
            self.assertNotEqual(node.ctl_raw("fetch", f"file://{path}", "--sha256", "0" * 64).returncode, 0)
        node.ctl("swap", "1.1")
        node.ctl("test", "1.2")
        node.ctl("swap", "1.2")
        node.ctl("rollback")
        node.kill_manager()
        node.start()
        self.assert_form(node.log())

    def test_a_stranger_cannot_fill_the_log_of_the_manager(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        with socket.socket() as probe:
            probe.bind((f"127.78.{os.getpid() // 256 % 256}.{os.getpid() % 256}", 0))  # nobody else's
            host, port = probe.getsockname()
        node = nodes.Node({"metrics": {"listen": f"{host}:{port}"}}, platform=nodes.Platform(directory / "platform"))
        self.addCleanup(node.stop)
        node.start()
        before = len(node.log().splitlines())
        for path in ("/metrics", "/nothing"):
            for _ in range(MANY // 2):
                with socket.create_connection((host, port), timeout=60) as stranger:
                    stranger.sendall(f"POST {path} HTTP/1.0\r\nContent-Type: application/octet-stream\r\n"
                                     "Content-Length: 0\r\n\r\n".encode())
                    self.assertIn(b"HTTP/1.", stranger.recv(4096))
        self.assertLess(len(node.log().splitlines()) - before, MANY // 10)
        self.assert_form(node.log())


if __name__ == "__main__":
    unittest.main()
