# SPDX-License-Identifier: Apache-2.0
"""The control socket of a generation, message by message, and what clients see of it."""

import array
import os
import pathlib
import signal
import socket
import stat
import struct
import subprocess
import unittest

from tests.support import aesm, control
from tests.support.cases import GenerationCase
from tests.support.control import Refused
from tests.support.node import wait_until

CONFLICT, INPUT, NOT_FOUND, USAGE = 7, 3, 6, 1  # ErrorKind

setUpModule = GenerationCase.open_module


class Messages(GenerationCase):
    def test_watch_gives_ready_once_and_the_status(self):
        self.number += 1
        quoted = self.stage.start(self.OLD, generation=7)
        self.stack.callback(quoted.kill)
        with quoted.control() as link:
            status = link.call(control.WATCH).json()
            if status["state"] == "warming":
                self.assertNotIn("qe", status)
                status = link.event(control.READY).json()
            self.assertEqual((status["state"], status["generation"], status["pid"]), ("ready", 7, quoted.pid))
            self.assertIs(status["simulated"], True)
            self.assertEqual(status["bundle"]["version"], "1.0")
            self.assertRegex(status["bundle"]["digest"], "^[0-9a-f]{64}$")
            self.assertRegex(status["qe"]["mrenclave"], "^[0-9a-f]{64}$")
            self.assertEqual((status["qe"]["isv_svn"], status["pce"]["isv_svn"]), (8, 13))
            self.assertEqual(status["trial"]["kind"], "quote")
            self.assertRegex(status["started_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_the_control_socket_is_only_ours(self):
        quoted = self.generation()
        self.assertEqual(stat.S_IMODE(quoted.control_path.stat().st_mode), 0o600)

    @unittest.skipUnless(os.geteuid() == 0, "another uid can be taken only by root")
    def test_another_uid_is_not_heard_even_if_it_reaches_the_socket(self):
        quoted = self.generation()
        quoted.control_path.chmod(0o777)
        self.stage.directory.chmod(0o755)
        script = ("import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\ns.settimeout(30)\n"
                  "s.connect(sys.argv[1])\n"
                  "try:\n s.send(bytes([1,0,0,0,1,0,0,0])+bytes(8)); sys.exit(1 if s.recv(9999) else 0)\n"
                  "except OSError: sys.exit(0)\n")
        result = subprocess.run(["/usr/bin/python3", "-c", script, str(quoted.control_path)], user=12345, timeout=60,
                                capture_output=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(quoted.link.status()["state"], "ready")

    def test_ready_does_not_serve_before_accept(self):
        quoted = self.generation()
        with aesm.Connection(self.socket) as early:
            early.send(aesm.request(aesm.NUM))
            self.assertEqual(quoted.link.status()["counters"]["accepted"], 0)
            self.assertEqual(self.serve(quoted)["state"], "serving")
            self.assertEqual(early.answer().code, 0)

    def test_accept_needs_a_listener_once(self):
        quoted = self.generation()
        with self.assertRaises(Refused) as refused:
            quoted.link.call(control.ACCEPT, {"ducks": []})
        self.assertEqual(refused.exception.status, USAGE)
        self.serve(quoted)
        self.assertEqual(quoted.link.call(control.ACCEPT, {"ducks": []}).json()["state"], "serving")
        self.assertEqual(self.num().code, 0)

    def test_a_descriptor_that_is_no_listener_is_refused(self):
        quoted = self.generation()
        left, right = socket.socketpair()
        with left, right:
            with self.assertRaises(Refused):
                quoted.link.call(control.ACCEPT, {"ducks": []}, left.fileno())
        self.assertEqual(self.serve(quoted)["state"], "serving")
        self.assertEqual(self.num().code, 0)

    def test_a_closed_control_connection_ends_nothing(self):
        quoted = self.generation()
        self.serve(quoted)
        quoted.link.close()
        self.assertEqual(self.num().code, 0)
        with quoted.control() as again:
            self.assertEqual(again.status()["state"], "serving")

    def test_the_listener_is_given_back(self):
        quoted = self.generation()
        with self.assertRaises(Refused) as refused:
            quoted.link.call(control.LISTENER)
        self.assertEqual(refused.exception.status, NOT_FOUND)
        self.serve(quoted)
        with socket.socket(fileno=quoted.link.call(control.LISTENER).fd) as copy:
            self.assertEqual(copy.getsockname(), str(self.socket))
            self.assertEqual(os.fstat(copy.fileno()).st_ino, os.fstat(self.listener.fileno()).st_ino)

    def test_trial_takes_a_quote_now(self):
        quoted = self.generation()
        trial = quoted.link.call(control.TRIAL).json()
        self.assertEqual(trial["kind"], "quote")
        self.assertGreater(trial["microseconds"], 0)

    def test_events_go_to_all_that_watch_and_to_nobody_else(self):
        quoted = self.generation()
        self.serve(quoted)
        with quoted.control() as watching, quoted.control() as silent:
            quoted.link.call(control.WATCH)
            watching.call(control.WATCH)
            self.assertIn("finished", self.drain(quoted))
            watching.event(control.DRAINED)
            silent.status()
            self.assertEqual(silent.events, [])

    def test_what_is_malformed_is_refused_or_closed_and_harms_nobody(self):
        quoted = self.generation()
        for kind in (0, 15, 17, 31, 32, 2**32 - 1):
            with self.assertRaises(Refused) as refused:
                quoted.link.call(kind)
            self.assertEqual(refused.exception.status, INPUT)
        for payload in (b"{", b"[]", b'{"ducks": 5}', b'{"ducks": [{}]}', b'{"ducks": [{"control": 5}]}', b"\xff" * 32768,
                        b'{"ducks": []} x', b'{"ducks": [], "ducks": []}'):
            with self.assertRaises(Refused, msg=payload[:40]):
                quoted.link.call(control.DUCKS, payload)
        for payload in (b"", bytes(8), bytes(439), bytes(441), bytes(4) + b"\2\0\0\0" + bytes(432),
                        bytes(4) + b"\1\0\0\0" + bytes(432)):
            with self.assertRaises(Refused) as refused:
                quoted.link.call(control.QUOTE, payload)
            self.assertEqual(refused.exception.status, INPUT)
        for content in (b"\1", bytes(15), struct.pack("<IIII", 1, 1, 0, 5), struct.pack("<IIII", 1, 1, 0, 0) + b"x"):
            with quoted.control() as bad:
                bad.socket.send(content)
                self.assertIsNone(bad.receive())
        self.assertEqual(quoted.link.status()["state"], "ready")

    def test_descriptors_that_nobody_asked_for_are_closed(self):
        quoted = self.generation()
        before = quoted.descriptors()
        rights = array.array("i", [self.listener.fileno()] * 3)
        for _ in range(20):
            quoted.link.call(control.STATUS, fd=self.listener.fileno())
            quoted.link.socket.sendmsg([struct.pack("<IIII", 1, 900, 0, 0)],
                                       [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            self.assertEqual(quoted.link.receive().request, 900)
        wait_until(lambda: quoted.descriptors() <= before, "the descriptors to be closed")

    def test_requests_may_be_under_way_together(self):
        quoted = self.generation()
        numbers = [quoted.link.send(control.STATUS) for _ in range(20)]
        self.assertEqual([quoted.link.receive().request for _ in numbers], numbers)

    def test_a_failed_warm_up_is_told_and_ends_the_process(self):
        self.assert_failure_is_told("3.0", "quote:0xe012", "0xe012")

    def test_a_canary_that_is_not_answered_well_is_a_failed_warm_up(self):
        self.assert_failure_is_told("3.9", "quote:0xe012,after=1", "canary: its first client would be answered 29 ")

    def test_the_canary_leaves_no_trace(self):
        status = self.generation().link.status()
        self.assertGreater(status["canary_us"], 0)
        self.assertGreater(status["warm_up_us"], status["canary_us"])
        self.assertEqual((status["connections"], status["counters"]["accepted"]), (0, 0))
        self.assertEqual((status["counters"]["requests"], status["counters"]["answers"]), ({}, {}))

    def test_the_first_connection_keeps_what_was_said_until_somebody_reads(self):
        bad = self.stage.bundle("3.10", 8, "--fault", "init:0xe001")
        for bundle, kind, words in ((bad, "engine", "0xe001"), (self.stage.path("none"), "not-found", "none")):
            with self.subTest(kind):
                quoted = self.stage.start(bundle, generation=1, connected=True)
                self.stack.callback(quoted.kill)
                quoted.process.wait(60)
                with quoted.first as link:
                    failed = [message.json() for message in iter(link.receive, None) if message.type == control.FAILED]
                self.assertEqual([(each["kind"], words in each["error"]) for each in failed], [(kind, True)])

    def assert_failure_is_told(self, version, fault, words):
        """Events and exit status of a generation that fails to warm up."""
        # A load that takes a moment, so that it is asked meanwhile: what it is asked is there before it is.
        bundle = self.stage.bundle(version, 8, "--fault", fault)
        with self.stage.platform.knobs(load=2000000):
            quoted = self.stage.start(bundle, generation=1, connected=True)
            self.stack.callback(quoted.kill)
            asked = [quoted.first.send(kind) for kind in (control.WATCH, control.TRIAL, control.DRAIN, control.RESUME)]
            with quoted.first as link:
                messages = list(iter(link.receive, None))
        replies = {message.request: message for message in messages}
        self.assertEqual(replies[asked[0]].json()["state"], "warming")
        self.assertEqual([replies[number].status for number in asked[1:]], [CONFLICT] * 3)
        failed, = [message.json() for message in messages if message.type == control.FAILED and message.request == 0]
        self.assertEqual(failed["kind"], "engine")
        self.assertIn(words, failed["error"])
        self.assertEqual(quoted.process.wait(60), 16)

    def test_two_generations_with_one_control_path(self):
        quoted = self.generation()
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with control.Control(quoted.control_path, connected=ours) as link:
            with its:
                second = subprocess.run([quoted.process.args[0], "--bundle", str(self.OLD), "--generation", "2", "--control",
                                         str(quoted.control_path), "--control-fd", str(its.fileno())],
                                        pass_fds=[its.fileno()], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(second.returncode, 8, second.stderr)
            told = [message.json() for message in iter(link.receive, None) if message.type == control.FAILED]
        self.assertEqual([each["kind"] for each in told], ["conflict"])
        self.assertEqual(quoted.link.status()["state"], "ready")


class Draining(GenerationCase):
    def test_drain_finishes_what_was_accepted_and_leaves_the_rest_to_the_next(self):
        first, second = self.generation(), self.generation(self.NEW)
        self.serve(first)
        report = self.stage.report(self.target_info())
        with self.stage.platform.knobs(quote=200000), aesm.Connection(self.socket) as one, aesm.Connection(self.socket) as two:
            one.send(aesm.quote_request(report, 8192))
            two.send(aesm.quote_request(report, 8192))
            self.assertEqual(self.num().code, 0)
            self.serve(second, [first])
            first.link.call(control.DRAIN)
            self.assertIn(first.link.status()["state"], ("draining", "lame-duck"))  # as fast as it may be
            with aesm.Connection(self.socket) as new:
                self.assertEqual(new.send(aesm.request(aesm.NUM)).answer().code, 0)
            drained = first.link.event(control.DRAINED).json()
            self.assertEqual(one.answer().code, 0)
            self.assertEqual(two.answer().code, 0)
            self.assertEqual(drained["left"], 0)
            self.assertGreaterEqual(drained["finished"], 4)
        self.assertEqual(first.link.status()["state"], "lame-duck")

    def test_an_idle_generation_is_drained_at_once_and_only_once_told(self):
        quoted = self.generation()
        self.serve(quoted)
        quoted.link.call(control.DRAIN)
        quoted.link.event(control.DRAINED)
        self.assertEqual(quoted.link.status()["state"], "lame-duck")
        self.assertEqual(quoted.link.events, [])

    def test_resume_takes_the_listener_back(self):
        quoted = self.generation()
        self.serve(quoted)
        self.drain(quoted)
        with aesm.Connection(self.socket) as waiting:
            waiting.send(aesm.request(aesm.NUM))
            self.assertEqual(quoted.link.call(control.RESUME, {"ducks": []}).json()["state"], "serving")
            self.assertEqual(waiting.answer().code, 0)

    def test_resume_while_still_draining(self):
        quoted = self.generation()
        self.serve(quoted)
        report = self.stage.report(self.target_info())
        with self.stage.platform.knobs(quote=2000000), aesm.Connection(self.socket) as slow:
            slow.send(aesm.quote_request(report, 8192))
            self.assertEqual(self.num().code, 0)
            quoted.link.call(control.DRAIN)
            self.assertEqual(quoted.link.call(control.RESUME, {"ducks": []}).json()["state"], "serving")
            self.assertEqual(self.num().code, 0)
            self.assertEqual(slow.answer().code, 0)
        self.assertEqual(quoted.link.status()["state"], "serving")
        self.assertEqual(quoted.link.events, [])

    def test_a_drained_generation_does_not_spin(self):
        quoted, other = self.generation(), self.generation(self.NEW)
        self.serve(quoted)
        self.serve(other)
        self.drain(quoted)
        def ticks():
            fields = pathlib.Path(f"/proc/{quoted.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])
        before = ticks()
        for _ in range(2000):
            self.assertEqual(self.num().code, 0)
        self.assertLess(ticks() - before, 20)

    def test_retire_ends_the_process_after_its_work(self):
        quoted = self.generation()
        self.serve(quoted)
        report = self.stage.report(self.target_info())
        with self.stage.platform.knobs(quote=200000), aesm.Connection(self.socket) as slow:
            slow.send(aesm.quote_request(report, 8192))
            self.assertEqual(self.num().code, 0)
            quoted.link.call(control.RETIRE)
            self.assertEqual(slow.answer().code, 0)
            self.assertEqual(quoted.process.wait(60), 0)

    def test_sigterm_under_a_manager_drains_too(self):
        quoted = self.generation()
        self.serve(quoted)
        report = self.stage.report(self.target_info())
        with self.stage.platform.knobs(quote=200000), aesm.Connection(self.socket) as slow:
            slow.send(aesm.quote_request(report, 8192))
            self.assertEqual(self.num().code, 0)
            quoted.process.send_signal(signal.SIGTERM)
            self.assertEqual(slow.answer().code, 0)
        self.assertEqual(quoted.process.wait(60), 0)
        self.assertEqual(aesm.Connection(self.socket).close(), None)  # the listener is still held


if __name__ == "__main__":
    unittest.main()
