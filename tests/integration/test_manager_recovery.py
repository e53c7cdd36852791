# SPDX-License-Identifier: Apache-2.0
"""The manager dies, at any moment: what lived goes on, what was begun is finished or undone, no quote is lost."""

import ctypes
import json
import os
import select
import signal
import struct
import threading
import unittest

from tests.support import node as nodes
from tests.support.cases import PlatformCase

FIRST, SECOND = "1.1", "1.2"
IN_MOVED_TO = 0x80


class JournalWatch:
    """Blocks until the journal was replaced a given number of times (inotify sees the rename)."""

    def __init__(self, directory):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0 or self.libc.inotify_add_watch(self.fd, bytes(directory), IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def wait(self, count, operator):
        """True after so many replacements; False if the operator's command ended before, and nothing follows."""
        while count > 0:
            ended = not operator.is_alive()
            if not select.select([self.fd], [], [], 1 if ended else 0.1)[0]:
                if ended:
                    return False
                continue
            data = os.read(self.fd, 65536)
            at = 0
            while at < len(data):
                length = struct.unpack_from("iIII", data, at)[3]
                name = data[at + 16:at + 16 + length].rstrip(b"\0")
                count -= name == b"journal.json"
                at += 16 + length
        return True

    def close(self):
        """Ends the watch."""
        os.close(self.fd)


class RecoveryTest(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first = cls.platform.bundle(FIRST, 8)
        cls.second = cls.platform.bundle(SECOND, 9)

    def setUp(self):
        self.node = self.make_node()
        self.node.start()
        self.node.ctl("stage", self.first)
        self.node.ctl("stage", self.second)
        self.node.ctl("swap", FIRST)

    def journal(self):
        """The journal as it is on disk."""
        return json.loads((self.node.directory / "state" / "journal.json").read_text(encoding="utf-8"))

    def settled(self):
        """No operation is under way any more, and something serves."""
        status = self.node.ctl("status")
        return status if status["operation"] is None and status["state"] == "serving" else None

    def restart_and_check(self):
        """A new manager; in the end one generation serves, the journal says the same, and no other is left."""
        self.node.start()
        status = nodes.wait_until(self.settled, "a settled deployment")
        serving = [each for each in status["generations"] if each["role"] == "serving"]
        self.assertEqual(len(serving), 1, status)
        self.assertEqual(serving[0]["state"], "serving")
        self.assertIsNone(self.journal()["swap"])
        self.assertEqual(self.journal()["serving"]["number"], serving[0]["generation"])
        return serving[0]

    def roles(self):
        """Roles of all generations, sorted."""
        return sorted(each["role"] for each in self.node.ctl("status")["generations"])

    def kill_at_write(self, count, *command):
        """Runs a pswctl command and kills the manager as soon as it has written its journal so many times."""
        watch = JournalWatch(self.node.directory / "state")
        self.addCleanup(watch.close)
        operator = threading.Thread(target=self.node.ctl_raw, args=command)
        operator.start()
        reached = watch.wait(count, operator)
        self.node.kill_manager()
        return reached, operator

    def crash_matrix(self, *command):
        """Kills the manager at each write of its journal that the command leads to, under load."""
        load = self.node.load("--rate", "300", "--duration", "60s", "--target", "mixed:50")
        count = 0
        while True:
            count += 1
            self.node.renew()  # so that each is a whole swap, to a new process
            with self.subTest(writes=count):
                reached, operator = self.kill_at_write(count, *command)
                self.restart_and_check()
                operator.join(nodes.DEADLINE * 2)
                self.assertFalse(operator.is_alive())
                if not reached:
                    break
                nodes.wait_until(lambda: "retiring" not in self.roles(), "the end of strays")
                self.assertLessEqual(len(self.roles()), 3, self.roles())
        report = load.stop()
        self.assertEqual(report["failed"], 0, report)
        self.assertGreater(count, 3)

    def test_a_swap_is_finished_or_undone_wherever_the_manager_dies(self):
        self.crash_matrix("swap", SECOND, "--soak", "0")

    def test_a_rollback_is_finished_or_undone_wherever_the_manager_dies(self):
        self.node.ctl("swap", SECOND)
        self.crash_matrix("rollback")

    def test_a_soak_goes_on_under_a_new_manager(self):
        operation = self.node.ctl("swap", SECOND, "--soak", "60s", "--no-wait")
        nodes.wait_until(lambda: (self.journal()["swap"] or {}).get("step") == "soaking", "the soak")
        self.node.kill_manager()
        self.node.start()
        status = self.node.ctl("status")
        self.assertEqual(status["operation"]["id"], operation["id"])
        self.assertEqual(status["operation"]["step"], "soaking")
        self.assertEqual(self.node.serving()["bundle"]["version"], SECOND)
        self.node.ctl("rollback")
        self.assertEqual(self.node.serving()["generation"], 1)

    def test_who_waits_for_an_operation_does_not_notice_that_the_manager_died(self):
        result = []
        operator = threading.Thread(
            target=lambda: result.append(self.node.ctl_raw("swap", SECOND, "--soak", "1h")))
        operator.start()
        nodes.wait_until(lambda: (self.journal()["swap"] or {}).get("step") == "soaking", "the soak")
        self.node.kill_manager()
        self.node.start()
        self.node.ctl("commit")
        operator.join(nodes.DEADLINE)
        self.assertEqual(result[0].returncode, 0, result[0].stderr)
        self.assertEqual(self.node.serving()["bundle"]["version"], SECOND)

    def test_a_stop_and_start_changes_nothing_for_clients(self):
        load = self.node.load("--rate", "300", "--duration", "3s")
        before = self.node.serving()
        self.node.manager.send_signal(signal.SIGTERM)
        self.assertEqual(self.node.manager.wait(nodes.DEADLINE), 0)
        self.assertEqual(self.restart_and_check()["pid"], before["pid"])
        self.assertEqual(load.result()["failed"], 0)

    def test_a_new_manager_knows_what_the_living_were_started_from(self):
        self.node.ctl("swap", SECOND)
        self.node.kill_manager()
        self.restart_and_check()
        self.assertTrue(self.node.ctl("swap", SECOND)["result"].get("already"))
        self.node.ctl("swap", FIRST)
        self.assertEqual(self.node.serving()["generation"], 1)
        self.node.kill_manager()
        self.node.renew()
        self.restart_and_check()
        self.node.ctl("swap", FIRST)
        self.assertEqual(self.node.serving()["generation"], 3)

    def test_what_died_while_no_manager_ran_is_started_again(self):
        self.node.ctl("swap", SECOND)
        pids = self.node.generation_pids()
        self.node.kill_manager()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        serving = self.restart_and_check()
        self.assertEqual(serving["bundle"]["version"], SECOND)
        nodes.wait_until(lambda: self.roles() == ["lame-duck", "serving"], "the lame duck")
        report = self.node.load("--requests", "30").result()
        self.assertEqual(report["failed"], 0)

    def test_a_whole_node_that_went_down_in_a_soak_comes_up_with_what_was_good(self):
        self.node.ctl("swap", SECOND, "--soak", "60s", "--no-wait")
        nodes.wait_until(lambda: (self.journal()["swap"] or {}).get("step") == "soaking", "the soak")
        pids = self.node.generation_pids()
        self.node.kill_manager()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.restart_and_check()["bundle"]["version"], FIRST)

    def test_a_generation_that_nobody_knows_is_retired(self):
        number = 77
        stray = self.node.directory / "run" / f"generation-{number}.sock"
        bundle = self.node.bundle_directory()
        self.node.kill_manager()
        process = nodes.subprocess.Popen([nodes.program("quoted"), "--bundle", bundle, "--generation", str(number),
                                          "--control", stray], stdin=nodes.subprocess.DEVNULL,
                                         stderr=nodes.subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        nodes.wait_until(stray.exists, "its control socket")
        self.restart_and_check()
        self.assertEqual(process.wait(nodes.DEADLINE), 0)
        self.node.ctl("swap", SECOND)
        self.assertEqual(self.node.serving()["generation"], number + 1)


if __name__ == "__main__":
    unittest.main()
