# SPDX-License-Identifier: Apache-2.0
"""The README's first session, command by command, with the programs as they are installed."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from tests.support import node as nodes

# What would take longer than a test needs. The load is ended when its report is read.
SHORTER = {"--duration 20s": "--duration 10m", "--soak 5s": "--soak 2s"}


def commands(text):
    """(command, lines that it shows) of everything behind a "$ "."""
    found = []
    for block in re.findall(r"^```\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line != "...":
                found[-1][1].append(line)
    return found


def shape(line):
    """Without what differs from run to run: digests, sizes, times and other numbers."""
    line = re.sub(r"[0-9a-f]{12,}", "HEX", line)
    line = re.sub(r"\d+(\.\d+)? [KM]iB", "SIZE", line)
    line = re.sub(r"\b(\d+(ms|s|m|h|d)\b ?)+", "TIME", line)
    return " ".join(re.sub(r"\d+(\.\d+)?", "#", line).split())


class FirstSession(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="psw-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.addCleanup(self.end_generations)
        self.place = self.directory / "node"
        self.place.mkdir()
        (self.place / "background.txt").touch()
        self.background = {}  # by program

    def end_generations(self):
        for pid in nodes.generation_pids(self.place / "run"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def install(self):
        """Installs what was built; the environment in which it is found."""
        build = pathlib.Path(os.environ["PSW_BIN"]).parent
        subprocess.run(["cmake", "--install", build, "--prefix", self.directory / "installed"], check=True,
                       capture_output=True, timeout=nodes.DEADLINE)
        for program in "sbin/psw-manager", "sbin/quoted", "bin/pswctl", "bin/psw-bundle":
            self.assertTrue(os.access(self.directory / "installed" / program, os.X_OK), program)
        folders = [str(self.directory / "installed" / folder) for folder in ("bin", "sbin")]
        return {**os.environ, "PATH": ":".join([*folders, os.environ["PATH"]])}

    def start(self, command, environment):
        """A command in the background, ended with the test."""
        with open(self.place / "background.txt", "ab") as log:
            process = subprocess.Popen(["bash", "-c", "exec " + command], cwd=self.place, env=environment, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        self.addCleanup(process.wait, nodes.DEADLINE)
        self.addCleanup(process.terminate)
        self.background[command.split()[0]] = process

    def run_command(self, command, environment):
        """Its output and messages together."""
        result = subprocess.run(["bash", "-c", command], cwd=self.place, env=environment, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=2 * nodes.DEADLINE, check=False)
        self.assertEqual(result.returncode, 0, f"{command}\n{result.stdout}\n{(self.place / 'background.txt').read_text()}")
        return result.stdout

    def assert_shown(self, command, expected, output):
        """Every line of the README is there, in its order."""
        lines = iter([shape(line) for line in output.splitlines()])
        for line in expected:
            self.assertIn(shape(line), lines, f"{command}: {line}\n{output}")

    def test_it_goes_as_it_is_told(self):
        text = (pathlib.Path(os.environ["PSW_SOURCE"]) / "README.md").read_text().replace("/tmp/node", str(self.place))
        for long, short in SHORTER.items():
            self.assertIn(long, text)
            text = text.replace(long, short)
        session = commands(text.split("## A first session")[1].split("\n## ")[0])
        self.assertGreater(len(session), 10)
        environment = self.install()
        for command, expected in session:
            if command == "cat manager.yaml":
                (self.place / "manager.yaml").write_text("\n".join(expected) + "\n")
            elif command.endswith("&"):
                self.start(command[:-1], environment)
                if command.startswith("psw-manager"):
                    nodes.wait_until((self.place / "run" / "api.sock").exists, "the API's socket")
            else:
                if command == "cat load.txt":
                    self.background["aesm-load"].terminate()
                    self.background["aesm-load"].wait(nodes.DEADLINE)
                self.assert_shown(command, expected, self.run_command(command, environment))
        self.assertRegex((self.place / "load.txt").read_text(), r"\A.* [1-9]\d* requests \(\d+/s\), 0 failed\n")


if __name__ == "__main__":
    unittest.main()
