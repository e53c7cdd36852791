# SPDX-License-Identifier: Apache-2.0
"""The gate: what is not verified is not staged, what is staged and changed is not swapped to, and an ISVSVN goes down
only by name and with an entry in the journal."""

import pathlib
import shutil
import unittest

import yaml

from tests.support.cases import PlatformCase
from tests.support.node import run

VERIFY, PERMISSION = 5, 9  # exit statuses


class Gate(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundles = {version: cls.platform.bundle(version, qe_svn=svn) for version, svn in (("1.0", 8), ("2.0", 9))}

    def setUp(self):
        self.node = self.make_node()

    def remake(self, bundle, name, change):
        """A bundle file made from the unpacked one after change(directory, recipe)."""
        place = self.node.directory / name
        run("psw-bundle", "unpack", bundle, "-C", place)
        recipe = yaml.safe_load((place / "manifest.yaml").read_text())
        (place / "manifest.yaml").unlink()
        for file in recipe["files"]:
            for key in ("size", "sha256"):
                del file[key]
        change(place, recipe)
        (place / "bundle.yaml").write_text(yaml.safe_dump(recipe))
        made = self.node.directory / f"{name}.pswb"
        run("psw-bundle", "make", place, "-o", made)
        return made

    def refused(self, status, words, *arguments):
        result = self.node.ctl_raw(*arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertIn(words, result.stderr)

    def staged(self):
        return {bundle["version"] for bundle in self.node.ctl("list")["bundles"]}

    def test_staging_says_each_check_of_each_enclave(self):
        self.node.start()
        done = self.node.ctl("stage", self.bundles["1.0"])
        checks = done["result"]["checks"]
        self.assertEqual({check["verdict"] for check in checks}, {"pass", "skipped"})
        for wanted in ("manifest", "content", "signature", "signer", "measurement", "role", "expected", "epc"):
            self.assertIn(wanted, {check["id"] for check in checks})

    def test_enclaves_of_a_platform_that_is_not_named_are_refused(self):
        self.node.write_config({"trust": []})
        self.node.start()
        self.refused(VERIFY, "name the platform's trust.yaml", "stage", self.bundles["1.0"])
        self.assertEqual(self.staged(), set())

    def test_simulated_enclaves_are_refused_where_they_are_not_allowed(self):
        self.node.write_config({"simulated": "refuse"})
        self.node.start()
        self.refused(PERMISSION, "simulated: allow", "stage", self.bundles["1.0"])

    def test_a_changed_enclave_in_a_whole_bundle_is_refused_and_what_serves_serves_on(self):
        self.node.start()
        good = self.bundles["1.0"]
        self.node.ctl("stage", good)
        self.node.ctl("swap", "1.0")

        def change(place, recipe):
            recipe["version"] = "1.1"
            path = place / "lib" / "libsgx_qe3.signed.so.1"
            content = bytearray(path.read_bytes())
            content[content.index(b"SGX_TRTS_VERSION")] ^= 1
            path.write_bytes(content)

        self.refused(VERIFY, "check measurement", "stage", self.remake(good, "changed", change))
        self.assertEqual(self.staged(), {"1.0"})
        self.assertEqual(self.node.serving()["bundle"]["version"], "1.0")

    def test_enclaves_that_change_places_are_refused(self):
        self.node.start()

        def change(place, recipe):
            lib = place / "lib"
            shutil.move(lib / "libsgx_qe3.signed.so.1", lib / "x")
            shutil.move(lib / "libsgx_id_enclave.signed.so.1", lib / "libsgx_qe3.signed.so.1")
            shutil.move(lib / "x", lib / "libsgx_id_enclave.signed.so.1")
            for file in recipe["files"]:
                file.pop("isvsvn", None)
                file.pop("mrenclave", None)

        made = self.remake(self.bundles["1.0"], "places", change)
        self.refused(VERIFY, "the manifest calls it qe3, it is id_enclave", "stage", made)

    def test_a_trust_policy_that_cannot_be_read_is_told_at_the_start(self):
        self.node.write_config({"trust": [self.node.directory / "missing.yaml"]})
        result = run("psw-manager", "--config", self.node.config_path, "--check", check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("missing.yaml", result.stderr)

    def test_a_staged_enclave_that_was_changed_is_not_swapped_to(self):
        self.node.start()
        self.node.ctl("stage", self.bundles["1.0"])
        bundle, = pathlib.Path(self.node.directory / "store" / "bundles").iterdir()
        path = bundle / "lib" / "libsgx_pce.signed.so.1"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        self.refused(VERIFY, "libsgx_pce.signed.so.1", "swap", "1.0")

    def test_an_isvsvn_goes_down_only_by_name_and_with_an_entry_in_the_journal(self):
        self.node.start()
        for bundle in self.bundles.values():
            self.node.ctl("stage", bundle)
        self.node.ctl("swap", "2.0")
        self.refused(PERMISSION, "--allow-downgrade qe3", "swap", "1.0")
        self.refused(PERMISSION, "--allow-downgrade id_enclave", "swap", "1.0", "--allow-downgrade", "qe3")
        self.assertEqual(self.node.serving()["bundle"]["version"], "2.0")
        self.node.ctl("swap", "1.0", "--allow-downgrade", "qe3", "--allow-downgrade", "id_enclave")
        self.assertEqual(self.node.serving()["bundle"]["version"], "1.0")
        downgrades = [event for event in self.node.ctl("journal")["events"] if event["event"] == "downgrade"]
        self.assertEqual(len(downgrades), 1)
        self.assertIn("qe3 9 to 8, id_enclave 9 to 8", downgrades[0]["text"])

    def test_what_served_before_is_the_way_back_without_further_names(self):
        self.node.start()
        for version, bundle in self.bundles.items():
            self.node.ctl("stage", bundle)
            self.node.ctl("swap", version)
        self.node.ctl("swap", "1.0")
        self.assertEqual(self.node.serving()["bundle"]["version"], "1.0")
        self.assertIn("downgrade", {event["event"] for event in self.node.ctl("journal")["events"]})

    def test_a_rollback_may_go_down_and_the_journal_says_so(self):
        self.node.start()
        for version, bundle in self.bundles.items():
            self.node.ctl("stage", bundle)
            self.node.ctl("swap", version)
        self.node.ctl("rollback")
        self.assertEqual(self.node.serving()["bundle"]["version"], "1.0")
        self.assertIn("downgrade", {event["event"] for event in self.node.ctl("journal")["events"]})


if __name__ == "__main__":
    unittest.main()
