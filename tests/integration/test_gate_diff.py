# SPDX-License-Identifier: Apache-2.0
"""What an update changes, before it is made: psw-bundle diff, pswctl diff, and pswctl swap."""

import json
import unittest

from tests.support.cases import PlatformCase
from tests.support.node import Node, run

NOT_FOUND = 7


class Diff(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first = cls.platform.bundle("1.0", qe_svn=8)
        cls.second = cls.platform.bundle("2.0", qe_svn=9)

    def enclaves(self, bundle):
        found = run("psw-bundle", "inspect", "--json", bundle, check=False).stdout
        return {enclave["role"]: enclave for enclave in json.loads(found)}

    def test_two_bundles_are_compared_enclave_by_enclave(self):
        diff = json.loads(run("psw-bundle", "diff", "--json", self.first, self.second).stdout)
        self.assertEqual((diff["from"]["version"], diff["to"]["version"]), ("1.0", "2.0"))
        was, becomes = self.enclaves(self.first), self.enclaves(self.second)
        self.assertEqual([enclave["role"] for enclave in diff["enclaves"]], ["qe3", "id_enclave", "pce"])
        for enclave in diff["enclaves"]:
            for key in ("isvsvn", "mrenclave", "epc_kib"):
                self.assertEqual(enclave[key], [was[enclave["role"]][key], becomes[enclave["role"]][key]])
        text = run("psw-bundle", "diff", self.second, self.first).stdout
        self.assertIn("ISVSVN 9 -> 8", text)
        self.assertIn("a swap needs --allow-downgrade qe3", text)

    def test_a_damaged_bundle_is_not_compared(self):
        damaged = self.directory / "damaged.pswb"
        damaged.write_bytes(self.first.read_bytes()[:-1] + b"x")
        self.assertNotEqual(run("psw-bundle", "diff", damaged, self.second, check=False).returncode, 0)

    def test_the_operator_sees_it_before_the_swap(self):
        with Node(platform=self.platform) as node:
            for bundle in (self.first, self.second):
                node.ctl("stage", bundle)
            self.assertEqual(node.ctl_raw("diff", "2.0").returncode, NOT_FOUND)
            node.ctl("swap", "1.0")
            shown = node.ctl_raw("diff", "2.0").stdout
            self.assertIn("qe3          ISVSVN 8 -> 9", shown)
            swapped = node.ctl_raw("swap", "2.0")
            self.assertEqual(swapped.returncode, 0)
            self.assertIn(shown, swapped.stderr)
            self.assertEqual(node.ctl("diff", "1.0")["to"]["version"], "1.0")
            self.assertEqual(node.ctl_raw("diff", "3.0").returncode, NOT_FOUND)


if __name__ == "__main__":
    unittest.main()
