# SPDX-License-Identifier: Apache-2.0
"""Packages and bundles with the libraries of tests/stub, which are built like Intel's and do what a test tells them."""

import os
import pathlib
import shutil
import tempfile

from tests.support import packages
from tests.support.node import run

LIB = "usr/lib/x86_64-linux-gnu/"
DCAP, PSW = "1.23.100.0", "2.26.100.0"
QE = 0x5a  # the bytes of the stub QE's MRENCLAVE, and of the MAC of a report for it
PLAIN_SIZE, QUOTE_SIZE = 1456, 4600  # of a quote without and with certificates

# package: (version, {file name in the package: soname}), as Intel cuts its libraries up
LIBRARIES = {
    "libsgx-dcap-ql": (DCAP, {"libsgx_dcap_ql.so.1.11.110.0": "libsgx_dcap_ql.so.1"}),
    "libsgx-qe3-logic": (DCAP, {"libsgx_qe3_logic.so": "libsgx_qe3_logic.so"}),
    "libsgx-pce-logic": (DCAP, {"libsgx_pce_logic.so.1.14.110.0": "libsgx_pce_logic.so.1"}),
    "libsgx-urts": (PSW, {"libsgx_urts.so.2.0.109.0": "libsgx_urts.so.2"}),
    "libsgx-enclave-common": (PSW, {"libsgx_enclave_common.so.1.1.10.0": "libsgx_enclave_common.so.1"}),
}
PROVIDER = {
    "libsgx-dcap-default-qpl": (DCAP, {"libdcap_quoteprov.so.1.13.110.0": "libdcap_quoteprov.so.1",
                                       "libsgx_default_qcnl_wrapper.so.1.23.100.0":
                                           "libsgx_default_qcnl_wrapper.so.1"}),
}
ENCLAVES = {"libsgx-ae-qe3": (DCAP, "libsgx_qe3.signed.so.1"), "libsgx-ae-pce": (PSW, "libsgx_pce.signed.so.1"),
            "libsgx-ae-id-enclave": (DCAP, "libsgx_id_enclave.signed.so.1")}
SONAMES = [soname for parts in (LIBRARIES, PROVIDER) for _, files in parts.values() for soname in files.values()]


def built():
    """The directory of the stub libraries."""
    return pathlib.Path(os.environ["PSW_BIN"]).parent / "lib" / "stub"


def copy_libraries(directory):
    """A host's library directory with all of them."""
    directory.mkdir()
    for soname in SONAMES:
        shutil.copy(built() / soname, directory / soname)
    return directory


def make_packages(platform, directory, provider=True):
    """Debian packages with the stub libraries and simulated enclaves; their paths."""
    unpacked = pathlib.Path(tempfile.mkdtemp(dir=directory))
    sim = platform.bundle("1.0", 11, 16, output=unpacked / "sim.pswb")
    run("psw-bundle", "unpack", sim, "-C", unpacked / "sim")
    made = []
    for name, (version, files) in {**LIBRARIES, **(PROVIDER if provider else {})}.items():
        contents = {}
        for file, soname in files.items():
            contents[LIB + file] = (built() / soname).read_bytes()
            if file != soname:
                contents[LIB + soname] = ("link", file)
        made.append(packages.deb(unpacked / f"{name}.deb", name, version + "-noble1", contents))
    for name, (version, file) in ENCLAVES.items():
        contents = {LIB + file: (unpacked / "sim" / "lib" / file).read_bytes()}
        made.append(packages.deb(unpacked / f"{name}.deb", name, version + "-noble1", contents))
    return made


def make_bundle(platform, directory, output, provider=True):
    """A bundle file imported from such packages."""
    run("psw-bundle", "import", *make_packages(platform, directory, provider), "-o", output, "--trust",
        platform.directory / "trust.yaml")
    return output


def report(data=b""):
    """An application's report for the stub QE."""
    return bytes(320) + data.ljust(64, b"\0") + bytes(32) + bytes([QE]) * 16


class Wishes:
    """The directory through which a test and the stub libraries talk (tests/stub/stub.h)."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        (directory / "record").touch()  # quoted may write to files that exist, and make none

    def set(self, call, effect, once=False):
        """What this call does from now on, or only the next time; None: what it should."""
        path = self.directory / (call + ".once" if once else call)
        if effect is None:
            path.unlink(missing_ok=True)
        else:
            new = self.directory / ".new"
            new.write_text(effect)
            new.rename(path)

    def lines(self, *start):
        """Recorded lines that start with these words, without them."""
        lines = (self.directory / "record").read_text().splitlines()
        head = "".join(word + " " for word in start)
        return [line[len(head):] for line in lines if line.startswith(head)]

    def loaded(self):
        """(soname, path) of every library, in the order in which they were loaded."""
        return [tuple(line.split(" ", 1)) for line in self.lines("load")]
