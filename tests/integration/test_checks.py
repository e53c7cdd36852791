# SPDX-License-Identifier: Apache-2.0
"""The source checks find what they are for: each gets a small tree with one thing wrong."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKS = pathlib.Path(os.environ["PSW_SOURCE"]) / "tests/checks"
LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
PAGE = """# Page

| layer | may include |
| --- | --- |
| bundles/base | nothing of ours |
| bundles/sgx | base |
| bundles (root files) | sgx, base |
| bundles/tool | all of bundles |
| quoted/wire | base |
| quoted | wire, base, bundles (manifest) |
| manager | all of bundles but tool |
"""


class Checks(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.write("docs/architecture.md", PAGE)
        self.write("bundles/base/a.h", f"{LICENCE}#ifndef BUNDLES_BASE_A_H\n#define BUNDLES_BASE_A_H\n#endif\n")
        self.write("bundles/sgx/b.c", f'{LICENCE}#include "bundles/base/a.h"\n')

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")

    def check(self, name):
        environment = dict(os.environ, PSW_SOURCE=str(self.root))
        done = subprocess.run([sys.executable, "-B", str(CHECKS / f"{name}.py")], env=environment,
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def expect(self, name, status, text):
        returncode, output = self.check(name)
        self.assertEqual(returncode, status, output)
        self.assertIn(text, output)

    def test_a_clean_tree_passes(self):
        self.expect("layers", 0, "1 includes, 0 problems")
        self.expect("headers", 0, "0 problems")

    def test_an_upward_include_is_found(self):
        self.write("bundles/base/c.c", f'{LICENCE}#include "bundles/sgx/b.h"\n')
        self.expect("layers", 1, "bundles/base/c.c:2: bundles/base may not include bundles/sgx/b.h")

    def test_a_layer_that_is_allowed_in_part_is_refused_in_the_other_part(self):
        self.write("quoted/d.c", f'{LICENCE}#include "bundles/manifest.h"\n')
        self.expect("layers", 0, "0 problems")
        self.write("quoted/e.c", f'{LICENCE}#include "bundles/store.h"\n')
        self.expect("layers", 1, "quoted/e.c:2")

    def test_an_excepted_layer_is_refused(self):
        self.write("manager/f.c", f'{LICENCE}#include "bundles/sgx/b.h"\n')
        self.expect("layers", 0, "0 problems")
        self.write("manager/g.c", f'{LICENCE}#include "bundles/tool/t.h"\n')
        self.expect("layers", 1, "manager may not include bundles/tool/t.h")

    def test_folders_that_include_each_other_are_found(self):
        self.write("manager/h.c", f'{LICENCE}#include "manager/ctl/i.h"\n')
        self.expect("layers", 0, "0 problems")
        self.write("manager/ctl/i.c", f'{LICENCE}#include "manager/h.h"\n')
        self.expect("layers", 1, "manager -> manager/ctl -> manager")

    def test_an_include_of_test_code_is_found(self):
        self.write("bundles/sgx/j.c", f'{LICENCE}#include "tests/support/faults.h"\n')
        self.expect("layers", 1, "is in no layer")

    def test_a_row_that_cannot_be_read_is_not_skipped(self):
        self.write("docs/architecture.md", PAGE + "| quoted/control | whatever seems right |\n")
        self.expect("layers", 1, "whatever seems right")

    def test_a_missing_licence_a_wrong_guard_and_a_relative_include_are_found(self):
        self.write("bundles/sgx/k.h", '#ifndef K_H\n#define K_H\n#include "a.h"\n#endif\n')
        returncode, output = self.check("headers")
        self.assertEqual(returncode, 1)
        self.assertIn("bundles/sgx/k.h:1: no line", output)
        self.assertIn("the guard is not BUNDLES_SGX_K_H", output)
        self.assertIn('bundles/sgx/k.h:3: "a.h" is not a path from the root', output)


if __name__ == "__main__":
    unittest.main()
