# SPDX-License-Identifier: Apache-2.0
"""What is written about quoted is what it does: options, settings, messages, status."""

import os
import pathlib
import re
import unittest

from tests.support import control
from tests.support.node import run
from tests.support.quoted import Stage

SOURCE = pathlib.Path(os.environ["PSW_SOURCE"])
MAN = (SOURCE / "docs/man/quoted.8.scd").read_text()
PROTOCOL = (SOURCE / "docs/protocol.md").read_text()
SHIPPED = (SOURCE / "config/quoted.yaml").read_text()


def section(text, title):
    """From a heading to the next one of the same level or above."""
    level, _, _ = title.partition(" ")
    after = text.split(f"\n{title}\n", 1)[1]
    return re.split(rf"\n#{{1,{len(level)}}} ", after, maxsplit=1)[0]


def members(table):
    """The names in the first column of a Markdown table."""
    return {name for line in table.splitlines() if line.startswith("| `")
            for name in re.findall(r"`(\w+)`", line.split("|")[1])}


class Documents(unittest.TestCase):
    def test_the_man_page_has_the_options_of_help(self):
        documented = set(re.findall(r"^\*(--[a-z-]+)\*|, \*(--[a-z-]+)\*$", section(MAN, "# OPTIONS"), re.M))
        documented = {option for pair in documented for option in pair if option}
        self.assertEqual(documented, set(re.findall(r"--[a-z-]+", run("quoted", "--help").stdout)))

    def test_man_page_shipped_file_and_program_have_the_same_keys(self):
        keys = set(re.findall(r"^\*([a-z_]+)\*$", section(MAN, "# CONFIGURATION"), re.M))
        shipped = dict(re.findall(r"^(?:# )?([a-z_]+): *(\S+)", SHIPPED, re.M))
        self.assertEqual(set(shipped), keys)
        program = set(re.findall(r"KEY\((\w+)\)", (SOURCE / "quoted/config.c").read_text())) - {"key"}
        self.assertEqual(program, keys)

    def test_the_shipped_file_is_accepted_and_every_key_of_it_known(self):
        stage = Stage()
        self.addCleanup(stage.close)
        for text in (SHIPPED, re.sub(r"^# ([a-z_]+: \S+)$", r"\1", SHIPPED, flags=re.M).replace(": sgx", ": root")):
            path = stage.path("quoted.yaml")
            path.write_text(text)
            result = run("quoted", "--bundle", "/nonexistent", "--socket", stage.path("s"), "--config", path, check=False)
            self.assertEqual(result.returncode, 7, result.stderr)  # the bundle is missing, and nothing else

    def test_exit_statuses_of_help_are_in_the_man_page(self):
        for status in re.findall(r"(\d+) [a-z]", run("quoted", "--help").stdout.split("Exit status:")[1]):
            self.assertRegex(section(MAN, "# EXIT STATUS"), rf"(?m)^\[?\|?-? ?\|?- {status}$|^\[- {status}$")

    def test_every_control_message_is_described_with_its_number(self):
        header = (SOURCE / "quoted/control/protocol.h").read_text()
        declared = {(int(number), name) for name, number in re.findall(r"CONTROL_(?:EVENT_)?([A-Z]+) =\s+(\d+),?", header)}
        declared = {(number, name) for number, name in declared if name.isalpha()}
        described = {(int(number), name) for number, name in re.findall(r"^\| (\d+) \| ([A-Z]+) \|", PROTOCOL, re.M)}
        self.assertGreater(len(declared), 15)
        self.assertEqual(described, declared)

    def test_every_state_is_described(self):
        source = (SOURCE / "quoted/control/message.c").read_text()
        for name in re.findall(r'\[CONTROL_STATE_\w+\] = "([a-z-]+)"', source):
            self.assertIn(f"`{name}`", section(PROTOCOL, "## States"))

    def test_the_status_document_has_the_described_members(self):
        stage = Stage()
        self.addCleanup(stage.close)
        quoted = stage.start(stage.bundle("1.0", 8), generation=1)
        with quoted.wait_ready() as link:
            status = link.call(control.STATUS).json()
        described = members(section(PROTOCOL, "## The status document"))
        self.assertEqual(described, set(status) | set(status["counters"]))


if __name__ == "__main__":
    unittest.main()
