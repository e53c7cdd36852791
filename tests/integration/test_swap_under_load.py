# SPDX-License-Identifier: Apache-2.0
# alone
"""What the README promises: whatever happens to bundles, manager and daemons, no request fails."""

import contextlib
import os
import pathlib
import signal
import tempfile
import threading
import time
import unittest

from tests.support import aesm, node as nodes

CLIENTS = ("--clients", 8, "--rate", 600, "--duration", "5m")
CACHED = ("--flow", "quote", "--target", "cached", *CLIENTS)
FRESH = ("--flow", "full", "--target", "fresh", *CLIENTS)


class SwapUnderLoadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="psw-")
        cls.addClassCleanup(directory.cleanup)
        cls.platform = nodes.Platform(pathlib.Path(directory.name) / "platform")
        cls.files = {version: cls.platform.bundle(version, svn) for version, svn in (("1.0", 8), ("2.0", 9))}

    def setUp(self):
        self.node = self.enterContext(nodes.Node(platform=self.platform))
        for file in self.files.values():
            self.node.ctl("stage", file)
        self.api = nodes.Api(self.node.api_path)
        self.addCleanup(self.api.close)
        self.api.swap("1.0")

    def swap_by_new_manager(self, version):
        with contextlib.closing(nodes.Api(self.node.api_path)) as api:
            api.swap(version)

    def assert_nothing_failed(self, report):
        self.assertGreater(report["requests"], 0)
        self.assertEqual(report["failed"], 0, f"{report['failures']} {report['codes']} {report['notes']}")

    def under_load(self, *arguments):
        """The load, once what serves has seen something of it."""
        before = self.accepted()
        load = self.node.load(*arguments)
        nodes.wait_until(lambda: self.accepted() > before + 20, "the clients' first requests")
        return load

    def accepted(self):
        """How many connections what serves has taken."""
        return self.node.serving()["status"]["counters"]["accepted"]

    def test_clients_with_fresh_target_info_notice_no_swap(self):
        load = self.under_load(*FRESH)
        for i in range(21):
            self.api.swap(("2.0", "1.0")[i % 2])
        before = self.accepted()
        nodes.wait_until(lambda: self.accepted() > before + 60, "requests of all clients")  # three make a quote
        report = load.stop()
        self.assert_nothing_failed(report)
        self.assertEqual(len(report["quotes_by_qe"]), 2, "both generations served")

    def test_clients_with_cached_target_info_get_quotes_of_the_qe_that_they_know(self):
        known = self.node.serving()["qe"]
        load = self.under_load(*CACHED, "--expect-qe", known)
        for i in range(21):
            self.api.swap(("2.0", "1.0")[i % 2])
        self.assertNotEqual(self.node.serving()["qe"], known)
        report = load.stop()
        self.assert_nothing_failed(report)
        self.assertEqual(list(report["quotes_by_qe"]), [known])

    def test_a_request_that_comes_byte_by_byte_over_many_swaps_is_answered(self):
        request = aesm.quote_request(bytes(432), 8192)  # in more pieces than its sender's account has room for
        answers = []
        def drip():
            with aesm.Connection(self.node.socket, timeout=nodes.DEADLINE) as client:
                for at in range(len(request)):
                    client.send(request[at:at + 1])
                    if at % 10 == 0:
                        time.sleep(0.01)  # a slow client
                answers.append(client.answer())
        client = threading.Thread(target=drip)
        client.start()
        swaps = 0
        while client.is_alive():
            with contextlib.suppress(RuntimeError):  # refused while too many generations wait for a slow client
                self.api.swap(("2.0", "1.0")[swaps % 2])
                swaps += 1
            client.join(0.1)  # ten swaps a second: each generation sees some of the pieces
        self.assertEqual([answer.number for answer in answers], [aesm.QUOTE], f"over {swaps} swaps")

    def test_who_sends_more_than_a_request_or_ends_sending_is_answered_once_whatever_swaps(self):
        target, report = self.node.directory / "target", self.node.directory / "report"
        target.write_bytes(aesm.ask_answer(self.node.socket, aesm.init_request())[2])
        nodes.run("psw-bundle", "sim-report", "--platform", self.platform.directory, "--target-info", target, "-o", report)
        whole = aesm.quote_request(report.read_bytes(), 8192)
        behind = (b"", whole, whole[:100], b"\xff" * 50, bytes(30000))
        for i in range(10):
            with contextlib.ExitStack() as stack:
                asking = [stack.enter_context(aesm.Connection(self.node.socket, nodes.DEADLINE)) for _ in range(20)]
                for number, client in enumerate(asking):
                    client.send((whole + behind[number % len(behind)]))
                    if number % 2 == 0:
                        client.end_sending()
                self.api.swap(("2.0", "1.0")[i % 2])
                for client in asking:
                    self.assertEqual(client.answer().code, 0)
                    with contextlib.suppress(ConnectionResetError):  # something was left unread
                        self.assertTrue(client.is_closed())

    def test_the_socket_keeps_its_inode_over_swaps_and_a_new_manager(self):
        inode = self.node.socket.stat().st_ino
        self.api.swap("2.0")
        self.node.kill_manager()
        self.node.start()
        self.swap_by_new_manager("1.0")
        self.assertEqual(self.node.socket.stat().st_ino, inode)

    def test_killing_the_manager_costs_nothing_and_a_new_one_adopts_what_serves(self):
        load = self.under_load(*FRESH)
        before = self.node.serving()
        self.node.kill_manager()
        self.node.start()
        after = self.node.serving()
        self.assertEqual((after["generation"], after["pid"]), (before["generation"], before["pid"]))
        self.swap_by_new_manager("2.0")
        self.assert_nothing_failed(load.stop())

    def test_killing_the_serving_generation_loses_not_one_request(self):
        load = self.under_load(*FRESH)
        for _ in range(5):
            before = self.node.serving()
            os.kill(before["pid"], signal.SIGKILL)
            # It has to come to its clients: who was handed on three times may be what generations die of, and is closed.
            nodes.wait_until(lambda old=before: self.serves_another(old) and self.accepted() > 60, "the next generation")
        self.assert_nothing_failed(load.stop())

    def serves_another(self, old):
        now = self.node.serving()
        return now is not None and now["state"] == "serving" and now["generation"] > old["generation"]

    def test_a_rollback_under_load_is_a_swap_like_any_other(self):
        load = self.under_load(*FRESH)
        self.api.swap("2.0")
        self.node.ctl("rollback")
        self.assertEqual(self.node.serving()["bundle"]["version"], "1.0")
        self.assert_nothing_failed(load.stop())

    def test_bundles_that_are_refused_leave_the_serving_generation_alone(self):
        load = self.under_load(*FRESH)
        before = self.node.serving()
        whole = self.files["2.0"].read_bytes()
        damaged = self.node.directory / "damaged.pswb"
        for content in (whole[:len(whole) // 2], whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:], b"", b"x" * 4096):
            damaged.write_bytes(content)
            result = self.node.ctl_raw("stage", damaged)
            self.assertIn(result.returncode, (4, 5), result.stderr)  # input, verify
            self.assertTrue(result.stderr.splitlines()[-1].startswith("pswctl: "), result.stderr)
        after = self.node.serving()
        self.assertEqual((after["generation"], after["pid"]), (before["generation"], before["pid"]))
        self.assert_nothing_failed(load.stop())


if __name__ == "__main__":
    unittest.main()
