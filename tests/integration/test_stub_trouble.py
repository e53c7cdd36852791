# SPDX-License-Identifier: Apache-2.0
"""A quote library that hangs, crashes, ends the process or writes where it must not: who is answered, and by whom."""

import contextlib
import os
import threading
import unittest

from tests.support import aesm, stub
from tests.support.cases import StubCase
from tests.support.node import Node, run, wait_until

ENGINE_STATUS = 16
BUSY = aesm.BUSY


setUpModule = StubCase.open_module


class Alone(StubCase):
    def serve(self, **config):
        daemon = self.stage.start(self.bundle(), config=config or None)
        self.addCleanup(daemon.kill)
        return daemon.wait_serving()

    def test_who_waits_for_a_library_that_hangs_is_told_busy_in_time_and_others_are_served(self):
        daemon = self.serve(queue_timeout="1s", drain_timeout="300ms")
        self.wishes.set("quote", "hang")
        with aesm.Connection(daemon.socket) as stuck, aesm.Connection(daemon.socket) as queued:
            stuck.send(self.request())
            wait_until(lambda: self.wishes.lines("call", "libsgx_qe3_logic.so", "sgx_ql_get_quote")[1:], "the call")
            queued.send(self.request())
            self.assertEqual(aesm.ask_answer(daemon.socket, aesm.init_request()).code, 0)
            for connection in (queued, stuck):
                answer = connection.answer()
                self.assertEqual((answer.code, answer[3][:16]), (BUSY, b"n" * 16))
                self.assertTrue(connection.is_closed())
        self.assertEqual(aesm.ask_answer(daemon.socket, self.request()).code, BUSY)
        self.assertEqual(aesm.ask_answer(daemon.socket, aesm.size_request()).code, 0)
        self.assertEqual(daemon.end(), 0)
        self.assertIn("drain-timeout", daemon.log())

    def test_an_answer_that_comes_after_all_is_nobodys(self):
        daemon = self.serve(queue_timeout="1s")
        self.wishes.set("quote", "wait", once=True)
        self.assertEqual(aesm.ask_answer(daemon.socket, self.request()).code, BUSY)
        self.wishes.set("go", "go")
        wait_until(lambda: aesm.ask_answer(daemon.socket, self.request()).code == 0, "the engine")
        self.assertEqual(daemon.end(), 0)

    def test_as_many_quotes_are_under_way_at_once_as_there_are_engines(self):
        def calls():
            return len(self.wishes.lines("call", "libsgx_qe3_logic.so", "sgx_ql_get_quote"))
        daemon = self.serve(engines=3, queue_timeout="1m")
        before = calls()
        self.wishes.set("quote", "hang")
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(aesm.Connection(daemon.socket)).send(self.request())
            wait_until(lambda: calls() >= before + 3, "three calls, of which none has come back")
            self.assertEqual(aesm.ask_answer(daemon.socket, aesm.size_request()).code, 0)
            self.assertEqual(calls(), before + 3)
            daemon.kill()

    def test_a_call_that_does_not_come_back_ends_the_process(self):
        daemon = self.serve(engine_timeout="300ms")
        self.wishes.set("quote", "hang")
        with aesm.Connection(daemon.socket) as stuck:
            stuck.send(self.request())
            self.assertEqual(daemon.process.wait(60), ENGINE_STATUS)
        self.assertIn("engine-lost", daemon.log())

    def test_a_library_that_calls_exit_is_named(self):
        daemon = self.serve()
        self.wishes.set("quote", "exit")
        with aesm.Connection(daemon.socket) as client:
            client.send(self.request())
            self.assertEqual(daemon.process.wait(60), ENGINE_STATUS)
        self.assertIn("the quote library ended the process", daemon.log())

    def test_a_library_that_writes_too_far_or_quotes_another_report_is_believed_nothing(self):
        for effect, words in (("overflow", "beyond the quote"), ("foreign", "of another report")):
            with self.subTest(effect):
                daemon = self.serve()
                self.wishes.set("quote", effect)
                with aesm.Connection(daemon.socket) as client:
                    client.send(self.request())
                    with contextlib.suppress(ConnectionResetError):
                        self.assertTrue(client.is_closed())
                self.assertEqual(daemon.process.wait(60), ENGINE_STATUS)
                self.assertIn(words, daemon.log())
                self.wishes.set("quote", None)


class Managed(StubCase):
    """The manager starts the bundle anew on the same socket, and what was not answered is answered there."""

    def node(self, **config):
        path = self.stage.path("quoted.yaml")
        path.write_text("".join(f"{key}: {value}\n" for key, value in config.items()) or "{}\n")
        node = Node({"quoted": {"config": path}}, self.stage.platform)
        self.addCleanup(node.stop)
        node.start()
        node.ctl("stage", self.packed)
        node.ctl("swap", stub.DCAP)
        return node

    def ask_many(self, node, count):
        """The codes of requests made at the same time."""
        codes = []

        def ask(number):
            codes.append(aesm.ask_answer(node.socket, self.request(b"%d" % number)).code)
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return codes

    def test_no_request_is_lost_when_a_call_hangs_or_the_library_ends_the_process(self):
        node = self.node(engine_timeout="2s", queue_timeout="10s")
        inode = node.socket.stat().st_ino
        for effect in ("hang", "crash", "abort", "exit", "overflow"):
            with self.subTest(effect):
                before = node.serving()["generation"]
                self.wishes.set("quote", effect, once=True)
                self.assertEqual(self.ask_many(node, 12), [0] * 12)
                wait_until(lambda: (node.serving() or {"generation": 0})["generation"] > before, "the next generation")
        self.assertEqual(node.socket.stat().st_ino, inode)
        self.assertIn("has not come back for", node.log())
        self.assertIn("the quote library ended the process", node.log())

    def test_what_hung_is_ended_and_the_reason_kept(self):
        node = self.node(engine_timeout="2s", queue_timeout="10s")
        pid = node.serving()["pid"]
        self.wishes.set("quote", "hang", once=True)
        self.assertEqual(self.ask_many(node, 1), [0])
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the stuck process")
        self.assertIn("has not come back", str(node.ctl("journal")))


class Simulated(unittest.TestCase):
    def test_under_load_a_library_that_hangs_now_and_then_fails_nobody(self):
        stage = StubCase.stage
        packed = stage.directory / "hanging.pswb"
        run("psw-bundle", "sim", "--platform", stage.platform.directory, "--version", "2.0", "--qe-svn", 8, "--pce-svn", 13,
            "--fault", "quote:hang,after=60", "-o", packed)
        path = stage.path("quoted.yaml")
        path.write_text("engine_timeout: 2s\n")
        node = Node({"quoted": {"config": path}, "restart": {"settle": "10ms", "delay": "10ms"}}, stage.platform)
        self.addCleanup(node.stop)
        node.start()
        node.ctl("stage", packed)
        node.ctl("swap", "2.0")
        report = node.load("--requests", 500, "--clients", 4).result()
        self.assertGreaterEqual(report["requests"], 500)
        self.assertEqual(report["failed"], 0)
        self.assertGreater(node.serving()["generation"], 1)


if __name__ == "__main__":
    unittest.main()
