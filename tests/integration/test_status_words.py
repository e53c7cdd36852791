# SPDX-License-Identifier: Apache-2.0
"""What an operator reads: pswctl status and the sentences of pswctl in the states that a node can get into."""

import os
import shutil
import signal
import socket
import subprocess
import unittest
import unittest.mock

from tests.support import node as nodes
from tests.support.cases import PlatformCase

ENGINE, USAGE, CONFIG = 16, 2, 3


class Words(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.good = cls.platform.bundle("1.1", 8)
        cls.better = cls.platform.bundle("1.2", 9)
        cls.bad = cls.directory / "bad.pswb"
        nodes.run("psw-bundle", "sim", "--platform", cls.platform.directory, "--version", "1.3", "--qe-svn", "9", "--pce-svn",
                  "15", "--fault", "init:0xe001", "-o", cls.bad)

    def node(self, settings=None, serving=True):
        node = self.make_node(settings).start()
        if serving:
            node.ctl("stage", self.good)
            node.ctl("swap", "1.1")
        return node

    def status(self, node):
        return node.ctl_raw("status").stdout

    def test_an_empty_node_says_what_to_do_next(self):
        node = self.node(serving=False)
        self.assertIn("-> stage one: pswctl stage FILE", self.status(node))
        node.ctl("stage", self.good)
        self.assertIn("-> swap to one that is staged: pswctl swap VERSION", self.status(node))

    def test_a_failed_swap_says_who_serves_and_stays_in_sight_until_one_succeeds(self):
        node = self.node()
        for bundle in (self.bad, self.better):
            node.ctl("stage", bundle)
        failed = node.ctl_raw("swap", "1.3")
        self.assertEqual(failed.returncode, ENGINE)
        self.assertRegex(failed.stderr, r"0xe001; psw-simulated 1\.1 \([0-9a-f]{12}\) serves\n")
        self.assertRegex(self.status(node), r"lately +the last swap failed, \S+ ago: psw-simulated 1\.3 .*0xe001")
        node.ctl("swap", "1.2")
        self.assertNotIn("lately", self.status(node))

    def test_a_generation_that_cannot_begin_says_why_too(self):
        node = self.node()
        node.ctl("stage", self.better)
        node.quoted_path.write_text("threads: 4\ntreads: 4\n")
        failed = node.ctl_raw("swap", "1.2")
        self.assertEqual(failed.returncode, CONFIG)
        self.assertRegex(failed.stderr, r"quoted\.yaml.*line 2, column 1.*treads.*; psw-simulated 1\.1 \([0-9a-f]{12}\) serves\n")

    def test_a_swap_to_what_serves_is_over_at_once_unless_a_new_process_would_be_another(self):
        node = self.node()
        self.assertRegex(node.ctl_raw("swap", "1.1", "--soak", "1h").stdout,
                         r"^swap: psw-simulated 1\.1 \([0-9a-f]{12}\): serves already\n$")
        again = node.ctl("swap", "1.1")
        self.assertEqual((again["state"], again["result"]["already"], again["result"]["generation"]), ("succeeded", True, 1))
        self.assertEqual(node.serving()["generation"], 1)
        node.renew()
        self.assertNotIn("already", node.ctl("swap", "1.1")["result"])
        self.assertEqual(node.serving()["generation"], 2)

    def problem(self, node, what):
        return next((each for each in node.ctl("status")["problems"] if each["what"] == what), None)

    def test_settings_that_quoted_does_not_take_are_a_problem_before_a_swap_fails_by_them(self):
        node = self.make_node()
        node.quoted_path.write_text("threads: 4\ntreads: 4\n")
        node.start()
        found = nodes.wait_until(lambda: self.problem(node, "settings"), "the problem")
        self.assertRegex(found["text"], r"^quoted does not take its settings: .*quoted\.yaml.*line 2, column 1.*treads")
        node.quoted_path.write_text("threads: 4\n")
        nodes.wait_until(lambda: not self.problem(node, "settings"), "its end")
        node.quoted_path.unlink()
        nodes.wait_until(lambda: self.problem(node, "settings"), "the problem of a missing file")

    def test_a_look_at_the_settings_that_does_not_end_is_given_up(self):
        place = self.directory / "hanging"
        place.mkdir()
        shutil.copy(nodes.program("psw-manager"), place)  # it takes the quoted beside it
        (place / "pswctl").symlink_to(nodes.program("pswctl"))
        (place / "quoted").write_text(f"#!/bin/sh\necho $$ >>{place}/pids\nexec sleep 300\n")
        (place / "quoted").chmod(0o755)
        with unittest.mock.patch.dict(os.environ, PSW_BIN=str(place)):
            node = self.make_node({"swap": {"warm_up_timeout": "1s"}}).start()
            found = nodes.wait_until(lambda: self.problem(node, "settings"), "the problem")
        self.assertRegex(found["text"], r"^'quoted --check-config' has not come to an end in 1s")
        pids = place / "pids"  # of those that came as far; with every status another one is asked
        pid = nodes.wait_until(lambda: self.status(node) and pids.exists() and pids.read_text().split(), "one of them")[0]
        nodes.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "its end")

    def test_metrics_that_nobody_can_ask_for_are_a_problem(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            node = self.node({"metrics": {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}})
            self.assertRegex(self.problem(node, "metrics")["text"], r"^metrics\.listen: cannot listen there: Address already in use")
            self.assertIn("metrics.listen", self.status(node))

    def test_a_crash_that_was_mended_stays_in_sight(self):
        node = self.node()
        os.kill(node.serving()["pid"], signal.SIGKILL)
        nodes.wait_until(lambda: (node.serving() or {}).get("generation") == 2, "the next generation")
        self.assertRegex(self.status(node), r"lately +1 crash in 24 hours, the last, \S+ ago: generation 1: it ended with SIGKILL")

    def test_a_soak_shows_the_way_back_and_its_undoing_says_what_serves(self):
        node = self.node()
        node.ctl("stage", self.better)
        node.ctl("swap", "1.2", "--soak", "1h", "--no-wait")
        nodes.wait_until(lambda: "soaking" in self.status(node), "the soak")
        status = self.status(node)
        self.assertRegex(status, r"way back +generation 1: psw-simulated 1\.1 \([0-9a-f]{12}\), pid \d+")
        self.assertRegex(status, r"soaking, (1h|59m\d+s|59m|\d+m(\d+s)?) left \(pswctl commit \| pswctl rollback\)")
        self.assertRegex(status, r"psw-simulated 1\.1 .*, the way back\n")
        self.assertRegex(node.ctl_raw("rollback").stdout, r"rollback: psw-simulated 1\.1 \(")

    def test_whoever_waits_for_a_soak_is_told_how_long_and_how_to_end_it(self):
        node = self.node()
        node.ctl("stage", self.better)
        with subprocess.Popen([nodes.program("pswctl"), "swap", "1.2", "--soak", "1h", "--config", node.config_path],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as swap:
            said = next(line for line in swap.stderr if "soaking" in line)
            node.ctl("commit")
            self.assertEqual(swap.wait(nodes.DEADLINE), 0)
        self.assertRegex(said, r"swap: soaking for (1h|59m\S*): ends by itself, by 'pswctl commit', or is undone by 'pswctl rollback'\n")

    def test_a_bundle_that_is_gone_from_the_store_is_missed_while_it_serves(self):
        node = self.node()
        place = node.bundle_directory()
        place.rename(node.directory / "away")
        status = node.ctl("status")
        self.assertEqual([problem["what"] for problem in status["problems"]], ["store"])
        self.assertTrue(status["simulated"])
        self.assertIn("SIMULATED", self.status(node))
        node.ctl("stage", self.good)
        self.assertEqual(node.ctl("status")["problems"], [])

    def test_a_journal_that_cannot_be_written_is_a_problem_until_it_can(self):
        node = self.node()
        node.ctl("stage", self.better)
        journal = node.directory / "state" / "journal.json"
        aside = journal.rename(node.directory / "aside")
        journal.mkdir()  # root may write anywhere else
        (journal / "full").touch()
        refused = node.ctl_raw("swap", "1.2")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(f"nothing was changed: state directory {node.directory}/state: journal: ", refused.stderr)
        self.assertEqual([problem["what"] for problem in node.ctl("status")["problems"]], ["journal"])
        shutil.rmtree(journal)
        aside.rename(journal)
        node.ctl("swap", "1.2")
        self.assertEqual(node.ctl("status")["problems"], [])

    def test_wrong_options_and_files_are_named(self):
        node = self.node(serving=False)
        for arguments, sentence in ((("status", "--nope"), "pswctl: status: option --nope is not known"),
                                    (("swap", "1", "--soak"), "pswctl: swap: option --soak is not known or not used like this")):
            result = nodes.run("pswctl", *arguments, check=False)
            self.assertEqual(result.returncode, USAGE)
            self.assertIn(sentence, result.stderr)
        text = node.directory / "notes.txt"
        text.write_text("no bundle\n" * 99)
        self.assertIn(f"pswctl: {text}: stage: the bundle: ", node.ctl_raw("stage", text).stderr)


if __name__ == "__main__":
    unittest.main()
