# SPDX-License-Identifier: Apache-2.0
"""Who still lives on a former QE, as pswctl clients tells: over swaps, restarts of the manager, and their end."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import unittest

from tests.support import aesm, node as nodes
from tests.support.cases import PlatformCase

# A client that asks for one quote at each line it reads, with a report that it was given.
CLIENT = """
import sys
sys.path.insert(0, {source!r})
from tests.support import aesm
report = open({report!r}, "rb").read()
for line in sys.stdin:
    print(aesm.ask_answer({socket!r}, aesm.quote_request(report, 16384)).code, flush=True)
"""


class Application:
    """A process of its own that holds a report for the QE which serves now."""

    def __init__(self, test, node, forged=False):
        target, report = node.directory / "app-target", node.directory / f"app-report-{os.urandom(4).hex()}"
        target.write_bytes(aesm.ask_answer(node.socket, aesm.init_request())[2])
        nodes.run("psw-bundle", "sim-report", "--platform", node.platform.directory, "--target-info", target, "-o", report)
        if forged:
            report.write_bytes(report.read_bytes()[:-1] + bytes([report.read_bytes()[-1] ^ 1]))
        code = CLIENT.format(source=os.environ["PSW_SOURCE"], report=str(report), socket=str(node.socket))
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        test.addCleanup(self.end)

    @property
    def pid(self):
        """Of the process."""
        return self.process.pid

    def quote(self):
        """The AESM code of one quote."""
        self.process.stdin.write("\n")
        return int(self.process.stdout.readline())

    def end(self):
        """Ends it; harmless if it has ended."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.communicate()


@contextlib.contextmanager
def stopped(pid):
    """Meanwhile the process does nothing, so it does not end either."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Clients(PlatformCase):
    """One platform for all; a node of its own for each test."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundles = [cls.platform.bundle(version, svn) for version, svn in (("1.1", 8), ("1.2", 9), ("1.3", 10))]

    def node(self, settings=None):
        """A running node with all bundles staged, the first serving."""
        node = self.make_node(settings).start()
        for bundle in self.bundles:
            node.ctl("stage", bundle)
        node.ctl("swap", "1.1")
        return node

    def of(self, node, application):
        """What is known of an application: its entries, who was seen last first."""
        return [each for each in node.ctl("clients")["clients"] if each["pid"] == application.pid]

    def test_who_lives_on_a_former_qe_is_known_and_who_does_not_is_not(self):
        node = self.node()
        old = Application(self, node)
        former = node.serving()["qe"]
        self.assertEqual(old.quote(), 0)
        self.assertEqual(node.ctl("clients")["clients"], [])  # that QE serves
        node.ctl("swap", "1.2")
        new = Application(self, node)
        for application in (old, old, new):
            self.assertEqual(application.quote(), 0)
        entry, = self.of(node, old)
        self.assertEqual((entry["uid"], entry["qe"], entry["qe_isv_svn"], entry["generation"], entry["quotes"]),
                         (os.getuid(), former, 8, 1, 2))
        self.assertEqual(entry["command"], pathlib.Path(f"/proc/{old.pid}/comm").read_text().strip())
        groups = pathlib.Path(f"/proc/{old.pid}/cgroup").read_text()
        self.assertIn(entry["cgroup"], groups)
        self.assertEqual(self.of(node, new), [])
        text = node.ctl_raw("clients").stdout
        self.assertRegex(text, rf"QE {former[:16]} ISVSVN 8: its quotes show the TCB of that ISVSVN")
        self.assertRegex(text, rf"(?m)^  pid {old.pid} .* 2 quotes, ")
        self.assertIn("1 still uses a former QE, 0 send reports that nobody accepts: pswctl clients", node.ctl_raw("status").stdout)

    def test_it_is_remembered_over_swaps_and_restarts_of_the_manager(self):
        node = self.node()
        old = Application(self, node)
        node.ctl("swap", "1.2")
        self.assertEqual((old.quote(), old.quote()), (0, 0))
        node.ctl("clients")
        node.ctl("swap", "1.3")
        self.assertEqual(old.quote(), 0)
        entry, = self.of(node, old)
        self.assertEqual((entry["quotes"], entry["generation"]), (3, 1))
        node.kill_manager()
        node.start()
        entry, = self.of(node, old)
        self.assertEqual(entry["quotes"], 3)

    def test_who_has_ended_is_not_listed_any_more(self):
        node = self.node()
        old = Application(self, node)
        node.ctl("swap", "1.2")
        self.assertEqual(old.quote(), 0)
        self.assertEqual(len(self.of(node, old)), 1)
        old.end()
        self.assertEqual(self.of(node, old), [])

    def test_what_relying_parties_make_of_a_lame_ducks_quotes_is_shown(self):
        node = self.node({"collateral": {"urls": [f"file://{self.platform.directory}/collateral"],
                                         "root": self.platform.directory / "root.pem"}})
        old = Application(self, node)
        node.ctl("swap", "1.2")
        node.ctl("tcb")
        self.assertEqual(old.quote(), 0)
        entry, = self.of(node, old)
        self.assertEqual(entry["tcb"]["standard"], "UpToDate")
        self.assertIn("ISVSVN 8: its quotes are UpToDate", node.ctl_raw("clients").stdout)
        self.assertRegex(node.ctl_raw("status").stdout, "ISVSVN 8, PCE ISVSVN 15; its quotes are UpToDate")

    def test_whose_reports_nobody_accepts_is_listed_as_that(self):
        node = self.node({"lame_ducks": {"count": 0}})
        old = Application(self, node)
        node.ctl("swap", "1.2")
        nodes.wait_until(lambda: len(node.ctl("status")["generations"]) == 1, "the former one's end")
        self.assertEqual(old.quote(), 42)
        entry, = self.of(node, old)
        self.assertEqual((entry["qe"], entry["quotes"]), ("", 1))
        self.assertIn("No QE here accepts", node.ctl_raw("clients").stdout)

    def without_the_first(self, settings):
        """A node on which the first QE has come and gone, and an application that lives on it; the third serves."""
        node = self.node(settings)
        old = Application(self, node)
        node.ctl("swap", "1.2")
        node.ctl("swap", "1.3")
        nodes.wait_until(lambda: len(node.ctl("status")["generations"]) == 2, "the end of the first")
        return node, old

    @staticmethod
    def metrics(node):
        """The page for Prometheus."""
        with contextlib.closing(nodes.Api(node.api_path)) as api:
            api.request("GET", "/metrics")
            return api.getresponse().read().decode()

    @staticmethod
    def wait_step(api, operation, step):
        """Waits until the operation has come to that step; its end before is a failure."""
        while operation["step"] != step:
            if operation["state"] != "running":
                raise AssertionError(f"it ended before {step}: {operation}")
            operation = api.call("GET", f"/v1/operations/{operation['id']}?wait=10&after={operation['revision']}")

    def ducks(self, node):
        """The lame ducks' numbers."""
        return sorted(each["generation"] for each in node.ctl("status")["generations"] if each["role"] == "lame-duck")

    def test_a_lame_duck_that_had_to_go_is_started_again_for_who_needs_it(self):
        node, old = self.without_the_first({"lame_ducks": {"count": 1}})
        self.assertEqual([old.quote(), old.quote()], [0, 0])
        self.assertEqual(self.ducks(node), [2, 4])
        entry, = self.of(node, old)
        self.assertEqual((entry["generation"], entry["quotes"], entry["qe_isv_svn"]), (4, 2, 8))
        node.kill_manager()
        node.start()
        self.assertEqual(old.quote(), 0)
        self.assertEqual(self.ducks(node), [2, 4])

    def test_who_was_refused_during_a_soak_is_answered_after_it(self):
        node, old = self.without_the_first({"lame_ducks": {"count": 1}})
        with contextlib.closing(nodes.Api(node.api_path)) as api:
            self.wait_step(api, api.call("POST", "/v1/swap", {"bundle": "1.2", "soak": "1h"}), "soaking")
        self.assertEqual(old.quote(), 42)
        node.ctl("commit")
        nodes.wait_until(lambda: old.quote() == 0, "a quote by the first")

    def test_one_that_had_to_go_for_lack_of_memory_is_started_again_for_who_needs_it(self):
        node, old = self.without_the_first({"swap": {"epc_size": "1400KiB"}})  # two sets of three
        self.assertIn('psw_lame_ducks_retired_total{reason="memory"} 1\n', self.metrics(node))
        self.assertEqual([old.quote(), old.quote()], [0, 0])
        self.assertEqual(self.ducks(node)[-1], 4)

    def test_lame_ducks_make_room_for_a_swap_and_are_started_again_for_who_needs_them(self):
        with self.platform.knobs(epc_kib=1400):  # two sets of three
            node = self.node({"swap": {"epc_size": "1400KiB", "drain_timeout": "10m"}})
            old = Application(self, node)
            node.ctl("swap", "1.2")
            self.assertEqual(old.quote(), 0)  # so the lame duck does not rest
            duck, = [each["pid"] for each in node.ctl("status")["generations"] if each["role"] == "lame-duck"]
            with contextlib.closing(nodes.Api(node.api_path)) as api, stopped(duck):
                swap = api.call("POST", "/v1/swap", {"bundle": "1.3", "soak": "0"})
                self.wait_step(api, swap, "waiting for room in the EPC")
                self.assertRegex(node.ctl_raw("status").stdout, r"operation .*swap .*: waiting for room in the EPC\n")
                self.assertRegex(node.log(), rf"swap-waits operation={swap['id']} leaving=1 ")
            with contextlib.closing(nodes.Api(node.api_path)) as api:
                api.finish(swap)
            self.assertIn('psw_lame_ducks_retired_total{reason="memory"} 1\n', self.metrics(node))
        self.assertEqual([old.quote(), old.quote()], [0, 0])

    def test_one_that_could_not_be_started_after_a_crash_is_started_for_who_needs_it(self):
        node = self.node()
        old = Application(self, node)
        node.ctl("swap", "1.2")
        duck, = [each["pid"] for each in node.ctl("status")["generations"] if each["role"] == "lame-duck"]
        bundle = node.directory / "store" / "bundles" / node.ctl("status")["previous"]["digest"]
        library, hidden = next(bundle.rglob("libsgx_dcap_ql.so*")), node.directory / "hidden"
        library.rename(hidden)
        os.kill(duck, signal.SIGKILL)
        nodes.wait_until(lambda: "duck-lost" in node.log(), "the loss")
        hidden.rename(library)
        # Until what serves is told that it may be asked for, the answer is 42: ask anew.
        codes = []
        nodes.wait_until(lambda: codes.append(old.quote()) or codes[-1] == 0, "a quote")
        self.assertEqual(set(codes) - {0, 42}, set())

    def test_of_several_that_had_to_go_the_right_one_is_found(self):
        self.bundles.append(self.platform.bundle("1.4", 11))
        self.addCleanup(self.bundles.pop)
        node, old = self.without_the_first({"lame_ducks": {"count": 1}})
        node.ctl("swap", "1.4")
        nodes.wait_until(lambda: len(node.ctl("status")["generations"]) == 2, "the end of the second")
        self.assertEqual(old.quote(), 0)  # the second was tried before it
        self.assertEqual(self.of(node, old)[0]["qe_isv_svn"], 8)

    def test_forged_reports_start_few_generations_and_are_refused(self):
        node, old = self.without_the_first({"lame_ducks": {"count": 1}})
        forgers = [Application(self, node, forged=True) for _ in range(3)]
        for forger in forgers:
            self.assertEqual([forger.quote() for _ in range(3)], [42] * 3)
        self.assertEqual(node.log().count("duck-recalled"), 1)
        self.assertEqual(old.quote(), 0)
        self.assertEqual(self.ducks(node), [2, 4])

    def test_a_bundle_that_is_not_there_any_more_cannot_come_back(self):
        node, old = self.without_the_first({"lame_ducks": {"count": 1}})
        node.ctl("remove", "1.1")
        self.assertEqual(old.quote(), 42)
        self.assertEqual(self.ducks(node), [2])


if __name__ == "__main__":
    unittest.main()
