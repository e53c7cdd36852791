# SPDX-License-Identifier: Apache-2.0
"""Swaps under load while something is killed at a random moment of each; in the end everything must be as it was.

Clients of three kinds: aesm-load with fresh and with cached target info, and some that sit on half of a request.
Used by tests/bench/crashes (as long as you like) and by tests/integration/test_swap_crashes.py (for a moment).
"""

import contextlib
import os
import pathlib
import random
import re
import signal
import threading
import time

from tests.support import aesm, node as nodes

VICTIMS = ("serving", "new", "draining", "keeper", "manager", "nobody")
VERSIONS = ("1.0", "2.0")
HALF_CLIENTS = 12
SETTLE = 60.0  # seconds that a node may take until it is quiet again, also under a sanitizer
# A generation that was killed is started again at once, however often that happens.
SETTINGS = {"restart": {"delay": "100ms", "delay_max": "200ms", "settle": "10ms"}, "swap": {"soak": "0"}}


class Processes:
    """The quoted processes of a node as /proc has them: generations by number, and their keepers."""

    def __init__(self, node):
        self.prefix = bytes(node.directory / "run")
        self.generations, self.keepers = {}, {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    self._look(entry)

    def _look(self, entry):
        arguments = (entry / "cmdline").read_bytes().split(b"\0")
        if not arguments[0].endswith(b"quoted") or not any(each.startswith(self.prefix) for each in arguments):
            return
        number = int(arguments[arguments.index(b"--generation") + 1])
        kind = self.keepers if (entry / "comm").read_text().strip() == "quoted-keeper" else self.generations
        kind[number] = int(entry.name)


class HalfClient(threading.Thread):
    """Sends half a request, sits on it for a while, sends the rest and wants its answer; again and again."""

    def __init__(self, path, seed):
        super().__init__(daemon=True)
        self.path, self.random = path, random.Random(seed)
        self.ending = threading.Event()
        self.answers, self.failures = 0, []

    def run(self):
        whole = aesm.init_request()
        while not self.ending.is_set():
            at = self.random.randrange(len(whole))
            try:
                with aesm.Connection(self.path, timeout=SETTLE) as connection:
                    connection.send(whole[:at])
                    self.ending.wait(self.random.uniform(0, 0.3))
                    code = connection.send(whole[at:]).answer().code
                    if code != 0:
                        self.failures.append(f"{at} bytes sent first: answered {code}")
                    self.answers += 1
            except OSError as failure:
                self.failures.append(f"{at} bytes sent first: {failure!r}")
                self.ending.wait(0.1)


class Havoc:
    """One node under load; strike() is one swap and one kill, finish() says what is wrong in the end."""

    def __init__(self, node, seed, rate):
        self.node, self.random = node, random.Random(seed)
        self.counts = dict.fromkeys(VICTIMS, 0)
        self.swaps = {"succeeded": 0, "failed": 0}
        self.next_version = 1
        for version, svn in zip(VERSIONS, (8, 9)):
            node.ctl("stage", node.platform.bundle(version, svn, output=node.directory / f"{version}.pswb"))
        for version in VERSIONS:
            node.ctl("swap", version, "--allow-downgrade", "psw-simulated")
        self.inode = node.socket.stat().st_ino
        self.settle()
        self.descriptors = self._descriptors()
        self.start = time.monotonic()
        self.loads = [node.load("--flow", flow, "--target", target, "--clients", 8, "--rate", rate, "--duration", "24h",
                                "--timeout", "30s")
                      for flow, target in (("full", "fresh"), ("quote", "cached"))]
        self.half = [HalfClient(node.socket, seed + index) for index in range(HALF_CLIENTS)]
        for client in self.half:
            client.start()

    def _descriptors(self):
        """Open descriptors of the manager and of what serves."""
        def count(pid):
            return len(os.listdir(f"/proc/{pid}/fd"))
        return {"manager": count(self.node.manager.pid), "serving": count(self.node.serving()["pid"])}

    def _is_quiet(self):
        with contextlib.suppress(OSError, nodes.http.client.HTTPException), \
                contextlib.closing(nodes.Api(self.node.api_path)) as api:
            status = api.call("GET", "/v1/status")
            roles = [each["role"] for each in status["generations"]]
            if (status["operation"] is not None or status["state"] != "serving" or status["rescue"]["waiting"]
                    or set(roles) - {"serving", "lame-duck"} or roles.count("serving") != 1
                    or any(each["state"] == "draining" for each in status["generations"])):
                return None
            found = Processes(self.node)
            numbers = {each["generation"] for each in status["generations"]}
            return status if set(found.generations) == set(found.keepers) == numbers else None
        return None

    def settle(self):
        """Waits until one generation serves, nothing is under way and every generation has its keeper."""
        return nodes.wait_until(self._is_quiet, "a quiet node", SETTLE)

    def _victim(self, kind):
        """Its process id now; None if there is none."""
        if kind == "manager":
            return self.node.manager.pid
        found = Processes(self.node)
        numbers = sorted(found.generations)
        serving = self.serving
        wanted = {"serving": serving, "draining": serving, "keeper": serving, "new": numbers[-1] if numbers else None}[kind]
        return (found.keepers if kind == "keeper" else found.generations).get(wanted)

    def _kill(self, kind, after):
        """Kills one of that kind when `after` seconds of the swap are over."""
        # Found before, where it is there before: a look takes longer than some steps of a swap.
        victim = None if kind == "new" else self._victim(kind)
        def act():
            end = time.monotonic() + after
            pid = victim
            while kind == "new" and time.monotonic() < end + 0.1:
                pid = self._victim(kind)
                if pid is not None and pid != self.before.generations.get(max(self.before.generations)):
                    break
                pid = None
            time.sleep(max(0.0, end - time.monotonic()))
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.counts[kind] += 1
                    self._note(f"killed {kind} pid={pid}")
        return act

    def _note(self, text):
        """Into the node's log, with the time by which aesm-load tells failures."""
        with open(self.node.log_path, "a", encoding="utf-8") as log:
            log.write(f"--- {(time.monotonic() - self.start) * 1000:.0f} ms: {text}\n")

    def strike(self):
        """One swap, in which one victim is killed at some moment, and the peace afterwards."""
        kind = self.random.choice(VICTIMS)
        after = self.random.uniform(0, 0.04)
        status = self.settle()
        self.serving = next(each["generation"] for each in status["generations"] if each["role"] == "serving")
        self.before = Processes(self.node)
        killer = threading.Thread(target=self._kill(kind, after) if kind != "nobody" else lambda: None)
        self.counts["nobody"] += kind == "nobody"
        if kind == "new" or self.random.random() < 0.5:
            self.node.renew()  # else the lame duck serves again
        self._note("swap")
        serves = status["bundle"]["version"]
        killer.start()
        try:
            with contextlib.closing(nodes.Api(self.node.api_path)) as api:
                api.swap(VERSIONS[1 - VERSIONS.index(serves)])
            self.swaps["succeeded"] += 1
        except (RuntimeError, OSError, nodes.http.client.HTTPException):
            self.swaps["failed"] += 1  # what was to be expected, if somebody was killed
            if kind == "nobody":
                raise
        killer.join(nodes.DEADLINE)
        if kind == "manager":
            self.node.manager.wait(nodes.DEADLINE)
            self.node.start()
        self.settle()

    def finish(self):
        """Ends the load; the reports, and all that is wrong."""
        wrong = []
        for client in self.half:
            client.ending.set()
        reports = [load.stop() for load in self.loads]
        for client in self.half:
            client.join(SETTLE)
            wrong += client.failures
        for report in reports:
            if report["failed"] or not report["requests"]:
                wrong.append(f"{report['failed']} of {report['requests']} requests failed: {report['failures']} "
                             f"{report['codes']} {report['notes']}")
        if self.node.socket.stat().st_ino != self.inode:
            wrong.append("the socket has another inode")
        self.settle()
        for name, now in self._descriptors().items():
            if now > self.descriptors[name] + 8:  # connections to lame ducks, of which there may be more now
                wrong.append(f"the {name} process has {now} descriptors, {self.descriptors[name]} at the start")
        # Not every word of one: LeakSanitizer complains that it cannot look at children in a sandbox.
        if re.search(r"(ERROR|WARNING): \w+Sanitizer|runtime error:", self.node.log()):
            wrong.append("a sanitizer has found something: see the log")
        requests = sum(report["requests"] for report in reports) + sum(client.answers for client in self.half)
        return requests, reports, wrong
