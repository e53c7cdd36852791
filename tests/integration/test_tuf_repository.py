# SPDX-License-Identifier: Apache-2.0
"""A repository from its first key to a node, over HTTP and with everything that a mirror may do to it."""

import json
import os
import subprocess
import tarfile
import tempfile
import time
import unittest

from tests.support.tuf_site import Reader, Repository, Server, run


class Site(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = place.name
        self.repository = Repository(self.place)
        self.repository.add("a.bin", "one")
        self.repository.publish()
        self.server = Server(self.repository.public)
        self.addCleanup(self.server.close)
        self.reader = Reader(os.path.join(self.place, "node"), self.repository.first_root, self.server.url)

    def metadata(self, name):
        return os.path.join(self.repository.public, "metadata", name)

    def refused(self, *words):
        done = self.reader.refresh(check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class Publishing(Site):
    def test_a_target_goes_from_the_publisher_to_the_node_and_is_kept_there(self):
        self.reader.download("a.bin")
        self.assertEqual(self.reader.content("a.bin"), "one")
        self.server.requests.clear()
        self.reader.download("a.bin")
        self.assertEqual(self.server.requests, ["/metadata/2.root.json", "/metadata/timestamp.json"])

    def test_what_is_no_file_cannot_be_added(self):
        pipe = os.path.join(self.place, "pipe")
        os.mkfifo(pipe)
        for what in (pipe, "/dev/zero", self.place):
            done = self.repository.repo("add", what, "--as", "x", check=False)
            self.assertEqual((done.returncode, done.stdout), (4, ""), done.stderr)
            self.assertIn("not a regular file", done.stderr)

    def test_an_update_replaces_the_target(self):
        self.reader.download("a.bin")
        self.repository.add("a.bin", "two")
        self.assertEqual(self.repository.repo("publish", check=False).returncode, 5)
        self.reader.download("a.bin")
        self.assertEqual(self.reader.content("a.bin"), "one")
        self.repository.publish()
        self.reader.download("a.bin")
        self.assertEqual(self.reader.content("a.bin"), "two")

    def test_keys_are_rotated_and_a_node_that_slept_follows(self):
        self.reader.refresh()
        fresh = os.path.join(self.place, "fresh.pem")
        old = self.repository.key("show", self.repository.path("keys", "root.pem")).stdout.split()[0]
        self.repository.key("generate", fresh, "--type", "ecdsa")
        self.repository.key("add", self.repository.directory, "--role", "root", "--key", fresh)
        self.repository.publish(self.repository.path("keys", "root.pem"), fresh)
        self.repository.key("remove", self.repository.directory, "--role", "root", "--keyid", old[:12])
        self.repository.publish(self.repository.path("keys", "root.pem"), fresh)
        self.reader.refresh()
        with open(os.path.join(self.reader.metadata, "root.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["signed"]["version"], 3)

    def test_an_encrypted_key_signs_with_its_passphrase_only(self):
        secret = os.path.join(self.place, "secret")
        key = os.path.join(self.place, "encrypted.pem")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("open sesame\n")
        self.repository.key("generate", key, "--passphrase-file", secret)
        done = self.repository.key("show", key, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is encrypted: there is no terminal to ask for its passphrase at", done.stderr)
        wrong = os.path.join(self.place, "wrong")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write("open barley\n")
        done = self.repository.key("show", key, "--passphrase-file", wrong, check=False)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (4, 1))
        self.assertIn("the passphrase is wrong", done.stderr)
        self.repository.key("add", self.repository.directory, "--role", "targets", "--key", key, "--threshold", "2",
                            "--passphrase-file", secret)
        self.repository.add("b.bin", "two")
        self.repository.sign()
        self.assertIn("1 of its keys, 2 must sign", self.repository.repo("publish", check=False).stderr)
        self.repository.repo("sign", "--key", key, "--passphrase-file", secret)
        self.repository.repo("publish")
        self.reader.download("b.bin")

    def test_status_and_renewal_speak_json_and_by_exit_status(self):
        status = self.repository.repo("status", "--json")
        roles = {role["role"]: role for role in json.loads(status.stdout)["roles"]}
        self.assertEqual(sorted(roles), ["root", "snapshot", "targets", "timestamp"])
        self.assertFalse(any(role["warning"] for role in roles.values()))
        self.assertEqual(self.repository.repo("status", "--within", "5d", check=False).returncode, 1)
        done = self.repository.repo("renew", "--within", "40d", "--json")
        self.assertEqual(json.loads(done.stdout), {"renewed": ["snapshot", "timestamp"], "short": []})
        done = self.repository.repo("renew", "--within", "100d", "--json", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["short"], ["targets"])
        self.reader.refresh()

    def test_a_bundles_facts_become_custom_data(self):
        platform = os.path.join(self.place, "platform")
        bundle = os.path.join(self.place, "b.pswb")
        run("psw-bundle", "sim-platform", "-o", platform)
        run("psw-bundle", "sim", "--platform", platform, "--version", "1.2.3", "--qe-svn", "1", "--pce-svn", "1", "-o",
            bundle)
        self.repository.repo("add", bundle, "--custom", '{"urgency": "high"}')
        with open(self.repository.path("draft", "targets.json"), encoding="utf-8") as file:
            custom = json.load(file)["signed"]["targets"]["b.pswb"]["custom"]
        self.assertEqual(custom["version"], "1.2.3")
        self.assertEqual(custom["urgency"], "high")
        self.assertEqual(len(custom["bundle"]), 64)
        self.assertEqual(custom["isv_svn"], {"qe3": 1, "id_enclave": 1, "pce": 1})

    def test_rules_that_nodes_could_not_read_are_refused(self):
        platform = os.path.join(self.place, "platform")
        bundle = os.path.join(self.place, "b.pswb")
        run("psw-bundle", "sim-platform", "-o", platform)
        run("psw-bundle", "sim", "--platform", platform, "--version", "1.2.3", "--qe-svn", "1", "--pce-svn", "1", "-o",
            bundle)
        for custom, word in (('{"floor": 2}', "floor"), ('{"known_bad": "1.0"}', "known_bad"),
                             ('{"known_bad": ["1.0", "one"]}', "entry 2"), ('{"urgency": 1}', "urgency"), ("[]", "object")):
            done = self.repository.repo("add", bundle, "--custom", custom, check=False)
            self.assertNotEqual(done.returncode, 0, custom)
            self.assertIn(word, done.stderr)
        self.repository.repo("add", bundle, "--custom", '{"floor": "1.2", "known_bad": ["1.0"], "notes": "https://x/"}')

    def test_pruning_removes_what_no_node_asks_for_and_says_so_first(self):
        for content in ("two", "three"):
            self.repository.add("a.bin", content)
            self.repository.publish()
        old = time.time() - 10 * 86400
        for number in (1, 2):
            os.utime(self.metadata(f"{number}.snapshot.json"), (old, old))
        listed = self.repository.repo("prune", "--dry-run")
        self.assertIn("public/metadata/1.snapshot.json\npublic/metadata/1.targets.json\npublic/targets/", listed.stdout)
        self.assertIn("would be removed: 3 files", listed.stdout)
        self.assertTrue(os.path.exists(self.metadata("1.snapshot.json")))
        self.assertIn("nothing to remove", self.repository.repo("prune", "--keep", "11d").stdout)
        self.assertEqual(self.repository.repo("prune", "--keep", "1d", check=False).returncode, 2)
        done = json.loads(self.repository.repo("prune", "--json").stdout)
        self.assertEqual(len(done["removed"]), 3)
        self.assertFalse(done["dry_run"])
        self.assertFalse(os.path.exists(self.metadata("1.snapshot.json")))
        self.assertEqual(len(os.listdir(os.path.join(self.repository.public, "targets"))), 2)
        self.reader.download("a.bin")
        self.assertEqual(self.reader.content("a.bin"), "three")
        self.assertIn("nothing to remove", self.repository.repo("prune").stdout)

    def test_an_export_holds_the_chosen_targets_and_all_roots(self):
        self.repository.add("b.bin", "two")
        self.repository.publish()
        out = os.path.join(self.place, "out.tar")
        self.assertRegex(self.repository.repo("export", "-o", out, "b.bin").stdout, r": 1 target, \d+ bytes\n$")
        with tarfile.open(out) as archive:
            names = archive.getnames()
        self.assertIn("metadata/1.root.json", names)
        self.assertIn("metadata/2.targets.json", names)
        self.assertEqual([name.split(".", 1)[1] for name in names if name.startswith("targets/")], ["b.bin"])
        done = self.repository.repo("export", "-o", out, "none.bin", check=False)
        self.assertEqual(done.returncode, 7)
        with tarfile.open(out) as archive:
            self.assertEqual(archive.getnames(), names)

    def test_targets_in_hash_bins_are_added_renewed_exported_and_found(self):
        self.repository.repo("delegate", "bins", "--bits", "4", "--key", self.repository.path("keys", "online.pem"))
        contents = {f"stable/{number}.bin": str(number) for number in range(6)}
        for path, content in contents.items():
            self.repository.add(path, content, "--role", "bins")
        self.assertIn("bins bins: 16 drafts, signed by 1 of the given keys; 16 complete", self.repository.sign().stdout)
        self.assertIn("drafts of 16, without signatures: 0", self.repository.repo("status", check=False).stdout)
        self.repository.repo("publish")
        self.reader.download(*contents)
        for path, content in contents.items():
            self.assertEqual(self.reader.content(path), content)
        status = self.repository.repo("status")
        self.assertIn("bins         version 1     expires", status.stdout)
        self.assertEqual(len(status.stdout.splitlines()), 5)
        renewed = json.loads(self.repository.repo("renew", "--within", "90d", "--json", check=False).stdout)
        self.assertEqual(len([role for role in renewed["renewed"] if role.startswith("bins-")]), 16)
        self.repository.repo("remove", "stable/1.bin", "--role", "bins")
        self.assertIn("bins: 1 of 1", self.repository.key("list", self.repository.directory).stdout)
        self.repository.publish()
        self.assertEqual(self.reader.download("stable/1.bin", check=False).returncode, 1)
        out = os.path.join(self.place, "out.tar")
        self.repository.repo("export", "-o", out)
        with tarfile.open(out) as archive:
            names = [name.split(".", 1)[1] for name in archive.getnames() if name.startswith("targets/")]
        self.assertEqual(sorted(names), sorted(["a.bin"] + [f"{number}.bin" for number in (0, 2, 3, 4, 5)]))

    def test_a_delegation_is_taken_back(self):
        key = self.repository.path("keys", "online.pem")
        self.repository.repo("delegate", "vendor", "--key", key, "--path", "vendor/*")
        self.repository.add("vendor/x", "theirs", "--role", "vendor")
        self.repository.publish()
        self.reader.download("vendor/x")
        self.repository.repo("delegate", "vendor", "--remove")
        self.repository.publish()
        self.assertEqual(self.reader.download("vendor/x", check=False).returncode, 1)
        for arguments, word in ((["vendor", "--remove", "--key", key], "--from only"), (["vendor"], "one kind"),
                                (["pk", "--bits", "11"], "'11' is not understood"), (["none", "--remove"], "none")):
            done = self.repository.repo("delegate", *arguments, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr)

    def test_misuse_is_told_in_one_sentence(self):
        for arguments, word in ((["frobnicate"], "no verb"), (["add", self.repository.directory], "give files"),
                                (["sign", self.repository.directory, "--threshold", "2"], "not for this verb"),
                                (["status", os.path.join(self.place, "none")], "none")):
            done = run("psw-bundle", "repo", *arguments, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)


class HostileMirror(Site):
    def answer(self, status, headers=(), body=b""):
        def fault(handler):
            handler.send_response(status)
            for name, value in headers:
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        return fault

    def test_only_absence_ends_the_search_for_new_roots(self):
        for status in (400, 401, 429, 500, 503):
            self.server.faults["2.root.json"] = self.answer(status)
            self.refused("2.root.json", "role root", f"the server answers {status}")
        for status in (403, 404):
            self.server.faults["2.root.json"] = self.answer(status, body=b"no such page")
            self.reader.refresh()

    def test_a_redirect_is_not_followed(self):
        self.server.faults["timestamp.json"] = self.answer(302, [("Location", "/metadata/1.root.json")])
        self.refused("timestamp.json", "302")

    def test_a_connection_that_is_cut_or_says_a_wrong_length_is_no_file(self):
        def cut(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "5000")
            handler.end_headers()
            handler.wfile.write(b'{"signatures": [')
            handler.close_connection = True
        self.server.faults["timestamp.json"] = cut
        self.refused("timestamp.json", "role timestamp")
        del self.server.faults["timestamp.json"]
        self.reader.refresh()

    def test_endless_data_is_stopped_at_the_limit(self):
        sent = []

        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            try:
                while len(sent) < 1000:
                    handler.wfile.write(b" " * 65536)
                    sent.append(65536)
            except OSError:
                pass
            handler.close_connection = True
        self.server.faults["timestamp.json"] = endless
        self.refused("timestamp.json", "16384 bytes")
        self.assertLess(len(sent), 1000)

    def test_an_old_timestamp_is_a_rollback(self):
        with open(self.metadata("timestamp.json"), "rb") as file:
            old = file.read()
        self.repository.add("b.bin", "two")
        self.repository.publish()
        self.reader.refresh()
        self.server.faults["timestamp.json"] = self.answer(200, body=old)
        self.refused("role timestamp", "version 1 is offered, 2 was seen")

    def test_a_page_in_place_of_metadata_is_refused_in_words(self):
        self.server.faults["1.snapshot.json"] = self.answer(200, body=b"<html>maintenance</html>")
        self.refused("snapshot.json", "role snapshot", "mirror")

    def test_a_target_that_was_exchanged_leaves_nothing(self):
        name = next(name for name in os.listdir(os.path.join(self.repository.public, "targets")))
        self.server.faults[name] = self.answer(200, body=b"ONE")
        done = self.reader.download("a.bin", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("hash", done.stderr)
        self.assertEqual(os.listdir(self.reader.targets), [])

    def test_a_node_that_refreshes_while_it_refreshes_is_refused_and_not_confused(self):
        commands = [["tuf-client", "--metadata-dir", self.reader.metadata, "--metadata-url",
                     f"{self.server.url}/metadata", "refresh"]] * 4
        running = [subprocess.Popen([os.path.join(os.environ["PSW_BIN"], command[0]), *command[1:]],
                                    env={**os.environ, "no_proxy": "*"}, stderr=subprocess.PIPE, text=True)
                   for command in commands]
        results = [(process.communicate(timeout=60)[1], process.returncode) for process in running]
        self.assertIn(0, [status for _, status in results])
        for message, status in results:
            self.assertTrue(status == 0 or "lock" in message, message)
        self.reader.refresh()


if __name__ == "__main__":
    unittest.main()
