# SPDX-License-Identifier: Apache-2.0
"""Running `quoted` processes for tests, on bundles of a simulated platform, and what is in the quotes they make."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from tests.support import aesm
from tests.support.control import Control
from tests.support.node import DEADLINE, Platform, program, run, wait_until


class Stage:
    """One temporary directory with a platform, unpacked bundles and the processes started on them."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-quoted-"))
        self.platform = Platform(self.directory / "platform")
        self.started = []
        self.count = 0

    def bundle(self, version, qe_svn, *arguments):
        """A simulated bundle, unpacked; its directory. `arguments` as for psw-bundle sim."""
        packed = self.directory / f"{version}.pswb"
        run("psw-bundle", "sim", "--platform", self.platform.directory, "--version", version, "--qe-svn", qe_svn,
            "--pce-svn", 13, *arguments, "-o", packed)
        return self.unpack(packed, version)

    def unpack(self, packed, name):
        """A bundle's directory."""
        directory = self.directory / f"bundle-{name}"
        run("psw-bundle", "unpack", packed, "-C", directory)
        return directory

    def path(self, name):
        """A path that nothing has used before."""
        self.count += 1
        return self.directory / f"{self.count}-{name}"

    def report(self, target_info, report_data=bytes(64)):
        """What an application enclave gets for this target info."""
        target, output = self.path("target"), self.path("report")
        target.write_bytes(target_info)
        run("psw-bundle", "sim-report", "--platform", self.platform.directory, "--target-info", target,
            "--report-data", report_data.hex(), "-o", output)
        return output.read_bytes()

    def start(self, bundle, **options):
        """A Quoted; it is ended with the stage."""
        quoted = Quoted(self, bundle, **options)
        self.started.append(quoted)
        return quoted

    def close(self):
        """Ends what runs and removes the directory; fails if a sanitizer had something to say."""
        for quoted in self.started:
            quoted.kill()
        found = [quoted.log() for quoted in self.started if "Sanitizer" in quoted.log()]
        shutil.rmtree(self.directory, ignore_errors=True)
        if found:
            raise RuntimeError("\n".join(found))


class Quoted:
    """One process: alone on `socket`, or with `generation` as the manager would start it; `connected`: its first
    control connection is `first`, from before it begins."""

    def __init__(self, stage, bundle, socket_path=None, generation=None, config=None, preexec=None, connected=False):
        self.stage = stage
        self.log_path = stage.path("log")
        self.control_path = None
        self.socket = socket_path
        arguments = [program("quoted"), "--bundle", str(bundle)]
        if generation is not None:
            self.control_path = stage.path(f"generation-{generation}.sock")
            arguments += ["--generation", str(generation), "--control", str(self.control_path)]
        else:
            self.socket = socket_path or stage.path("aesm.socket")
            arguments += ["--socket", str(self.socket)]
        if config is not None:
            path = stage.path("quoted.yaml")
            path.write_text("".join(f"{key}: {json.dumps(value if isinstance(value, list) else str(value))}\n"
                                    for key, value in config.items()))
            arguments += ["--config", str(path)]
        with contextlib.ExitStack() as stack:
            passed = []
            if connected:
                ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                self.first = Control(self.control_path, connected=ours)
                passed = [stack.enter_context(its).fileno()]
                arguments += ["--control-fd", str(passed[0])]
            log = stack.enter_context(open(self.log_path, "ab"))
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=preexec, pass_fds=passed)

    @property
    def pid(self):
        """Of the process."""
        return self.process.pid

    def log(self):
        """What it has logged."""
        return self.log_path.read_text(errors="replace")

    def wait_serving(self):
        """Waits until a client is answered."""
        self._wait(lambda: self.socket.exists(), "the socket")
        self._wait(self._answers, "an answer")
        return self

    def _answers(self):
        with contextlib.suppress(OSError):
            return aesm.ask(self.socket, aesm.request(aesm.NUM), timeout=DEADLINE)
        return None

    def _wait(self, condition, what):
        def alive_and():
            if self.process.poll() is not None:
                raise RuntimeError(f"quoted ended with status {self.process.returncode}:\n{self.log()}")
            return condition()
        return wait_until(alive_and, what)

    def control(self):
        """A control connection."""
        def connect():
            with contextlib.suppress(OSError):
                return Control(self.control_path)
            return None
        return self._wait(connect, "the control socket")

    def wait_ready(self):
        """A control connection that watches, to a generation that is ready."""
        control = self.control()
        status = control.call(2).json()
        if status["state"] == "warming":
            control.event(32)
        return control

    def rss_kib(self):
        """Resident memory."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("no VmRSS")

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def end(self, number=signal.SIGTERM, timeout=DEADLINE):
        """Signals it and gives its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def kill(self):
        """Ends it whatever it does; harmless if it has ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)


def listener(path, backlog=512):
    """A listening AESM socket as a manager makes it."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    made.bind(str(path))
    os.chmod(path, 0o777)
    made.listen(backlog)
    return made


class Quote:
    """The parts of a version 3 quote."""

    def __init__(self, whole):
        self.version, self.key_type, _, self.qe_svn, self.pce_svn = struct.unpack("<HHIHH", whole[:12])
        self.signed, self.body = whole[:432], whole[48:432]
        size = struct.unpack("<I", whole[432:436])[0]
        self.size = 436 + size
        part = whole[436:436 + size]
        self.signature, self.key, self.qe_report = part[:64], part[64:128], part[128:512]
        auth_size = struct.unpack("<H", part[576:578])[0]
        self.auth = part[578:578 + auth_size]
        self.qe_mrenclave = self.qe_report[64:96]
        self.qe_report_data = self.qe_report[320:384]

    def key_is_bound(self):
        """Does the QE's report vouch for the attestation key?"""
        return self.qe_report_data == hashlib.sha256(self.key + self.auth).digest() + bytes(32)

    def signature_is_good(self, directory):
        """Checked by the openssl program, which knows nothing of us."""
        def integer(value):
            value = value.lstrip(b"\0") or b"\0"
            value = b"\0" + value if value[0] & 0x80 else value
            return b"\x02" + bytes([len(value)]) + value
        pair = integer(self.signature[:32]) + integer(self.signature[32:])
        point = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004") + self.key
        with tempfile.TemporaryDirectory(dir=directory) as place:
            files = {"signature": b"\x30" + bytes([len(pair)]) + pair, "key": point, "signed": self.signed}
            for name, content in files.items():
                pathlib.Path(place, name).write_bytes(content)
            result = subprocess.run(["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", "key", "-signature",
                                     "signature", "signed"], cwd=place, capture_output=True, timeout=DEADLINE,
                                    check=False)
        return result.returncode == 0
