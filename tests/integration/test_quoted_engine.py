# SPDX-License-Identifier: Apache-2.0
"""How quoted treats a bundle's quote library: whose libraries it loads, and what it does when the key is gone."""

import unittest

from tests.support import aesm
from tests.support.node import Load
from tests.support.quoted import Stage


class Engine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)

    def start(self, bundle):
        daemon = self.stage.start(bundle).wait_serving()
        self.addCleanup(daemon.kill)
        return daemon

    def quote_often(self, daemon, times):
        """The codes of so many quotes with a good report."""
        report = self.stage.report(aesm.ask_answer(daemon.socket, aesm.init_request())[2])
        whole = aesm.quote_request(report, 8192, bytes(960))
        return [aesm.ask_answer(daemon.socket, whole).code for _ in range(times)]

    def test_the_bundles_own_libraries_are_used_without_a_search_path(self):
        """As with Intel's, which have no RUNPATH and would be completed with the host's."""
        bundle = self.stage.bundle("1.0", 8)
        changed = 0
        for path in bundle.rglob("*.so*"):
            content = path.read_bytes()
            if b"$ORIGIN\0" in content:
                path.write_bytes(content.replace(b"$ORIGIN\0", b"/absent\0"))
                changed += 1
        self.assertGreater(changed, 0)
        self.assertEqual(self.quote_often(self.start(bundle), 2), [0, 0])

    def test_a_key_that_has_to_be_certified_again_is_not_the_clients_affair(self):
        daemon = self.start(self.stage.bundle("1.1", 8, "--fault", "quote:0xe00f,after=3,every=3"))
        self.assertEqual(self.quote_often(daemon, 12), [0] * 12)

    def test_a_lost_enclave_is_loaded_again(self):
        daemon = self.start(self.stage.bundle("1.2", 8, "--fault", "quote:0xe014,after=3,every=3"))
        self.assertEqual(self.quote_often(daemon, 12), [0] * 12)

    def test_a_library_that_hangs_keeps_no_answer_and_no_end(self):
        bundle = self.stage.bundle("1.3", 8, "--fault", "quote:hang,after=2")
        daemon = self.stage.start(bundle, config={"drain_timeout": "300ms"}).wait_serving()
        self.addCleanup(daemon.kill)
        report = self.stage.report(aesm.ask_answer(daemon.socket, aesm.init_request())[2])
        with aesm.Connection(daemon.socket) as stuck:
            stuck.send(aesm.quote_request(report, 8192))
            for whole, code in [(aesm.init_request(), 0), (aesm.size_request(), 0),
                                (aesm.quote_request(report, 1000), 3), (aesm.quote_request(report, 150000), 21),
                                (aesm.quote_request(report[1:], 8192), 3)]:
                self.assertEqual(aesm.ask_answer(daemon.socket, whole).code, code)
            self.assertEqual(daemon.end(), 0)
        self.assertIn("drain-timeout", daemon.log())

    def test_a_library_that_hangs_in_the_middle_of_a_flood_keeps_no_cheap_answer(self):
        """The thread that makes the quotes may be the only one that takes in by then."""
        bundle = self.stage.bundle("1.4", 8, "--fault", "quote:hang,after=1000")
        daemon = self.start(bundle)
        report = self.stage.report(aesm.ask_answer(daemon.socket, aesm.init_request())[2])
        flood = Load(daemon.socket, "--platform", self.stage.platform.directory, "--flow", "quote", "--target", "cached",
                     "--clients", 8, "--duration", "1h", "--verify", "none")
        self.addCleanup(flood.process.communicate)
        self.addCleanup(flood.process.kill)
        with self.assertRaises(TimeoutError):  # nothing else ends this
            while True:
                self.assertEqual(aesm.ask_answer(daemon.socket, aesm.quote_request(report, 8192), timeout=1).code, 0)
        for _ in range(3):
            self.assertEqual(aesm.ask_answer(daemon.socket, aesm.size_request()).code, 0)

    def test_what_the_library_refuses_is_said_in_aesm_codes(self):
        cases = [("0xe001", 1), ("0xe003", 21), ("0xe012", 29), ("0xe018", 50), ("0xe035", 1)]
        for index, (quote3, code) in enumerate(cases):
            with self.subTest(quote3):
                bundle = self.stage.bundle(f"2.{index}", 8, "--fault", f"quote:{quote3},after=2")
                self.assertEqual(self.quote_often(self.start(bundle), 2), [code] * 2)


if __name__ == "__main__":
    unittest.main()
