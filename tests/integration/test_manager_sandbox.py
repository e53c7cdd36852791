# SPDX-License-Identifier: Apache-2.0
"""The manager's children while they work: what the kernel says of them."""

import hashlib
import os
import pathlib
import shutil
import socket
import ssl
import tempfile
import threading
import unittest

from tests.support import node as nodes
from tests.support.tls_site import make_certificate

NOBODY = 65534


class Waiter:
    """A TLS server that takes a request and answers nothing until it is told to go on; then it hangs up."""

    def __init__(self, certificate, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = context
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        """The first connection waits; others are closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True) as stream:
                    stream.recv(4096)
                    self.asked.set()
                    self.go_on.wait(60)
            except OSError:
                pass

    def stop(self):
        """Lets everybody go."""
        self.go_on.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def children(pid):
    """Task name -> pid of the children that work for the manager."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                facts = status(int(entry))
            except OSError:
                continue
            if facts["PPid"] == str(pid) and facts["Name"].startswith("psw-"):
                found[facts["Name"].removeprefix("psw-")] = int(entry)
    return found


def status(pid):
    """/proc/PID/status."""
    lines = pathlib.Path("/proc", str(pid), "status").read_text(encoding="ascii", errors="replace").splitlines()
    return {line.split(":\t")[0]: line.split(":\t")[-1].strip() for line in lines}


class SandboxTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        make_certificate(cls.directory)

    def test_both_children_of_a_fetch_are_confined(self):
        waiter = Waiter(self.directory / "cert.pem", self.directory / "cert.key")
        self.addCleanup(waiter.stop)
        node = nodes.Node({"fetch": {"ca": self.directory / "cert.pem"}})
        self.addCleanup(node.stop)
        node.start()
        if "sandbox-incomplete" in node.log():
            self.skipTest("this system lacks Landlock or seccomp")
        node.ctl("fetch", f"https://localhost:{waiter.port}/a", "--sha256", hashlib.sha256(b"").hexdigest(), "--no-wait")
        self.assertTrue(waiter.asked.wait(nodes.DEADLINE), "the courier did not ask")
        working = nodes.wait_until(lambda: len(children(node.manager.pid)) == 2 and children(node.manager.pid),
                                   "two children")
        self.assertEqual(sorted(working), ["courier", "fetch"])
        for task, pid in working.items():
            with self.subTest(task=task):
                facts = nodes.wait_until(lambda pid=pid: status(pid)["Seccomp"] == "2" and status(pid), "seccomp")
                self.assertEqual(facts["NoNewPrivs"], "1")
                for capabilities in "CapEff", "CapPrm", "CapInh", "CapAmb":
                    self.assertEqual(int(facts[capabilities], 16), 0)
                if os.geteuid() == 0 and task == "courier":
                    self.assertEqual(facts["Uid"].split(), [str(NOBODY)] * 4)
                    self.assertEqual(facts["Groups"], "")
                limits = pathlib.Path("/proc", str(pid), "limits").read_text(encoding="ascii")
                self.assertRegex(limits, r"Max core file size +0 +0")
                self.assertRegex(limits, r"Max open files +256 +256")


if __name__ == "__main__":
    unittest.main()
