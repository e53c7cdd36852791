# SPDX-License-Identifier: Apache-2.0
"""A node of its own for a test or a benchmark: a simulated platform, bundles for it, a manager, and load.

Everything lives in one temporary directory and is reached through the real programs (directory PSW_BIN).
Whatever a Node started, its stop() ends by process id, also after a failure.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

os.umask(0o022)  # whatever that of the tester: some programs run as another user on what is made here
DEADLINE = 60.0  # seconds that any single step of a test may take, on a slow machine too


def program(name):
    """Path of one of our programs."""
    directory = os.environ.get("PSW_BIN")
    if not directory:
        raise RuntimeError("PSW_BIN is not set: point it to the directory of the programs")
    return str(pathlib.Path(directory) / name)


def wait_until(condition, what, timeout=DEADLINE):
    """The first true value of condition(); for what has no event to wait for."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise TimeoutError(f"waited {timeout:.0f} s in vain for {what}")


def run(name, *arguments, check=True, timeout=DEADLINE, **options):
    """One of our programs to its end; its result with text output."""
    result = subprocess.run([program(name), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, timeout=timeout, check=False, **options)
    if check and result.returncode != 0:
        raise RuntimeError(f"{name} {' '.join(map(str, arguments))}: exit status {result.returncode}\n"
                           f"{result.stdout}{result.stderr}")
    return result


class Platform:
    """A simulated platform and the bundles made for it."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        run("psw-bundle", "sim-platform", "-o", self.directory)

    def bundle(self, version, qe_svn, pce_svn=15, output=None):
        """Makes a bundle file and returns its path."""
        path = pathlib.Path(output or self.directory.parent / f"sim-{version}.pswb")
        run("psw-bundle", "sim", "--platform", self.directory, "--version", version, "--qe-svn", qe_svn,
            "--pce-svn", pce_svn, "-o", path)
        return path

    @contextlib.contextmanager
    def knobs(self, **values):
        """Meanwhile these numbers of platform.yaml are others, such as the microseconds that a `quote` takes."""
        path = self.directory / "platform.yaml"
        before = text = path.read_text()
        for key, value in values.items():
            text, count = re.subn(rf"\b{key}: \d+", f"{key}: {value}", text)
            if count != 1:
                raise ValueError(f"platform.yaml has {count} numbers '{key}'")
        self._replace(path, text)
        try:
            yield
        finally:
            self._replace(path, before)

    @staticmethod
    def _replace(path, text):
        """At once: libraries read the file at any time."""
        new = path.with_suffix(".new")
        new.write_text(text)
        new.rename(path)


class Load:
    """A running aesm-load; result() waits for its end, stop() ends it early."""

    def __init__(self, socket, *arguments):
        # A later --timeout counts. How long a slow machine takes is not what makes a request fail.
        self.process = subprocess.Popen(
            [program("aesm-load"), "--socket", str(socket), "--json", "--timeout", f"{DEADLINE:.0f}s",
             *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self, timeout=120):
        """The report as JSON, whether or not requests failed."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        if not out:
            raise RuntimeError(f"aesm-load: exit status {self.process.returncode}: {err}")
        return json.loads(out)

    def stop(self):
        """Ends it now and gives the report of what was done until then."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.result()


class Api(http.client.HTTPConnection):
    """The manager's control API on one kept connection, without the price of a process a call."""

    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, method, path, body=None):
        """The answer's JSON; a refusal is a RuntimeError with the API's own words."""
        self.request(method, path, json.dumps(body) if body is not None else None,
                     {"Content-Type": "application/json"} if body is not None else {})
        response = self.getresponse()
        answer = json.loads(response.read())
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status}: {answer['error']}")
        return answer

    def finish(self, operation):
        """Waits for the end of an operation and returns it; its failure is a RuntimeError."""
        while operation["state"] == "running":
            operation = self.call("GET", f"/v1/operations/{operation['id']}?wait=10&after={operation['revision']}")
        if operation["state"] != "succeeded":
            raise RuntimeError(f"{operation['kind']} of {operation['what']}: {operation['error']}")
        return operation

    def swap(self, bundle, soak="0"):
        """Swaps and waits until that is done."""
        return self.finish(self.call("POST", "/v1/swap", {"bundle": bundle, "soak": soak}))


def generation_pids(runtime):
    """Living quoted processes with a control socket in that directory, found by their command lines."""
    pids = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            if arguments[0].endswith(b"quoted") and any(a.startswith(bytes(runtime)) for a in arguments):
                pids.append(int(entry.name))
    return pids


class Node:
    """A manager with its store, state, sockets and configuration in a temporary directory; the platform may
    be shared with other nodes."""

    def __init__(self, settings=None, platform=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        self.directory.chmod(0o755)
        self.log_path = self.directory / "manager.log"
        self.api_path = self.directory / "run" / "api.sock"
        self.socket = self.directory / "aesm" / "aesm.socket"
        self.config_path = self.directory / "manager.yaml"
        self.quoted_path = self.directory / "quoted.yaml"
        self.quoted_path.write_text("engine_calls: 1\n", encoding="ascii")  # as it is by default
        self.socket.parent.mkdir(mode=0o755)
        self.platform = platform or Platform(self.directory / "platform")
        self.manager = None
        self.loads = []
        self.write_config(settings or {})

    def write_config(self, settings):
        """manager.yaml: ours, with `settings` ({"swap": {"soak": "1s"}} or {"store": "/x"}) over it."""
        config = {"socket": {"path": self.socket}, "store": self.directory / "store", "state": self.directory / "state",
                  "runtime": self.directory / "run", "swap": {"soak": "0"}, "simulated": "allow",
                  "trust": [self.platform.directory / "trust.yaml"], "quoted": {"config": self.quoted_path}}
        for key, value in settings.items():
            config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
        lines = []
        for key, value in config.items():
            if isinstance(value, dict):
                lines.append(f"{key}:")
                lines += [f"  {name}: {self._yaml(setting)}" for name, setting in value.items()]
            else:
                lines.append(f"{key}: {self._yaml(value)}")
        self.config_path.write_text("\n".join(lines) + "\n", encoding="ascii")

    def renew(self):
        """Lets quoted's settings look changed: no lame duck serves again, the next swap starts a new process."""
        os.utime(self.quoted_path)

    @staticmethod
    def _yaml(value):
        """A scalar or a list of them."""
        return json.dumps([str(item) for item in value] if isinstance(value, list) else str(value))

    def start(self):
        """Starts the manager and waits until its API answers."""
        with open(self.log_path, "ab") as log:
            self.manager = subprocess.Popen([program("psw-manager"), "--config", str(self.config_path)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._answers, "the manager's API")
        return self

    def _answers(self):
        if self.manager.poll() is not None:
            raise RuntimeError(f"the manager ended with status {self.manager.returncode}:\n{self.log()}")
        return self.ctl("status", check=False) is not None

    def ctl(self, *arguments, check=True, timeout=60):
        """pswctl's JSON answer; with check=False None when it failed."""
        result = self.ctl_raw(*arguments, "--json", timeout=timeout)
        if result.returncode != 0 and not (arguments[0] == "status" and result.stdout):
            if check:
                last_lines = "\n".join(self.log().splitlines()[-20:])
                raise RuntimeError(f"pswctl {' '.join(map(str, arguments))}: exit status {result.returncode}\n"
                                   f"{result.stdout}{result.stderr}\n{last_lines}")
            return None
        return json.loads(result.stdout)

    def ctl_raw(self, *arguments, timeout=60):
        """pswctl's whole result, whatever it was."""
        return run("pswctl", *arguments, "--config", self.config_path, check=False, timeout=timeout)

    def serving(self):
        """The serving generation as status shows it; None if there is none."""
        return next((each for each in self.ctl("status")["generations"] if each["role"] == "serving"), None)

    def bundle_directory(self):
        """Where the serving bundle lies unpacked in the store."""
        return self.directory / "store" / "bundles" / self.serving()["bundle"]["digest"]

    def load(self, *arguments):
        """Starts aesm-load against this node; it is ended with the node."""
        load = Load(self.socket, "--platform", self.platform.directory, *arguments)
        self.loads.append(load)
        return load

    def kill_manager(self):
        """SIGKILL, as a crash would end it; the generations live on."""
        self.manager.kill()
        self.manager.wait(DEADLINE)

    def log(self):
        """What manager and generations logged."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def generation_pids(self):
        """Living quoted processes of this node."""
        return generation_pids(self.directory / "run")

    def stop(self):
        """Ends everything and removes the directory."""
        for load in self.loads:
            if load.process.poll() is None:
                load.process.kill()
            with contextlib.suppress(ValueError):
                load.process.communicate()
        if self.manager is not None and self.manager.poll() is None:
            self.manager.terminate()
            try:
                self.manager.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.manager.kill()
                self.manager.wait()
        for pid in self.generation_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()
