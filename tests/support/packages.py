# SPDX-License-Identifier: Apache-2.0
"""Packages made by hand, byte by byte, so that they can be wrong as well: .deb, .rpm, tar archives.

`files` is {path: bytes}; a path's value may also be ("link", target).
"""

import gzip
import io
import lzma
import subprocess
import tarfile


def compress(data, how):
    """The data packed by xz, gz, zst, or not at all ("")."""
    if how == "xz":
        return lzma.compress(data)
    if how == "gz":
        return gzip.compress(data, mtime=0)
    if how == "zst":
        return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout
    return data


def tar(files, prefix="./"):
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(prefix + path)
            if isinstance(content, tuple):
                member.type, member.linkname = tarfile.SYMTYPE, content[1]
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def ar(members):
    """An ar archive of (name, bytes)."""
    out = b"!<arch>\n"
    for name, content in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        out += b"\n" * (len(content) % 2)
    return out


def deb(path, name, version, files, how="xz", control=None):
    """A Debian package."""
    text = control if control is not None else f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
    suffix = "." + how if how else ""
    path.write_bytes(ar([("debian-binary", b"2.0\n"),
                         ("control.tar" + suffix, compress(tar({"control": text.encode()}), how)),
                         ("data.tar" + suffix, compress(tar(files), how))]))
    return path


def cpio(files):
    """A cpio archive in the format that rpm uses (newc)."""
    def entry(name, content, mode, number):
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)
    out = b""
    for number, (path, content) in enumerate(files.items(), 1):
        link = isinstance(content, tuple)
        out += entry("./" + path, content[1].encode() if link else content, 0o120777 if link else 0o100644, number)
    return out + entry("TRAILER!!!", b"", 0, 0)


def rpm_header(tags):
    """An RPM header with string tags {number: text}."""
    store, index = b"", b""
    for tag, text in sorted(tags.items()):
        index += b"".join(value.to_bytes(4, "big") for value in (tag, 6, len(store), 1))
        store += text.encode() + b"\0"
    return (b"\x8e\xad\xe8\x01\0\0\0\0" + len(tags).to_bytes(4, "big") + len(store).to_bytes(4, "big") + index + store)


def rpm(path, name, version, files, how="xz", release="1"):
    """An RPM package."""
    lead = b"\xed\xab\xee\xdb\x03\x00\0\0\0\x01" + name.encode()[:65].ljust(66, b"\0") + b"\0\x01\0\x05" + b"\0" * 16
    signature = rpm_header({269: "0" * 40})
    signature += b"\0" * (-len(signature) % 8)
    header = rpm_header({1000: name, 1001: version, 1002: release, 1022: "x86_64"})
    path.write_bytes(lead + signature + header + compress(cpio(files), how))
    return path
