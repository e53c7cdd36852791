# SPDX-License-Identifier: Apache-2.0
"""What becomes of clients' connections when the generation that has them drains, ends or dies."""

import array
import contextlib
import fcntl
import os
import pathlib
import select
import signal
import socket
import struct
import termios
import threading
import unittest

from tests.support import aesm, control
from tests.support.cases import GenerationCase
from tests.support.control import Refused
from tests.support.node import wait_until
from tests.support.quoted import Quote

CONFLICT = 7  # ErrorKind

setUpModule = GenerationCase.open_module


class MissedWakeUp(GenerationCase):
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
        while sleeper.is_alive():  # who is slow to wake up finds nobody any more, and sleeps on
            self.assertEqual(self.num().code, 0)
            sleeper.join(0.2)

    def test_who_stops_accepting_looks_once_more(self):
        self.sleeper()
        quoted = self.generation()
        self.serve(quoted)
        with aesm.Connection(self.socket) as client:
            client.send(aesm.request(aesm.NUM))
            self.assertEqual(self.drain(quoted), {"finished": 1, "left": 0})
            self.assertEqual(client.answer().code, 0)


class RescueCase(GenerationCase):
    """With the manager's part of the rescue channel."""

    def rescue(self, quoted):
        """The channel's receiving end."""
        channel = socket.socket(fileno=quoted.link.call(control.RESCUE).fd)
        channel.settimeout(60)
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
        """Gives what comes through the channel to a generation; how many there were."""
        adopted = 0
        while count is None or adopted < count:
            fd = self.next_connection(channel)
            if fd < 0:
                break
            quoted.link.call(control.ADOPT, fd=fd)
            os.close(fd)
            adopted += 1
        return adopted


class Handover(RescueCase):
    def test_half_read_and_idle_connections_go_to_the_next_generation(self):
        first, second = self.generation(), self.generation(self.NEW)
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
        first, second = self.generation(), self.generation(self.TWIN)
        channel = self.rescue(first)
        self.serve(first)
        report = self.stage.report(self.target_info())
        with self.stage.platform.knobs(quote=20000000):  # the first makes none of them; the second is not slow any more
            asking = [self.stack.enter_context(aesm.Connection(self.socket)) for _ in range(8)]
            half = self.stack.enter_context(aesm.Connection(self.socket))
            idle = self.stack.enter_context(aesm.Connection(self.socket))
            for connection in asking:
                connection.send(aesm.quote_request(report, 8192))
            half.send(aesm.request(aesm.NUM)[:3])
            self.assertEqual(self.num().code, 0)
            wait_until(lambda: first.link.status()["connections"] == 10, "10 connections")
            first.process.kill()
            first.process.wait(60)
            self.serve(second)
        adopted = self.adopt_all(channel, second)
        self.assertEqual(adopted, 10)
        for connection in asking:
            answer = connection.answer()
            self.assertEqual(answer.code, 0)
            self.assertTrue(Quote(answer[2]).signature_is_good(self.stage.directory))
        self.assertEqual(half.send(aesm.request(aesm.NUM)[3:]).answer().code, 0)
        self.assertEqual(idle.send(aesm.request(aesm.NUM)).answer().code, 0)
        self.assertEqual(self.num().code, 0)

    @staticmethod
    def keeper(quoted):
        """Its process id; None while there is none."""
        children = pathlib.Path(f"/proc/{quoted.pid}/task/{quoted.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def test_a_keeper_that_is_killed_is_replaced_and_the_next_one_keeps_as_well(self):
        first, second = self.generation(), self.generation(self.TWIN)
        channel = self.rescue(first)
        self.serve(first)
        old = wait_until(lambda: self.keeper(first), "the keeper")
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: self.keeper(first) not in (None, old), "another keeper")
        asking = [self.stack.enter_context(aesm.Connection(self.socket)) for _ in range(5)]
        wait_until(lambda: first.link.status()["connections"] == 5, "5 connections")
        first.process.kill()
        first.process.wait(60)
        self.serve(second)
        self.assertEqual(self.adopt_all(channel, second), 5)
        for connection in asking:
            self.assertEqual(connection.send(aesm.request(aesm.NUM)).answer().code, 0)

    def test_more_half_read_connections_than_the_channel_holds_are_all_handed_over(self):
        first, second = self.generation(), self.generation(self.NEW)
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
        first, second = self.generation(), self.generation(self.TWIN)
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
        self.assertEqual(quoted.process.wait(60), 0)
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
            right.settimeout(60)
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


class Oddities(RescueCase):
    """Clients that do what sound ones do not, when a generation drains or is killed: each gets its one answer."""

    def take_over(self, first, channel, second, kill):
        """The second takes the first one's place, as the manager would do it."""
        if kill:
            first.process.kill()
            first.process.wait(60)
            self.serve(second)
            return self.adopt_all(channel, second)
        self.serve(second)
        first.link.call(control.DRAIN)
        return self.adopt_all(channel, second, first.link.event(control.DRAINED).json()["left"])

    @staticmethod
    def accepted(quoted):
        """How many connections it has had."""
        return quoted.link.status()["counters"]["accepted"]

    def assert_answered_once(self, connection, number=aesm.QUOTE):
        answer = connection.answer()
        self.assertEqual((answer.number, answer.code), (number, 0))
        with contextlib.suppress(ConnectionResetError):  # where something that it sent was left unread
            self.assertTrue(connection.is_closed())

    def assert_unharmed(self, quoted):
        """Every thread does its work, and nothing is left of what was before."""
        report = self.stage.report(self.target_info())
        with self.stage.platform.knobs(quote=1000):
            asking = [self.stack.enter_context(aesm.Connection(self.socket)).send(aesm.quote_request(report, 8192))
                      for _ in range(16)]
            for connection in asking:
                self.assert_answered_once(connection)
        wait_until(lambda: quoted.link.status()["connections"] == 0, "all connections to be closed")
        self.assertEqual(quoted.link.status()["waiting"], 0)

    def test_whoever_has_asked_is_answered_once_whatever_it_sent_behind_it(self):
        for kill in (False, True):
            with self.subTest(kill=kill):
                first, second = self.generation(), self.generation(self.TWIN)
                channel = self.rescue(first)
                self.serve(first)
                whole = aesm.quote_request(self.stage.report(self.target_info()), 8192)
                behind = (b"", whole, whole[:len(whole) // 2], b"\xff" * 7, bytes(60000), b"\xff\xff\xff\xff" * 1000)
                before = self.accepted(first)
                with self.stage.platform.knobs(quote=100000):
                    asking = [self.stack.enter_context(aesm.Connection(self.socket)) for _ in range(2 * len(behind))]
                    for i, connection in enumerate(asking):
                        connection.send(whole + behind[i % len(behind)])
                        if i >= len(behind):
                            connection.end_sending()
                    wait_until(lambda: self.accepted(first) == before + len(asking), "all to have come")
                    self.take_over(first, channel, second, kill)
                for connection in asking:
                    self.assert_answered_once(connection)
                self.assert_unharmed(second)
                second.link.call(control.RETIRE)
                self.assertEqual(second.process.wait(60), 0)

    def test_who_ends_in_the_middle_of_a_request_gets_no_answer_and_holds_up_nobody(self):
        for kill in (False, True):
            with self.subTest(kill=kill):
                first, second = self.generation(), self.generation(self.TWIN)
                channel = self.rescue(first)
                self.serve(first)
                whole = aesm.request(aesm.NUM)
                halves = [self.stack.enter_context(aesm.Connection(self.socket)) for _ in range(len(whole))]
                for size, connection in enumerate(halves):
                    connection.send(whole[:size])
                wait_until(lambda: first.link.status()["connections"] == len(halves), "all to have come")
                for connection in halves[::2]:
                    connection.end_sending()
                self.take_over(first, channel, second, kill)
                for size, connection in enumerate(halves):
                    if size % 2 == 0:
                        with contextlib.suppress(ConnectionResetError):
                            self.assertTrue(connection.is_closed())
                    else:
                        self.assert_answered_once(connection.send(whole[size:]), aesm.NUM)
                self.assert_unharmed(second)
                second.link.call(control.RETIRE)
                self.assertEqual(second.process.wait(60), 0)

    def half_written(self, quoted, size, count=1):
        """Lets it serve; clients whose answers do not fit between them and the server. A part of each has come."""
        clients = [self.stack.enter_context(aesm.Connection(self.socket)) for _ in range(count)]
        accepted = [self.listener.accept()[0] for _ in clients]
        self.serve(quoted)
        for connection in accepted:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as little as there is
            quoted.link.call(control.ADOPT, fd=connection.fileno())
        whole = aesm.quote_request(self.stage.report(self.target_info()), size)
        for client, connection in zip(clients, accepted):
            client.send(whole)
            # The request is taken out a moment after the first part was sent.
            wait_until(lambda ends=(client.socket, connection): self.unread(ends[0]) > 0 and self.unread(ends[1]) == 0,
                       "the beginning of an answer")
            connection.close()
        return clients

    @staticmethod
    def unread(end):
        """How many bytes have come."""
        return struct.unpack("i", fcntl.ioctl(end, termios.FIONREAD, bytes(4)))[0]

    def test_an_answer_that_is_half_written_is_finished_by_who_began_it(self):
        first, second = self.generation(), self.generation(self.TWIN)
        channel = self.rescue(first)
        size = 140000
        slow = self.half_written(first, size, 3)
        for client in slow:
            self.assertLess(self.unread(client.socket), size)
        self.serve(second)
        first.link.call(control.DRAIN)
        self.assertEqual(first.link.status()["state"], "draining")
        for client in slow:
            head = bytearray()
            while len(head) < 100:
                head += client.receive(1)
            rest = client.receive(struct.unpack("<I", head[:4])[0] + 4 - len(head))
            answer = aesm.Answer(bytes(head) + rest)
            self.assertEqual((answer.code, len(answer[2])), (0, size))
            self.assertTrue(Quote(answer[2]).signature_is_good(self.stage.directory))
            self.assertTrue(client.is_closed())
        self.assertEqual(first.link.event(control.DRAINED).json()["left"], 0)
        self.assert_unharmed(second)
        self.assertEqual(first.link.call(control.RETIRE).json()["connections"], 0)
        self.assertEqual(self.next_connection(channel), -1)

    def test_an_answer_that_is_half_written_is_not_begun_again(self):
        first, second = self.generation(), self.generation(self.TWIN)
        channel = self.rescue(first)
        size = 140000
        slow, = self.half_written(first, size)
        first.process.kill()
        first.process.wait(60)
        begun = self.unread(slow.socket)
        self.assertLess(begun, size)
        self.serve(second)
        self.assertEqual(self.adopt_all(channel, second), 1)
        slow.end_sending()  # else it is waited for more of a request
        self.assertEqual(len(slow.receive(2 * size)), begun)
        self.assert_unharmed(second)


if __name__ == "__main__":
    unittest.main()
