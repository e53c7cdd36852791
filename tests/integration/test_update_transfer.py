# SPDX-License-Identifier: Apache-2.0
"""What servers, proxies and disks do to the transfers of an update that is honest otherwise."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from tests.support import node as nodes
from tests.support.cases import PlatformCase
from tests.support.tls_site import Channel, Nginx, make_certificate
from tests.support.tuf_site import Server

VERIFY, CONFLICT, NO_SPACE, NETWORK = 5, 8, 10, 13


class Proxy:
    """An HTTP proxy that knows CONNECT and remembers where to."""

    def __init__(self):
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Every connection in a thread of its own."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.connect, args=(connection,), daemon=True).start()

    def connect(self, client):
        """The tunnel."""
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            target = head.split()[1].decode()
            self.asked.append(target)
            with socket.create_connection(("127.0.0.1", int(target.rsplit(":", 1)[1]))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self.pump, args=(server, client), daemon=True)
                back.start()
                self.pump(client, server)
                back.join()

    @staticmethod
    def pump(source, sink):
        """Bytes from one to the other until the end."""
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def stop(self):
        """No more connections."""
        self.listener.close()


class Transfer(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channel = Channel(cls.directory / "repo", cls.platform)
        cls.channel.add("1.1")
        cls.target = next((cls.channel.public / "targets" / "stable").iterdir())
        cls.content = cls.target.read_bytes()
        make_certificate(cls.directory)

    def node(self, url, fetch=None, settings=None, **updates):
        """A running node on this channel."""
        all_settings = self.channel.settings(url, self.directory / "cert.pem", **updates)
        all_settings["fetch"].update(fetch or {})
        return self.make_node({**all_settings, **(settings or {})}).start()

    def server(self):
        """A TLS server that does with the target what it is told to."""
        server = Server(str(self.channel.public), self.directory / "cert.pem", self.directory / "cert.key")
        self.addCleanup(server.close)
        return server

    def nginx(self, extra=""):
        """nginx with a certificate that nodes here trust."""
        place = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        place.chmod(0o755)
        for name in ("cert.pem", "cert.key"):
            shutil.copyfile(self.directory / name, place / name)
        nginx = Nginx(place, self.channel.public, extra)
        self.addCleanup(nginx.stop)
        return nginx

    def staged(self, node):
        """Versions in the node's store."""
        return [each["version"] for each in node.ctl("list")["bundles"]]

    def asked_ranges(self, server, *answers):
        """Lets the target's requests be answered by these functions, the last for ever; the ranges asked for."""
        ranges, left = [], list(answers)

        def fault(handler):
            ranges.append(handler.headers.get("Range"))
            (left.pop(0) if len(left) > 1 else left[0])(handler)
        server.faults[self.target.name] = fault
        return ranges

    def half(self, handler):
        """Breaks off in the middle."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content[:len(self.content) // 2])
        handler.wfile.flush()
        handler.close_connection = True

    def whole(self, handler):
        """Everything, whatever range was asked for."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content)

    def partial(self, first, total, body):
        """An answer that says it begins at `first`."""
        def fault(handler):
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{total}")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        return fault

    def status(self, code):
        """Only a status."""
        def fault(handler):
            handler.send_response(code)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        return fault


class Ranges(Transfer):
    def test_a_server_that_ignores_ranges_gives_the_whole_file(self):
        server = self.server()
        ranges = self.asked_ranges(server, self.half, self.whole)
        node = self.node(server.url)
        node.ctl("update", "--stage-only")
        self.assertEqual(self.staged(node), ["1.1"])
        self.assertEqual(ranges, [None, f"bytes={len(self.content) // 2}-"])

    def test_the_rest_alone_is_enough(self):
        server, half = self.server(), len(self.content) // 2
        ranges = self.asked_ranges(server, self.half, self.partial(half, len(self.content), self.content[half:]))
        node = self.node(server.url)
        node.ctl("update", "--stage-only")
        self.assertEqual(self.staged(node), ["1.1"])
        self.assertEqual(len(ranges), 2)

    def test_a_wrong_content_range_is_not_believed(self):
        half, size = len(self.content) // 2, len(self.content)
        for name, lie in (("start", self.partial(half + 1, size, self.content[half + 1:])),
                          ("total", self.partial(half, size + 10, self.content[half:])),
                          ("nonsense", self.partial(-5, size, self.content[half:]))):
            with self.subTest(lie=name):
                server = self.server()
                ranges = self.asked_ranges(server, self.half, lie, self.whole)
                node = self.node(server.url)
                node.ctl("update", "--stage-only")
                self.assertEqual(self.staged(node), ["1.1"])
                self.assertEqual(ranges, [None, f"bytes={half}-", None])

    def test_a_rest_of_another_file_costs_one_whole_transfer(self):
        server, half = self.server(), len(self.content) // 2
        other = self.partial(half, len(self.content), bytes(len(self.content) - half))  # as after a changed ETag
        self.asked_ranges(server, self.half, other, self.whole)
        node = self.node(server.url)
        node.ctl("update", "--stage-only")
        self.assertEqual(self.staged(node), ["1.1"])

    def test_an_unsatisfiable_range_is_asked_for_as_a_whole(self):
        server = self.server()
        ranges = self.asked_ranges(server, self.half, self.status(416), self.whole)
        node = self.node(server.url)
        node.ctl("update", "--stage-only")
        self.assertEqual(ranges[-1], None)


class Servers(Transfer):
    def test_a_server_in_trouble_is_asked_again_after_a_pause(self):
        server = self.server()
        times = []

        def busy(handler):
            times.append(time.monotonic())
            (self.status(503) if len(times) < 3 else self.whole)(handler)
        server.faults[self.target.name] = busy
        node = self.node(server.url)
        node.ctl("update", "--stage-only")
        self.assertEqual(len(times), 3)
        self.assertGreater(times[1] - times[0], 0.15)
        self.assertGreater(times[2] - times[1], 0.3)

    def test_a_server_that_stays_in_trouble_is_named_with_its_status(self):
        server = self.server()
        server.faults[self.target.name] = self.status(503)
        result = self.node(server.url).ctl_raw("update", "--stage-only")
        self.assertEqual(result.returncode, NETWORK)
        for word in ("stable/sim-1.1.pswb", "role targets", "503", "mirror"):
            self.assertIn(word, result.stderr)

    def test_a_redirect_to_another_host_is_followed_and_one_out_of_tls_is_not(self):
        real = self.nginx()
        away = self.nginx(f"location /targets/ {{ return 302 {real.url}$request_uri; }}")
        node = self.node(away.url)
        node.ctl("update", "--stage-only")
        self.assertEqual(self.staged(node), ["1.1"])
        plain = self.nginx("location /targets/ { return 302 http://localhost:1$request_uri; }")
        self.assertEqual(self.node(plain.url).ctl_raw("update", "--stage-only").returncode, NETWORK)
        loop = self.nginx("location /targets/ { return 302 $request_uri; }")
        self.assertEqual(self.node(loop.url).ctl_raw("update", "--stage-only").returncode, NETWORK)
        self.assertLessEqual(len([1 for _, path, *_ in loop.requests() if path.startswith("/targets/")]), 4)

    def test_a_mirror_that_is_down_costs_no_update(self):
        nginx = self.nginx()
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            node = self.node(f"https://localhost:{closed.getsockname()[1]}", mirrors=[nginx.url])
            node.ctl("update", "--stage-only")
        self.assertEqual(self.staged(node), ["1.1"])

    def test_a_mirror_whose_name_does_not_resolve_costs_no_update(self):
        node = self.node(f"https://{'a' * 64}.invalid", mirrors=[self.nginx().url])
        node.ctl("update", "--stage-only")
        self.assertEqual(self.staged(node), ["1.1"])

    def test_the_proxy_is_asked_for_everything(self):
        nginx, proxy = self.nginx(), Proxy()
        self.addCleanup(proxy.stop)
        self.node(nginx.url, fetch={"proxy": proxy.url}).ctl("update", "--stage-only")
        self.assertEqual(set(proxy.asked), {f"localhost:{nginx.port}"})

    def test_a_server_that_wants_a_certificate_gets_it(self):
        place = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        make_certificate(place, "node", usage="clientAuth")
        nginx = self.nginx(f"ssl_verify_client on; ssl_client_certificate {place}/node.pem;")
        refused = self.node(nginx.url).ctl_raw("update", "--stage-only")
        self.assertEqual(refused.returncode, NETWORK, refused.stderr)
        node = self.node(nginx.url, fetch={"client_certificate": place / "node.pem", "client_key": place / "node.key"})
        node.ctl("update", "--stage-only")
        self.assertEqual(self.staged(node), ["1.1"])

    def test_the_rate_limit_holds(self):
        nginx = self.nginx()
        node = self.node(nginx.url, fetch={"rate_max": f"{len(self.content) // 4}"})
        start = time.monotonic()
        node.ctl("update", "--stage-only")
        self.assertGreater(time.monotonic() - start, 1)

    def test_of_two_requests_at_once_one_works_and_the_other_is_told_so(self):
        server, asked, go_on = self.server(), threading.Event(), threading.Event()

        def wait(handler):
            asked.set()
            go_on.wait(nodes.DEADLINE)
            self.whole(handler)
        server.faults[self.target.name] = wait
        node = self.node(server.url)
        with subprocess.Popen([nodes.program("pswctl"), "update", "--stage-only", "--config", node.config_path],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
            self.assertTrue(asked.wait(nodes.DEADLINE))
            for command in ("update", "check-update"):
                second = node.ctl_raw(command)
                self.assertEqual(second.returncode, CONFLICT)
                self.assertTrue(re.search(r"operation \d+ \(update\) is under way", second.stderr), second.stderr)
            go_on.set()
            self.assertEqual(first.wait(60), 0)
        self.assertEqual(self.staged(node), ["1.1"])


class Disk(Transfer):
    def mount(self):
        """A file system of 400 KiB of its own; skips the test where that may not be had."""
        place = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=0755", "tmpfs", place], check=False,
                                capture_output=True)
        if result.returncode != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        return place

    def test_a_full_disk_is_told_and_the_next_update_finds_everything_in_order(self):
        nginx, place = self.nginx(), self.mount()
        node = self.node(nginx.url, settings={"store": place / "store", "state": place / "state"})
        result = node.ctl_raw("update", "--stage-only")
        self.assertEqual(result.returncode, NO_SPACE, result.stderr)
        self.assertIn("No space left", result.stderr)
        self.assertEqual(self.staged(node), [])
        self.assertEqual(os.listdir(place / "store" / "incoming"), [])
        facts = os.statvfs(place)
        (place / "fill").write_bytes(bytes(facts.f_bavail * facts.f_bsize))
        self.assertEqual(node.ctl_raw("update", "--stage-only").returncode, NO_SPACE)
        node.kill_manager()
        subprocess.run(["mount", "-o", "remount,size=16m", place], check=True)
        node.start()
        node.ctl("update", "--stage-only")
        self.assertEqual(self.staged(node), ["1.1"])
        self.assertEqual(os.listdir(place / "state" / "downloads"), [])


if __name__ == "__main__":
    unittest.main()
