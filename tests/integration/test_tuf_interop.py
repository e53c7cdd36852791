# SPDX-License-Identifier: Apache-2.0
# label: slow
"""Another TUF implementation (tuf-js) reads what psw-bundle publishes, and ours reads what it publishes."""

import hashlib
import json
import os
import subprocess
import tempfile
import unittest

from tests.support.tuf_site import Reader, Repository, Server

SOURCE = os.environ["PSW_SOURCE"]


def support(name):
    return os.path.join(SOURCE, "tests", "support", name)


class Interoperability(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run([support("npm.sh"), "tuf-js", "5.0.1"], capture_output=True, text=True, timeout=110,
                              check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.npm = done.stdout.strip()

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = place.name

    def serve(self, directory):
        server = Server(directory)
        self.addCleanup(server.close)
        return server

    def node(self, script, *arguments):
        return subprocess.run(["node", support(script), self.npm, *arguments], capture_output=True, text=True,
                              timeout=60, check=False)

    def test_tuf_js_reads_our_repository_through_rotation_and_delegations(self):
        repository = Repository(self.place)
        keys = {}
        for kind in ("rsa", "ecdsa", "ed25519"):
            keys[kind] = os.path.join(self.place, f"{kind}.pem")
            repository.key("generate", keys[kind], "--type", kind)
        repository.add("top.bin", "one", "--custom", '{"note": "tab\\tquote\\"back\\\\slash \\ud83d\\udd12"}')
        repository.publish()
        repository.key("add", repository.directory, "--role", "root", "--key", keys["rsa"], "--key", keys["ecdsa"],
                       "--threshold", "2")
        repository.repo("delegate", "vendor", "--key", keys["ecdsa"], "--path", "vendor/*", "--terminating")
        prefix = hashlib.sha256(b"by-hash.bin").hexdigest()[:2]
        repository.repo("delegate", "hashed", "--key", keys["rsa"], "--hash-prefix", prefix)
        repository.repo("delegate", "spread", "--key", keys["ed25519"], "--path", "spread/*")
        repository.repo("delegate", "bin", "--bits", "5", "--key", keys["ed25519"], "--from", "spread")
        spread = {f"spread/{number}": f"in bins {number}" for number in range(5)}
        for path, content in spread.items():
            repository.add(path, content, "--role", "bin")
        repository.add("vendor/two.bin", "two", "--role", "vendor")
        repository.add("by-hash.bin", "three", "--role", "hashed")
        repository.publish(repository.path("keys", "root.pem"), repository.path("keys", "targets.pem"),
                           *keys.values())
        server = self.serve(repository.public)
        contents = {"top.bin": "one", "vendor/two.bin": "two", "by-hash.bin": "three", **spread}
        done = self.node("tuf_js_client.mjs", repository.first_root, server.url, *contents)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual({entry["path"]: entry["sha256"] for entry in found},
                         {path: hashlib.sha256(text.encode()).hexdigest() for path, text in contents.items()})
        self.assertEqual(found[0]["custom"], {"note": "tab\tquote\"back\\slash \U0001f512"})
        self.assertIn("/metadata/2.root.json", server.requests)
        for none in ("vendor/none", "spread/none"):
            missing = self.node("tuf_js_client.mjs", repository.first_root, server.url, none)
            self.assertEqual(missing.returncode, 1)
            self.assertIn("not found", missing.stderr)

    def test_our_client_reads_a_repository_of_tuf_js(self):
        made = self.node("tuf_js_author.mjs", os.path.join(self.place, "site"))
        self.assertEqual(made.returncode, 0, made.stderr)
        paths = made.stdout.split()
        self.assertEqual(len(paths), 7)
        server = self.serve(os.path.join(self.place, "site"))
        reader = Reader(os.path.join(self.place, "reader"),
                        os.path.join(self.place, "site", "metadata", "1.root.json"), server.url)
        reader.download(*paths)
        for path in paths:
            self.assertEqual(reader.content(path), f"content of {path}")
        self.assertEqual(reader.download("vendor/none.pswb", check=False).returncode, 1)


if __name__ == "__main__":
    unittest.main()
