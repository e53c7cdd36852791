# SPDX-License-Identifier: Apache-2.0
"""The control socket of a generation, message by message, and what clients see of it."""

import array
import contextlib
import os
import pathlib
import select
import signal
import socket
import stat
import struct
import subprocess
import threading
import unittest

from tests.support import aesm, control
from tests.support.control import Refused
from tests.support.node import program, wait_until
from tests.support.quoted import Quote, Stage, listener

CONFLICT, INPUT, NOT_FOUND, USAGE = 7, 3, 6, 1  # ErrorKind
E015 = 0xE015

STAGE = None
OLD = NEW = TWIN = None


def setUpModule():
    global STAGE, OLD, NEW, TWIN
    STAGE = Stage()
    unittest.addModuleCleanup(STAGE.close)
    OLD, NEW = STAGE.bundle("1.0", 8), STAGE.bundle("2.0", 9)
    TWIN = STAGE.bundle("1.1", 8, "--enclave-version", "1.0")  # the same enclaves as 1.0


class Case(unittest.TestCase):
    """Generations of one test: they share the test's listener and end with it."""

    def setUp(self):
        self.socket = STAGE.path("aesm.socket")
        self.listener = listener(self.socket)
        self.number = 0
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.listener.close)
        self.addCleanup(self.stack.close)

    def generation(self, bundle=None, config=None):
        """A ready generation with its control connection."""
        self.number += 1
        quoted = STAGE.start(bundle or OLD, generation=self.number, config=config)
        self.stack.callback(quoted.kill)
        quoted.number, quoted.link = self.number, quoted.wait_ready()
        self.stack.callback(quoted.link.close)
        return quoted

    def serve(self, quoted, ducks=(), **more):
        """ACCEPT with the listener."""
        arguments = {"ducks": [self.duck(duck) for duck in ducks], **more}
        return quoted.link.call(control.ACCEPT, arguments, self.listener.fileno()).json()

    @staticmethod
    def duck(quoted):
        return {"generation": quoted.number, "control": str(quoted.control_path)}

    def drain(self, quoted):
        quoted.link.call(control.DRAIN)
        return quoted.link.event(control.DRAINED).json()

    def num(self):
        return aesm.ask_answer(self.socket, aesm.request(aesm.NUM))

    def target_info(self):
        return aesm.ask_answer(self.socket, aesm.init_request())[2]

    def quote(self, report, buf_size=8192, info=None):
        return aesm.ask_answer(self.socket, aesm.quote_request(report, buf_size, info))


class Messages(Case):
    def test_watch_gives_ready_once_and_the_status(self):
        self.number += 1
        quoted = STAGE.start(OLD, generation=7)
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
        STAGE.directory.chmod(0o755)
        script = ("import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\ns.settimeout(10)\n"
                  "s.connect(sys.argv[1])\n"
                  "try:\n s.send(bytes([1,0,0,0,1,0,0,0])+bytes(8)); sys.exit(1 if s.recv(9999) else 0)\n"
                  "except OSError: sys.exit(0)\n")
        result = subprocess.run(["/usr/bin/python3", "-c", script, str(quoted.control_path)], user=12345, timeout=20,
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
        wait_until(lambda: quoted.descriptors() == before, "the descriptors to be closed")

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
        bad = STAGE.bundle("3.10", 8, "--fault", "init:0xe001")
        for bundle, kind, words in ((bad, "engine", "0xe001"), (STAGE.path("none"), "not-found", "none")):
            with self.subTest(kind):
                ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with ours, its, open(STAGE.path("log"), "wb") as log:
                    process = subprocess.Popen([program("quoted"), "--bundle", str(bundle), "--generation", "1", "--control",
                                                str(STAGE.path("first.sock")), "--control-fd", str(its.fileno())],
                                               pass_fds=[its.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                    self.stack.callback(process.kill)
                    its.close()
                    process.wait(60)
                    said = []
                    while data := ours.recv(65536):
                        said.append(control.Message(data, []))
                failed = [message for message in said if message.type == control.FAILED]
                self.assertEqual([(message.json()["kind"], words in message.json()["error"]) for message in failed],
                                 [(kind, True)])

    def assert_failure_is_told(self, version, fault, words):
        """Events and exit status of a generation that fails to warm up."""
        # A load that takes a moment, so that somebody can watch.
        with STAGE.platform.knobs(load=300000):
            quoted = STAGE.start(STAGE.bundle(version, 8, "--fault", fault), generation=1)
            self.stack.callback(quoted.kill)
            with quoted.control() as link:
                self.assertEqual(link.call(control.WATCH).json()["state"], "warming")
                for kind in (control.TRIAL, control.DRAIN, control.RESUME):
                    with self.assertRaises(Refused) as refused:
                        link.call(kind)
                    self.assertEqual(refused.exception.status, CONFLICT)
                failed = link.event(control.FAILED).json()
                self.assertEqual(failed["kind"], "engine")
                self.assertIn(words, failed["error"])
        self.assertEqual(quoted.process.wait(20), 16)

    def test_two_generations_with_one_control_path(self):
        quoted = self.generation()
        second = subprocess.run([quoted.process.args[0], "--bundle", str(OLD), "--generation", "2", "--control",
                                 str(quoted.control_path)], capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(second.returncode, 8, second.stderr)
        self.assertEqual(quoted.link.status()["state"], "ready")


class Draining(Case):
    def test_drain_finishes_what_was_accepted_and_leaves_the_rest_to_the_next(self):
        first, second = self.generation(), self.generation(NEW)
        self.serve(first)
        report = STAGE.report(self.target_info())
        with STAGE.platform.knobs(quote=200000), aesm.Connection(self.socket) as one, aesm.Connection(self.socket) as two:
            one.send(aesm.quote_request(report, 8192))
            two.send(aesm.quote_request(report, 8192))
            self.assertEqual(self.num().code, 0)
            self.serve(second, [first])
            first.link.call(control.DRAIN)
            self.assertEqual(first.link.status()["state"], "draining")
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
        report = STAGE.report(self.target_info())
        with STAGE.platform.knobs(quote=200000), aesm.Connection(self.socket) as slow:
            slow.send(aesm.quote_request(report, 8192))
            self.assertEqual(self.num().code, 0)
            quoted.link.call(control.DRAIN)
            self.assertEqual(quoted.link.call(control.RESUME, {"ducks": []}).json()["state"], "serving")
            self.assertEqual(self.num().code, 0)
            self.assertEqual(slow.answer().code, 0)
        self.assertEqual(quoted.link.status()["state"], "serving")
        self.assertEqual(quoted.link.events, [])

    def test_a_drained_generation_does_not_spin(self):
        quoted, other = self.generation(), self.generation(NEW)
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
        report = STAGE.report(self.target_info())
        with STAGE.platform.knobs(quote=200000), aesm.Connection(self.socket) as slow:
            slow.send(aesm.quote_request(report, 8192))
            self.assertEqual(self.num().code, 0)
            quoted.link.call(control.RETIRE)
            self.assertEqual(slow.answer().code, 0)
            self.assertEqual(quoted.process.wait(20), 0)

    def test_sigterm_under_a_manager_drains_too(self):
        quoted = self.generation()
        self.serve(quoted)
        report = STAGE.report(self.target_info())
        with STAGE.platform.knobs(quote=200000), aesm.Connection(self.socket) as slow:
            slow.send(aesm.quote_request(report, 8192))
            self.assertEqual(self.num().code, 0)
            quoted.process.send_signal(signal.SIGTERM)
            self.assertEqual(slow.answer().code, 0)
        self.assertEqual(quoted.process.wait(20), 0)
        self.assertEqual(aesm.Connection(self.socket).close(), None)  # the listener is still held


class MissedWakeUp(Case):
    """The kernel wakes one process for a connection, and that one does not accept it any more."""

    def sleeper(self):
        """Somebody who watches the listener as generations do and does nothing; ends when he was woken."""
        watch = select.epoll()
        self.stack.callback(watch.close)
        watch.register(self.listener.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)
        thread = threading.Thread(target=watch.poll, args=(20,))
        thread.start()
        self.stack.callback(thread.join)
        return thread

    def test_a_client_of_which_nobody_was_told_is_found(self):
        sleeper = self.sleeper()
        quoted = self.generation()
        self.serve(quoted)
        self.assertEqual(self.num().code, 0)
        sleeper.join(20)
        self.assertFalse(sleeper.is_alive())

    def test_who_stops_accepting_looks_once_more(self):
        self.sleeper()
        quoted = self.generation()
        self.serve(quoted)
        with aesm.Connection(self.socket) as client:
            client.send(aesm.request(aesm.NUM))
            self.assertEqual(self.drain(quoted), {"finished": 1, "left": 0})
            self.assertEqual(client.answer().code, 0)


class Handover(Case):
    def rescue(self, quoted):
        channel = socket.socket(fileno=quoted.link.call(control.RESCUE).fd)
        channel.settimeout(20)
        self.stack.callback(channel.close)
        return channel

    @staticmethod
    def next_connection(channel):
        """A descriptor from the channel; -1 at its end. What says only that the process dies is passed over."""
        while True:
            content, ancillary, _, _ = channel.recvmsg(16, socket.CMSG_SPACE(4))
            if not content or ancillary:
                return array.array("i", ancillary[0][2])[0] if content else -1

    def adopt_all(self, channel, quoted, count=None):
        adopted = 0
        while count is None or adopted < count:
            fd = self.next_connection(channel)
            if fd < 0:
                break
            quoted.link.call(control.ADOPT, fd=fd)
            os.close(fd)
            adopted += 1
        return adopted

    def test_half_read_and_idle_connections_go_to_the_next_generation(self):
        first, second = self.generation(), self.generation(NEW)
        channel = self.rescue(first)
        self.serve(first)
        whole = aesm.init_request()
        waiting = [self.stack.enter_context(aesm.Connection(self.socket)) for _ in range(30)]
        sent = [(0, 1, 4, 5, 100, len(whole) - 1)[i % 6] for i in range(30)]
        for connection, size in zip(waiting, sent):
            connection.send(whole[:size])
        self.assertEqual(self.num().code, 0)
        wait_until(lambda: first.link.status()["connections"] == 30, "30 connections")
        self.serve(second)
        first.link.call(control.DRAIN)
        drained = first.link.event(control.DRAINED).json()
        self.assertEqual(drained["left"], 30)
        self.assertEqual(self.adopt_all(channel, second, 30), 30)
        mrenclave = bytes.fromhex(second.link.status()["qe"]["mrenclave"])
        for connection, size in zip(waiting, sent):
            answer = connection.send(whole[size:]).answer()
            self.assertEqual((answer.code, answer[2][:32]), (0, mrenclave))
            self.assertTrue(connection.is_closed())

    def test_sigkill_loses_no_request(self):
        first, second = self.generation(), self.generation(TWIN)
        channel = self.rescue(first)
        self.serve(first)
        report = STAGE.report(self.target_info())
        with STAGE.platform.knobs(quote=300000):
            asking = [self.stack.enter_context(aesm.Connection(self.socket)) for _ in range(8)]
            half = self.stack.enter_context(aesm.Connection(self.socket))
            idle = self.stack.enter_context(aesm.Connection(self.socket))
            for connection in asking:
                connection.send(aesm.quote_request(report, 8192))
            half.send(aesm.request(aesm.NUM)[:3])
            self.assertEqual(self.num().code, 0)
            wait_until(lambda: first.link.status()["connections"] == 10, "10 connections")
            first.process.kill()
            first.process.wait(20)
            self.serve(second)
        adopted = self.adopt_all(channel, second)
        self.assertEqual(adopted, 10)
        for connection in asking:
            answer = connection.answer()
            self.assertEqual(answer.code, 0)
            self.assertTrue(Quote(answer[2]).signature_is_good(STAGE.directory))
        self.assertEqual(half.send(aesm.request(aesm.NUM)[3:]).answer().code, 0)
        self.assertEqual(idle.send(aesm.request(aesm.NUM)).answer().code, 0)
        self.assertEqual(self.num().code, 0)

    @staticmethod
    def keeper(quoted):
        """Its process id; None while there is none."""
        children = pathlib.Path(f"/proc/{quoted.pid}/task/{quoted.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def test_a_keeper_that_is_killed_is_replaced_and_the_next_one_keeps_as_well(self):
        first, second = self.generation(), self.generation(TWIN)
        channel = self.rescue(first)
        self.serve(first)
        old = wait_until(lambda: self.keeper(first), "the keeper")
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: self.keeper(first) not in (None, old), "another keeper")
        asking = [self.stack.enter_context(aesm.Connection(self.socket)) for _ in range(5)]
        wait_until(lambda: first.link.status()["connections"] == 5, "5 connections")
        first.process.kill()
        first.process.wait(20)
        self.serve(second)
        self.assertEqual(self.adopt_all(channel, second), 5)
        for connection in asking:
            self.assertEqual(connection.send(aesm.request(aesm.NUM)).answer().code, 0)

    def test_more_half_read_connections_than_the_channel_holds_are_all_handed_over(self):
        first, second = self.generation(), self.generation(NEW)
        channel = self.rescue(first)
        self.serve(first)
        waiting = [self.stack.enter_context(aesm.Connection(self.socket)) for _ in range(400)]
        for connection in waiting:
            connection.send(aesm.request(aesm.NUM)[:5])
        wait_until(lambda: first.link.status()["connections"] == 400, "400 connections")
        self.serve(second)
        first.link.call(control.DRAIN)
        self.assertEqual(self.adopt_all(channel, second, 400), 400)
        self.assertEqual(first.link.event(control.DRAINED).json()["left"], 400)
        for connection in waiting:
            self.assertEqual(connection.send(aesm.request(aesm.NUM)[5:]).answer().code, 0)

    def test_a_process_that_is_killed_says_so_before_its_connections_come(self):
        quoted = self.generation()
        channel = self.rescue(quoted)
        self.serve(quoted)
        asking = self.stack.enter_context(aesm.Connection(self.socket))
        wait_until(lambda: quoted.link.status()["connections"] == 1, "a connection")
        quoted.process.kill()
        first, second, end = (channel.recvmsg(16, socket.CMSG_SPACE(4)) for _ in range(3))
        self.assertEqual((len(first[0]), first[1]), (1, []))
        os.close(array.array("i", second[1][0][2])[0])
        self.assertEqual(end[0], b"")
        self.assertTrue(asking.is_closed())

    def test_an_answered_connection_is_not_handed_over(self):
        first, second = self.generation(), self.generation(TWIN)
        channel = self.rescue(first)
        self.serve(first)
        for _ in range(50):
            self.assertEqual(self.num().code, 0)
        wait_until(lambda: first.link.status()["connections"] == 0, "no connections")
        first.process.kill()
        self.serve(second)
        self.assertEqual(self.adopt_all(channel, second), 0)

    def test_an_orderly_end_hands_nothing_over(self):
        quoted = self.generation()
        channel = self.rescue(quoted)
        self.serve(quoted)
        self.assertEqual(self.num().code, 0)
        self.drain(quoted)
        quoted.link.call(control.RETIRE)
        self.assertEqual(quoted.process.wait(20), 0)
        self.assertEqual(self.next_connection(channel), -1)

    def test_adopt_only_while_serving(self):
        quoted = self.generation()
        left, right = socket.socketpair()
        with left, right:
            with self.assertRaises(Refused) as refused:
                quoted.link.call(control.ADOPT, fd=left.fileno())
            self.assertEqual(refused.exception.status, CONFLICT)

    def test_an_adopted_pair_end_is_served_as_a_canary(self):
        quoted = self.generation()
        self.serve(quoted)
        left, right = socket.socketpair()
        with right:
            quoted.link.call(control.ADOPT, fd=left.fileno())
            left.close()
            right.settimeout(20)
            right.sendall(aesm.request(aesm.NUM))
            self.assertEqual(right.recv(100), aesm.answer(aesm.NUM, 0, aesm.number(2, 1)))
        self.assertEqual(quoted.link.status()["counters"]["adopted"], 1)

    def test_adopt_without_or_with_a_wrong_descriptor_is_harmless(self):
        quoted = self.generation()
        self.serve(quoted)
        with self.assertRaises(Refused):
            quoted.link.call(control.ADOPT)
        with open("/dev/null", "rb") as null:
            with contextlib.suppress(Refused):
                quoted.link.call(control.ADOPT, fd=null.fileno())
        with contextlib.suppress(Refused):
            quoted.link.call(control.ADOPT, fd=self.listener.fileno())
        self.assertEqual(self.num().code, 0)


class LameDucks(Case):
    def setUp(self):
        super().setUp()
        self.old, self.new = self.generation(), self.generation(NEW)
        self.serve(self.old)
        self.old_target = self.target_info()
        self.old_report = STAGE.report(self.old_target, bytes(range(64)))

    def swap(self, **more):
        self.serve(self.new, [self.old], **more)
        self.drain(self.old)

    def test_reports_for_both_enclaves_are_answered_after_a_swap(self):
        self.swap()
        new_target = self.target_info()
        self.assertNotEqual(new_target[:32], self.old_target[:32])
        for report, target in ((self.old_report, self.old_target), (STAGE.report(new_target), new_target)):
            answer = self.quote(report)
            self.assertEqual(answer.code, 0)
            quote = Quote(answer[2])
            self.assertEqual((quote.qe_mrenclave, quote.body), (target[:32], report[:384]))
            self.assertTrue(quote.signature_is_good(STAGE.directory))
        counters = self.new.link.status()["counters"]
        self.assertEqual((counters["duck_answers"], counters["duck_refusals"]), (1, 0))
        self.assertEqual(self.old.link.status()["counters"]["relayed"], 1)

    def test_the_size_told_fits_the_quotes_of_all(self):
        self.swap()
        size = aesm.ask_answer(self.socket, aesm.size_request())[2]
        self.assertEqual(size, max(q.link.status()["quote_size"] for q in (self.old, self.new)))
        self.assertEqual(self.quote(self.old_report, size).code, 0)

    def test_the_report_of_the_duck_on_its_quote(self):
        self.swap()
        info = bytes(16) + self.old_target + bytes(432)
        answer = self.quote(self.old_report, 8192, info)
        self.assertEqual((answer.code, answer[3][:528]), (0, info[:528]))
        self.assertEqual(answer[3][528 + 64:528 + 96], self.old_target[:32])

    def test_a_report_for_nobody_is_47_or_with_reinit_42(self):
        forged = bytearray(self.old_report)
        forged[400] ^= 1
        self.swap()
        self.assertEqual(self.quote(bytes(forged)).frame, aesm.answer(aesm.QUOTE, 47))
        self.new.link.call(control.DUCKS, {"ducks": [self.duck(self.old)], "reinit": True})
        self.assertEqual(self.quote(bytes(forged)).frame, aesm.answer(aesm.QUOTE, 42))
        self.assertEqual(self.quote(self.old_report).code, 0)
        self.new.link.call(control.DUCKS, {"ducks": []})
        self.assertEqual(self.quote(self.old_report).code, 47)
        self.new.link.call(control.DUCKS, {"ducks": [], "reinit": True})
        self.assertEqual(self.quote(self.old_report).code, 42)

    def test_ducks_are_asked_newest_first_until_one_answers(self):
        third = self.generation(STAGE.bundle("3.1", 10))
        self.swap()
        self.serve(third, [self.new, self.old])
        self.drain(self.new)
        self.assertEqual(self.quote(self.old_report).code, 0)
        relayed = [q.link.status()["counters"]["relayed"] for q in (self.old, self.new)]
        self.assertEqual(relayed, [1, 0])

    def test_a_dead_duck_costs_its_own_clients_only(self):
        third = self.generation(STAGE.bundle("3.2", 10))
        self.swap()
        middle_report = STAGE.report(self.target_info())
        self.serve(third, [self.new, self.old])
        self.drain(self.new)
        self.new.process.kill()
        self.new.process.wait(20)
        self.assertEqual(self.quote(self.old_report).code, 0)
        self.assertNotEqual(self.quote(middle_report).code, 0)
        self.assertEqual(self.quote(STAGE.report(self.target_info())).code, 0)

    def test_an_unreachable_duck_is_an_alarm_and_no_failure(self):
        self.new.link.call(control.WATCH)
        gone = {"generation": 99, "control": str(STAGE.path("gone.sock"))}
        status = self.new.link.call(control.ACCEPT, {"ducks": [gone, self.duck(self.old)]}, self.listener.fileno()).json()
        self.assertEqual(status["state"], "serving")
        self.assertEqual(self.new.link.event(control.ALARM).json()["kind"], "unavailable")
        self.drain(self.old)
        self.assertEqual(self.quote(self.old_report).code, 0)

    def test_a_generation_asked_for_a_quote_answers_from_its_own_engine(self):
        self.swap()
        code, quote, _ = self.old.link.quote(self.old_report, 8192)
        self.assertEqual((code, Quote(quote).qe_mrenclave), (0, self.old_target[:32]))
        self.assertEqual(len(quote), self.old.link.status()["quote_size"])
        self.assertEqual(self.new.link.quote(self.old_report, 8192)[0], E015)
        self.assertEqual(self.old.link.quote(self.old_report, 1000)[0], 0xE002)
        code, _, info = self.old.link.quote(self.old_report, 8192, bytes(16) + self.old_target + bytes(432))
        self.assertEqual((code, len(info)), (0, 960))

    def test_the_ring_of_two_generations_does_not_ask_for_ever(self):
        self.swap()
        self.old.link.call(control.DUCKS, {"ducks": [self.duck(self.new)]})
        self.assertEqual(self.quote(bytes(432)).code, 47)

    def test_swapping_back_and_forth_serves_both_kinds_of_reports(self):
        self.swap()
        new_report = STAGE.report(self.target_info())
        for _ in range(5):
            for up, down in ((self.old, self.new), (self.new, self.old)):
                up.link.call(control.RESUME, {"ducks": [self.duck(down)]})
                self.drain(down)
                self.assertEqual(self.target_info()[:32], bytes.fromhex(up.link.status()["qe"]["mrenclave"]))
                self.assertEqual(self.quote(self.old_report).code, 0)
                self.assertEqual(self.quote(new_report).code, 0)


if __name__ == "__main__":
    unittest.main()
