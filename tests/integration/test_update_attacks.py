# SPDX-License-Identifier: Apache-2.0
"""The attacks of the TUF specification, 1.5.2, against a running node: by what an nginx serves, or by a hostile
server where nginx cannot be made to misbehave. Whatever happens, what serves goes on serving."""

import json
import os
import pathlib
import shutil
import tempfile
import time
import unittest

from tests.support import node as nodes
from tests.support.cases import PlatformCase
from tests.support.tls_site import Channel, Nginx
from tests.support.tuf_forge import forge
from tests.support.tuf_site import Server

INPUT, VERIFY, LIMIT, NETWORK, TIMEOUT = 4, 5, 6, 13, 14


class Attack(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for version, svn in (("1.1", 8), ("1.2", 9), ("1.3", 10)):
            cls.platform.bundle(version, svn, output=cls.directory / f"sim-{version}.pswb")

    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        self.place.chmod(0o755)
        self.channel = Channel(self.place / "repo", self.platform)
        for version in ("1.1", "1.2", "1.3"):
            os.link(self.directory / f"sim-{version}.pswb", self.channel.directory / f"sim-{version}.pswb")
        self.channel.add("1.1")
        self.public = self.channel.public
        self.metadata = self.public / "metadata"
        self.keys = pathlib.Path(self.channel.repository.directory) / "keys"
        self.nginx = Nginx(self.place / "nginx", self.public)
        self.addCleanup(self.nginx.stop)

    def node(self, fetch=None, **updates):
        """A running node on this channel."""
        settings = self.channel.settings(updates.pop("url", self.nginx.url), self.nginx.authority, **updates)
        settings["fetch"].update(fetch or {})
        return self.make_node(settings).start()

    def hostile(self):
        """A server that does with single files what it is told to."""
        server = Server(str(self.public), self.nginx.authority, self.nginx.directory / "cert.key")
        self.addCleanup(server.close)
        return server

    def serving(self, node):
        """The version that serves, or None."""
        found = node.serving()
        return found["bundle"]["version"] if found else None

    def refused(self, node, status, *words, command=("update",)):
        """The command fails with that exit status and a sentence with these words, which status repeats."""
        before = self.serving(node)
        result = node.ctl_raw(*command)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(self.serving(node), before)
        return result.stderr

    def keep(self):
        """What the repository publishes now, for later."""
        kept = pathlib.Path(tempfile.mkdtemp(dir=self.place))
        shutil.copytree(self.public, kept / "public")
        return kept / "public"

    def put_back(self, kept, *names):
        """Some metadata files as they were."""
        for name in names:
            shutil.copyfile(kept / "metadata" / name, self.metadata / name)

    def newest(self, metadata, role):
        """The numbered file of a role with the highest number."""
        return max(metadata.glob(f"*.{role}.json"), key=lambda path: int(path.name.split(".")[0]))

    def target(self, version):
        """The file in which a version's bundle is published."""
        return next((self.public / "targets" / "stable").glob(f"*.sim-{version}.pswb"))


class Attacks(Attack):
    def test_arbitrary_installation(self):
        node = self.node()
        node.ctl("update")
        self.channel.add("1.2", 9)
        target = self.target("1.2")
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 1
        target.write_bytes(content)
        self.refused(node, VERIFY, "stable/sim-1.2.pswb", "role targets", "hash", "other bytes than were published")
        other = Channel(self.place / "attacker", self.platform)
        os.link(self.directory / "sim-1.3.pswb", other.directory / "sim-1.3.pswb")
        for version in range(3):
            other.repository.add(f"stable/{version}.txt", "higher version numbers")
            other.repository.publish()
        other.add("1.3", 10)
        for path in (other.public / "metadata").iterdir():
            if path.name != "1.root.json":
                shutil.copyfile(path, self.metadata / path.name)
        self.refused(node, VERIFY, "timestamp.json", "role timestamp", "sign")
        self.assertEqual([each["version"] for each in node.ctl("list")["bundles"]], ["1.1"])

    def test_endless_data(self):
        server, sent = self.hostile(), []

        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            while len(sent) < 100000:
                handler.wfile.write(b" " * 65536)
                sent.append(65536)
            handler.close_connection = True
        node = self.node(url=server.url)
        for name in ("timestamp.json", "2.root.json", "1.snapshot.json", self.target("1.1").name):
            with self.subTest(file=name):
                sent.clear()
                server.faults.clear()
                server.faults[name] = endless
                result = node.ctl_raw("update")
                self.assertIn(result.returncode, (VERIFY, LIMIT), result.stderr)
                self.assertIn(name.split(".")[-2], result.stderr)
                self.assertLess(len(sent), 100000)
        server.faults.clear()
        node.ctl("update")
        self.assertEqual(self.serving(node), "1.1")

    def test_extraneous_dependencies(self):
        node = self.node()
        path = self.newest(self.metadata, "targets")
        name = path.name
        original = path.read_bytes()
        document = json.loads(original)
        known = document["signed"]["targets"]["stable/sim-1.1.pswb"]
        custom = {**known["custom"], "version": "9.9"}
        document["signed"]["targets"]["stable/more.pswb"] = {**known, "custom": custom}
        path.write_text(json.dumps(document), encoding="ascii")
        self.refused(node, VERIFY, name, "role targets", "longer than", "mirror")
        path.write_bytes(original)
        self.nginx.forget()
        node.ctl("update")
        targets = [path for _, path, *_ in self.nginx.requests() if path.startswith("/targets/")]
        self.assertEqual(targets, [f"/targets/stable/{self.target('1.1').name}"])

    def test_fast_forward(self):
        node = self.node()
        node.ctl("update")

        def jump(signed):
            signed["version"] = 2 ** 52
        kept = self.keep()
        forge(self.metadata / "timestamp.json", self.keys / "online.pem", jump)
        node.ctl("check-update")
        self.put_back(kept, "timestamp.json")
        self.channel.add("1.2", 9)
        self.refused(node, VERIFY, "timestamp.json", "role timestamp", "4503599627370496 was seen",
                     command=("check-update",))
        repository, fresh = self.channel.repository, self.keys / "fresh.pem"
        old = repository.key("show", str(self.keys / "online.pem")).stdout.split()[0]
        repository.key("generate", str(fresh))
        for role in ("timestamp", "snapshot"):
            repository.key("add", repository.directory, "--role", role, "--key", str(fresh))
            repository.key("remove", repository.directory, "--role", role, "--keyid", old)
        settings = pathlib.Path(repository.directory) / "repo.yaml"
        settings.write_text(settings.read_text().replace("keys/online.pem", "keys/fresh.pem"))
        repository.publish()
        node.ctl("update")
        self.assertEqual(self.serving(node), "1.2")

    def test_indefinite_freeze(self):
        node = self.node()
        node.ctl("update")
        soon = int(time.time()) + 3

        def expire(signed):
            signed["version"] += 1
            signed["expires"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon))
        forge(self.metadata / "timestamp.json", self.keys / "online.pem", expire)
        an_hour_ago = time.time() - 3600
        os.utime(self.metadata / "timestamp.json", (an_hour_ago, an_hour_ago))  # from now on nginx says 304
        node.ctl_raw("check-update")
        nodes.wait_until(lambda: time.time() > soon, "the expiry")
        self.refused(node, VERIFY, "timestamp.json", "role timestamp", "expired", "clock", command=("check-update",))
        updates = node.ctl("status")["updates"]
        self.assertEqual(updates["failure"]["rule"], "expired")
        self.assertTrue(any(each["what"] == "repository" for each in updates["problems"]), updates)
        self.assertIn("expired", node.ctl("explain")["summary"])

    def test_malicious_mirrors(self):
        server = self.hostile()
        kept = self.keep()
        node = self.node(url=server.url, mirrors=[self.nginx.url])
        node.ctl("update")
        self.channel.add("1.2", 9)
        lies = {"timestamp.json": b"<html>buy here</html>", "snapshot": b"{}", "target": b"\0" * 1000}

        def lie(content):
            def fault(handler):
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)
            return fault
        server.faults["timestamp.json"] = lie(lies["timestamp.json"])
        node.ctl("update")
        self.assertEqual(self.serving(node), "1.2")
        server.faults["timestamp.json"] = lie((kept / "metadata" / "timestamp.json").read_bytes())
        self.channel.add("1.3", 10)
        server.faults[self.target("1.3").name] = lie(lies["target"])
        node.ctl("update")
        self.assertEqual(self.serving(node), "1.3")

    def test_mix_and_match(self):
        node = self.node()
        node.ctl("update")
        kept = self.keep()
        self.channel.add("1.2", 9)
        for role in ("snapshot", "targets"):
            with self.subTest(role=role):
                newest = self.newest(self.metadata, role)
                good = newest.read_bytes()
                shutil.copyfile(self.newest(kept / "metadata", role), newest)
                self.refused(node, VERIFY, f"{role}.json", f"role {role}", "mirror")
                newest.write_bytes(good)
        node.ctl("update")

    def test_rollback(self):
        kept = self.keep()
        self.channel.add("1.2", 9)
        node = self.node()
        node.ctl("update")
        self.put_back(kept, "timestamp.json")
        text = self.refused(node, VERIFY, "timestamp.json", "role timestamp", "was seen", "older")
        node.kill_manager()
        node.start()
        self.assertEqual(self.refused(node, VERIFY), text)
        self.assertEqual(self.serving(node), "1.2")

    def test_slow_retrieval(self):
        server = self.hostile()
        waited = []

        length = {"timestamp.json": 5000, self.target("1.1").name: self.target("1.1").stat().st_size}

        def drip(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(length[handler.path.split("/")[-1]]))
            handler.end_headers()
            for at in range(1200):  # a minute; the node must have had enough long before
                handler.wfile.write(b" ")
                waited.append(at)
                time.sleep(0.05)
        node = self.node(url=server.url, fetch={"speed_min": "10KiB", "stall_timeout": "3s"})
        server.faults["timestamp.json"] = drip
        self.refused(node, TIMEOUT, "timestamp.json", "10240 bytes", "3 seconds", command=("check-update",))
        self.assertLess(len(waited), 1200)
        server.faults.clear()
        server.faults[self.target("1.1").name] = drip
        self.refused(node, TIMEOUT, "stable/sim-1.1.pswb", "10240 bytes")

    def test_key_compromise(self):
        repository, second = self.channel.repository, self.keys / "second.pem"
        repository.key("generate", str(second))
        repository.key("add", repository.directory, "--role", "targets", "--key", str(second), "--threshold", "2")
        self.channel.add("1.2", 9, publish=False)  # what has a draft is signed anew, by both
        both = [str(self.keys / name) for name in ("root.pem", "targets.pem", "second.pem")]
        repository.publish(*both)
        node = self.node()
        node.ctl("update")

        def withdraw(signed):
            signed["version"] += 1
            signed["targets"]["stable/sim-1.1.pswb"]["custom"]["version"] = "7.7"
        newest = self.newest(self.metadata, "targets")
        number = int(newest.name.split(".")[0]) + 1
        forged = self.metadata / f"{number}.targets.json"
        shutil.copyfile(newest, forged)
        forge(forged, self.keys / "targets.pem", withdraw)
        snapshot = self.newest(self.metadata, "snapshot")
        next_snapshot = self.metadata / f"{int(snapshot.name.split('.')[0]) + 1}.snapshot.json"
        shutil.copyfile(snapshot, next_snapshot)

        def list_forged(signed):
            signed["version"] += 1
            signed["meta"]["targets.json"] = {"version": number}
        forge(next_snapshot, self.keys / "online.pem", list_forged)

        def point(signed):
            signed["version"] += 1
            signed["meta"]["snapshot.json"] = {"version": int(next_snapshot.name.split(".")[0])}
        forge(self.metadata / "timestamp.json", self.keys / "online.pem", point)
        self.refused(node, VERIFY, "targets.json", "role targets", "signed by 1 of its keys, 2 must sign")

    def test_wrong_software(self):
        node = self.node()
        node.ctl("update")
        self.channel.add("1.2", 9)
        shutil.copyfile(self.target("1.1"), self.target("1.2"))  # signed, and not what was asked for
        self.refused(node, VERIFY, "stable/sim-1.2.pswb", "role targets", "other bytes than were published")
        self.assertEqual([each["version"] for each in node.ctl("list")["bundles"]], ["1.1"])


class OfflineFiles(Attack):
    def export(self, name, channel=None):
        """A file with everything that a channel publishes now."""
        file = self.place / name
        (channel or self.channel).repository.repo("export", "-o", str(file))
        return file

    def test_an_older_file_is_a_rollback(self):
        node, old = self.node(), self.export("old.tar")
        self.channel.add("1.2", 9)
        node.ctl("update", "--from", str(self.export("new.tar")))
        self.assertEqual(self.serving(node), "1.2")
        self.refused(node, VERIFY, "timestamp.json", "role timestamp", "older", command=("update", "--from", str(old)))

    def test_the_file_of_a_stranger_installs_nothing(self):
        node, other = self.node(), Channel(self.place / "attacker", self.platform)
        os.link(self.directory / "sim-1.3.pswb", other.directory / "sim-1.3.pswb")
        other.add("1.3", 10)
        self.refused(node, VERIFY, "timestamp.json", "role timestamp", "sign",
                     command=("update", "--from", str(self.export("other.tar", other))))

    def test_a_file_that_is_cut_short_or_none_of_ours_is_refused_at_every_length(self):
        node, whole = self.node(), self.export("whole.tar").read_bytes()
        cut = self.place / "cut.tar"
        for size in (0, 1, 511, 512, 4096, len(whole) // 2, len(whole) - 100000):
            with self.subTest(size=size):
                cut.write_bytes(whole[:size])
                self.assertNotEqual(node.ctl_raw("update", "--from", str(cut)).returncode, 0)
        cut.write_bytes(b"no tar at all" * 1000)
        self.assertNotEqual(node.ctl_raw("update", "--from", str(cut)).returncode, 0)
        self.assertEqual(node.ctl("list")["bundles"], [])

    def test_a_pipe_where_a_file_should_be_is_refused_instead_of_waited_for(self):
        node, pipe, empty = self.node(), self.place / "pipe", self.place / "empty"
        os.mkfifo(pipe)
        empty.touch()
        copy = self.place / "copy"
        shutil.copytree(self.channel.public, copy)
        (copy / "metadata" / "timestamp.json").unlink()
        os.mkfifo(copy / "metadata" / "timestamp.json")
        for command, words in ((("update", "--from", str(pipe)), "neither a file nor a directory"), (("stage", str(pipe)), "not a regular file"),
                               (("update", "--from", str(empty)), "is empty"), (("stage", str(empty)), "is empty"),
                               (("update", "--from", str(copy)), "timestamp.json is not a regular file")):
            with self.subTest(command=command):
                done = node.ctl_raw(*command)
                self.assertEqual((done.returncode, done.stdout), (INPUT, ""), done.stderr)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
