# SPDX-License-Identifier: Apache-2.0
"""Fetching over real TLS from a real nginx: digests, resuming, limits, certificates."""

import hashlib
import http.server
import os
import pathlib
import shutil
import socket
import ssl
import tempfile
import threading
import unittest

from tests.support import node as nodes
from tests.support.tls_site import Nginx, free_port

USAGE, INPUT, VERIFY, LIMIT, NOT_FOUND, CONFLICT, PERMISSION, NETWORK, TIMEOUT = 2, 4, 5, 6, 7, 8, 9, 13, 14

UNRESOLVED = "a" * 64 + ".invalid"  # a part of a name has at most 63 letters: fails at once, without a network


class Dropper(http.server.BaseHTTPRequestHandler):
    """Gives so many bytes an answer as `gives` says, then breaks off; without more in the list, none. The rest
    alone comes only for a range request with the right If-Range."""

    def do_GET(self):  # pylint: disable=invalid-name
        """Serves the server's `content`."""
        content, etag = self.server.content, self.server.etag
        self.server.ranges.append((self.headers.get("Range"), self.headers.get("If-Range")))
        start = 0
        if self.headers.get("Range") and self.headers.get("If-Range") == etag:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", etag)
        self.end_headers()
        give = self.server.gives.pop(0) if self.server.gives else 0
        self.wfile.write(content[start:start + give])
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_):
        """Quiet."""


class FetchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        cls.directory.chmod(0o755)
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.www = cls.directory / "www"
        cls.www.mkdir()
        cls.nginx = Nginx(cls.directory, cls.www,
                          "location /plain/ { return 302 http://localhost:1/a.pswb; }")
        cls.addClassCleanup(cls.nginx.stop)
        cls.platform = nodes.Platform(cls.directory / "platform")
        cls.bundle = cls.platform.bundle("1.1", 8, output=cls.www / "a.pswb")
        cls.content = cls.bundle.read_bytes()
        cls.digest = hashlib.sha256(cls.content).hexdigest()

    def node(self, **fetch):
        """A running node that trusts nginx's certificate."""
        node = nodes.Node({"fetch": {"ca": self.directory / "cert.pem", **fetch}}, platform=self.platform)
        self.addCleanup(node.stop)
        return node.start()

    def refused(self, node, status, *arguments):
        """pswctl fails with that exit status; its sentence."""
        result = node.ctl_raw(*arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stderr

    def downloads(self, node):
        """Names of what the downloads directory holds."""
        return sorted(os.listdir(node.directory / "state" / "downloads"))

    def test_a_file_is_fetched_and_staged(self):
        node = self.node()
        operation = node.ctl("fetch", f"{self.nginx.url}/a.pswb", "--sha256", self.digest, "--stage")
        self.assertTrue(operation["result"]["new"])
        self.assertEqual([each["version"] for each in node.ctl("list")["bundles"]], ["1.1"])
        self.assertEqual(self.downloads(node), [])

    def test_a_fetched_file_is_staged_later_by_its_digest(self):
        node = self.node()
        node.ctl("fetch", f"{self.nginx.url}/a.pswb", "--sha256", self.digest)
        self.assertEqual(node.ctl("list")["bundles"], [])
        self.assertEqual(self.downloads(node), [f"{self.digest}.pswb"])
        node.ctl("stage", self.digest)
        self.assertEqual(len(node.ctl("list")["bundles"]), 1)
        self.assertIn("nothing was fetched", self.refused(node, NOT_FOUND, "stage", "0" * 64))

    def test_a_file_url_is_fetched_unless_that_is_off(self):
        node = self.node()
        node.ctl("fetch", f"file://{self.bundle}", "--sha256", self.digest, "--stage")
        other = self.node(file="false")
        self.assertIn("fetch.file", self.refused(other, PERMISSION, "fetch", f"file://{self.bundle}", "--sha256",
                                                 self.digest))

    def test_another_digest_is_refused_with_both_and_leaves_nothing(self):
        node = self.node()
        text = self.refused(node, VERIFY, "fetch", f"{self.nginx.url}/a.pswb", "--sha256", "1" * 64)
        self.assertIn("1" * 64, text)
        self.assertIn(self.digest, text)
        self.assertEqual(self.downloads(node), [])

    def test_what_is_no_bundle_is_fetched_but_not_staged(self):
        (self.www / "junk").write_bytes(b"junk" * 1000)
        node = self.node()
        digest = hashlib.sha256(b"junk" * 1000).hexdigest()
        self.refused(node, INPUT, "fetch", f"{self.nginx.url}/junk", "--sha256", digest, "--stage")
        self.assertEqual(node.ctl("list")["bundles"], [])

    def test_a_file_that_is_too_large_is_refused(self):
        node = self.node(size_max="64KiB")
        self.assertIn("fetch.size_max", self.refused(node, LIMIT, "fetch", f"{self.nginx.url}/a.pswb", "--sha256",
                                                     self.digest))

    def test_a_server_that_is_not_trusted_is_refused(self):
        node = self.node(ca="/etc/ssl/certs/ca-certificates.crt")
        self.assertIn("fetch.ca", self.refused(node, VERIFY, "fetch", f"{self.nginx.url}/a.pswb", "--sha256",
                                               self.digest))

    def test_what_is_not_there_is_not_found(self):
        node = self.node()
        self.assertIn("404", self.refused(node, NOT_FOUND, "fetch", f"{self.nginx.url}/none", "--sha256", self.digest))

    def test_a_server_that_is_not_there_is_a_network_failure(self):
        node = self.node()
        self.refused(node, NETWORK, "fetch", f"https://localhost:{free_port()}/a", "--sha256", self.digest)

    def test_a_name_that_does_not_resolve_is_a_network_failure(self):
        error = self.refused(self.node(), NETWORK, "fetch", f"https://{UNRESOLVED}/a", "--sha256", self.digest)
        self.assertIn("resolve", error)

    def test_redirects_stay_encrypted(self):
        node = self.node()
        self.refused(node, NETWORK, "fetch", f"{self.nginx.url}/plain/", "--sha256", self.digest)

    def test_urls_that_are_never_fetched(self):
        node = self.node()
        self.assertIn("https", self.refused(node, USAGE, "fetch", "http://localhost/a", "--sha256", self.digest))
        self.assertIn("password", self.refused(node, USAGE, "fetch", "https://user:word@localhost/a", "--sha256",
                                               self.digest))
        self.assertNotIn("word@", node.ctl_raw("journal").stdout)
        self.assertNotIn("word@", node.log())
        api = nodes.Api(node.api_path)
        self.addCleanup(api.close)
        self.assertNotIn("word@", str(api.call("GET", "/v1/operations")))
        self.refused(node, USAGE, "fetch", f"{self.nginx.url}/a.pswb")
        self.refused(node, USAGE, "fetch", f"{self.nginx.url}/a.pswb", "--sha256", "abc")

    def dropper(self, etag, *gives):
        """A TLS server that breaks off."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dropper)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "cert.pem", self.directory / "cert.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.content, server.etag, server.gives, server.ranges = self.content, etag, list(gives), []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join, nodes.DEADLINE)
        self.addCleanup(server.shutdown)
        return server, f"https://localhost:{server.server_address[1]}/a.pswb"

    def test_a_connection_that_breaks_costs_nothing_but_the_rest(self):
        half = len(self.content) // 2
        server, url = self.dropper('"v1"', half, len(self.content))
        self.node().ctl("fetch", url, "--sha256", self.digest, "--stage")
        self.assertEqual(server.ranges, [(None, None), (f"bytes={half}-", '"v1"')])

    def test_an_interrupted_fetch_goes_on_where_it_stopped(self):
        half = len(self.content) // 2
        server, url = self.dropper('"v1"', half)
        node = self.node()
        self.refused(node, NETWORK, "fetch", url, "--sha256", self.digest)
        self.assertEqual((node.directory / "state" / "downloads" / f"{self.digest}.part").stat().st_size, half)
        server.gives.append(len(self.content))
        node.ctl("fetch", url, "--sha256", self.digest, "--stage")
        self.assertEqual((server.ranges[0], server.ranges[-1]), ((None, None), (f"bytes={half}-", '"v1"')))

    def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(self):
        server, url = self.dropper('"v1"', len(self.content) // 2)
        node = self.node()
        self.refused(node, NETWORK, "fetch", url, "--sha256", self.digest)
        server.etag = '"v2"'
        server.gives.append(len(self.content))
        node.ctl("fetch", url, "--sha256", self.digest, "--stage")
        self.assertEqual(server.ranges[-1][1], '"v1"')

    def test_without_an_etag_that_names_bytes_nothing_is_appended(self):
        server, url = self.dropper('W/"v1"', len(self.content) // 2)
        node = self.node()
        self.refused(node, NETWORK, "fetch", url, "--sha256", self.digest)
        server.gives.append(len(self.content))
        node.ctl("fetch", url, "--sha256", self.digest, "--stage")
        self.assertEqual(set(server.ranges), {(None, None)})

    def test_a_fetch_that_takes_too_long_is_given_up(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            node = self.node(timeout="500ms")
            url = f"https://localhost:{silent.getsockname()[1]}/a"
            self.refused(node, TIMEOUT, "fetch", url, "--sha256", self.digest)


if __name__ == "__main__":
    unittest.main()
