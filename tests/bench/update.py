# SPDX-License-Identifier: Apache-2.0
"""The part `update` of tests/bench/run: from `pswctl update --stage-only` to a staged bundle, over TLS on loopback.

The bundles are simulated ones with shared libraries of this machine beside the enclaves: about 1 MB packed, and 200
MB unpacked. Where rauc, unsquashfs and mksquashfs are installed, the same files as a RAUC bundle are fetched with curl
from the same server, verified and unpacked (`rauc extract`): the nearest that RAUC 1.8 does without slots to install to.
"""

import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from tests.support import node as nodes
from tests.support.tls_site import Channel, Nginx, make_certificate

MEGABYTE = 1000 * 1000
SIZES = {"1MB": 3200 * 1000, "200MB": 200 * MEGABYTE}  # unpacked
# Starts the manager and says at the end what the hungriest of its processes took: a small process of its own,
# because a new process is counted with the memory of the one that it was forked from.
WATCH = """
import os, signal, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
usage = os.wait4(pid, 0)[2]
print(usage.ru_maxrss, usage.ru_utime, usage.ru_stime, file=open(os.environ["PSW_USAGE"], "w"))
"""


class WatchedNode(nodes.Node):
    """A node that knows how much memory and time its manager and the manager's children took."""

    def start(self):
        self.usage_path = self.directory / "usage"
        with open(self.log_path, "ab") as log:
            self.manager = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", WATCH, nodes.program("psw-manager"), "--config", self.config_path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PSW_USAGE": str(self.usage_path)})
        nodes.wait_until(self._answers, "the manager's API")
        return self

    def usage(self):
        """Ends the manager: (MiB of the hungriest process, seconds of processor time of all together)."""
        self.manager.send_signal(signal.SIGTERM)
        self.manager.wait(nodes.DEADLINE)
        peak_kib, user, system = self.usage_path.read_text().split()
        return int(peak_kib) / 1024, float(user) + float(system)


def libraries():
    """Shared libraries of this machine, the largest first."""
    found = [path for path in pathlib.Path("/usr/lib").rglob("*.so*") if path.is_file() and not path.is_symlink()]
    return sorted(found, key=lambda path: (-path.stat().st_size, path))


def fill(draft, total):
    """Puts libraries beneath draft/data until all files have `total` bytes; lines for the recipe."""
    left = total - sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
    piece = max(total // 90, MEGABYTE)  # of a file at most: 11 files in the small set, as Intel's have, about 100 in the large
    lines = []
    for path in libraries():
        if left <= 0:
            break
        content = path.read_bytes()[:min(piece, left)]
        name = f"data/part-{len(lines)}"
        (draft / name).write_bytes(content)
        lines.append(f"  - {{path: {name}, role: data}}")
        left -= len(content)
    if left > 0:
        raise RuntimeError(f"this machine has too few shared libraries: {left} bytes are missing")
    return lines


def make_bundle(platform, directory, version, svn, total):
    """A simulated bundle with as many bytes; (its file, the directory of its contents)."""
    small, draft = directory / f"small-{version}.pswb", directory / f"draft-{version}"
    platform.bundle(version, svn, output=small)
    nodes.run("psw-bundle", "unpack", small, "-C", draft)
    small.unlink()
    manifest = draft / "manifest.yaml"
    recipe = [line for line in manifest.read_text().splitlines() if not line.strip().startswith(("size:", "sha256:"))]
    manifest.unlink()
    (draft / "bundle.yaml").write_text("\n".join(recipe + fill(draft, total)) + "\n")
    file = directory / f"sim-{version}.pswb"
    nodes.run("psw-bundle", "make", draft, "-o", file, timeout=600)
    return file, draft


class Site:
    """A channel with one bundle behind nginx, and the same files as a RAUC bundle beside it."""

    def __init__(self, directory, platform, total):
        directory.mkdir(mode=0o755)
        self.directory = directory
        self.channel = Channel(directory / "repo", platform)
        self.bundle, self.draft = make_bundle(platform, self.channel.directory, "1.1", 9, total)
        self.channel.add("1.1", 9)
        self.nginx = Nginx(directory / "nginx", self.channel.public)
        self.rauc = self.make_rauc() if all(map(shutil.which, ("rauc", "mksquashfs", "unsquashfs"))) else None

    def make_rauc(self):
        """The RAUC bundle, in the directory that nginx serves."""
        content, bundle = self.directory / "rauc", self.channel.public / "bundle.raucb"
        content.mkdir()
        make_certificate(self.directory, "rauc", usage="emailProtection")
        with open(content / "image.tar", "wb") as image:
            subprocess.run(["tar", "-C", self.draft, "-c", "."], stdout=image, check=True)
        (content / "manifest.raucm").write_text("[update]\ncompatible=psw\nversion=1.1\n[bundle]\nformat=plain\n"
                                                "[image.data]\nfilename=image.tar\n")
        command = ["rauc", "bundle", "--mksquashfs-args=-comp zstd -Xcompression-level 9 -no-progress",
                   f"--cert={self.directory}/rauc.pem", f"--key={self.directory}/rauc.key", content, bundle]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        return bundle

    def fetch_rauc(self):
        """Milliseconds to fetch, verify and unpack it, and the processor time of that."""
        target, into = self.directory / "fetched.raucb", self.directory / "unpacked"
        shutil.rmtree(into, ignore_errors=True)
        target.unlink(missing_ok=True)
        script = ('curl --silent --fail --cacert "$1" -o "$2" "$3" && rauc extract --keyring="$5" "$2" "$4" && '
                  'sync -f "$4"')
        return timed(["sh", "-c", script, "sh", self.nginx.authority, target,
                      f"{self.nginx.url}/bundle.raucb", into, self.directory / "rauc.pem"])


def timed(command):
    """Milliseconds that a command takes, and milliseconds of processor time of it and its children."""
    before, start = os.times(), time.monotonic()
    result = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - start, os.times()
    if result.returncode != 0:
        raise RuntimeError(f"{command}: {result.stdout}{result.stderr}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return wall * 1000, spent * 1000


def update_once(node, version="1.1"):
    """One update from nothing known and nothing staged: milliseconds that pswctl takes."""
    if node.ctl("list")["bundles"]:
        node.ctl("remove", version)
    for path in (node.directory / "state" / "trust").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    os.sync()  # what others wrote is not to be paid for here
    return timed([nodes.program("pswctl"), "update", "--stage-only", "--config", node.config_path])[0]


def measure_size(directory, platform, name, total, rounds):
    """All figures of bundles of one size."""
    site = Site(directory / name, platform, total)
    node = WatchedNode({**site.channel.settings(site.nginx.url, site.nginx.authority)}, platform=platform)
    try:
        node.start()
        update_ms, rauc_ms, rauc_cpu_ms, look_ms = [], [], [], []
        for _ in range(rounds):
            update_ms.append(update_once(node))
            look_ms.append(timed([nodes.program("pswctl"), "check-update", "--config", node.config_path])[0])
            if site.rauc:
                os.sync()
                wall, spent = site.fetch_rauc()
                rauc_ms.append(wall)
                rauc_cpu_ms.append(spent)
        site.nginx.forget()
        node.ctl("check-update")
        requests = site.nginx.requests()
        peak, spent = node.usage()
    finally:
        site.nginx.stop()
        node.stop()
    figures = {"packed_bytes": site.bundle.stat().st_size, "update_ms": statistics.median(update_ms),
               "fastest_ms": min(update_ms), "look_ms": statistics.median(look_ms), "peak_mib": peak,
               "cpu_ms": spent * 1000 / rounds, "look_requests": len(requests),
               "look_connections": len({connection for connection, *_ in requests})}
    if rauc_ms:
        figures["rauc_ms"], figures["rauc_cpu_ms"] = statistics.median(rauc_ms), statistics.median(rauc_cpu_ms)
        figures["rauc_ratio"] = figures["rauc_ms"] / figures["update_ms"]
    return figures


def show(name, figures):
    """The figures of one size, for people."""
    print(f"update of {name} ({figures['packed_bytes'] / MEGABYTE:.1f} MB packed) over TLS: median "
          f"{figures['update_ms']:.1f} ms, fastest {figures['fastest_ms']:.1f} ms, {figures['cpu_ms']:.0f} ms of processor "
          f"time, peak memory of any process {figures['peak_mib']:.1f} MiB")
    if "rauc_ms" in figures:
        print(f"  the same files by curl and rauc extract: {figures['rauc_ms']:.1f} ms, {figures['rauc_cpu_ms']:.0f} ms of "
              f"processor time: {figures['rauc_ratio']:.1f} times as long")
    print(f"  a look without news: {figures['look_ms']:.1f} ms, {figures['look_requests']} requests on "
          f"{figures['look_connections']} connection(s)")


def measure(options):
    """Both sizes."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
    directory.chmod(0o755)
    figures = {}
    try:
        platform = nodes.Platform(directory / "platform")
        for name, total in SIZES.items():
            if options.quick and total > 10 * MEGABYTE:
                continue
            rounds = 1 if options.quick else 2 * options.rounds + 1
            figures[name] = measure_size(directory, platform, name, total, rounds)
            show(name, figures[name])
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return figures
