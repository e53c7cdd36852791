# SPDX-License-Identifier: Apache-2.0
"""restart.spare: a second, warm generation that takes over when the serving one dies."""

import json
import os
import signal
import time
import unittest

from tests.support import aesm, node as nodes

SETTINGS = {"restart": {"spare": "true", "settle": "10ms"}}


class SpareTest(unittest.TestCase):
    def node(self, settings=None):
        """A node on which 1.0 serves."""
        node = nodes.Node({**SETTINGS, **(settings or {})})
        self.addCleanup(node.stop)
        self.files = [node.platform.bundle(version, svn) for version, svn in (("1.0", 8), ("2.0", 9))]
        node.start()
        for file in self.files:
            node.ctl("stage", file)
        node.ctl("swap", "1.0")
        return node

    @staticmethod
    def warm_spare(node):
        """The spare, when it is ready."""
        def found():
            return next((each for each in node.ctl("status")["generations"]
                         if each["role"] == "spare" and each["state"] == "ready"), None)
        return nodes.wait_until(found, "a warm spare", 60)

    def test_the_spare_takes_over_without_a_failed_request_and_another_one_follows(self):
        node = self.node()
        load = node.load("--rate", 200, "--duration", "5m", "--timeout", "30s")
        taken_ms = []
        for _ in range(3):
            spare, serving = self.warm_spare(node), node.serving()
            self.assertEqual(spare["bundle"], serving["bundle"])
            start = time.monotonic()
            os.kill(serving["pid"], signal.SIGKILL)
            self.assertEqual(aesm.ask_answer(node.socket, aesm.init_request()).code, 0)
            taken_ms.append((time.monotonic() - start) * 1000)
            nodes.wait_until(lambda pid=spare["pid"]: (node.serving() or {}).get("pid") == pid, "the spare to serve")
        self.warm_spare(node)
        report = load.stop()
        self.assertEqual(report["failed"], 0, f"{report}\n{node.log()}")
        if os.environ.get("PSW_SHOW"):
            print("from kill to an answer, ms:", [round(each, 2) for each in taken_ms])

    def test_the_spare_outlives_the_manager_and_takes_over_from_one_that_died_with_it(self):
        node = self.node({"restart": {"spare": "true"}})
        spare, serving = self.warm_spare(node), node.serving()
        node.kill_manager()
        node.start()
        self.assertEqual(self.warm_spare(node)["pid"], spare["pid"])
        node.kill_manager()
        os.kill(serving["pid"], signal.SIGKILL)
        with aesm.Connection(node.socket, timeout=nodes.DEADLINE) as client:
            client.send(aesm.init_request())
            node.start()
            self.assertEqual(client.answer().code, 0)
        self.assertEqual(node.serving()["pid"], spare["pid"])

    def test_a_new_manager_knows_what_the_spare_was_started_from(self):
        node = self.node()
        spare = self.warm_spare(node)
        journal = node.directory / "state" / "journal.json"
        nodes.wait_until(lambda: (now := json.loads(journal.read_text()))["standby"] == spare["generation"] and
                         now["standby_origin"], "its origin in the journal")
        node.kill_manager()
        node.start()
        self.assertEqual(self.warm_spare(node)["pid"], spare["pid"])
        os.kill(node.serving()["pid"], signal.SIGKILL)
        nodes.wait_until(lambda: (node.serving() or {}).get("pid") == spare["pid"], "the spare to serve")
        self.assertTrue(node.ctl("swap", "1.0")["result"].get("already"), node.log()[-4000:])

    def test_a_lone_client_is_answered_whenever_it_comes_and_however_often_the_serving_one_dies(self):
        node = self.node({"restart": {"spare": "true", "delay": "1h", "delay_max": "1h"}})
        for microseconds in (0, 700):
            self.warm_spare(node)
            os.kill(node.serving()["pid"], signal.SIGKILL)
            end = time.monotonic_ns() + microseconds * 1000
            while time.monotonic_ns() < end:
                pass
            self.assertEqual(aesm.ask_answer(node.socket, aesm.init_request()).code, 0, node.log()[-4000:])

    def test_a_spare_is_of_the_bundle_that_serves(self):
        node = self.node()
        former = self.warm_spare(node)
        node.ctl("swap", "2.0")
        nodes.wait_until(lambda: self.warm_spare(node)["generation"] != former["generation"], "another spare")
        self.assertEqual(self.warm_spare(node)["bundle"]["version"], "2.0")
        self.assertIn("spare", node.ctl_raw("status").stdout)

    def test_without_room_for_both_there_is_none_and_status_says_so(self):
        node = self.node({"swap": {"epc": "sequential", "epc_size": "1MiB"}})
        status = node.ctl("status")
        self.assertIn("spare", [each["what"] for each in status["problems"]], status)
        self.assertEqual([each["role"] for each in status["generations"]], ["serving"])


if __name__ == "__main__":
    unittest.main()
