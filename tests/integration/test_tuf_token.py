# SPDX-License-Identifier: Apache-2.0
"""The publisher's offline key on a PKCS#11 token: SoftHSM, reached through OpenSSL's engine."""

import os
import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

from tests.support.tuf_site import Reader, Repository, Server, run

PIN = "271828"
URI = "pkcs11:token=release;object=root"


class Token(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        (self.place / "tokens").mkdir()
        settings = self.place / "softhsm2.conf"
        settings.write_text(f"directories.tokendir = {self.place}/tokens\nobjectstore.backend = file\n")
        environment = {"SOFTHSM2_CONF": str(settings), "PKCS11_MODULE_PATH": "/usr/lib/softhsm/libsofthsm2.so"}
        patch = mock.patch.dict(os.environ, environment)
        patch.start()
        self.addCleanup(patch.stop)
        self.hsm("--init-token", "--free", "--label", "release", "--so-pin", "314159")
        self.repository = Repository(self.place)
        (self.place / "pin").write_text(PIN + "\n")

    def hsm(self, *arguments):
        """softhsm2-util with the PIN."""
        subprocess.run(["softhsm2-util", *arguments, "--pin", PIN], check=True, capture_output=True, timeout=60)

    def make_key(self, *options):
        """A key that was made elsewhere and is kept in the token."""
        file = self.place / "key.pem"
        subprocess.run(["openssl", "genpkey", *options, "-out", file], check=True, capture_output=True, timeout=60)
        self.hsm("--import", str(file), "--token", "release", "--label", "root", "--id", "01")
        file.unlink()

    def rotate_to_token(self):
        """Root is signed by the token's key and the first one, then by the token's alone."""
        repository, file_key = self.repository, self.repository.path("keys", "root.pem")
        old = repository.key("show", file_key).stdout.split()[0]
        pin = ("--passphrase-file", str(self.place / "pin"))
        repository.key("add", repository.directory, "--role", "root", "--key", URI, *pin)
        repository.key("remove", repository.directory, "--role", "root", "--keyid", old)
        repository.add("a.txt", "one")
        repository.repo("sign", "--key", file_key, "--key", repository.path("keys", "targets.pem"))
        repository.repo("sign", "--key", URI, *pin)
        repository.repo("publish")

    def test_keys_of_both_kinds_sign_for_a_node_that_checks_them(self):
        for name, options in (("P-256", ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")),
                              ("RSA", ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))):
            with self.subTest(key=name):
                self.make_key(*options)
                first = self.repository.path("draft", "root.json")
                self.rotate_to_token()
                self.assertFalse(os.path.exists(first))
                server = Server(self.repository.public)
                self.addCleanup(server.close)
                reader = Reader(str(self.place / f"node-{name}"), self.repository.first_root, server.url)
                reader.download("a.txt")
                self.assertEqual(reader.content("a.txt"), "one")
                self.repository = Repository(tempfile.mkdtemp(dir=self.place))
                self.hsm("--delete-token", "--token", "release")
                self.hsm("--init-token", "--free", "--label", "release", "--so-pin", "314159")

    def test_a_pin_in_the_uri_is_used_and_never_shown(self):
        self.make_key("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        shown = run("psw-bundle", "repo", "key", "show", f"{URI};pin-value={PIN}")
        self.assertRegex(shown.stdout, "^[0-9a-f]{64}")
        failed = run("psw-bundle", "repo", "key", "show", f"pkcs11:token=other;pin-value={PIN};object=x", check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("pin-value=...;object=x", failed.stderr)
        self.assertNotIn(PIN, failed.stderr + failed.stdout)


if __name__ == "__main__":
    unittest.main()
