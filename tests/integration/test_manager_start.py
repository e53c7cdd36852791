# SPDX-License-Identifier: Apache-2.0
"""Starting the manager and talking to it: wrong configurations, wrong places, wrong people."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import unittest

from tests.support import node as nodes
from tests.support.cases import PlatformCase

USAGE, CONFIG, INPUT, VERIFY, NOT_FOUND, CONFLICT, PERMISSION, UNAVAILABLE = 2, 3, 4, 5, 7, 8, 9, 15
NOBODY = 65534


class StartTest(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundle = cls.platform.bundle("1.1", 8)

    def node(self, settings=None):
        """A node that is not started yet."""
        return self.make_node(settings)

    def refuses(self, node, status, words):
        """The manager does not start, with that exit status and one sentence."""
        result = nodes.run("psw-manager", "--config", node.config_path, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        sentence = result.stderr.splitlines()[-1]
        self.assertTrue(sentence.startswith("psw-manager: "), result.stderr)
        self.assertIn(words, sentence)

    def test_an_unknown_key_is_named_with_line_and_column(self):
        node = self.node()
        node.config_path.write_text("store: /a\nswap:\n  soka: 5m\n", encoding="ascii")
        self.refuses(node, CONFIG, "soka")
        self.refuses(node, CONFIG, "line 3, column 3")

    def test_a_configuration_that_is_not_there(self):
        node = self.node()
        node.config_path.unlink()
        self.refuses(node, NOT_FOUND, "manager.yaml")

    def test_check_reads_the_configuration_only(self):
        node = self.node()
        result = nodes.run("psw-manager", "--config", node.config_path, "--check")
        self.assertIn("is good", result.stdout)
        self.assertFalse((node.directory / "state").exists())

    def test_check_says_what_a_start_says_of_a_program_that_cannot_be_run(self):
        node = self.node()
        plain = node.directory / "plain"
        plain.write_text("not for running", encoding="ascii")
        for path, status, why in ((node.directory / "missing", NOT_FOUND, "No such file or directory"),
                                  (plain, PERMISSION, "Permission denied"),
                                  (node.directory, CONFIG, "it is not a regular file")):
            node.write_config({"quoted": {"program": path}})
            for options in (("--check",), ()):
                result = nodes.run("psw-manager", "--config", node.config_path, *options, check=False)
                self.assertEqual((result.returncode, result.stdout), (status, ""), result.stderr)
                self.assertIn(f"psw-manager: quoted.program: {path} cannot be run: {why}\n", result.stderr)

    def test_the_shipped_configuration_is_good(self):
        path = pathlib.Path(os.environ["PSW_SOURCE"]) / "config" / "manager.yaml"
        nodes.run("psw-manager", "--config", path, "--check")

    def test_a_second_manager_names_the_first(self):
        node = self.node().start()
        self.refuses(node, CONFLICT, "another psw-manager runs")
        self.assertIsNotNone(node.ctl("status"))

    def test_a_socket_directory_that_is_missing(self):
        node = self.node()
        node.socket.parent.rmdir()
        self.refuses(node, NOT_FOUND, "does not exist")

    def test_a_socket_directory_that_others_can_write(self):
        node = self.node()
        node.socket.parent.chmod(0o777)
        self.refuses(node, PERMISSION, "is not ours")

    @unittest.skipIf(os.geteuid() != 0, "only root can give a directory away")
    def test_a_socket_directory_of_somebody_else(self):
        node = self.node()
        os.chown(node.socket.parent, NOBODY, NOBODY)
        self.refuses(node, PERMISSION, "owner uid 65534")

    def test_a_state_directory_that_others_can_write(self):
        node = self.node()
        (node.directory / "state").mkdir()
        (node.directory / "state").chmod(0o777)
        self.refuses(node, PERMISSION, "writable by nobody else")

    def test_a_damaged_journal_is_not_guessed_at(self):
        node = self.node()
        (node.directory / "state").mkdir(mode=0o700)
        (node.directory / "state" / "journal.json").write_text("{", encoding="ascii")
        self.refuses(node, INPUT, "restore it")

    def test_beside_a_foreign_daemon_everything_works_but_the_swap(self):
        node = self.node()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as foreign:
            foreign.bind(str(node.socket))
            foreign.listen()
            node.start()
            node.ctl("stage", self.bundle)
            self.assertIn("another daemon listens", node.ctl("status")["problems"][-1]["text"])
            node.ctl("test", "1.1")
            result = node.ctl_raw("swap", "1.1")
            self.assertEqual(result.returncode, CONFLICT, result.stderr)
            self.assertIn("another daemon listens", result.stderr)
        node.ctl("swap", "1.1")  # its socket file is left over, and nobody listens there any more
        self.assertEqual(node.load("--requests", "9").result()["failed"], 0)

    def test_a_path_that_is_no_socket_is_left_alone(self):
        node = self.node()
        node.socket.write_text("precious", encoding="ascii")
        node.start()
        node.ctl("stage", self.bundle)
        result = node.ctl_raw("swap", "1.1")
        self.assertEqual(result.returncode, VERIFY, result.stderr)
        self.assertIn("check socket.file", result.stderr)
        self.assertEqual(node.socket.read_text(encoding="ascii"), "precious")

    def test_the_socket_has_the_mode_and_group_that_the_configuration_says(self):
        node = self.node({"socket": {"mode": "0660", "group": str(os.getegid())}}).start()
        node.ctl("stage", self.bundle)
        node.ctl("swap", "1.1")
        facts = node.socket.stat()
        self.assertEqual((facts.st_mode & 0o777, facts.st_gid), (0o660, os.getegid()))

    def test_a_socket_that_systemd_made_is_used_and_who_came_early_is_served(self):
        node = self.node()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(node.socket))
            listener.listen(64)
            inode = node.socket.stat().st_ino
            early = node.load("--requests", "9", "--clients", "3", "--timeout", "20s")
            script = f'exec 3<&{listener.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --config "$1"'
            with open(node.log_path, "ab") as log:
                node.manager = subprocess.Popen(["sh", "-c", script, nodes.program("psw-manager"), node.config_path],
                                                pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stderr=log)
        status = nodes.wait_until(lambda: node.ctl("status", check=False), "the API")
        self.assertEqual([problem["what"] for problem in status["problems"]], ["empty"])
        node.ctl("stage", self.bundle)
        node.ctl("swap", "1.1")
        self.assertEqual(early.result()["failed"], 0)
        self.assertEqual(node.socket.stat().st_ino, inode)

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_it_works_for_a_user_who_is_not_root(self):
        node = self.node()
        for path in [node.directory, node.socket.parent]:
            os.chown(path, NOBODY, NOBODY)
        platform = node.directory / "platform"
        shutil.copytree(self.platform.directory, platform)
        for path in [platform, *platform.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        bundle = node.directory / "own.pswb"
        nodes.run("psw-bundle", "sim", "--platform", platform, "--version", "1.1", "--qe-svn", "8", "--pce-svn", "15", "-o",
                  bundle)
        with open(node.log_path, "ab") as log:
            node.manager = subprocess.Popen([nodes.program("psw-manager"), "--config", node.config_path], user=NOBODY,
                                            group=NOBODY, extra_groups=[], stderr=log, stdin=subprocess.DEVNULL)
        nodes.wait_until(lambda: node.ctl("status", check=False), "the API")
        node.ctl("stage", bundle)
        node.ctl("swap", "1.1")
        load = nodes.Load(node.socket, "--platform", platform, "--requests", "9")
        self.assertEqual(load.result()["failed"], 0)


class ApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = nodes.Node()
        cls.addClassCleanup(cls.node.stop)
        cls.node.start()

    def curl(self, *arguments):
        """curl over the Unix socket: HTTP status and JSON."""
        result = subprocess.run(["curl", "-sS", "--unix-socket", self.node.api_path, "-w", "\n%{http_code}", *arguments],
                                capture_output=True, text=True, timeout=nodes.DEADLINE, check=True)
        body, status = result.stdout.rsplit("\n", 1)
        return int(status), json.loads(body)

    def test_curl_reads_the_status(self):
        status, answer = self.curl("http://psw/v1/status")
        self.assertEqual((status, answer["state"]), (200, "empty"))
        self.assertEqual(answer["problems"][0]["what"], "empty")

    def test_refusals_carry_a_kind_and_the_matching_status(self):
        for arguments, status, kind in [
                (["http://psw/v1/none"], 404, "not-found"),
                (["-X", "DELETE", "http://psw/v1/status"], 400, "usage"),
                (["-d", "{", "http://psw/v1/swap"], 400, "usage"),
                (["-d", "[]", "http://psw/v1/swap"], 400, "usage"),
                (["-d", "{}", "http://psw/v1/swap"], 400, "usage"),
                (["-d", '{"bundle": "1.1", "soka": "5m"}', "http://psw/v1/swap"], 400, "usage"),
                (["-d", '{"bundle": "1.1", "bundle": "1.2"}', "http://psw/v1/swap"], 400, "usage"),
                (["-d", '{"bundle": "1.1", "soak": "8d"}', "http://psw/v1/swap"], 400, "usage"),
                (["-d", '{"bundle": "1.1"}', "http://psw/v1/swap"], 404, "not-found"),
                (["-X", "POST", "http://psw/v1/commit"], 409, "conflict"),
                (["-X", "POST", "http://psw/v1/rollback"], 404, "not-found"),
                (["http://psw/v1/operations/999"], 404, "not-found"),
                (["http://psw/v1/operations/x"], 400, "usage"),
                (["-X", "DELETE", "http://psw/v1/bundles/9.9"], 404, "not-found"),
                (["-d", "x" * 70000, "http://psw/v1/swap"], 413, "limit"),
                (["-H", "Content-Type: application/octet-stream", "-d", "", "http://psw/v1/stage"], 422, "input")]:
            with self.subTest(arguments=[str(each)[:40] for each in arguments]):
                got, answer = self.curl(*arguments)
                self.assertEqual((got, answer["kind"]), (status, kind), answer)
                self.assertTrue(answer["error"])

    def test_an_upload_with_curl_is_an_operation(self):
        status, operation = self.curl("-H", "Content-Type: application/octet-stream", "--data-binary", "junk",
                                      "http://psw/v1/stage")
        self.assertEqual(status, 202)
        _, operation = self.curl(f"http://psw/v1/operations/{operation['id']}?wait=10")
        self.assertEqual(operation["state"], "failed")
        self.assertEqual(operation["error_kind"], "input")

    def test_who_connects_and_says_nothing_disturbs_nobody(self):
        idle = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(10)]
        for each in idle:
            each.connect(str(self.node.api_path))
        self.assertEqual(self.curl("http://psw/v1/status")[0], 200)
        for each in idle:
            each.close()

    def test_unknown_commands_and_options_are_refused(self):
        for arguments in [["frobnicate"], ["status", "extra"], ["swap"], ["status", "--soak", "1s"], ["swap", "1", "--bad"],
                          ["journal", "--count", "0"]]:
            with self.subTest(arguments=arguments):
                self.assertEqual(nodes.run("pswctl", *arguments, "--config", self.node.config_path, check=False).returncode,
                                 USAGE)

    def test_every_command_teaches_itself(self):
        overview = nodes.run("pswctl", "--help").stdout
        commands = [line.split()[0] for line in overview.split("\n\n")[2].splitlines()]
        self.assertIn("rollback", commands)
        for command in commands:
            self.assertTrue(nodes.run("pswctl", command, "--help").stdout.startswith(f"usage: pswctl {command}"))

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_a_stranger_may_not_use_it(self):
        os.chmod(self.node.directory, 0o755)
        result = nodes.run("pswctl", "--api", self.node.api_path, "status", check=False, user=NOBODY, group=NOBODY,
                           extra_groups=[])
        self.assertEqual(result.returncode, PERMISSION, result.stderr)

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_a_member_of_the_group_may_use_it_and_others_are_refused_by_their_credentials(self):
        node = nodes.Node({"api": {"group": "60123"}})
        self.addCleanup(node.stop)
        node.start()
        member = nodes.run("pswctl", "--api", node.api_path, "status", user=NOBODY, group=NOBODY, extra_groups=[60123])
        self.assertIn("empty", member.stdout)
        os.chmod(node.api_path, 0o666)
        stranger = nodes.run("pswctl", "--api", node.api_path, "status", check=False, user=NOBODY, group=NOBODY,
                             extra_groups=[])
        self.assertEqual(stranger.returncode, PERMISSION)
        self.assertIn("uid 65534 may not use the API", stranger.stderr)

    def test_without_a_manager_that_is_what_is_said(self):
        result = nodes.run("pswctl", "--api", self.node.directory / "nothing.sock", "status", check=False)
        self.assertEqual(result.returncode, UNAVAILABLE)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertIn("psw-manager does not run", result.stderr)


if __name__ == "__main__":
    unittest.main()
