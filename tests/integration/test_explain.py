# SPDX-License-Identifier: Apache-2.0
"""pswctl explain CODE: codes and checks in words, without the manager."""

import json
import os
import pathlib
import re
import unittest

from tests.support.node import run

SOURCE = pathlib.Path(os.environ["PSW_SOURCE"])
NOT_FOUND = 7


class Explain(unittest.TestCase):
    def test_a_code_is_explained(self):
        said = run("pswctl", "explain", "47").stdout
        self.assertIn("aesm 47: AESM_INVALID_REPORT", said)
        self.assertRegex(said, r"what to do +fetch target info anew")
        found = json.loads(run("pswctl", "explain", "0xe018", "--json").stdout)
        self.assertEqual([(each["kind"], each["code"], each["name"]) for each in found],
                         [("quote3", "0xe018", "SGX_QL_KEY_CERTIFCATION_ERROR")])

    def test_a_check_is_explained(self):
        said = run("pswctl", "explain", "driver.noexec").stdout
        self.assertIn("check driver.noexec: /dev is not mounted noexec", said)
        self.assertIn("https://", said)

    def test_what_nobody_knows_is_not_found(self):
        result = run("pswctl", "explain", "0xe036", check=False)
        self.assertEqual(result.returncode, NOT_FOUND)
        self.assertIn("docs/checks.md", result.stderr)

    def test_the_names_are_those_of_the_daemon(self):
        names = re.search(r"names\[AESM_CODES_COUNT\] = \{(.*?)\};", (SOURCE / "quoted/wire/code.c").read_text("ascii"), re.S)[1]
        daemon = dict(enumerate(re.findall(r'NULL|"(\w+)"', names)))
        for number, name in daemon.items():
            result = run("pswctl", "explain", number, "--json", check=False)
            if name:
                self.assertEqual([each["name"] for each in json.loads(result.stdout)], [name])
            else:
                self.assertEqual(result.returncode, NOT_FOUND)

    def test_every_check_that_a_remedy_names_exists(self):
        words = "".join(path.read_text("ascii") for path in (SOURCE / "manager/ctl").glob("codes_*.c"))
        ids = set(re.findall(r"\b((?:cpu|driver|epc|bundle|libraries|load|quote|upgrade|socket|provider|node)\.[a-z0-9_-]+)", words))
        self.assertGreater(len(ids), 15)
        for check in ids:
            run("pswctl", "explain", check)


if __name__ == "__main__":
    unittest.main()
