# SPDX-License-Identifier: Apache-2.0
"""aesm-load tells the truth: what fails is counted under its name, and a stall shows in full."""

import csv
import json
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from tests.support import node as nodes


def answer(number, inner):
    """A response frame around the inner message."""
    tag = number << 3 | 2
    body = bytes([tag & 0x7F | 0x80, tag >> 7, len(inner)]) + inner
    return struct.pack("<I", len(body)) + body


NUM_1 = answer(21, bytes([8, 0, 16, 1]))


class Server(threading.Thread):
    """Takes connections one after the other; `reply` gets the request and a connection to answer on."""

    def __init__(self, path, reply):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.reply = reply
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.reply(connection)
                except OSError:
                    pass

    def close(self):
        """Wakes the accept and closes."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join(nodes.DEADLINE)
        self.listener.close()


def read_request(connection):
    """The whole request."""
    size = struct.unpack("<I", connection.recv(4, socket.MSG_WAITALL))[0]
    return connection.recv(size, socket.MSG_WAITALL)


class LoadTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="psw-")
        self.addCleanup(self.directory.cleanup)
        self.path = pathlib.Path(self.directory.name) / "aesm.socket"

    def serve(self, reply):
        server = Server(self.path, reply)
        self.addCleanup(server.close)

    def load(self, *arguments):
        result = nodes.run("aesm-load", "--socket", self.path, "--json", *arguments, check=False)
        return result.returncode, json.loads(result.stdout)

    def test_good_answers_are_counted_and_the_exit_status_is_0(self):
        def reply(connection):
            read_request(connection)
            connection.sendall(NUM_1)

        self.serve(reply)
        status, report = self.load("--flow", "num", "--requests", 50, "--clients", 4)
        self.assertEqual(status, 0)
        self.assertEqual((report["requests"], report["failed"]), (50, 0))
        self.assertEqual(report["by_request"]["num"]["succeeded"], 50)

    def test_nobody_listening_is_a_failure_to_connect(self):
        status, report = self.load("--flow", "size", "--requests", 3)
        self.assertEqual(status, 1)
        self.assertEqual((report["failed"], report["failures"]["connect"]), (3, 3))

    def test_a_connection_closed_after_the_request_is_an_end_of_file(self):
        self.serve(read_request)
        status, report = self.load("--flow", "num", "--requests", 3)
        self.assertEqual(status, 1)
        self.assertEqual(report["failures"]["end-of-file"], 3)

    def test_an_answer_to_another_request_is_malformed(self):
        def reply(connection):
            read_request(connection)
            connection.sendall(answer(16, bytes([8, 0, 16, 1])))

        self.serve(reply)
        _, report = self.load("--flow", "num", "--requests", 3)
        self.assertEqual(report["failures"]["malformed"], 3)

    def test_a_refusal_is_counted_by_its_code(self):
        def reply(connection):
            read_request(connection)
            connection.sendall(answer(16, bytes([8, 18, 16, 0])))

        self.serve(reply)
        status, report = self.load("--flow", "size", "--requests", 3)
        self.assertEqual(status, 1)
        self.assertEqual(report["codes"], {"18": 3})

    def test_silence_is_a_timeout(self):
        def reply(connection):
            read_request(connection)
            connection.recv(1)

        self.serve(reply)
        _, report = self.load("--flow", "num", "--requests", 2, "--clients", 1, "--timeout", "50ms")
        self.assertEqual(report["failures"]["timeout"], 2)

    def test_a_stall_shows_in_every_request_that_was_due_in_it(self):
        first = threading.Event()

        def reply(connection):
            read_request(connection)
            if not first.is_set():
                first.set()
                time.sleep(0.5)  # the stall itself
            connection.sendall(NUM_1)

        self.serve(reply)
        timeline = pathlib.Path(self.directory.name) / "timeline.csv"
        status, report = self.load("--flow", "num", "--clients", 1, "--rate", 200, "--requests", 150, "--timeline",
                                   timeline)
        self.assertEqual((status, report["failed"]), (0, 0))
        # 100 requests were due while the server slept; a closed loop would have seen one slow request.
        self.assertGreater(report["latency_us"]["p50"], 50000)
        with open(timeline, encoding="ascii") as lines:
            slots = list(csv.DictReader(lines))
        self.assertEqual(sum(int(slot["requests"]) for slot in slots), 150)
        self.assertGreater(int(slots[1]["p50_us"]), 200000)

    def test_sigterm_ends_the_run_with_a_report(self):
        seen = threading.Event()

        def reply(connection):
            read_request(connection)
            connection.sendall(NUM_1)
            seen.set()

        self.serve(reply)
        with subprocess.Popen([nodes.program("aesm-load"), "--socket", str(self.path), "--flow", "num", "--json",
                               "--rate", "10", "--duration", "1h"], stdout=subprocess.PIPE, text=True) as process:
            self.assertTrue(seen.wait(nodes.DEADLINE))
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=nodes.DEADLINE)
        self.assertEqual(process.returncode, 0)
        self.assertGreater(json.loads(out)["requests"], 0)

    def test_a_wrong_command_line_names_what_is_wrong(self):
        for arguments, wanted in ((["--flow", "num"], "--socket"), (["--socket", "x"], "--platform"),
                                  (["--socket", "x", "--rate", "0x10"], "0x10"), (["--bogus"], "--bogus")):
            result = nodes.run("aesm-load", *arguments, check=False)
            self.assertEqual(result.returncode, 2)
            self.assertIn(wanted, result.stderr)


if __name__ == "__main__":
    unittest.main()
