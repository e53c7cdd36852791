# SPDX-License-Identifier: Apache-2.0
"""Swaps as the operator sees them: what goes wrong, when, and who serves afterwards."""

import os
import signal
import time
import unittest

from tests.support import node as nodes
from tests.support.cases import PlatformCase

FIRST, SECOND = "1.1", "1.2"
USAGE, NOT_FOUND, CONFLICT, PERMISSION, NO_SPACE, TIMEOUT, ENGINE = 2, 7, 8, 9, 10, 14, 16


class SwapTest(PlatformCase):
    """One platform for all; a node of its own for each test."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first = cls.platform.bundle(FIRST, 8)
        cls.second = cls.platform.bundle(SECOND, 9)

    def node(self, settings=None, serve=True):
        """A running node with both bundles staged, the first serving."""
        node = self.make_node(settings).start()
        node.ctl("stage", self.first)
        node.ctl("stage", self.second)
        if serve:
            node.ctl("swap", FIRST, "--soak", "0")
        return node

    def faulty(self, node, version, *faults):
        """Stages a bundle that fails as told."""
        path = self.directory / f"faulty-{version}.pswb"
        if not path.exists():
            arguments = [part for fault in faults for part in ("--fault", fault)]
            nodes.run("psw-bundle", "sim", "--platform", self.platform.directory, "--version", version, "--qe-svn",
                      "10", "--pce-svn", "15", *arguments, "-o", path)
        node.ctl("stage", path)

    def quotes(self, node, requests=30):
        """Quotes are being made without a failure."""
        report = node.load("--requests", requests, "--clients", "2").result()
        self.assertEqual(report["failed"], 0, report)

    def refused(self, node, status, *arguments):
        """pswctl fails with that exit status and one sentence, which is returned."""
        result = node.ctl_raw(*arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        lines = [line for line in result.stderr.splitlines() if line.startswith("pswctl: ")]
        self.assertEqual(len(lines), 1, result.stderr)
        return lines[0]

    def fails(self, node, operation, words):
        """The operation ends in a failure that says so."""
        api = nodes.Api(node.api_path)
        self.addCleanup(api.close)
        with self.assertRaisesRegex(RuntimeError, words):
            api.finish(operation)

    def role(self, node, role):
        """The first generation with that role, or None."""
        return next((each for each in node.ctl("status")["generations"] if each["role"] == role), None)

    def count(self, node):
        """How many generations there are."""
        return len(node.ctl("status")["generations"])

    def wait_role(self, node, role, other_than=None):
        """Waits for a generation with that role, other than one."""
        def found():
            generation = self.role(node, role)
            return generation if generation and generation["pid"] != other_than else None
        return nodes.wait_until(found, f"a generation in the role {role}")

    def wait_step(self, node, step):
        """Waits until the operation under way has come to that step."""
        nodes.wait_until(lambda: (node.ctl("status")["operation"] or {}).get("step") == step, f"the step {step}")

    def test_what_is_not_staged_is_not_found(self):
        node = self.node()
        self.assertIn("9.9", self.refused(node, NOT_FOUND, "swap", "9.9"))
        self.assertEqual(node.serving()["generation"], 1)

    def test_a_simulated_bundle_is_refused_unless_the_configuration_allows_it(self):
        node = self.node(serve=False)
        node.kill_manager()
        node.write_config({"simulated": "refuse"})
        node.start()
        self.assertIn("simulated: allow", self.refused(node, PERMISSION, "swap", FIRST))
        self.assertIsNone(node.serving())

    def test_a_bundle_that_does_not_warm_up_never_meets_a_client(self):
        node = self.node()
        self.faulty(node, "2.1", "load:0xe016")
        self.assertIn("generation", self.refused(node, ENGINE, "swap", "2.1"))
        self.assertEqual(node.serving()["bundle"]["version"], FIRST)
        self.refused(node, ENGINE, "test", "2.1")
        self.quotes(node)

    def test_a_bundle_whose_first_client_would_fail_meets_none(self):
        node = self.node()
        for version, fault, words in [("2.5", "quote:0xe001,after=1", "canary: its first client would be answered 1 "),
                                      ("2.6", "quote:crash,after=1", "SIGSEGV")]:
            self.faulty(node, version, fault)
            load = node.load("--rate", "200", "--duration", "60s")
            self.assertIn(words, self.refused(node, ENGINE, "swap", version))
            self.assertIn(words, self.refused(node, ENGINE, "test", version))
            report = load.stop()
            self.assertEqual((report["failed"], len(report["quotes_by_qe"])), (0, 1), report)
            self.assertEqual(node.serving()["generation"], 1)

    def test_a_library_that_crashes_is_a_clear_sentence(self):
        node = self.node()
        self.faulty(node, "2.2", "init:crash")
        self.assertIn("SIGSEGV", self.refused(node, ENGINE, "swap", "2.2"))
        self.assertEqual(node.serving()["generation"], 1)

    def test_a_library_that_hangs_is_given_up_after_the_time_allowed(self):
        node = self.node()
        self.faulty(node, "2.3", "init:hang")
        node.kill_manager()
        node.write_config({"swap": {"warm_up_timeout": "300ms"}})  # what warms up well has as long as it takes
        node.start()
        self.assertIn("did not warm up in time", self.refused(node, TIMEOUT, "swap", "2.3"))
        self.assertEqual(node.serving()["generation"], 1)
        self.quotes(node)

    def test_a_trial_quote_that_fails_in_the_soak_swaps_back(self):
        node = self.node({"swap": {"trial_interval": "50ms"}})
        self.faulty(node, "2.4", "quote:0xe001,after=4")
        self.assertIn("trial quote failed", self.refused(node, ENGINE, "swap", "2.4", "--soak", "30s"))
        self.assertEqual(node.serving()["generation"], 1)
        self.assertEqual(node.serving()["state"], "serving")
        self.quotes(node)

    def test_a_soak_does_not_end_before_its_trial_quote_has_come(self):
        node = self.node({"swap": {"trial_latency_max": "300ms"}})
        with self.platform.knobs(quote=1000000):
            self.assertIn("a trial quote took", self.refused(node, TIMEOUT, "swap", SECOND, "--soak", "10ms"))
        self.assertEqual(node.serving()["generation"], 1)

    def test_a_crash_in_the_soak_swaps_back(self):
        node = self.node()
        operation = node.ctl("swap", SECOND, "--soak", "60s", "--no-wait")
        self.wait_step(node, "soaking")
        os.kill(node.serving()["pid"], signal.SIGKILL)
        self.fails(node, operation, "SIGKILL")
        self.assertEqual(node.serving()["generation"], 1)
        self.quotes(node)

    def test_a_crash_while_a_trial_quote_is_under_way_is_told_as_a_crash(self):
        node = self.node({"swap": {"trial_interval": "10ms", "trial_latency_max": "60s"}})
        operation = node.ctl("swap", SECOND, "--soak", "1h", "--no-wait")
        self.wait_step(node, "soaking")
        pid = node.serving()["pid"]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.1)  # most likely it is asked for a trial quote meanwhile
        os.kill(pid, signal.SIGKILL)
        self.fails(node, operation, "SIGKILL")

    def test_a_generation_that_hangs_in_the_soak_is_swapped_back_from(self):
        # Whatever a slow machine takes for a trial quote, this one takes longer.
        node = self.node({"swap": {"trial_interval": "50ms", "trial_latency_max": "2s", "drain_timeout": "500ms"}})
        operation = node.ctl("swap", SECOND, "--soak", "60s", "--no-wait")
        self.wait_step(node, "soaking")
        os.kill(node.serving()["pid"], signal.SIGSTOP)
        self.fails(node, operation, "does not answer")
        self.assertEqual(node.serving()["generation"], 1)
        nodes.wait_until(lambda: self.count(node) == 1, "the end of the hanging generation")
        self.quotes(node)

    def test_the_way_back_is_started_again_when_it_dies_in_the_soak(self):
        node = self.node()
        node.ctl("swap", SECOND, "--soak", "60s", "--no-wait")
        self.wait_step(node, "soaking")
        former = self.wait_role(node, "former")
        os.kill(former["pid"], signal.SIGKILL)
        again = self.wait_role(node, "former", former["pid"])
        self.assertEqual(again["bundle"]["version"], FIRST)
        node.ctl("rollback")
        self.assertEqual(node.serving()["generation"], again["generation"])
        self.quotes(node)

    def test_a_swap_in_its_soak_is_committed_or_undone_before_another_begins(self):
        node = self.node()
        first = node.ctl("swap", SECOND, "--soak", "60s", "--no-wait")
        self.wait_step(node, "soaking")
        self.assertIn(f"operation {first['id']} is soaking", self.refused(node, CONFLICT, "swap", FIRST))
        self.assertIn("soaking", self.refused(node, CONFLICT, "test", FIRST))
        node.ctl("commit")
        self.assertEqual(node.serving()["bundle"]["version"], SECOND)
        self.refused(node, CONFLICT, "commit")

    def test_an_undone_swap_keeps_its_generation_for_the_clients_that_met_it(self):
        node = self.node()
        node.ctl("swap", SECOND, "--soak", "60s", "--no-wait")
        self.wait_step(node, "soaking")
        load = node.load("--target", "cached", "--rate", "50", "--clients", "2", "--duration", "2s")
        time.sleep(0.5)  # some of its target info comes from the second QE
        rollback = node.ctl("rollback")
        self.assertEqual(rollback["result"]["generation"], 1)
        duck = self.role(node, "lame-duck")
        self.assertEqual(duck["bundle"]["version"], SECOND)
        self.assertEqual(load.result()["failed"], 0)

    def test_a_rollback_takes_the_living_generation(self):
        node = self.node()
        node.ctl("swap", SECOND)
        self.assertEqual(node.ctl("rollback")["result"]["generation"], 1)
        self.assertEqual(node.ctl("rollback")["result"]["generation"], 2)
        self.quotes(node)

    def test_a_rollback_ends_whenever_the_lame_duck_dies_that_should_serve_again(self):
        node = self.node()
        node.ctl("swap", SECOND)
        api = nodes.Api(node.api_path)
        self.addCleanup(api.close)
        for pause in (0, 0.005, 0.02):
            with self.subTest(pause=pause):
                duck = self.wait_role(node, "lame-duck")
                api.call("POST", "/v1/rollback", {"soak": "0"})
                time.sleep(pause)  # verifying, warming, switching, or over: any of them will do
                os.kill(duck["pid"], signal.SIGKILL)
                nodes.wait_until(lambda: node.ctl("status")["operation"] is None, "the end of the rollback")
                nodes.wait_until(lambda gone=duck["pid"]: (node.serving() or {"pid": gone})["pid"] != gone,
                                 "another one to serve")
                self.quotes(node)

    def test_a_swap_back_takes_the_living_generation_unless_its_settings_have_changed(self):
        node = self.node()
        node.ctl("swap", SECOND)
        self.assertEqual(node.ctl("swap", FIRST)["result"]["generation"], 1)
        node.renew()
        self.assertEqual(node.ctl("swap", SECOND)["result"]["generation"], 3)
        self.quotes(node)

    def test_a_swap_back_starts_a_new_process_where_the_lame_duck_cannot_quote(self):
        node = self.node()
        node.ctl("swap", SECOND)
        duck = self.wait_role(node, "lame-duck")
        os.kill(duck["pid"], signal.SIGSTOP)
        self.addCleanup(os.kill, duck["pid"], signal.SIGKILL)
        self.assertGreater(node.ctl("swap", FIRST)["result"]["generation"], 2)
        self.quotes(node)

    def test_a_swap_back_that_cannot_be_recorded_leaves_the_lame_duck_as_it_was(self):
        node = self.node()
        node.ctl("swap", SECOND)
        duck = self.wait_role(node, "lame-duck")
        journal, aside = node.directory / "state" / "journal.json", node.directory / "aside"
        os.kill(duck["pid"], signal.SIGSTOP)  # so that its trial quote comes when the journal cannot be written
        self.addCleanup(os.kill, duck["pid"], signal.SIGCONT)
        operation = node.ctl("swap", FIRST, "--no-wait")
        journal.rename(aside)
        journal.mkdir()
        os.kill(duck["pid"], signal.SIGCONT)
        self.fails(node, operation, "journal")
        journal.rmdir()
        aside.rename(journal)
        self.assertEqual(node.ctl("swap", FIRST)["result"]["generation"], 1)
        self.assertEqual(node.serving()["pid"], duck["pid"])

    def test_without_a_former_bundle_there_is_no_rollback(self):
        node = self.node()
        self.assertIn("no other bundle served", self.refused(node, NOT_FOUND, "rollback"))

    def test_a_lame_duck_that_dies_comes_back(self):
        node = self.node()
        node.ctl("swap", SECOND)
        duck = self.wait_role(node, "lame-duck")
        os.kill(duck["pid"], signal.SIGKILL)
        again = self.wait_role(node, "lame-duck", duck["pid"])
        self.assertEqual(again["qe"], duck["qe"])

    def test_lame_ducks_are_as_many_as_the_policy_says(self):
        node = self.node({"lame_ducks": {"count": "1"}})
        self.faulty(node, "1.3")
        node.ctl("swap", SECOND)
        node.ctl("swap", "1.3")
        nodes.wait_until(lambda: self.count(node) == 2, "the end of the older lame duck")
        self.assertEqual(self.role(node, "lame-duck")["bundle"]["version"], SECOND)
        self.assertTrue(node.ctl("status")["reinit"])

    def test_two_sets_that_do_not_fit_are_refused(self):
        node = self.node({"swap": {"epc_size": "1000KiB"}})
        self.assertIn("KiB of EPC", self.refused(node, NO_SPACE, "swap", SECOND))
        self.quotes(node)

    def test_two_sets_that_do_not_fit_are_exchanged_one_after_the_other_where_that_is_allowed(self):
        node = self.node({"swap": {"epc_size": "1000KiB", "epc": "sequential"}})
        # A flow that began with the former QE cannot end with it: such a client is told to begin again.
        load = node.load("--rate", "200", "--duration", "2s", "--retry-42", "--timeout", "30s")
        time.sleep(0.3)
        node.ctl("swap", SECOND)
        report = load.result()
        self.assertEqual(report["failed"], 0, report)
        self.assertEqual(self.count(node), 1)
        self.assertTrue(node.ctl("status")["reinit"])  # who still holds target info of the former QE

    def test_a_crashing_generation_is_started_again_with_growing_pauses(self):
        node = self.node({"restart": {"delay": "10ms", "delay_max": "40ms", "settle": "1h"}})
        for _ in range(4):
            before = nodes.wait_until(node.serving, "a serving generation")
            os.kill(before["pid"], signal.SIGKILL)
            nodes.wait_until(lambda b=before: (node.serving() or b)["pid"] != b["pid"], "its restart")
        self.assertIn("restart-delayed milliseconds=10", node.log())
        self.assertIn("restart-delayed milliseconds=20", node.log())
        self.quotes(node)

    def test_a_damaged_bundle_in_the_store_is_not_started(self):
        node = self.node()
        digest = next(each["digest"] for each in node.ctl("list")["bundles"] if each["version"] == SECOND)
        victim = next((node.directory / "store" / "bundles" / digest).rglob("*.signed.so*"))
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.chmod(0o644)
        victim.write_bytes(data)
        self.assertIn(victim.name, self.refused(node, 5, "swap", SECOND))
        self.assertEqual(node.serving()["generation"], 1)

    def test_what_serves_is_not_removed(self):
        node = self.node()
        self.assertIn("it serves", self.refused(node, CONFLICT, "remove", FIRST))
        node.ctl("remove", SECOND)
        self.refused(node, NOT_FOUND, "remove", SECOND)

    def test_a_path_that_somebody_removes_comes_back_as_the_same_socket(self):
        node = self.node()
        inode = node.socket.stat().st_ino
        node.socket.unlink()
        nodes.wait_until(node.socket.exists, "the path")
        self.assertEqual(node.socket.stat().st_ino, inode)
        self.quotes(node)


if __name__ == "__main__":
    unittest.main()
