# SPDX-License-Identifier: Apache-2.0
"""psw-bundle as an author of bundles uses it."""

import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import yaml

from tests.support.node import program, run

RECIPE = {
    "format": "1",
    "name": "psw-dcap",
    "version": "1.10",
    "vendor": 'Example "Inc."',
    "description": "For tests",
    "requires": {"drivers": [{"flavour": "in-kernel"}, {"flavour": "dcap", "min_version": "1.41"}],
                 "kernel": "5.11", "epc_kib": "2048", "provision": "true", "libraries": ["libc.so.6"]},
    "files": [{"path": "lib/ql.so.1", "role": "quote_library", "mode": "0755"},
              {"path": "lib/qe3.signed.so", "role": "qe3"},
              {"path": "lib/ide.signed.so", "role": "id_enclave"},
              {"path": "lib/pce.signed.so", "role": "pce"},
              {"path": "NOTES", "role": "data"}],
}


class BundleTool(unittest.TestCase):
    """Each test has a directory with the parts of a bundle in src/."""

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="psw-test-"))
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)
        self.source = self.top / "src"
        (self.source / "lib").mkdir(parents=True)
        for number, file in enumerate(RECIPE["files"]):
            (self.source / file["path"]).write_bytes(bytes([65 + number]) * (number * 700))
        self.write_recipe(RECIPE)
        self.bundle = self.top / "x.pswb"

    def write_recipe(self, recipe):
        (self.source / "bundle.yaml").write_text(yaml.safe_dump(recipe, default_style='"'))

    def make(self, output=None):
        return run("psw-bundle", "make", self.source, "-o", output or self.bundle)

    def refused(self, status, words, *arguments):
        """The command fails with that exit status, one line that has the words, and no output."""
        result = run("psw-bundle", *arguments, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertTrue(result.stderr.startswith("psw-bundle: "), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(words, result.stderr)

    def test_the_same_parts_give_the_same_bytes(self):
        self.make()
        other = self.top / "other"
        shutil.copytree(self.source, other)
        os.utime(other / "NOTES", (1, 1))
        shuffled = dict(reversed(RECIPE.items()), files=list(reversed(RECIPE["files"])))
        (other / "bundle.yaml").write_text(yaml.safe_dump(shuffled, default_style="'", sort_keys=False))
        run("psw-bundle", "make", other, "--output", self.top / "y.pswb")
        self.assertEqual(self.bundle.read_bytes(), (self.top / "y.pswb").read_bytes())

    def test_what_is_no_file_is_neither_read_nor_replaced(self):
        pipe = self.top / "pipe"
        os.mkfifo(pipe)
        for what in (pipe, "/dev/zero", self.top):
            self.refused(4, "is not a regular file", "make", self.source, "-o", what)
            self.refused(4, "not a regular file", "verify", what)
            self.refused(4, "is not a regular file", "repo", "key", "show", what)
        self.assertTrue(pipe.is_fifo())

    def test_make_prints_the_digests_that_others_compute(self):
        printed = self.make().stdout
        self.assertIn(hashlib.sha256(self.bundle.read_bytes()).hexdigest(), printed)
        run("psw-bundle", "unpack", self.bundle, "-C", self.top / "out")
        manifest = (self.top / "out" / "manifest.yaml").read_bytes()
        self.assertIn(hashlib.sha256(manifest).hexdigest(), printed)

    def test_other_tools_read_the_same_files(self):
        self.make()
        stream = subprocess.run(["zstd", "-q", "-d", "-c", self.bundle], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
            names = archive.getnames()
            self.assertEqual(names[0], "manifest.yaml")
            self.assertEqual(names[1:], sorted(file["path"] for file in RECIPE["files"]))
            # YAML readers of every kind see texts where texts are.
            manifest = yaml.safe_load(archive.extractfile("manifest.yaml").read())
            self.assertEqual(manifest["version"], "1.10")
            self.assertEqual(manifest["vendor"], 'Example "Inc."')
            for file in RECIPE["files"]:
                member = archive.getmember(file["path"])
                self.assertEqual(archive.extractfile(member).read(), (self.source / file["path"]).read_bytes())
                self.assertEqual((member.uid, member.gid, member.mtime, member.uname), (0, 0, 0, ""))

    def test_verify_says_in_json_what_the_recipe_said(self):
        self.make()
        seen = json.loads(run("psw-bundle", "verify", self.bundle, "--json").stdout)
        for key in ("name", "version", "vendor", "description"):
            self.assertEqual(seen[key], RECIPE[key])
        self.assertEqual(seen["size"], self.bundle.stat().st_size)
        self.assertEqual(seen["unpacked_size"], sum(file["size"] for file in seen["files"]))
        self.assertEqual(seen["requires"]["epc_kib"], 2048)
        self.assertIs(seen["requires"]["provision"], True)
        self.assertEqual(seen["requires"]["drivers"], [{"flavour": "in-kernel", "min_version": None},
                                                       {"flavour": "dcap", "min_version": "1.41"}])
        notes = next(file for file in seen["files"] if file["role"] == "data")
        content = (self.source / "NOTES").read_bytes()
        self.assertEqual(notes, {"path": "NOTES", "role": "data", "size": len(content), "mode": "0644",
                                 "sha256": hashlib.sha256(content).hexdigest()})
        text = run("psw-bundle", "inspect", self.bundle, check=False).stdout
        self.assertIn(seen["digest"], text)
        self.assertNotIn("SIMULATED", text)

    def test_documented_json_members_are_those_printed(self):
        self.make()
        seen = json.loads(run("psw-bundle", "verify", "--json", self.bundle).stdout)
        page = (pathlib.Path(os.environ["PSW_SOURCE"]) / "docs" / "bundle-format.md").read_text()
        table = page[page.index("| member |"):page.index("## In a store")]
        documented = set()
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
            documented.update(re.findall(r"`(\w+)`", row))
        self.assertEqual(documented, set(seen))

    def test_documented_limits_are_those_of_the_code(self):
        source = pathlib.Path(os.environ["PSW_SOURCE"])
        page = (source / "docs" / "bundle-format.md").read_text()
        code = "".join((source / "bundles" / f"{name}.h").read_text()
                       for name in ("archive", "bundle", "manifest", "store"))
        rows = re.findall(r"^\| .* \| (\d+)(?: (KiB|MiB|GiB|bytes|each))? \| `(\w+)` \|$", page, re.MULTILINE)
        self.assertGreaterEqual(len(rows), 11)
        for number, unit, constant in rows:
            value = int(number) * {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}.get(unit, 1)
            expression = re.search(rf"\b{constant}\b\s*=?\s*([^,}}\n]+)", code).group(1)
            factors = re.findall(r"\d+", expression.replace("UINT64_C", ""))
            product = 1
            for factor in factors:
                product *= int(factor)
            self.assertEqual(value, product, constant)

    def test_unpacking_is_all_or_nothing(self):
        self.make()
        out = self.top / "out"
        out.mkdir()
        run("psw-bundle", "unpack", self.bundle, "-C", f"{out}/")
        self.assertEqual((out / "NOTES").read_bytes(), (self.source / "NOTES").read_bytes())
        self.assertEqual((out / "lib/ql.so.1").stat().st_mode & 0o7777, 0o755)
        self.refused(8, "not empty", "unpack", self.bundle, "-C", out)

        damaged = bytearray(self.bundle.read_bytes())
        damaged[-1] ^= 1
        self.bundle.write_bytes(damaged)
        self.refused(5, "the seal does not fit", "unpack", self.bundle, "-C", self.top / "new")
        self.assertEqual(sorted(path.name for path in self.top.iterdir()), ["out", "src", "x.pswb"])

    def test_what_is_wrong_has_an_exit_status_of_its_own(self):
        self.make()
        whole = self.bundle.read_bytes()
        cases = [("cut short", whole[:-1]), ("cut short", b""), ("not a bundle", b"x" * 500),
                 ("behind the compressed frame", whole + b"x")]
        for words, content in cases:
            with self.subTest(words=words, size=len(content)):
                self.bundle.write_bytes(content)
                self.refused(4, words, "verify", self.bundle)
        self.refused(7, "missing.pswb", "verify", self.top / "missing.pswb")
        self.refused(4, "not a regular file", "verify", self.source)
        self.refused(2, "where to?", "make", self.source)
        self.refused(2, "give one file", "verify")
        self.refused(2, "option -o needs a value", "make", self.source, "-o")
        self.refused(2, "option --frob", "inspect", "--frob", self.bundle)
        self.refused(2, "no command 'frob'", "frob")
        self.refused(2, "which command?")

    def test_a_recipe_with_a_mistake_is_refused_with_its_place(self):
        self.write_recipe(dict(RECIPE, descritpion="x"))
        self.refused(4, "unexpected key 'descritpion'", "make", self.source, "-o", self.bundle)
        self.write_recipe(dict(RECIPE, version="1.2-rc"))
        self.refused(4, "version: '1.2-rc' is not a version", "make", self.source, "-o", self.bundle)
        self.write_recipe(dict(RECIPE, files=RECIPE["files"][1:]))
        self.refused(4, "none of role quote_library", "make", self.source, "-o", self.bundle)
        self.write_recipe(RECIPE)
        (self.source / "NOTES").unlink()
        (self.source / "NOTES").symlink_to("/etc/hostname")
        self.refused(9, "NOTES", "make", self.source, "-o", self.bundle)
        self.assertEqual([path.name for path in self.top.iterdir()], ["src"])

    def test_a_full_disk_is_said_and_leaves_nothing_behind(self):
        (self.source / "NOTES").write_bytes(os.urandom(3 << 20))
        self.make()
        small = self.top / "small"
        small.mkdir()
        script = ('mount -t tmpfs -o size=1m none "$1" || exit 77\n'
                  '"$2" unpack "$3" -C "$1/out"; unpacked=$?\n'
                  '"$2" make "$4" -o "$1/y.pswb"; made=$?\n'
                  'ls -A "$1"; echo "$unpacked $made"')
        namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]
        result = subprocess.run([*namespace, "sh", "-c", script, "sh", small, program("psw-bundle"), self.bundle,
                                 self.source], capture_output=True, text=True, timeout=60, check=False)
        if result.returncode != 0 or not result.stdout:
            self.skipTest(f"no small file system to be had here: {result.stderr.strip()}")
        self.assertEqual(result.stdout, "10 10\n", result.stderr)
        self.assertEqual(result.stderr.count("No space left on device"), 2, result.stderr)

    def test_output_that_cannot_be_written_is_a_failure(self):
        self.make()
        with open("/dev/full", "wb") as full:
            result = subprocess.run([program("psw-bundle"), "inspect", self.bundle], stdout=full,
                                    stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        self.assertEqual(result.returncode, 10)
        self.assertIn("standard output", result.stderr)

    def test_each_command_explains_itself(self):
        listing = run("psw-bundle", "--help").stdout
        commands = re.findall(r"^  ([a-z-]+) +\w", listing, re.MULTILINE)
        self.assertGreaterEqual(set(commands), {"make", "inspect", "verify", "unpack"})
        page = (pathlib.Path(os.environ["PSW_SOURCE"]) / "docs/man/psw-bundle.1.scd").read_text()
        options = set(re.findall(r"--[a-z-]+", page))
        for command in set(commands) - {"psw-bundle"}:
            with self.subTest(command=command):
                text = run("psw-bundle", command, "--help").stdout
                self.assertTrue(text.startswith(f"usage: psw-bundle {command}"), text)
                self.assertIn(command, page)
                self.assertEqual(set(re.findall(r"--[a-z-]+", text)) - options, set())
        verbs = re.findall(r"^  ([a-z]+) +\w", run("psw-bundle", "repo", "--help").stdout, re.MULTILINE)
        self.assertIn(" | ".join(verbs), page)
        for verb in verbs:
            text = run("psw-bundle", "repo", verb, "--help").stdout
            self.assertIn(f"usage: psw-bundle repo {verb}", text)
            self.assertEqual(set(re.findall(r"--[a-z-]+", text)) - options, set())
        self.assertRegex(run("psw-bundle", "--version").stdout, r"^psw-bundle \d+\.\d+")


if __name__ == "__main__":
    unittest.main()
