# SPDX-License-Identifier: Apache-2.0
"""quoted in its sandbox, as the kernel sees it, and the lists of who may ask."""

import os
import pathlib
import unittest

from tests.support import aesm
from tests.support.quoted import Stage

SERVICE_UNAVAILABLE = 30
NICE = 1 << 23


def status(pid):
    """/proc/PID/status."""
    lines = pathlib.Path("/proc", str(pid), "status").read_text(encoding="ascii").splitlines()
    return {line.split(":\t")[0]: line.split(":\t")[-1].strip() for line in lines}


class SandboxTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.bundle = cls.stage.bundle("1.0", 8)

    def serve(self, **config):
        """A daemon that answers with this configuration."""
        quoted = self.stage.start(self.bundle, config={"log_level": "debug", **config})
        self.addCleanup(quoted.kill)
        return quoted.wait_serving()

    def quote(self, quoted):
        """The code of a whole quote's answer."""
        target = aesm.ask_answer(quoted.socket, aesm.init_request())
        report = self.stage.report(target[2])
        size = aesm.ask_answer(quoted.socket, aesm.size_request())[2]
        return aesm.ask_answer(quoted.socket, aesm.quote_request(report, size)).code

    def assert_confined(self, pid):
        """No new privileges, a filter of system calls, no capability but the one for its own priority."""
        facts = status(pid)
        self.assertEqual((facts["NoNewPrivs"], facts["Seccomp"]), ("1", "2"))
        for kind in "CapEff", "CapPrm", "CapInh", "CapAmb":
            self.assertEqual(int(facts[kind], 16) & ~NICE, 0, kind)

    def test_it_quotes_in_its_sandbox(self):
        quoted = self.serve()
        if "sandbox-incomplete" in quoted.log():
            self.skipTest("this system lacks Landlock or seccomp")
        self.assertEqual(self.quote(quoted), 0)
        for thread in os.listdir(f"/proc/{quoted.pid}/task"):
            self.assert_confined(f"{quoted.pid}/task/{thread}")
        self.assertIn("network=refused", quoted.log())

    def test_the_keeper_of_connections_is_in_it_too(self):
        quoted = self.stage.start(self.bundle, generation=1)
        self.addCleanup(quoted.kill)
        with quoted.wait_ready():
            if "sandbox-incomplete" in quoted.log():
                self.skipTest("this system lacks Landlock or seccomp")
            self.assert_confined(quoted.pid)
            children = pathlib.Path("/proc", str(quoted.pid), "task", str(quoted.pid), "children").read_text().split()
            self.assertEqual(len(children), 1)
            self.assert_confined(int(children[0]))

    def test_it_can_be_switched_off(self):
        quoted = self.serve(sandbox="off")
        self.assertEqual(self.quote(quoted), 0)
        self.assertEqual(status(quoted.pid)["Seccomp"], status("self")["Seccomp"])
        self.assertIn("sandbox-off", quoted.log())

    def assert_refused(self, quoted):
        """Every request is answered with 30 in the type that belongs to it."""
        requests = {aesm.NUM: aesm.request(aesm.NUM), aesm.SELECT: aesm.request(aesm.SELECT),
                    aesm.INIT: aesm.init_request(), aesm.SIZE: aesm.size_request(),
                    aesm.QUOTE: aesm.quote_request(bytes(432), 8192)}
        for kind, content in requests.items():
            answer = aesm.ask_answer(quoted.socket, content)
            self.assertEqual((answer.number, answer.code), (kind, SERVICE_UNAVAILABLE))

    def test_a_uid_outside_the_list_is_told_so(self):
        own = os.getuid()
        self.assertEqual(self.quote(self.serve(allow_uids=[f"{own}", "77777"])), 0)
        self.assertEqual(self.quote(self.serve(allow_uids=[f"{own}-{own + 1}"])), 0)
        self.assert_refused(self.serve(allow_uids=[f"{own + 1}-{own + 9}"]))

    def test_a_slow_client_outside_the_list_is_told_so_too(self):
        quoted = self.serve(allow_uids=[f"{os.getuid() + 1}"])
        content = aesm.init_request()
        with aesm.Connection(quoted.socket) as connection:
            connection.send(content[:5])
            self.assertEqual(aesm.ask_answer(quoted.socket, content).code, SERVICE_UNAVAILABLE)  # it was seen meanwhile
            self.assertEqual(connection.send(content[5:]).answer().code, SERVICE_UNAVAILABLE)

    def test_a_control_group_outside_the_list_is_told_so(self):
        groups = pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        own = [line[3:] for line in groups if line.startswith("0::")]
        if not own:
            self.skipTest("there is no unified hierarchy of control groups")
        self.assertEqual(self.quote(self.serve(allow_cgroups=[own[0], "/psw-other.slice"])), 0)
        self.assert_refused(self.serve(allow_cgroups=["/psw-other.slice"]))
        self.assert_refused(self.serve(allow_cgroups=[own[0]], allow_uids=[f"{os.getuid() + 1}"]))

    def test_lists_that_mean_nothing_are_refused(self):
        for key, value, words in (("allow_uids", ["root"], "allow_uids: 'root' is not allowed"), ("allow_uids", [], "line 1"),
                                  ("allow_cgroups", ["kubepods"], "allow_cgroups: 'kubepods' is not allowed")):
            quoted = self.stage.start(self.bundle, config={key: value})
            self.assertEqual(quoted.process.wait(aesm.DEADLINE), 3)
            self.assertIn(words, quoted.log())


if __name__ == "__main__":
    unittest.main()
