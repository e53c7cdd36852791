# SPDX-License-Identifier: Apache-2.0
"""From the publisher to the swap over real TLS from a real nginx: looking, choosing, fetching, staging, swapping."""

import json
import os
import pathlib
import tempfile
import time
import unittest

from tests.support import node as nodes
from tests.support.cases import PlatformCase
from tests.support.tls_site import Channel, Nginx

NOT_FOUND, CONFLICT, PERMISSION = 7, 8, 9


class Flow(PlatformCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        self.place.chmod(0o755)
        self.channel = Channel(self.place / "repo", self.platform)
        self.channel.add("1.1")
        self.nginx = Nginx(self.place / "nginx", self.channel.public)
        self.addCleanup(self.nginx.stop)

    def node(self, url=None, fetch=None, **updates):
        """A running node on this channel."""
        settings = self.channel.settings(url or self.nginx.url, self.nginx.authority, **updates)
        settings["fetch"].update(fetch or {})
        return self.make_node(settings).start()

    def verdicts(self, node):
        """Version -> verdict, as explain says."""
        return {each["version"]: each["verdict"] for each in node.ctl("explain")["candidates"]}

    def serving(self, node):
        """The version that serves, or None."""
        found = node.serving()
        return found["bundle"]["version"] if found else None

    def refused(self, node, status, *arguments):
        """pswctl fails with that exit status; its sentence."""
        result = node.ctl_raw(*arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stderr


class Updating(Flow):
    def test_a_node_goes_from_nothing_to_the_newest_and_on_to_the_next(self):
        node = self.node()
        self.assertEqual(node.ctl("check-update")["result"]["offer"]["version"], "1.1")
        node.ctl("update")
        self.assertEqual(self.serving(node), "1.1")
        self.assertIsNone(node.ctl("check-update")["result"]["offer"])
        self.channel.add("1.2", 9, {"urgency": "high", "notes": "https://example.org/1.2"})
        offer = node.ctl("check-update")["result"]["offer"]
        self.assertEqual((offer["version"], offer["urgency"]), ("1.2", "high"))
        self.assertEqual(self.serving(node), "1.1")
        update = node.ctl("update")
        self.assertEqual(update["swap"]["state"], "succeeded")
        self.assertEqual(self.serving(node), "1.2")
        self.assertEqual(self.verdicts(node), {"1.2": "serving", "1.1": "older"})
        self.assertEqual(os.listdir(node.directory / "state" / "downloads"), [])

    def test_a_look_without_news_is_two_requests_on_one_connection(self):
        node = self.node()
        timestamp = self.channel.public / "metadata" / "timestamp.json"
        an_hour_ago = time.time() - 3600
        os.utime(timestamp, (an_hour_ago, an_hour_ago))  # what is younger may change under the same ETag
        node.ctl("update")
        self.nginx.forget()
        self.assertIsNone(node.ctl("check-update")["result"]["offer"])
        requests = self.nginx.requests()
        self.assertEqual([(path, status) for _, path, status, _ in requests],
                         [("/metadata/2.root.json", 404), ("/metadata/timestamp.json", 304)])
        self.assertEqual(len({connection for connection, *_ in requests}), 1)

    def test_an_update_uses_one_connection_for_everything(self):
        node = self.node()
        node.ctl("update", "--stage-only")
        self.assertEqual(len({connection for connection, *_ in self.nginx.requests()}), 1)
        self.assertEqual([each["version"] for each in node.ctl("list")["bundles"]], ["1.1"])
        self.assertIsNone(self.serving(node))

    def test_what_is_staged_already_is_not_fetched_again(self):
        node = self.node()
        node.ctl("update", "--stage-only")
        self.nginx.forget()
        node.ctl("update")
        self.assertEqual(self.serving(node), "1.1")
        self.assertFalse([path for _, path, *_ in self.nginx.requests() if path.startswith("/targets/")])

    def test_an_operator_goes_back_to_a_version_by_name(self):
        self.channel.add("1.2", 9)
        node = self.node()
        node.ctl("update")
        self.assertEqual(self.serving(node), "1.2")
        self.assertIn("--allow-downgrade", self.refused(node, PERMISSION, "update", "--to", "1.1"))
        node.ctl("update", "--to", "1.1", "--allow-downgrade", "psw-simulated")
        self.assertEqual(self.serving(node), "1.1")
        self.assertEqual(self.verdicts(node)["1.2"], "failed-here")
        self.assertIsNone(node.ctl("update")["result"]["offer"])
        node.ctl("update", "--to", "1.2")
        self.assertEqual(self.serving(node), "1.2")
        self.refused(node, NOT_FOUND, "update", "--to", "7.7")

    def test_the_node_updates_itself_where_it_may(self):
        node = self.node(automatic="swap", check_interval="1s")
        nodes.wait_until(lambda: self.serving(node) == "1.1", "the first version")
        self.channel.add("1.2", 9)
        nodes.wait_until(lambda: self.serving(node) == "1.2", "the second version")
        status = node.ctl("status")["updates"]
        self.assertGreater(status["next_check_at"], 0)
        self.assertEqual(status["automatic"], "swap")

    def test_the_node_only_stages_where_it_may_do_no_more(self):
        node = self.node(automatic="stage", check_interval="1s")
        nodes.wait_until(lambda: node.ctl("list")["bundles"], "the staged bundle")
        self.assertIsNone(self.serving(node))

    def test_a_repository_in_a_local_directory_needs_no_network(self):
        node = self.node(url=f"file://{self.channel.public}")
        node.ctl("update")
        self.assertEqual(self.serving(node), "1.1")
        self.assertEqual(self.nginx.requests(), [])


class Offline(Flow):
    def test_an_exported_file_goes_through_the_same_verification(self):
        exported = self.place / "export.tar"
        self.channel.repository.repo("export", "-o", str(exported))
        node = self.node()
        node.ctl("update", "--from", str(exported))
        self.assertEqual(self.serving(node), "1.1")
        self.channel.add("1.2", 9)
        self.channel.repository.repo("export", "-o", str(exported), "stable/sim-1.2.pswb")
        content = bytearray(exported.read_bytes())
        content[len(content) // 2] ^= 1
        (self.place / "bad.tar").write_bytes(content)
        refused = node.ctl_raw("update", "--from", str(self.place / "bad.tar"))
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("export or copy it again", refused.stderr)
        self.assertEqual(self.serving(node), "1.1")
        node.ctl("update", "--from", str(exported), "--stage-only")
        self.assertEqual(self.serving(node), "1.1")
        node.ctl("update", "--from", str(self.channel.public))
        self.assertEqual(self.serving(node), "1.2")
        self.assertEqual(self.nginx.requests(), [])


class Policy(Flow):
    def test_the_publisher_withdraws_a_version_for_good(self):
        node = self.node()
        node.ctl("update")
        self.channel.add("1.2", 9, publish=False)
        self.channel.add("1.3", 10, {"known_bad": ["1.2"]})
        self.channel.repository.repo("remove", "stable/sim-1.1.pswb")
        self.channel.repository.publish()
        node.ctl("check-update")
        self.assertEqual(self.verdicts(node), {"1.3": "offered", "1.2": "known-bad"})
        self.assertIn("known to be bad", self.refused(node, PERMISSION, "update", "--to", "1.2"))

    def test_nothing_below_the_floor_is_installed_whoever_asks(self):
        node = self.node()
        node.ctl("update")
        self.channel.add("1.2", 9, {"floor": "1.2"})
        node.ctl("update")
        self.assertIn("floor", self.refused(node, PERMISSION, "update", "--to", "1.1"))
        self.channel.add("1.3", 10, {"floor": "1.3", "known_bad": ["1.2"]})
        node.ctl("check-update")
        problems = [each["text"] for each in node.ctl("status")["updates"]["problems"]]
        self.assertTrue(any("1.2" in text and "known to be bad" in text for text in problems), problems)

    def test_what_is_rolled_back_does_not_come_again_by_itself(self):
        node = self.node()
        node.ctl("update")
        self.channel.add("1.2", 9)
        node.ctl("update")
        node.ctl("rollback")
        self.assertEqual(self.serving(node), "1.1")
        self.assertIsNone(node.ctl("update")["result"]["offer"])
        self.assertEqual(self.verdicts(node)["1.2"], "failed-here")
        node.kill_manager()
        node.start()
        self.assertEqual(self.verdicts(node)["1.2"], "failed-here")
        self.channel.add("1.3", 10)
        node.ctl("update")
        self.assertEqual(self.serving(node), "1.3")

    def test_simulated_bundles_are_refused_before_they_are_fetched(self):
        settings = self.channel.settings(self.nginx.url, self.nginx.authority)
        node = self.make_node({**settings, "simulated": "refuse"}).start()
        self.assertIsNone(node.ctl("update")["result"]["offer"])
        self.assertEqual(self.verdicts(node), {"1.1": "simulated"})
        self.assertFalse([path for _, path, *_ in self.nginx.requests() if path.startswith("/targets/")])

    def test_what_is_no_bundle_is_explained_and_passed_over(self):
        self.channel.repository.add("stable/notes.txt", "hello")
        self.channel.repository.add("other/sim.pswb", "another channel's")
        self.channel.repository.publish()
        node = self.node()
        node.ctl("check-update")
        explained = {each["path"]: each["verdict"] for each in node.ctl("explain")["candidates"]}
        self.assertEqual(explained, {"stable/sim-1.1.pswb": "offered", "stable/notes.txt": "malformed"})
        shown = node.ctl_raw("list", "--remote").stdout
        self.assertIn("offered", shown)
        self.assertIn("malformed", shown)

    def test_metadata_that_lies_about_a_bundle_is_refused_after_staging(self):
        self.channel.add("1.2", 9, {"bundle": "ab" * 32})
        node = self.node()
        result = node.ctl_raw("update")
        self.assertEqual(result.returncode, 5, result.stderr)
        self.assertIn("abababab", result.stderr)
        nodes.wait_until(lambda: not node.ctl("list")["bundles"], "the bundle's removal")

    def test_without_a_repository_there_is_a_sentence_instead(self):
        node = self.make_node().start()
        self.assertIn("updates.repository", self.refused(node, 3, "check-update"))
        self.assertIn("updates.repository", node.ctl("explain")["summary"])
        self.assertEqual(json.loads(node.ctl_raw("status", "--json").stdout)["updates"]["repository"], None)


if __name__ == "__main__":
    unittest.main()
