# SPDX-License-Identifier: Apache-2.0
"""Several quoting enclaves in a generation: all quote, one that ends is replaced and nobody notices."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import threading
import unittest

from tests.support import aesm, control
from tests.support.node import Node, wait_until
from tests.support.quoted import Stage


def setUpModule():
    """One platform for all: its keys take long to make."""
    Case.stage = Stage()
    unittest.addModuleCleanup(Case.stage.close)
    Case.bundle = Case.stage.bundle("1.0", 8)


class Case(unittest.TestCase):
    def knobs(self, **values):
        """Changes platform.yaml until the end of the test."""
        self.enterContext(self.stage.platform.knobs(**values))

    def generation(self, engines, bundle=None, **config):
        """A generation that is ready, and a control connection to it."""
        daemon = self.stage.start(bundle or self.bundle, generation=1, config={"engines": engines, **config})
        self.addCleanup(daemon.kill)
        link = daemon.wait_ready()
        self.addCleanup(link.close)
        return daemon, link

    def serve(self, engines, bundle=None, **config):
        """A quoted that serves on a socket."""
        daemon = self.stage.start(bundle or self.bundle, config={"engines": engines, **config})
        self.addCleanup(daemon.kill)
        return daemon.wait_serving()

    def report(self, daemon):
        return self.stage.report(aesm.ask_answer(daemon.socket, aesm.init_request())[2])

    @staticmethod
    def quote_many(daemon, report, clients, each, info=None):
        """The codes of quotes asked for by so many clients at once."""
        codes = []

        def ask():
            for _ in range(each):
                codes.append(aesm.ask_answer(daemon.socket, aesm.quote_request(report, 8192, info)).code)
        threads = [threading.Thread(target=ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return codes

    @staticmethod
    def children(daemon):
        """Engine processes of a quoted: its nursery's children."""
        parents, names = {}, {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                head, _, tail = path.read_text().rpartition(")")
                pid, _, name = head.partition(" (")
                names[int(pid)], parents[int(pid)] = name, int(tail.split()[1])
        return sorted(pid for pid, parent in parents.items() if names[pid] == "quoted-engine" and
                      names.get(parent) == "quoted-nursery" and parents.get(parent) == daemon.pid)


class Quotes(Case):
    def test_ready_means_that_all_are_warm(self):
        daemon, link = self.generation(3)
        others = self.children(daemon)
        self.assertEqual(len(others), 2)
        self.assertEqual({os.sched_getscheduler(pid) for pid in others}, {os.SCHED_OTHER})  # whatever they warmed up with
        self.assertEqual(link.status()["engines"], {"wanted": 3, "ready": 3})

    def test_one_alone_has_no_other_process(self):
        daemon, link = self.generation(1)
        self.assertEqual(link.status()["engines"], {"wanted": 1, "ready": 1})
        self.assertEqual(self.children(daemon), [])

    def test_every_engine_makes_the_same_quotes_with_a_nonce_and_refuses_the_same_reports(self):
        self.knobs(quote=20000)
        daemon = self.serve(2)
        report = self.report(daemon)
        self.assertEqual(self.quote_many(daemon, report, 6, 3, b"n" * 16 + bytes(944)), [0] * 18)
        self.assertEqual(self.quote_many(daemon, report[:-1] + bytes([report[-1] ^ 1]), 6, 3), [47] * 18)

    def test_a_key_to_certify_again_is_each_engines_own_affair(self):
        bundle = self.stage.bundle("1.1", 8, "--fault", "quote:0xe00f,after=3,every=3")
        self.knobs(quote=10000)
        daemon = self.serve(2, bundle)
        self.assertEqual(self.quote_many(daemon, self.report(daemon), 4, 6), [0] * 24)


class Ends(Case):
    def test_one_that_is_killed_costs_no_quote_and_is_replaced(self):
        self.knobs(quote=20000)
        daemon = self.serve(3)
        report = self.report(daemon)
        for _ in range(3):
            victims = wait_until(lambda: len(self.children(daemon)) == 2 and self.children(daemon), "both processes")
            killer = threading.Timer(0.05, os.kill, (victims[0], signal.SIGKILL))
            killer.start()
            self.assertEqual(self.quote_many(daemon, report, 6, 4), [0] * 24)
            killer.join()
            wait_until(lambda: victims[0] not in self.children(daemon), "the end of one")
        wait_until(lambda: len(self.children(daemon)) == 2, "both processes again")
        self.assertIn("engine-process-ended", daemon.log())

    def test_one_that_hangs_costs_no_quote_and_is_replaced(self):
        self.knobs(quote=30000)
        daemon = self.serve(2, engine_timeout="4s")
        report = self.report(daemon)
        stuck = self.children(daemon)[0]
        os.kill(stuck, signal.SIGSTOP)
        self.assertEqual(self.quote_many(daemon, report, 4, 1), [0] * 4)
        wait_until(lambda: self.children(daemon) not in ([], [stuck]), "another process in its place")
        self.assertEqual(self.quote_many(daemon, report, 4, 1), [0] * 4)

    def test_they_end_with_their_generation_however_it_ends(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGABRT):
            with self.subTest(number):
                daemon = self.serve(3)
                children = self.children(daemon)
                self.assertEqual(len(children), 2)
                daemon.end(number)
                for pid in children:
                    wait_until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), "the end of an engine process")

    def test_they_outlive_a_signal_for_their_group(self):
        daemon = self.serve(2)
        child = self.children(daemon)[0]
        os.kill(child, signal.SIGTERM)
        self.assertEqual(self.quote_many(daemon, self.report(daemon), 3, 3), [0] * 9)
        self.assertEqual(self.children(daemon), [child])

    def test_a_lame_duck_does_with_its_own_and_gets_them_back(self):
        daemon, link = self.generation(3)
        path = self.stage.path("listener")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            link.call(control.WATCH)
            link.call(control.ACCEPT, {"ducks": []}, listener.fileno())
            link.call(control.DRAIN)
            link.event(control.DRAINED)
            wait_until(lambda: self.children(daemon) == [], "the end of the others")
            self.assertEqual(link.status()["engines"]["wanted"], 1)
            link.call(control.RESUME, {"ducks": []})
            wait_until(lambda: link.status()["engines"]["ready"] == 3, "the others")


class Refusals(Case):
    def fails(self, words, **config):
        daemon = self.stage.start(self.bundle, config=config)
        self.addCleanup(daemon.kill)
        status = daemon.process.wait(60)
        self.assertIn(words, daemon.log())
        return status

    def test_too_little_epc_keeps_a_generation_from_being_ready(self):
        epc = int(re.search(r"epc_kib: (\d+)", (self.bundle / "manifest.yaml").read_text()).group(1))
        self.knobs(epc_kib=epc + epc // 2)
        self.assertEqual(self.fails("the quoting enclave does not start: the quote library says 0xe012", engines=2), 16)

    def test_more_than_threads_allow_are_refused_and_else_bring_their_threads(self):
        self.assertEqual(self.fails("write more threads", engines=4, threads=5), 3)
        self.assertEqual(self.fails("a number from 1 to 16", engines=17), 3)
        self.assertEqual(self.quote_many(daemon := self.serve(8), self.report(daemon), 4, 2), [0] * 8)


class Managed(Case):
    def test_the_epc_of_all_engines_is_counted(self):
        path = self.stage.path("quoted.yaml")
        path.write_text("engines: 2\n")
        first = self.stage.platform.bundle("5.0", 8, output=self.stage.path("5.0.pswb"))
        second = self.stage.platform.bundle("6.0", 9, output=self.stage.path("6.0.pswb"))
        epc = int(re.search(r"epc_kib: (\d+)", (self.bundle / "manifest.yaml").read_text()).group(1))
        settings = {"quoted": {"config": path}, "swap": {"soak": "0", "epc_size": f"{3 * epc}KiB"}}
        with Node(settings, self.stage.platform) as node:
            node.ctl("stage", first)
            node.ctl("stage", second)
            node.ctl("swap", "5.0")
            refused = node.ctl_raw("swap", "6.0")
            self.assertEqual(refused.returncode, 10, refused.stderr)
            self.assertIn(f"need {4 * epc} KiB of EPC", refused.stderr)


if __name__ == "__main__":
    unittest.main()
