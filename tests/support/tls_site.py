# SPDX-License-Identifier: Apache-2.0
"""Static files over real TLS: nginx, certificates for it, and a channel of bundles in a TUF repository."""

import http.client
import json
import pathlib
import socket
import ssl
import subprocess

from tests.support import node as nodes
from tests.support.tuf_site import Repository


SETTLED = "/-settled-"  # of our own requests


def free_port():
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(directory, name="cert", common_name="localhost", usage="serverAuth"):
    """NAME.pem and NAME.key in the directory; the certificate is its own authority."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem", "-days", "2", "-subj",
                    f"/CN={common_name}", "-addext", f"subjectAltName=DNS:{common_name}", "-addext",
                    f"extendedKeyUsage={usage}"],
                   check=True, capture_output=True, timeout=nodes.DEADLINE)


class Nginx:
    """nginx with TLS on a loopback port over `root`; `server` is more of its server block."""

    def __init__(self, directory, root, server=""):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        if not (self.directory / "cert.pem").exists():
            make_certificate(self.directory)
        self.authority = self.directory / "cert.pem"
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.log_path = self.directory / "access.log"
        config = self.directory / "nginx.conf"
        config.write_text(f"""
daemon off; master_process off; pid {self.directory}/pid; error_log {self.directory}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format short '$connection "$request_uri" $status "$http_range" $bytes_sent';
  access_log {self.log_path} short;
  client_body_temp_path {self.directory}/t1; proxy_temp_path {self.directory}/t2;
  fastcgi_temp_path {self.directory}/t3; uwsgi_temp_path {self.directory}/t4; scgi_temp_path {self.directory}/t5;
  server {{
    listen 127.0.0.1:{self.port} ssl;
    ssl_certificate {self.authority}; ssl_certificate_key {self.directory}/cert.key;
    root {root};
    {server}
  }}
}}
""", encoding="ascii")
        self.settled = 0
        self.process = subprocess.Popen(["nginx", "-c", config], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        nodes.wait_until(self.answers, "nginx")

    def answers(self):
        """Whether it listens."""
        if self.process.poll() is not None:
            raise RuntimeError("nginx ended: " + (self.directory / "error.log").read_text(encoding="utf-8"))
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def settle(self):
        """Waits until what was answered is in the log: a client has its answer a moment before. One request
        comes after the other there, so one of ours is the last."""
        self.settled += 1
        path = f"{SETTLED}{self.settled}"
        context = ssl.create_default_context(cafile=self.authority)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=nodes.DEADLINE, context=context)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        finally:
            connection.close()
        nodes.wait_until(lambda: f'"{path}"' in self.log_path.read_text(encoding="utf-8"), "nginx's log")

    def requests(self):
        """(connection, path, status, range) of every request until now."""
        self.settle()
        found = []
        for line in self.log_path.read_text(encoding="utf-8").splitlines():
            connection, path, status, asked, _ = line.split()
            if SETTLED not in path:
                found.append((int(connection), path.strip('"'), int(status), asked.strip('"')))
        return found

    def forget(self):
        """Requests until now do not count."""
        self.settle()
        with open(self.log_path, "w", encoding="ascii"):
            pass

    def stop(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait(nodes.DEADLINE)


class Channel:
    """A TUF repository whose channel gets simulated bundles."""

    def __init__(self, directory, platform, name="stable"):
        self.name = name
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.platform = platform
        self.repository = Repository(str(self.directory))

    @property
    def public(self):
        """What a web server serves."""
        return pathlib.Path(self.repository.public)

    @property
    def root(self):
        """The root of trust that nodes are shipped with."""
        return pathlib.Path(self.repository.first_root)

    def add(self, version, qe_svn=8, custom=None, publish=True):
        """Makes a bundle and publishes it; its file."""
        file = self.directory / f"sim-{version}.pswb"
        if not file.exists():
            self.platform.bundle(version, qe_svn, output=file)
        more = ["--custom", json.dumps(custom)] if custom else []
        self.repository.repo("add", str(file), "--as", f"{self.name}/{file.name}", *more)
        if publish:
            self.repository.publish()
        return file

    def settings(self, url, authority=None, **more):
        """manager.yaml's part for a node that takes its bundles from here."""
        settings = {"updates": {"repository": url, "root": self.root, "channel": self.name, "check_interval": "0", **more}}
        if authority is not None:
            settings["fetch"] = {"ca": authority}
        return settings
