# SPDX-License-Identifier: Apache-2.0
"""pswctl adopt: the first start on a node where somebody else's daemon serves, under load."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

from tests.support import aesm, node as nodes
from tests.support.quoted import Stage

CONFLICT, NOT_FOUND, PERMISSION, ENGINE = 8, 7, 9, 16
FRESH = ("--flow", "full", "--target", "fresh", "--clients", 4, "--rate", 60, "--duration", "5m", "--timeout", "30s")


class AdoptTest(unittest.TestCase):
    """Ours and the foreign daemon run the same enclaves, as on a node that changes nothing but the daemon."""

    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.file = cls.stage.directory / "same.pswb"
        nodes.run("psw-bundle", "sim", "--platform", cls.stage.platform.directory, "--version", "1.0", "--qe-svn", 8,
                  "--pce-svn", 13, "-o", cls.file)
        cls.next = cls.stage.directory / "next.pswb"
        nodes.run("psw-bundle", "sim", "--platform", cls.stage.platform.directory, "--version", "1.2", "--qe-svn", 8,
                  "--pce-svn", 13, "-o", cls.next)
        cls.bad = cls.stage.directory / "bad.pswb"
        nodes.run("psw-bundle", "sim", "--platform", cls.stage.platform.directory, "--version", "1.1", "--qe-svn", 8,
                  "--pce-svn", 13, "--fault", "quote:0xe001,after=60", "-o", cls.bad)
        cls.backend = cls.stage.start(cls.stage.unpack(cls.file, "backend")).wait_serving()

    def setUp(self):
        self.node = nodes.Node({"swap": {"trial_interval": "20ms"}}, platform=self.stage.platform)
        self.addCleanup(self.node.stop)
        self.foreign = self.start_foreign()
        self.inode = self.node.socket.stat().st_ino
        self.node.start()
        for file in (self.file, self.bad):
            self.node.ctl("stage", file)

    def start_foreign(self, *arguments):
        """The other daemon, once it listens."""
        program = pathlib.Path(__file__).resolve().parents[1] / "support" / "foreign_daemon.py"
        process = subprocess.Popen([sys.executable, "-B", str(program), str(self.node.socket), str(self.backend.socket),
                                    *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

        def end():
            process.kill()
            process.wait(nodes.DEADLINE)
            process.stdout.close()
        self.addCleanup(end)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def state(self):
        """Of the foreign process: R, S, T for stopped."""
        return pathlib.Path(f"/proc/{self.foreign.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def journal(self):
        """As it is on disk."""
        return json.loads((self.node.directory / "state" / "journal.json").read_text(encoding="utf-8"))

    def step(self):
        """Of the operation under way, as the journal has it."""
        return (self.journal()["swap"] or {}).get("step")

    def refused(self, status, *arguments):
        """pswctl's one sentence."""
        result = self.node.ctl_raw(*arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stderr

    def assert_nothing_failed(self, load):
        report = load.stop()
        self.assertGreater(report["requests"], 0)
        self.assertEqual(report["failed"], 0, f"{report['failures']} {report['codes']} {report['notes']}\n{self.node.log()}")

    def assert_ours(self):
        """We serve, on the same socket, and the other one is gone."""
        self.assertEqual(self.foreign.wait(nodes.DEADLINE), -signal.SIGKILL)
        self.assertEqual(self.node.socket.stat().st_ino, self.inode)
        self.assertEqual(self.node.serving()["state"], "serving")
        self.assertEqual(self.node.ctl("status")["problems"], [])
        self.assertIsNone(self.journal()["swap"])
        self.assertEqual(aesm.ask_answer(self.node.socket, aesm.init_request()).code, 0)

    def assert_theirs(self):
        """The other daemon serves as if nothing had been."""
        nodes.wait_until(lambda: self.step() is None, "the end of the operation")
        nodes.wait_until(lambda: self.state() in "RS", "the other daemon to go on")
        nodes.wait_until(lambda: not self.node.generation_pids(), "the end of our generation")
        self.assertIsNone(self.foreign.poll())
        self.assertEqual(self.node.socket.stat().st_ino, self.inode)
        self.assertEqual(aesm.ask_answer(self.node.socket, aesm.init_request()).code, 0)

    def test_no_request_fails_when_the_socket_is_taken_over(self):
        problem = self.node.ctl("status")["problems"][-1]["text"]
        self.assertIn("pswctl adopt", problem)
        self.assertIn("pswctl adopt", self.refused(CONFLICT, "swap", "1.0"))
        load = self.node.load(*FRESH)
        with aesm.Connection(self.node.socket) as half:
            result = self.node.ctl_raw("adopt", "1.0", "--soak", "0")
            self.assertEqual(result.returncode, 0, result.stderr + self.node.log())
            self.assertIn("disable aesmd", result.stdout)
            self.assert_ours()
            self.assertEqual(half.send(aesm.init_request()).answer().code, 0)
        events = [each["event"] for each in self.node.ctl("journal")["events"]]
        self.assertEqual([each for each in events if each in ("adopt", "socket-taken", "foreign-stopped", "foreign-ended",
                                                              "committed")],
                         ["adopt", "socket-taken", "foreign-stopped", "foreign-ended", "committed"])
        self.node.ctl("stage", self.next)
        self.node.ctl("swap", "1.2")
        self.assert_nothing_failed(load)

    def test_a_failed_soak_gives_the_socket_back(self):
        load = self.node.load(*FRESH)
        # Either the trial quotes or the clients' answers are bad first.
        self.assertRegex(self.refused(ENGINE, "adopt", "1.1", "--soak", "60s"), "trial quote failed|requests failed in its soak")
        self.assert_theirs()
        load.stop()  # our bundle's own answers were bad, which is what ended the soak
        self.node.ctl("adopt", "1.0")
        self.assert_ours()

    def test_an_undone_adoption_gives_the_socket_back_without_a_failed_request(self):
        load = self.node.load(*FRESH)
        self.node.ctl("adopt", "1.0", "--soak", "60s", "--no-wait")
        nodes.wait_until(lambda: self.state() == "T" and self.node.ctl("status")["soak_left_ms"] > 0, "the soak")
        self.assertEqual(self.node.serving()["bundle"]["version"], "1.0")
        self.node.ctl("rollback")
        self.assert_theirs()
        self.node.ctl("adopt", "1.0")
        self.assert_ours()
        self.assert_nothing_failed(load)

    def test_a_manager_that_dies_on_the_way_is_followed_by_one_that_finishes_or_gives_back(self):
        load = self.node.load(*FRESH)
        for step in ("verifying", "warming", "switching", "soaking"):
            with self.subTest(step):
                self.node.ctl("adopt", "1.0", "--soak", "60s", "--no-wait")
                nodes.wait_until(lambda at=step: self.step() in (at, "soaking"), f"the step {step}")
                self.node.kill_manager()
                reached = self.step()
                self.node.start()
                if reached in ("switching", "soaking"):
                    nodes.wait_until(lambda: self.state() == "T" and self.node.ctl("status")["soak_left_ms"] > 0, "the soak")
                    self.node.ctl("rollback")
                self.assert_theirs()
        self.node.ctl("adopt", "1.0", "--soak", "60s", "--no-wait")
        nodes.wait_until(lambda: self.state() == "T" and self.node.ctl("status")["soak_left_ms"] > 0, "the soak")
        self.node.kill_manager()
        self.node.start()
        self.node.ctl("commit")
        self.assert_ours()
        self.assert_nothing_failed(load)

    def test_without_anybody_there_is_nothing_to_adopt(self):
        self.foreign.terminate()
        self.foreign.wait(nodes.DEADLINE)
        self.assertIn("pswctl swap", self.refused(NOT_FOUND, "adopt", "1.0"))
        self.node.ctl("swap", "1.0")
        self.assertIn("is ours already", self.refused(CONFLICT, "adopt", "1.0"))

    def test_a_manager_that_should_serve_waits_beside_a_daemon_that_has_its_path(self):
        self.node.ctl("adopt", "1.0")
        self.node.kill_manager()
        for pid in self.node.generation_pids():
            os.kill(pid, signal.SIGKILL)
        self.foreign = self.start_foreign()
        self.inode = self.node.socket.stat().st_ino
        self.node.start()
        status = self.node.ctl("status")
        self.assertEqual(status["state"], "down")
        self.assertIn("pswctl adopt", status["problems"][-1]["text"])
        load = self.node.load(*FRESH)
        self.node.ctl("adopt", "1.0")
        self.assert_ours()
        self.assert_nothing_failed(load)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_what_is_missing_is_said(self):
        somebody = {"user": 65534, "group": 65534, "extra_groups": []}
        try:
            subprocess.run([nodes.program("psw-manager"), "--version"], stdout=subprocess.DEVNULL, check=True, **somebody)
        except OSError:
            self.skipTest("the programs lie where an ordinary user cannot reach them")
        with tempfile.TemporaryDirectory() as directory:
            os.chown(directory, 65534, 65534)
            self.node.kill_manager()
            environment = {"PSW_BIN": os.environ["PSW_BIN"]}
            config = pathlib.Path(directory, "manager.yaml")
            config.write_text(f"socket:\n  path: {self.node.socket}\nstore: {directory}/store\nstate: {directory}/state\n"
                              f"runtime: {directory}/run\n")
            os.chown(self.node.socket.parent, 65534, 65534)
            manager = subprocess.Popen([nodes.program("psw-manager"), "--config", str(config)], env=environment, **somebody, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                nodes.wait_until(lambda: nodes.run("pswctl", "status", "--config", config, check=False).returncode == 0,
                                 "the manager")
                result = nodes.run("pswctl", "adopt", "1.0", "--config", config, check=False)
                self.assertEqual(result.returncode, PERMISSION, result.stderr)
                self.assertIn("CAP_SYS_PTRACE", result.stderr)
            finally:
                manager.terminate()
                manager.wait(nodes.DEADLINE)
        self.assertEqual(aesm.ask_answer(self.node.socket, aesm.init_request()).code, 0)


if __name__ == "__main__":
    unittest.main()
