# SPDX-License-Identifier: Apache-2.0
"""psw-bundle import: a bundle out of packages in the form of Intel's, with simulated enclaves in them."""

import json
import os
import pathlib
import shutil
import tempfile
import unittest
import zlib

from tests.support import packages
from tests.support.cases import PlatformCase
from tests.support.node import Node, program, run

LIB = "usr/lib/x86_64-linux-gnu/"
USAGE, INPUT, VERIFY, LIMIT, NOT_FOUND, CONFLICT = 2, 4, 5, 6, 7, 8

RELEASES = """format: 1
drivers: [{flavour: in-kernel}, {flavour: dcap, min_version: "1.32"}]
releases:
  - {dcap: "1.22.100.3", date: "2024-09-26", psw: ["2.25.100.3"], qe3: {isvsvn: 11, version: "1.22.100.1"},
     id_enclave: {isvsvn: 11, version: "1.22.100.1"}, pce: {isvsvn: 16, version: "1.25.100.1"}}
  - {dcap: "1.14.100.3", date: "2022-06-15", psw: ["2.17.101.1"], qe3: {isvsvn: 8, version: "1.14.100.2"},
     id_enclave: {isvsvn: 8, version: "1.14.100.2"}, pce: {isvsvn: 13, version: "1.17.100.2"}}
"""


class Import(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.releases = cls.directory / "releases.yaml"
        cls.releases.write_text(RELEASES)
        cls.files = {}
        for name, svns in {"1.22": (11, 16), "1.14": (8, 13), "mixed": (11, 13), "newer": (12, 16)}.items():
            bundle = cls.platform.bundle("1.0", *svns, output=cls.directory / f"{name}.pswb")
            run("psw-bundle", "unpack", bundle, "-C", cls.directory / name)
            cls.files[name] = {path.name: path.read_bytes() for path in (cls.directory / name / "lib").iterdir()}

    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        self.out = self.place / "out.pswb"

    def contents(self, release="1.22"):
        """{package: (version, files)} of a release, as Intel cuts it up."""
        files = self.files[release]
        dcap, psw = {"1.14": ("1.14.100.3", "2.17.101.1")}.get(release, ("1.22.100.3", "2.25.100.3"))
        ae, pce = {"1.14": ("1.14.100.2", "1.17.100.2")}.get(release, ("1.22.100.1", "1.25.100.1"))

        def enclave(stem, version):
            name = f"libsgx_{stem}.signed.so"
            return {f"{LIB}{name}.{version}": files[f"{name}.1"], f"{LIB}{name}.1": ("link", f"{name}.{version}")}

        def library(name, version=None):
            soname = {LIB + name + (version or ""): files[name]}
            return soname

        made = {
            "libsgx-ae-qe3": (dcap, enclave("qe3", ae)),
            "libsgx-ae-id-enclave": (dcap, enclave("id_enclave", ae)),
            "libsgx-ae-pce": (psw, enclave("pce", pce)),
            "libsgx-dcap-ql": (dcap, {f"{LIB}libsgx_dcap_ql.so.{dcap}": files["libsgx_dcap_ql.so.1"],
                                      f"{LIB}libsgx_dcap_ql.so.1": ("link", f"libsgx_dcap_ql.so.{dcap}")}),
            "libsgx-qe3-logic": (dcap, library("libsgx_qe3_logic.so")),
            "libsgx-pce-logic": (dcap, library("libsgx_pce_logic.so.1")),
        }
        for name, (_, content) in made.items():
            content[f"usr/share/doc/{name}/copyright"] = f"You may use {name}.\n".encode()
            content[f"usr/share/doc/{name}/changelog.gz"] = b"news"
        return made

    def debs(self, contents, how="xz"):
        """Debian packages with these contents."""
        return [packages.deb(self.place / f"{name}_{version}_amd64.deb", name, f"{version}-noble1", files, how)
                for name, (version, files) in contents.items()]

    def run_import(self, paths, *arguments, trust=True, releases=True):
        """psw-bundle import's result."""
        more = ["--trust", self.platform.directory / "trust.yaml"] if trust else []
        more += ["--releases", self.releases] if releases else []
        return run("psw-bundle", "import", *paths, "-o", self.out, *more, *arguments, check=False)

    def refused(self, status, words, *arguments, **options):
        result = self.run_import(*arguments, **options)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertIn(words, result.stderr)
        self.assertFalse(self.out.exists())

    def manifest(self):
        return json.loads(run("psw-bundle", "verify", "--json", self.out).stdout)

    def assert_whole(self, version="1.22.100.3"):
        """The bundle is what the packages have, and its enclaves are verified."""
        manifest = self.manifest()
        self.assertEqual((manifest["name"], manifest["version"]), ("psw-dcap", version))
        files = {file["path"]: file for file in manifest["files"]}
        qe3 = files["lib/libsgx_qe3.signed.so.1"]
        self.assertEqual((qe3["role"], qe3["isvsvn"]), ("qe3", 11))
        self.assertEqual(files["lib/libsgx_dcap_ql.so.1"]["role"], "quote_library")
        self.assertEqual(files["lib/libsgx_qe3_logic.so"]["role"], "qe3_logic")
        run("psw-bundle", "inspect", "--trust", self.platform.directory / "trust.yaml", self.out)
        return manifest, files

    def test_debian_packages_of_one_release_become_a_bundle(self):
        for how in ("xz", "zst", "gz", ""):
            with self.subTest(how=how):
                result = self.run_import(self.debs(self.contents(), how))
                self.assertEqual(result.returncode, 0, result.stderr)
                manifest, files = self.assert_whole()
                self.assertEqual(files["lib/libsgx_qe3.signed.so.1"]["version"], "1.22.100.1")
                self.assertEqual(files["lib/libsgx_pce.signed.so.1"]["version"], "1.25.100.1")
                self.assertIn("data/licenses/libsgx-ae-qe3/copyright", files)
                self.assertGreater(manifest["requires"]["epc_kib"], 0)
                self.assertIn("libc.so.6", manifest["requires"]["libraries"])
                self.assertNotIn("libsgx_pce_logic.so.1", manifest["requires"]["libraries"])
                self.assertIn("DCAP 1.22.100.3", manifest["description"])

    def test_rpm_packages_become_a_bundle(self):
        for how in ("xz", "zst", "gz"):
            with self.subTest(how=how):
                paths = [packages.rpm(self.place / f"{name}.rpm", name, version, files, how, "1.el9")
                         for name, (version, files) in self.contents().items()]
                result = self.run_import(paths)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assert_whole()

    def test_an_archive_of_prebuilt_files_becomes_a_bundle_with_a_version_given(self):
        files = {f"psw/ae/{name}": content for name, content in self.files["1.22"].items()}
        files["License.txt"] = b"Redistribution is allowed.\n"
        archive = self.place / "prebuilt_dcap_1.22.tar.gz"
        archive.write_bytes(packages.compress(packages.tar(files), "gz"))
        self.refused(USAGE, "give --version", [archive])
        self.assertEqual(self.run_import([archive], "--version", "1.22.100.3").returncode, 0)
        _, found = self.assert_whole()
        self.assertIn("data/licenses/prebuilt_dcap_1.22.tar.gz/License.txt", found)

    def test_it_says_what_it_took_and_what_it_left(self):
        contents = self.contents()
        contents["libsgx-other"] = ("1.22.100.3", {LIB + "libother.so": pathlib.Path(shutil.which("true")).read_bytes()})
        text = self.run_import(self.debs(contents)).stdout
        self.assertRegex(text, r"took libsgx-ae-qe3 1\.22\.100\.3-noble1: .*libsgx_qe3\.signed\.so\.1\.22\.100\.1 as "
                               r"lib/libsgx_qe3\.signed\.so\.1: qe3, ISVSVN 11, signed by")
        self.assertIn("left libsgx-other 1.22.100.3-noble1: " + LIB + "libother.so", text)
        listed = json.loads(self.run_import(self.debs(contents), "--json").stdout)
        self.assertIn("lib/libsgx_dcap_ql.so.1", {item["as"] for item in listed["files"]})
        self.assertEqual(listed["others"], 6)

    def test_the_same_packages_give_the_same_bytes(self):
        self.run_import(self.debs(self.contents()))
        first = self.out.read_bytes()
        self.run_import(self.debs(self.contents()))
        self.assertEqual(self.out.read_bytes(), first)

    def test_an_imported_bundle_serves(self):
        self.assertEqual(self.run_import(self.debs(self.contents())).returncode, 0)
        os.environ["PSW_SIM_PLATFORM"] = str(self.platform.directory)
        self.addCleanup(os.environ.pop, "PSW_SIM_PLATFORM")
        with Node(platform=self.platform) as node:
            node.ctl("stage", self.out)
            node.ctl("swap", "1.22.100.3")
            report = node.load("--requests", 30, "--clients", 2).result()
            self.assertEqual((report["requests"], report["failed"]), (30, 0))

    def test_an_incomplete_set_is_refused_and_what_is_missing_is_named(self):
        for missing, words in (("libsgx-ae-id-enclave", "the ID enclave"), ("libsgx-pce-logic", "libsgx_pce_logic"),
                               ("libsgx-dcap-ql", "the quote library")):
            with self.subTest(missing=missing):
                contents = self.contents()
                del contents[missing]
                self.refused(NOT_FOUND, words, self.debs(contents))

    def test_enclaves_of_different_releases_are_refused(self):
        self.refused(VERIFY, "no release has QE3 11, ID enclave 11 and PCE 13", self.debs(self.contents("mixed")))

    def test_enclaves_that_are_newer_than_the_table_are_refused_with_a_way_on(self):
        self.refused(VERIFY, "--releases", self.debs(self.contents("newer")))

    def test_packages_of_different_releases_are_refused(self):
        contents = self.contents()
        contents["libsgx-pce-logic"] = self.contents("1.14")["libsgx-pce-logic"]
        self.refused(VERIFY, "the set is mixed: ", self.debs(contents), releases=False)

    def test_platform_software_of_another_release_is_refused(self):
        contents = self.contents()
        contents["libsgx-ae-pce"] = ("2.17.101.1", contents["libsgx-ae-pce"][1])
        self.refused(VERIFY, "goes with the platform software 2.25.100.3", self.debs(contents))

    def test_two_different_enclaves_of_a_role_are_refused(self):
        contents = self.contents()
        contents["libsgx-ae-qe3-old"] = self.contents("1.14")["libsgx-ae-qe3"]
        self.refused(CONFLICT, "is another file than", self.debs(contents))

    def test_enclaves_that_nobody_vouches_for_are_refused(self):
        self.refused(VERIFY, "check signer", self.debs(self.contents()), trust=False)

    def test_a_stripped_enclave_is_not_taken_for_one(self):
        contents = self.contents()
        files = contents["libsgx-ae-qe3"][1]
        path = next(path for path in files if path.endswith("1.22.100.1"))
        files[path] = files[path].replace(b".note.sgxmeta", b".note.sgxmete")
        self.refused(NOT_FOUND, "the QE", self.debs(contents))

    def test_inspect_looks_into_packages(self):
        deb = self.debs({"libsgx-ae-qe3": self.contents()["libsgx-ae-qe3"]})[0]
        rpm = packages.rpm(self.place / "x.rpm", "x", "1", self.contents()["libsgx-ae-pce"][1])
        found = json.loads(run("psw-bundle", "inspect", "--json", "--trust", self.platform.directory / "trust.yaml", deb,
                               rpm).stdout)
        self.assertEqual([enclave["role"] for enclave in found], ["qe3", "pce"])
        self.assertEqual(found[0]["path"], f"{deb}:{LIB}libsgx_qe3.signed.so.1.22.100.1")
        in_directory = run("psw-bundle", "inspect", "--json", "--trust", self.platform.directory / "trust.yaml",
                           self.place)
        self.assertEqual(len(json.loads(in_directory.stdout)), 2)

    def test_names_that_lead_elsewhere_lead_nowhere(self):
        contents = self.contents()
        contents["evil"] = ("1.22.100.3", {"../../../../tmp/psw-evil/copyright": b"x", "/etc/psw-evil/LICENSE": b"x",
                                           "usr/share/doc/evil/copyright": ("link", "/etc/passwd"),
                                           "licence; rm -rf": b"x"})
        self.assertEqual(self.run_import(self.debs(contents)).returncode, 0)
        _, files = self.assert_whole()
        for path in files:
            self.assertNotIn("..", path)
        self.assertFalse(pathlib.Path("/tmp/psw-evil").exists() or pathlib.Path("/etc/psw-evil").exists())

    def test_damaged_packages_are_refused_with_a_sentence(self):
        deb = self.debs({"libsgx-ae-qe3": self.contents()["libsgx-ae-qe3"]})[0]
        whole = deb.read_bytes()
        rpm = packages.rpm(self.place / "x.rpm", "x", "1", {"a": b"b"}).read_bytes()
        cases = {"cut": whole[:len(whole) // 2], "rpm without header": rpm[:200], "rpm without payload": rpm[:-20],
                 "no package": b"something else" * 50, "empty": b"",
                 "data first": packages.ar([("debian-binary", b"2.0\n"), ("data.tar", packages.tar({"a": b"b"}))])}
        for what, content in cases.items():
            with self.subTest(what=what):
                broken = self.place / "broken"
                broken.write_bytes(content)
                self.refused(INPUT, "broken: ", [broken])

    def test_a_package_that_unpacks_without_end_is_refused(self):
        bomb = self.place / "bomb.tar.gz"
        bomb.write_bytes(packages.compress(packages.tar({"zeros": bytes(100 << 20)}), "xz"))
        self.refused(LIMIT, "times its size", [bomb])

    def test_a_package_that_wants_gigabytes_is_refused(self):
        stream = bytearray(packages.compress(packages.tar({"small": b"x"}), "xz"))
        size = (stream[12] + 1) * 4  # of the block's header (the .xz file format, 3.1)
        block = stream[12:12 + size]
        self.assertEqual(block[2:4], b"\x21\x01")  # LZMA2 and the size of its properties
        block[4] = 39  # a dictionary of 3 GiB
        block[-4:] = zlib.crc32(block[:-4]).to_bytes(4, "little")
        stream[12:12 + size] = block
        greedy = self.place / "greedy.tar.xz"
        greedy.write_bytes(stream)
        if b"libasan" in pathlib.Path(program("psw-bundle")).read_bytes():
            self.skipTest("builds with a sanitizer have no limit of memory")
        self.refused(INPUT, "greedy.tar.xz: ", [greedy])

    def test_control_characters_in_names_reach_no_terminal(self):
        deb = packages.deb(self.place / "x.deb", "x", "1", {}, control="Package: x\x1b[31m\nVersion: 1\n")
        self.refused(INPUT, "not a printable word", [deb])


if __name__ == "__main__":
    unittest.main()
