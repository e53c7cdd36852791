# SPDX-License-Identifier: Apache-2.0
"""The pages say what the programs know: keys, commands, requests, exit statuses."""

import os
import pathlib
import re
import unittest

from tests.support import node as nodes

SOURCE = pathlib.Path(os.environ["PSW_SOURCE"])


def read(path):
    """A file of the source tree."""
    return (SOURCE / path).read_text(encoding="utf-8")


class DocsTest(unittest.TestCase):
    def keys(self):
        """Configuration keys, as the schema in config.c has them."""
        code = "".join(read(f"manager/{name}.c") for name in ("config", "config_updates", "config_collateral"))
        sections = {}
        for name, body in re.findall(r"schema_field_t (\w+)_fields\[\] = \{(.*?)CYAML_FIELD_END", code, re.S):
            sections[name] = re.findall(r'(?:STRING_PTR|SEQUENCE|SEQUENCE_COUNT)\("(\w+)"', body)
        top = re.findall(r'MAPPING_PTR\("(\w+)",[^,]*,[^,]*,\s*\w+,\s*(\w+)_fields\)', code)
        keys = [f"{section}.{key}" for section, table in top for key in sections[table]] + sections["document"]
        self.assertGreater(len(keys), 25)
        return keys

    def test_every_key_is_on_its_page_and_no_other(self):
        page = read("docs/configuration.md")
        documented = set(re.findall(r"^\| `([\w.]+)`", page, re.M))
        self.assertEqual(documented, set(self.keys()))

    def test_every_key_is_in_the_manual_page(self):
        page = read("docs/man/manager.yaml.5.scd")
        named = set(re.findall(r"\*([a-z_]+(?:\.[a-z_]+)?)\*", page.split("# PLACES")[1].split("# EXAMPLE")[0]))
        values = {"off", "stage", "swap", "refuse", "sequential", "allow", "error", "warning", "info", "debug"}
        self.assertEqual(named - values, set(self.keys()))

    def test_every_key_is_in_the_shipped_file(self):
        section, found = "", set()
        for line in read("config/manager.yaml").splitlines():
            match = re.match(r"^(?:# )?( *)(?:# )?(\w+):(?: |$)", line)
            if match and match[1]:
                found.add(f"{section}.{match[2]}")
            elif match:
                section = match[2]
                found.add(section)
        self.assertEqual({key for key in self.keys() if key not in found}, set())

    def test_the_defaults_on_the_page_are_those_of_the_shipped_file(self):
        shipped = read("config/manager.yaml")
        for key, default in re.findall(r"^\| `[\w.]*?(\w+)` \| `([^`]+)`", read("docs/configuration.md"), re.M):
            with self.subTest(key=key):
                self.assertRegex(shipped, rf"(?m)^ *{key}: {re.escape(default)}(?: |$)")

    def commands(self):
        """pswctl's commands."""
        return [line.split()[0] for line in nodes.run("pswctl", "--help").stdout.split("\n\n")[2].splitlines()]

    def test_every_command_is_in_the_manual_page_and_completed(self):
        manual = re.findall(r"(?m)^\*([\w-]+)\*", read("docs/man/pswctl.1.scd").split("# COMMANDS")[1].split("# OPTIONS")[0])
        self.assertEqual(sorted(manual), sorted(self.commands()))
        completed = re.search(r"commands='([^']+)'", read("config/completion/pswctl.bash"))[1].split()
        self.assertEqual(sorted(completed), sorted(self.commands()))

    def test_every_option_is_in_the_manual_page_and_completed(self):
        options = set(re.findall(r'\{"([a-z0-9-]+)", (?:no|required)_argument', read("manager/ctl/main.c")))
        self.assertIn("json", options)
        for page in ["docs/man/pswctl.1.scd", "config/completion/pswctl.bash"]:
            self.assertEqual({option for option in options if f"--{option}" not in read(page)}, set(), page)

    def test_every_request_of_the_api_is_listed(self):
        code = re.findall(r'\{"(GET|POST|DELETE)", "(/v1/[\w/]+)"', read("manager/api_route.c"))
        page = re.findall(r"`(GET|POST|DELETE) (/v1/[a-z/]+)", read("docs/operating.md"))
        self.assertEqual(sorted(code), sorted(page))

    def test_every_kind_of_error_is_listed_with_its_statuses(self):
        code = {(name, exit_status, http) for name, exit_status, http
                in re.findall(r'\{"([a-z-]+)", (\d+), (\d+)\}', read("bundles/base/error.c")) if name != "none"}
        page = {(name, exit_status, http) for exit_status, name, http
                in re.findall(r"^\| (\d+) \| `([a-z-]+)` \| (\d+) \|", read("docs/operating.md"), re.M)}
        self.assertEqual(page, code)


if __name__ == "__main__":
    unittest.main()
