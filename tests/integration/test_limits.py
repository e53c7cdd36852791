# SPDX-License-Identifier: Apache-2.0
"""Limits of what others may send, below, at and above: requests for quotes, requests of the API, bundle files."""

import contextlib
import hashlib
import http.client
import json
import pathlib
import shutil
import socket
import tempfile
import unittest

from tests.support import aesm, node as nodes
from tests.support.quoted import Stage

LIMIT, INPUT = 6, 4
REQUEST_SIZE, BODY_SIZE, FILE_SIZE = 8192, 64 * 1024, 4096


class Requests(unittest.TestCase):
    def test_a_request_for_quotes_has_request_size_at_most(self):
        stage = Stage()
        self.addCleanup(stage.close)
        daemon = stage.start(stage.bundle("1.0", 8), config={"request_size": REQUEST_SIZE})
        daemon.wait_serving()
        rest = len(aesm.init_request(key_id=bytes(REQUEST_SIZE // 2))) - 4 - REQUEST_SIZE // 2
        for over in (-1, 0, 1):
            whole = aesm.init_request(key_id=bytes(REQUEST_SIZE - rest + over))
            self.assertEqual(len(whole) - 4, REQUEST_SIZE + over)
            with self.subTest(over=over):
                self.assertEqual(aesm.ask_answer(daemon.socket, whole) is not None, over <= 0)


def post(node, path, body):
    """The status of the answer."""
    with contextlib.closing(nodes.Api(node.api_path)) as api:
        api.request("POST", path, json.dumps(body))
        answer = api.getresponse()
        answer.read()
        return answer.status


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.node = nodes.Node({"fetch": {"size_max": FILE_SIZE}}, platform=nodes.Platform(cls.directory / "platform"))
        cls.addClassCleanup(cls.node.stop)
        cls.node.start()

    def file(self, size):
        path = self.directory / f"{size}.pswb"
        path.write_bytes(b"x" * size)
        return path

    def test_an_uploaded_file_has_size_max_at_most(self):
        for over in (-1, 0, 1):
            with self.subTest(over=over):
                refused = self.node.ctl_raw("stage", self.file(FILE_SIZE + over))
                self.assertEqual(refused.returncode, INPUT if over <= 0 else LIMIT, refused.stderr)

    def test_a_fetched_file_has_size_max_at_most(self):
        for over in (-1, 0, 1):
            path = self.file(FILE_SIZE + over)
            with self.subTest(over=over):
                fetched = self.node.ctl_raw("fetch", f"file://{path}", "--sha256", hashlib.sha256(path.read_bytes()).hexdigest())
                self.assertEqual(fetched.returncode, 0 if over <= 0 else LIMIT, fetched.stderr)

    def test_a_body_of_the_api_has_64_kib_at_most(self):
        for over in (-1, 0, 1):
            text = json.dumps({"bundle": "x"})
            with self.subTest(over=over):
                api = nodes.Api(self.node.api_path)
                self.addCleanup(api.close)
                api.request("POST", "/v1/swap", text + " " * (BODY_SIZE - len(text) + over))
                answer = api.getresponse()
                self.assertEqual(answer.status, http.client.NOT_FOUND if over <= 0 else http.client.REQUEST_ENTITY_TOO_LARGE)
                answer.read()

    def test_a_swap_allows_8_names_to_go_down_at_most(self):
        for over in (-1, 0, 1):
            status = post(self.node, "/v1/swap", {"bundle": "x", "allow_downgrade": ["pce"] * (8 + over)})
            self.assertEqual(status, http.client.NOT_FOUND if over <= 0 else http.client.BAD_REQUEST)


class UnderWay(unittest.TestCase):
    def test_8_fetches_are_under_way_at_most(self):
        node = nodes.Node()
        self.addCleanup(node.stop)
        node.start()
        with socket.create_server(("127.0.0.1", 0)) as silent:  # lets clients connect and never answers
            url = f"https://127.0.0.1:{silent.getsockname()[1]}/x"
            statuses = [post(node, "/v1/fetch", {"url": url, "sha256": f"{number:064x}"}) for number in range(9)]
        self.assertEqual(statuses, [http.client.ACCEPTED] * 8 + [http.client.REQUEST_ENTITY_TOO_LARGE])


if __name__ == "__main__":
    unittest.main()
