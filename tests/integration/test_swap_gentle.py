# SPDX-License-Identifier: Apache-2.0
# alone
"""A swap gives way to the clients: the manager's part of it runs at the lowest priority, and ends all the same
on a node whose processors are never idle."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

from tests.support import node as nodes
from tests.support.cases import PlatformCase

FIRST, SECOND = "1.0", "2.0"
BUSY = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"


class Watch(threading.Thread):
    """Looks at a process's scheduling policy all the time; a context."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.seen = set()
        self.over = threading.Event()

    def run(self):
        with contextlib.suppress(ProcessLookupError):
            while not self.over.wait(0.001):
                self.seen.add(os.sched_getscheduler(self.pid))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(nodes.DEADLINE)


def may_come_back():
    """Whether the kernel lets a process back from the lowest priority."""
    ask = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)); " \
          "os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))"
    return subprocess.run([sys.executable, "-c", ask], stderr=subprocess.DEVNULL, check=False).returncode == 0


@unittest.skipUnless(may_come_back(), "the way back from the lowest priority is not allowed here")
class GentleSwapTest(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = [cls.platform.bundle(FIRST, 8), cls.platform.bundle(SECOND, 9)]

    def setUp(self):
        self.node = self.make_node().start()
        for file in self.files:
            self.node.ctl("stage", file)

    def policies(self):
        """Of all threads of the manager, of who serves and of its keeper."""
        pids = [self.node.manager.pid, *nodes.generation_pids(self.node.directory / "run")]
        return {os.sched_getscheduler(int(task.name)) for pid in pids
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}

    def assert_ordinary_again(self):
        nodes.wait_until(lambda: self.policies() == {os.SCHED_OTHER}, "everybody's ordinary priority")

    def busy(self):
        """More work than there are processors, for as long as the test lasts."""
        for _ in range(4 * os.cpu_count()):
            process = subprocess.Popen([sys.executable, "-c", BUSY])
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)

    def test_it_waits_behind_everybody_only_while_somebody_serves(self):
        with self.platform.knobs(load=300000):
            with Watch(self.node.manager.pid) as first:
                self.node.ctl("swap", FIRST, "--soak", "0")
            with Watch(self.node.manager.pid) as second:
                self.node.ctl("swap", SECOND, "--soak", "0")
        self.assertEqual(first.seen, {os.SCHED_OTHER}, "nobody served, and there was no time to lose")
        self.assertEqual(second.seen, {os.SCHED_OTHER, os.SCHED_IDLE})
        self.assert_ordinary_again()

    def test_it_ends_where_no_processor_is_ever_idle(self):
        self.node.ctl("swap", FIRST, "--soak", "0")
        self.busy()
        load = self.node.load("--flow", "full", "--target", "fresh", "--clients", 2, "--rate", 50, "--duration", "5m")
        for bundle in SECOND, FIRST, SECOND:
            self.node.ctl("swap", bundle, "--soak", "0", "--allow-downgrade", "psw-simulated")
        report = load.stop()
        self.assertEqual(report["failed"], 0, report)
        self.assertEqual(self.node.serving()["bundle"]["version"], SECOND)
        self.assert_ordinary_again()

    def stop_in_a_swap(self):
        """Begins a swap to the other bundle and stops the manager (SIGSTOP) in it, at the lowest priority unless
        that has just ended, and before the new one is ready; the swap's process, and that of who serves."""
        bundle = SECOND
        while True:
            serving = self.node.serving()["pid"]
            ready = self.node.log().count("generation-ready")
            swap = subprocess.Popen([nodes.program("pswctl"), "swap", bundle, "--soak", "0", "--allow-downgrade",
                                     "psw-simulated", "--config", str(self.node.config_path)],
                                    stdout=subprocess.DEVNULL)
            self.addCleanup(swap.wait)
            self.addCleanup(swap.kill)
            nodes.wait_until(lambda: os.sched_getscheduler(self.node.manager.pid) == os.SCHED_IDLE
                             or swap.poll() is not None, "a gentle swap")
            self.node.manager.send_signal(signal.SIGSTOP)
            self.addCleanup(self.node.manager.send_signal, signal.SIGCONT)
            if swap.poll() is None and self.node.log().count("generation-ready") == ready:
                return swap, serving
            self.node.manager.send_signal(signal.SIGCONT)  # this machine was too slow, or too fast
            self.assertEqual(swap.wait(nodes.DEADLINE), 0)
            self.node.renew()
            bundle = FIRST if bundle == SECOND else SECOND

    def test_who_serves_dies_in_it_and_is_replaced_at_the_ordinary_priority(self):
        self.node.ctl("swap", FIRST, "--soak", "0")
        with self.platform.knobs(load=700000):
            swap, serving = self.stop_in_a_swap()
            os.kill(serving, 9)
            self.node.manager.send_signal(signal.SIGCONT)
            nodes.wait_until(lambda: "serving-crashed" in self.node.log(), "the crash to be seen")
            self.assertEqual(os.sched_getscheduler(self.node.manager.pid), os.SCHED_OTHER)
            self.assertEqual(swap.wait(nodes.DEADLINE), 0)
        self.assert_ordinary_again()

    def test_a_manager_that_is_not_run_comes_back_all_the_same(self):
        self.node.ctl("swap", FIRST, "--soak", "0")
        with self.platform.knobs(load=700000):
            swap, _ = self.stop_in_a_swap()
            nodes.wait_until(lambda: os.sched_getscheduler(self.node.manager.pid) == os.SCHED_OTHER, "its waker")
            self.node.manager.send_signal(signal.SIGCONT)
            self.assertEqual(swap.wait(nodes.DEADLINE), 0)
        self.assert_ordinary_again()

    def test_who_has_to_make_room_for_the_next_one_does_it_at_once(self):
        self.node.stop()
        self.node = self.make_node({"swap": {"soak": "0", "epc_size": "1000KiB", "epc": "sequential"}}).start()
        for file in self.files:
            self.node.ctl("stage", file)
        self.node.ctl("swap", FIRST)
        with Watch(self.node.serving()["pid"]) as former:
            self.node.ctl("swap", SECOND)
        self.assertEqual(former.seen, {os.SCHED_OTHER})


if __name__ == "__main__":
    unittest.main()
