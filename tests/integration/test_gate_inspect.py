# SPDX-License-Identifier: Apache-2.0
"""psw-bundle inspect: what is an enclave is told by its bytes, and only a verified one gives exit status 0."""

import json
import os
import shutil
import tarfile
import unittest

from tests.support.cases import PlatformCase
from tests.support.node import run

MEMBERS = {"path", "role", "mrsigner", "mrenclave", "measured", "match", "isvprodid", "isvsvn", "attributes",
           "attributes_mask", "miscselect", "date", "debug", "provision_key", "metadata_version", "epc_kib", "soname",
           "signature", "strict_form", "signer"}
VERIFY = 5  # exit status


class Inspect(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.trust = cls.directory / "platform" / "trust.yaml"
        cls.bundle = cls.platform.bundle("1.2", qe_svn=9, pce_svn=13)
        cls.unpacked = cls.directory / "unpacked"
        run("psw-bundle", "unpack", cls.bundle, "-C", cls.unpacked)
        cls.qe3 = cls.unpacked / "lib" / "libsgx_qe3.signed.so.1"

    def inspect(self, *arguments, trust=True):
        """(exit status, list of objects, standard error)"""
        trusted = ["--trust", self.trust] if trust else []
        result = run("psw-bundle", "inspect", "--json", *trusted, *arguments, check=False)
        return result.returncode, json.loads(result.stdout), result.stderr

    def test_an_enclave_file_is_verified_and_described(self):
        status, found, _ = self.inspect(self.qe3)
        self.assertEqual((status, len(found)), (0, 1))
        enclave = found[0]
        self.assertLessEqual(MEMBERS, set(enclave))
        self.assertEqual((enclave["role"], enclave["isvsvn"], enclave["match"], enclave["signature"]), ("qe3", 9, True, "ok"))
        self.assertEqual(enclave["strict_form"], "ok")
        self.assertEqual(enclave["measured"], [enclave["mrenclave"]])
        self.assertEqual(enclave["path"], str(self.qe3))
        self.assertGreater(enclave["epc_kib"], 0)

    def test_a_simulated_enclave_is_not_verified_unless_its_policy_is_named(self):
        status, found, _ = self.inspect(self.qe3, trust=False)
        self.assertEqual(status, VERIFY)
        self.assertEqual((found[0]["signer"], found[0]["match"], found[0]["signature"]), ("unknown", True, "ok"))

    def test_an_enclave_file_may_have_64_mib_unless_told_otherwise(self):
        place = self.directory / "large"
        place.mkdir()
        large = place / "large.so"
        shutil.copy(self.qe3, large)
        for size, status in ((64 * 2**20 - 1, VERIFY), (64 * 2**20, VERIFY), (64 * 2**20 + 1, 6)):
            os.truncate(large, size)
            for path in (large, place):
                result = run("psw-bundle", "inspect", "--json", path, check=False)
                self.assertEqual(result.returncode, status, result.stderr)
        self.assertIn(f"{large}: larger than 64 MiB: say --large", result.stderr)
        status, found, _ = self.inspect(place, "--large")
        self.assertEqual((status, len(found)), (VERIFY, 1))
        os.truncate(large, 512 * 2**20 + 1)
        for path in (large, place):
            result = run("psw-bundle", "inspect", "--large", path, check=False)
            self.assertIn(f"{large}: larger than any enclave file (512 MiB)", result.stderr)

    def test_a_large_library_in_a_directory_is_passed_over(self):
        place = self.directory / "libraries"
        place.mkdir()
        shutil.copy(self.qe3, place / "qe3.so")
        shutil.copy(self.unpacked / "lib" / "libsgx_dcap_ql.so.1", place / "library.so")
        os.truncate(place / "library.so", 2**30)
        status, found, error = self.inspect(place)
        self.assertEqual((status, len(found)), (0, 1), error)

    def test_the_enclaves_of_a_bundle_are_told_apart_by_role(self):
        status, found, _ = self.inspect(self.bundle)
        self.assertEqual(status, 0)
        self.assertEqual({enclave["role"] for enclave in found}, {"qe3", "id_enclave", "pce"})
        self.assertIn(f"{self.bundle}:lib/libsgx_pce.signed.so.1", {enclave["path"] for enclave in found})

    def test_a_directory_is_searched_by_contents_not_by_names(self):
        place = self.directory / "names"
        (place / "deep").mkdir(parents=True)
        shutil.copy(self.qe3, place / "deep" / "picture.png")
        (place / "notes.signed.so").write_text("no enclave")
        (place / "endless").symlink_to(place)
        status, found, _ = self.inspect(place)
        self.assertEqual(status, 0)
        self.assertEqual([enclave["path"] for enclave in found], [str(place / "deep" / "picture.png")])

    def test_an_enclave_counts_whatever_its_file_is_called(self):
        names = [b"new\nline", "\u00e9\u20ac".encode(), b"no\xffletter", b"\x1b[31mred", b"-dash", b"two words", b"l" * 200]
        place = os.fsencode(self.directory / "odd")
        os.mkdir(place)
        for name in names:
            shutil.copy(self.qe3, os.path.join(place, name))
        status, found, _ = self.inspect(self.directory / "odd")
        self.assertEqual((status, len(found)), (0, len(names)))
        self.assertLessEqual({"new\nline", "\u00e9\u20ac", "no\\xffletter"}, {os.path.basename(enclave["path"]) for enclave in found})
        text = run("psw-bundle", "inspect", "--trust", self.trust, self.directory / "odd").stdout
        self.assertNotIn("\x1b", text)
        self.assertIn("new\\x0aline\n", text)
        for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            archive = self.directory / f"odd{form}.tar"
            with tarfile.open(archive, "w", format=form) as tar:
                for name in names:
                    if form == tarfile.USTAR_FORMAT or name != b"no\xffletter":
                        tar.add(os.path.join(place, name), arcname=os.fsdecode(name[:90]))
                tar.add(self.qe3, arcname="deep")
                count = len(tar.getnames())
            status, found, error = self.inspect(archive)
            self.assertEqual((status, len(found)), (0, count), error)

    def test_a_directory_without_enclaves_is_an_error(self):
        place = self.directory / "empty"
        place.mkdir()
        status, found, error = self.inspect(place)
        self.assertNotIn(status, (0, VERIFY))
        self.assertEqual(found, [])
        self.assertIn("no enclave", error)

    def test_a_bare_sigstruct_is_read_and_not_verified(self):
        content = self.qe3.read_bytes()
        entry = content.index(b"sgx_metadata\0") + 13
        css = self.directory / "css.bin"
        css.write_bytes(content[entry + 64:entry + 64 + 1808])
        status, found, _ = self.inspect(css)
        self.assertEqual(status, VERIFY)
        self.assertEqual((found[0]["signature"], found[0]["match"], found[0]["isvsvn"]), ("ok", None, 9))

    def test_a_changed_page_does_not_match(self):
        content = bytearray(self.qe3.read_bytes())
        content[content.index(b"SGX_TRTS_VERSION")] ^= 1
        changed = self.directory / "changed.so"
        changed.write_bytes(content)
        status, found, _ = self.inspect(changed)
        self.assertEqual(status, VERIFY)
        self.assertIs(found[0]["match"], False)
        self.assertNotEqual(found[0]["measured"], [found[0]["mrenclave"]])

    def test_a_damaged_bundle_is_an_error_and_the_other_files_are_told_of(self):
        damaged = self.directory / "damaged.pswb"
        content = bytearray(self.bundle.read_bytes())
        content[-1] ^= 1
        damaged.write_bytes(content)
        status, found, error = self.inspect(damaged, self.qe3)
        self.assertEqual(len(found), 1)
        self.assertNotEqual(status, 0)
        self.assertIn("damaged.pswb", error)

    def test_a_damaged_file_in_a_directory_hides_no_other(self):
        place = self.directory / "mixed"
        (place / "deep").mkdir(parents=True)
        (place / "a.pswb").write_bytes(self.bundle.read_bytes()[:1000])
        (place / "deep" / "b.deb").write_bytes(b"!<arch>\ndebian-binary   " + b"0" * 600)
        shutil.copy(self.qe3, place / "z.so")
        status, found, error = self.inspect(place)
        self.assertEqual([enclave["path"] for enclave in found], [str(place / "z.so")])
        self.assertEqual((status, error.count("psw-bundle: ")), (4, 2), error)
        for name in ("a.pswb", "b.deb"):
            self.assertIn(name, error)
        (place / "z.so").unlink()
        status, found, error = self.inspect(place)
        self.assertEqual((status, found, error.count("psw-bundle: ")), (4, [], 2), error)

    def test_text_says_the_verdict_and_what_failed(self):
        good = run("psw-bundle", "inspect", "--trust", self.trust, self.bundle)
        self.assertEqual(good.stdout.count("  verified     "), 3)
        self.assertIn("psw-simulated 1.2", good.stdout)
        bad = run("psw-bundle", "inspect", self.qe3, check=False)
        self.assertIn("NOT VERIFIED", bad.stdout)
        self.assertIn("FAILED       signer: MRSIGNER", bad.stdout)

    def test_what_is_neither_is_refused_with_a_sentence(self):
        other = self.directory / "other"
        other.write_text("something else\n" * 10)
        status, _, error = self.inspect(other)
        self.assertEqual(status, 4)
        self.assertIn("neither an enclave file", error)


if __name__ == "__main__":
    unittest.main()
