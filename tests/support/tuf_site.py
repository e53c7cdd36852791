# SPDX-License-Identifier: Apache-2.0
"""A TUF repository made with psw-bundle, a static web server for it, and tuf-client as its reader."""

import functools
import http.server
import os
import ssl
import subprocess
import tempfile
import threading


def run(*command, check=True, **options):
    """Runs a program of ours; its output is in the result."""
    path = os.path.join(os.environ.get("PSW_BIN", ""), command[0])
    environment = {**os.environ, "no_proxy": "*"}  # all servers here are on this machine
    result = subprocess.run([path, *command[1:]], capture_output=True, text=True, timeout=60, env=environment, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit status {result.returncode}: {result.stderr}")
    return result


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, keeps a log of the paths, and fails where it is told to."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append(self.path)
        fault = self.server.faults.get(self.path.split("/")[-1])
        if fault is None:
            super().do_GET()
        else:
            fault(self)

    def log_message(self, *arguments):
        pass


class Server:
    """Serves a directory on a port of its own until closed; with a certificate and its key over TLS."""

    def __init__(self, directory, certificate=None, key=None):
        handler = functools.partial(Handler, directory=directory)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that leaves is no news
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.server.requests = []
        self.server.faults = {}
        port = self.server.server_address[1]
        self.url = f"https://localhost:{port}" if certificate is not None else f"http://127.0.0.1:{port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def requests(self):
        return self.server.requests

    @property
    def faults(self):
        return self.server.faults

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Repository:
    """A repository in a directory of its own; `repo` runs one of its verbs."""

    def __init__(self, directory):
        self.directory = os.path.join(directory, "repository")
        run("psw-bundle", "repo", "init", self.directory)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def repo(self, verb, *arguments, check=True):
        return run("psw-bundle", "repo", verb, self.directory, *arguments, check=check)

    def key(self, *arguments, check=True):
        return run("psw-bundle", "repo", "key", *arguments, check=check)

    def add(self, name, content, *arguments):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(content)
            file.flush()
            self.repo("add", file.name, "--as", name, *arguments)

    def sign(self, *keys):
        given = keys or (self.path("keys", "root.pem"), self.path("keys", "targets.pem"))
        return self.repo("sign", *(part for key in given for part in ("--key", key)))

    def publish(self, *keys):
        self.sign(*keys)
        self.repo("publish")

    @property
    def public(self):
        return self.path("public")

    @property
    def first_root(self):
        return self.path("public", "metadata", "1.root.json")


class Reader:
    """tuf-client with a metadata and a target directory of its own."""

    def __init__(self, directory, root, url):
        self.metadata = os.path.join(directory, "metadata")
        self.targets = os.path.join(directory, "targets")
        self.url = url
        os.makedirs(self.metadata)
        os.makedirs(self.targets)
        run("tuf-client", "--metadata-dir", self.metadata, "init", root)

    def refresh(self, check=True):
        return run("tuf-client", "--metadata-dir", self.metadata, "--metadata-url", f"{self.url}/metadata", "refresh",
                   check=check)

    def download(self, *names, check=True):
        given = [part for name in names for part in ("--target-name", name)]
        return run("tuf-client", "--metadata-dir", self.metadata, "--metadata-url", f"{self.url}/metadata", *given,
                   "--target-dir", self.targets, "--target-base-url", f"{self.url}/targets", "download", check=check)

    def content(self, name):
        with open(os.path.join(self.targets, name.replace("/", "%2F")), encoding="utf-8") as file:
            return file.read()
