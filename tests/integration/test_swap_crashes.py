# SPDX-License-Identifier: Apache-2.0
"""Whatever dies in a swap, at whatever moment: every request is answered. For longer: tests/bench/crashes."""

import time
import unittest

from tests.support import havoc, node as nodes

SECONDS, STRIKES_MIN = 10, len(havoc.VICTIMS)


class CrashesTest(unittest.TestCase):
    def test_no_request_fails_while_processes_are_killed_in_swaps(self):
        with nodes.Node(havoc.SETTINGS) as node:
            test = havoc.Havoc(node, seed=int(time.time()), rate=100)
            end = time.monotonic() + SECONDS
            strikes = 0
            try:
                while strikes < STRIKES_MIN or time.monotonic() < end:
                    test.strike()
                    strikes += 1
                requests, _, wrong = test.finish()
            except (TimeoutError, RuntimeError) as failure:
                raise AssertionError(f"after {test.counts}: {failure}\n{node.log()[-8000:]}") from failure
            self.assertEqual(wrong, [], f"{test.counts}\n{node.log()[-8000:]}")
            self.assertGreater(requests, 0)


if __name__ == "__main__":
    unittest.main()
