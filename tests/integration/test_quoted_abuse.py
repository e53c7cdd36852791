# SPDX-License-Identifier: Apache-2.0
# alone
"""Whatever some clients do, the others are answered, and memory and descriptors stay bounded."""

import contextlib
import os
import pathlib
import resource
import select
import socket
import struct
import subprocess
import sys
import time
import unittest

from tests.support import aesm
from tests.support.aesm import IDS, INIT, KEY_ID, NUM, QUOTE, answer, data, number, request
from tests.support.node import wait_until
from tests.support.quoted import Stage

NUM_ANSWER = answer(NUM, 0, number(2, 1))
NUM_BUSY = answer(NUM, aesm.BUSY, number(2, 0))

STAGE = None
BUNDLE = None


def setUpModule():
    global STAGE, BUNDLE
    STAGE = Stage()
    unittest.addModuleCleanup(STAGE.close)
    BUNDLE = STAGE.bundle("1.0", 8)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))


class Case(unittest.TestCase):
    """One daemon a test, with the settings that the test needs."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def start(self, preexec=None, **settings):
        self.daemon = STAGE.start(BUNDLE, config=settings or None, preexec=preexec).wait_serving()
        self.stack.callback(self.daemon.kill)
        return self.daemon

    def connect(self, count=1):
        made = [self.stack.enter_context(aesm.Connection(self.daemon.socket)) for _ in range(count)]
        return made[0] if count == 1 else made

    def ask(self, whole):
        return aesm.ask(self.daemon.socket, whole)

    def assert_serving(self):
        self.assertEqual(self.ask(request(NUM)), NUM_ANSWER)

    def report(self):
        return STAGE.report(aesm.ask_answer(self.daemon.socket, aesm.init_request())[2])


class HalfRequests(Case):
    def test_clients_that_hold_half_a_request_block_nobody(self):
        self.start()
        whole = aesm.size_request()
        held = self.connect(400)
        for i, connection in enumerate(held):
            connection.send(whole[:(0, 1, 2, 4, 5, 100, len(whole) - 1)[i % 7]])
        for _ in range(50):
            self.assert_serving()
        for i, connection in enumerate(held):
            connection.send(whole[(0, 1, 2, 4, 5, 100, len(whole) - 1)[i % 7]:])
            self.assertEqual(connection.answer().code, 0)

    def test_a_request_may_come_byte_by_byte(self):
        self.start()
        connection = self.connect()
        for i, byte in enumerate(request(IDS, number(1, 256))):
            connection.send(bytes([byte]))
            if i % 3 == 0:
                self.assert_serving()  # so that the byte before has been looked at
        self.assertEqual(connection.answer().frame, answer(IDS, 0, data(2, KEY_ID)))

    def test_a_request_in_crumbs_does_not_wait_for_room(self):
        """Its sender's account is full long before it is whole, if nobody takes out what is there."""
        self.start()
        connection = self.connect()
        for byte in aesm.quote_request(bytes(432), 8192):
            connection.send(bytes([byte]))
        self.assertEqual(connection.answer().code, 47)

    def test_a_descriptor_sent_along_hides_nothing(self):
        self.start()
        whole = request(NUM, number(9, 15000))
        for split in (0, 3, 4, len(whole) - 2):
            with self.subTest(split), open(os.devnull, "rb") as extra:
                connection = self.connect()
                socket.send_fds(connection.socket, [whole[:split + 1]], [extra.fileno()])
                connection.send(whole[split + 1:])
                self.assertEqual(connection.frame(), NUM_ANSWER)

    def test_half_requests_do_not_wait_for_a_strangers_quote(self):
        self.start()
        report = self.report()
        with STAGE.platform.knobs(quote=3000000):
            halves = self.connect(40)
            for connection in halves:
                connection.send(request(NUM)[:4])
            self.assert_serving()
            slow = self.connect().send(aesm.quote_request(report, 8192))
            self.assert_serving()
            began = time.monotonic()
            for connection in halves:
                connection.send(request(NUM)[4:])
                self.assertEqual(connection.frame(), NUM_ANSWER)
            self.assertLess(time.monotonic() - began, 2.5)
            self.assertEqual(slow.answer().code, 0)

    def test_cheap_requests_do_not_wait_for_quotes(self):
        self.start()
        report = self.report()
        with STAGE.platform.knobs(quote=3000000):
            slow = self.connect().send(aesm.quote_request(report, 8192))
            began = time.monotonic()
            for whole in (request(NUM), request(IDS, number(1, 256)), request(aesm.SELECT), aesm.init_request(),
                          aesm.init_request(flag=0), aesm.size_request(), request(1),
                          aesm.quote_request(report, 8192, key_id=bytes(256))):
                self.assertNotEqual(self.ask(whole), b"")
            self.assertLess(time.monotonic() - began, 2.5)
            self.assertEqual(slow.answer().code, 0)

    def test_silent_and_half_connections_are_closed_after_their_time(self):
        self.start(idle_timeout="300ms")
        silent, half = self.connect(2)
        half.send(request(NUM)[:3])
        self.assertTrue(silent.is_closed())
        with contextlib.suppress(ConnectionResetError):
            self.assertTrue(half.is_closed())
        self.assert_serving()


class Sizes(Case):
    def test_a_request_longer_than_the_limit_is_closed_at_once(self):
        self.start()
        before = self.daemon.rss_kib()
        for size in (128 * 1024 + 1, 2**31 - 1, 2**32 - 1):
            connection = self.connect()
            connection.send(struct.pack("<I", size))
            with contextlib.suppress(ConnectionResetError):
                self.assertTrue(connection.is_closed())
        self.assert_serving()
        self.assertLess(self.daemon.rss_kib() - before, 4096)

    def test_the_longest_request_is_answered(self):
        self.start()
        filler = 128 * 1024 - len(aesm.body(NUM)) - 5
        content = aesm.body(NUM) + data(50, bytes(filler))
        self.assertEqual(len(content), 128 * 1024)
        self.assertEqual(self.ask(aesm.frame(content)), NUM_ANSWER)

    def test_the_configured_limit_counts(self):
        self.start(request_size="4KiB")
        self.assertEqual(self.ask(aesm.frame(aesm.body(NUM) + data(50, bytes(4096 - 3 - 4)))), NUM_ANSWER)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            self.assertEqual(self.ask(aesm.frame(aesm.body(NUM) + data(50, bytes(4096)))), b"")
        self.assert_serving()

    def test_huge_buffer_sizes_cost_no_memory(self):
        self.start()
        report = self.report()
        self.assertEqual(aesm.ask_answer(self.daemon.socket, aesm.quote_request(report, 147455)).code, 0)
        before = self.daemon.rss_kib()
        for size in (2**26, 2**30, 2**31 - 1, 2**32 - 1):
            self.assertEqual(aesm.ask_answer(self.daemon.socket, aesm.quote_request(report, size)).code, 21)
            self.assertEqual(self.ask(request(2, data(1, b"x"), number(2, 0), data(3, b"y"), number(6, size))), answer(2, 30))
            self.assertEqual(self.ask(request(4, data(1, b"x"), number(2, 0), number(3, size))), answer(4, 30))
        self.assertLess(self.daemon.rss_kib() - before, 4096)

    def test_clients_that_do_not_read_block_nobody(self):
        self.start()
        report = self.report()
        whole = aesm.quote_request(report, 147000)
        lazy = self.connect(60)
        for connection in lazy:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.send(whole)
        for _ in range(20):
            self.assert_serving()
        self.assertEqual(aesm.ask_answer(self.daemon.socket, aesm.quote_request(report, 8192)).code, 0)
        for connection in lazy:
            made = connection.answer()
            self.assertEqual((made.code, len(made[2])), (0, 147000))
            self.assertTrue(connection.is_closed())


class Leaving(Case):
    def test_a_client_that_connects_only_to_look_is_no_trouble(self):
        self.start()
        for _ in range(200):
            aesm.Connection(self.daemon.socket).close()
        self.assert_serving()
        self.assertNotIn("error", self.daemon.log())

    def test_quotes_of_clients_that_left_are_not_made(self):
        self.start()
        report = self.report()
        with STAGE.platform.knobs(quote=300000):
            for _ in range(30):
                with aesm.Connection(self.daemon.socket) as connection:
                    connection.send(aesm.quote_request(report, 8192))
            began = time.monotonic()
            self.assertEqual(aesm.ask_answer(self.daemon.socket, aesm.quote_request(report, 8192)).code, 0)
            self.assertLess(time.monotonic() - began, 6.0)  # 30 quotes would take 9 s

    def test_a_pipelined_second_request_is_not_answered(self):
        self.start()
        connection = self.connect()
        connection.send(request(NUM) + request(IDS, number(1, 256)))
        self.assertEqual(connection.frame(), NUM_ANSWER)
        self.assertTrue(connection.is_closed())

    def test_descriptors_and_memory_are_given_back(self):
        self.start()
        report = self.report()
        quote = aesm.quote_request(report, 8192)

        def round_of_everything():
            for whole in (quote, request(NUM), aesm.init_request(), b"\1", b"", aesm.frame(b"\xff"), request(2)):
                for leaves in (False, True):
                    with aesm.Connection(self.daemon.socket) as connection:
                        connection.send(whole)
                        if not leaves and len(whole) > 6:
                            connection.frame()
            self.assert_serving()
        for _ in range(100):
            round_of_everything()
        wait_until(lambda: self.daemon.descriptors() < 64, "the descriptors to be closed")
        descriptors, memory = self.daemon.descriptors(), self.daemon.rss_kib()
        for _ in range(300):
            round_of_everything()
        wait_until(lambda: self.daemon.descriptors() <= descriptors, "the descriptors to be closed")
        if "libasan" not in pathlib.Path(f"/proc/{self.daemon.pid}/maps").read_text():  # it keeps what is freed
            self.assertLess(self.daemon.rss_kib() - memory, 1024)


class Overload(Case):
    def test_connections_beyond_the_limit_are_answered_busy_in_their_type(self):
        self.start(connections=20)
        report = self.report()
        with STAGE.platform.knobs(quote=5000000):
            self.quotes = [connection.send(aesm.quote_request(report, 8192)) for connection in self.connect(20)]
            self.assert_each_is_told_busy(report)
        for connection in self.quotes:
            connection.close()
        wait_until(lambda: self.ask(request(NUM)) == NUM_ANSWER, "a place")

    def told_busy(self, whole, report):
        """The answer to it when quotes have all places. Threads need not count connections in the order in which they
        were made: who asks here may have had a quote's place, which was told busy then; and a quote may be done.
        So another quote is sent whenever there was room."""
        def ask():
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who is silent for a second makes room
                got = aesm.ask_answer(self.daemon.socket, whole)
                if got is not None and got.code == aesm.BUSY:
                    return got.frame
                self.quotes.append(self.connect().send(aesm.quote_request(report, 8192)))
            return None
        return wait_until(ask, f"busy as the answer to {whole[:8].hex()}, with {len(self.quotes)} quotes or more sent")

    def assert_each_is_told_busy(self, report):
        for whole, expected in [
                (request(NUM), NUM_BUSY),
                (request(IDS, number(1, 256)), answer(IDS, 18)),
                (request(aesm.SELECT), answer(aesm.SELECT, 18)),
                (aesm.init_request(), answer(INIT, 18, number(3, 32))),
                (aesm.size_request(), answer(aesm.SIZE, 18, number(2, 0))),
                (aesm.quote_request(report, 8192), answer(QUOTE, 18)),
                (aesm.quote_request(report, 8192, bytes(960)), answer(QUOTE, 18, data(3, bytes(960)))),
                (request(1), answer(1, 18)), (request(10), answer(10, 18, number(2, 0)))]:
            self.assertEqual(self.told_busy(whole, report).hex(), expected.hex())

    def test_who_asks_nothing_makes_room_for_who_asks(self):
        self.start(connections=64, connections_per_uid=32, idle_timeout="1h")
        began = time.monotonic()
        idle = self.connect(100)
        for connection in idle[::2]:
            connection.send(request(NUM)[:3])
        first = self.ask(request(NUM))
        if time.monotonic() - began < 1:  # else some of them have been silent for a second already
            self.assertEqual(first, NUM_BUSY)
        time.sleep(1.2)  # what has to happen is that they are silent for a second
        for _ in range(50):
            late = self.connect()
            late.send(request(NUM)[:4])
            late.send(request(NUM)[4:])
            self.assertEqual(late.frame(), NUM_ANSWER)
            idle.append(late)  # on a slow machine the first of these are silent for a second, too, and make room
        closed = [connection for connection in idle if self.has_hung_up(connection)]
        self.assertGreaterEqual(len(closed), 50)

    def has_hung_up(self, connection):
        poll = select.poll()
        poll.register(connection.socket, select.POLLIN)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def test_a_client_beyond_the_limit_may_still_be_writing(self):
        self.start(connections=5)
        report = self.report()
        whole = request(NUM)
        with STAGE.platform.knobs(quote=5000000):
            self.quotes = [connection.send(aesm.quote_request(report, 8192)) for connection in self.connect(5)]
            self.assertEqual(self.told_busy(whole, report), NUM_BUSY)
            began = time.monotonic()
            late = self.connect(20)
            for connection in late:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.send(whole[:4])
            answers = {self.rest(connection, whole[4:]) for connection in late}
        if time.monotonic() - began > 1:
            answers.discard(b"")  # who is silent for a second may have had to make room
        self.assertIn(NUM_BUSY, answers)
        self.assertLessEqual(answers, {NUM_BUSY, NUM_ANSWER})  # a place may still have become free, as above

    def rest(self, connection, half):
        """The answer to a request's other half, b"" if there is none."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            return connection.send(half).frame()
        return b""

    def test_a_flood_far_beyond_the_limit_is_bounded(self):
        self.start(connections=50)
        before = self.daemon.rss_kib()
        self.connect(1000)
        wait_until(lambda: self.ask(request(NUM)) == NUM_ANSWER, "service in spite of the flood")
        self.assertLess(self.daemon.descriptors(), 50 + 2 * 256 + 64)
        self.assertLess(self.daemon.rss_kib() - before, 4096)

    def test_a_full_queue_is_answered_busy(self):
        self.start(queue=4)
        report = self.report()
        with STAGE.platform.knobs(quote=400000):
            asking = self.connect(12)
            for connection in asking:
                connection.send(aesm.quote_request(report, 8192))
            codes = sorted(connection.answer().code for connection in asking)
        # Four wait, one is in the engine; on a busy machine it may not have got there yet, or some have left again.
        self.assertEqual(set(codes), {0, 18})
        self.assertGreaterEqual(codes.count(0), 4)
        self.assertEqual(aesm.ask_answer(self.daemon.socket, aesm.quote_request(report, 8192)).code, 0)

    def test_who_waits_too_long_is_answered_busy(self):
        self.start(queue_timeout="3s")
        report = self.report()
        with STAGE.platform.knobs(quote=300000):
            asking = self.connect(16)  # for 4.8 s, or for longer on a busy machine
            for connection in asking:
                connection.send(aesm.quote_request(report, 8192))
            codes = sorted(connection.answer().code for connection in asking)
        self.assertEqual(set(codes), {0, 18})

    def test_at_the_descriptor_limit_it_neither_spins_nor_stays_away(self):
        self.start(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        self.assertIn("descriptors", self.daemon.log())
        held = self.connect(300)
        with contextlib.suppress(OSError, EOFError):
            self.assertIn(self.ask(request(NUM)), (NUM_BUSY, NUM_ANSWER, b""))

        def ticks():
            fields = pathlib.Path(f"/proc/{self.daemon.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])
        before = ticks()
        time.sleep(0.5)  # of doing nothing, which is what is measured
        self.assertLess(ticks() - before, 15)
        for connection in held:
            connection.close()
        wait_until(self.serves, "service after the flood")

    def serves(self):
        with contextlib.suppress(OSError, EOFError):
            return self.ask(request(NUM)) == NUM_ANSWER
        return False

    @unittest.skipIf(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 8192, "so many descriptors are not allowed here")
    def test_thousands_of_idle_connections_are_cheap(self):
        self.start()
        self.assert_serving()
        before = self.daemon.rss_kib()
        # Half of them is all that one uid may have.
        self.connect(2048)
        wait_until(lambda: self.daemon.descriptors() >= 2048, "the connections to be accepted")
        self.assertLess(self.daemon.rss_kib() - before, 8 * 1024)


@unittest.skipUnless(os.geteuid() == 0, "other uids can be taken only by root")
class Fairness(Case):
    def in_uid(self, uid, script, *arguments):
        """A Python program as another user; it says a line when it has begun."""
        process = subprocess.Popen([sys.executable, "-B", "-c", script, str(self.daemon.socket), *arguments], user=uid,
                                   env={"PYTHONPATH": ":".join(sys.path)}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True)
        self.stack.callback(process.stdout.close)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        process.stdout.readline()
        return process

    def setUp(self):
        super().setUp()
        STAGE.directory.chmod(0o755)

    def test_a_uid_at_its_limit_does_not_shut_others_out(self):
        self.start(connections=100, connections_per_uid=30)
        script = ("import sys,time\nfrom tests.support import aesm\n"
                  "held=[aesm.Connection(sys.argv[1]) for _ in range(30)]\n"
                  "time.sleep(1.1)\na=aesm.ask_answer(sys.argv[1], aesm.request(21))\nprint(a.code, flush=True)\ntime.sleep(60)\n")
        flooder = self.in_uid(12345, script)
        self.assertIsNone(flooder.poll())
        self.assert_serving()
        beyond = subprocess.run([sys.executable, "-B", "-c", "import sys\nfrom tests.support import aesm\n"
                                 "print(aesm.ask_answer(sys.argv[1], aesm.request(21)).code)", str(self.daemon.socket)],
                                user=12345, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True,
                                timeout=60, check=True)
        self.assertEqual(beyond.stdout.strip(), "0")  # its own silent ones make room

    def test_quotes_are_served_round_robin_over_uids(self):
        self.start()
        report = self.report()
        path = STAGE.path("report")
        path.write_bytes(report)
        path.chmod(0o644)
        with STAGE.platform.knobs(quote=100000):
            script = ("import sys,time\nfrom tests.support import aesm\nreport=open(sys.argv[2],'rb').read()\n"
                      "held=[aesm.Connection(sys.argv[1]).send(aesm.quote_request(report,8192)) for _ in range(60)]\n"
                      "print('sent', flush=True)\ntime.sleep(60)\n")
            self.in_uid(12345, script, str(path))
            began = time.monotonic()
            for _ in range(3):
                self.assertEqual(aesm.ask_answer(self.daemon.socket, aesm.quote_request(report, 8192)).code, 0)
            self.assertLess(time.monotonic() - began, 4.0)  # first come, first served would take 6 s


if __name__ == "__main__":
    unittest.main()
