# SPDX-License-Identifier: Apache-2.0
"""What stays bounded: another user's latency under a flood, memory under idle connections and after many
requests, and the time in which nobody answers after a crash."""

import contextlib
import os
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import time

from tests.support import aesm, node as nodes
from tests.support.quoted import Stage

FLOOD_CLIENTS = 64
VICTIM_RATE = 200  # requests a second: an ordinary application, far from any limit
IDLE_CONNECTIONS = 4000
FEW, MANY = 1_000, 1_000_000


def load_as(uid, node, *arguments):
    """aesm-load as another user, which takes root."""
    command = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", nodes.program("aesm-load"),
               "--socket", node.socket, "--platform", node.platform.directory, "--json", "--flow", "quote",
               "--target", "cached", *arguments]
    load = nodes.Load.__new__(nodes.Load)
    load.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    node.loads.append(load)
    return load


def measure_fairness(node, _bundles, options):
    """One user floods from 64 connections; what does another one's p99 become?"""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        print("fairness: not measured: it takes root and setpriv to be two users")
        return None
    for path in node.platform.directory.rglob("*"):  # both make reports with it; it is gone after the run
        path.chmod(0o755 if path.is_dir() else 0o644)
    duration = f"{int(options.disturbance * 500)}ms"
    victim = ("--clients", 4, "--rate", VICTIM_RATE, "--duration", duration)
    rounds = []
    for _ in range(options.rounds):
        alone = load_as(20001, node, *victim).result()
        flood = load_as(20002, node, "--clients", FLOOD_CLIENTS, "--duration", "1h", "--verify", "none")
        time.sleep(0.3)  # until the flood is one
        flooded = load_as(20001, node, *victim).result()
        rounds.append((alone, flooded, flood.stop()))
    figures = {"alone_p99_us": statistics.median(each[0]["latency_us"]["p99"] for each in rounds),
               "flooded_p99_us": statistics.median(each[1]["latency_us"]["p99"] for each in rounds),
               "failed": sum(each[0]["failed"] + each[1]["failed"] for each in rounds),
               "flood_per_second": statistics.median(each[2]["per_second"] for each in rounds)}
    figures["ratio"] = figures["flooded_p99_us"] / figures["alone_p99_us"]
    print(f"fairness: p99 of {VICTIM_RATE} requests a second by one user: {figures['alone_p99_us']:.0f} us alone, "
          f"{figures['flooded_p99_us']:.0f} us while another floods from {FLOOD_CLIENTS} connections "
          f"({figures['flood_per_second']:.0f}/s): ratio {figures['ratio']:.2f}, {figures['failed']} failed")
    return figures


def idle_kib(daemon):
    """What IDLE_CONNECTIONS that have sent half a request add to quoted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, IDLE_CONNECTIONS + 512)), hard))
    descriptors, before = daemon.descriptors(), daemon.rss_kib()
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(str(daemon.socket))
            connection.send(b"\x10\x00\x00")
        nodes.wait_until(lambda: daemon.descriptors() >= descriptors + IDLE_CONNECTIONS, "the connections to be accepted")
        return daemon.rss_kib() - before


def ask_many(daemon, count):
    """Resident memory after that many requests."""
    result = nodes.Load(daemon.socket, "--flow", "init", "--verify", "none", "--clients", 8, "--requests", count,
                        "--duration", "10m").result(timeout=900)
    if result["failed"]:
        raise RuntimeError(f"{result['failed']} requests failed: {result['notes']}")
    return daemon.rss_kib()


def measure_memory(_node, _bundles, options):
    """Resident memory of a quoted: for idle connections, and after many requests compared with after a few."""
    many = MANY // 50 if options.quick else MANY
    with contextlib.closing(Stage()) as stage:
        limits = {"connections": IDLE_CONNECTIONS + 100, "connections_per_uid": IDLE_CONNECTIONS + 100}
        daemon = stage.start(stage.bundle("1.0", 8), config=limits).wait_serving()
        figures = {"few_kib": ask_many(daemon, FEW), "many_kib": ask_many(daemon, many), "requests": many,
                   "idle_kib": idle_kib(daemon)}
    print(f"memory of quoted: {figures['few_kib']} KiB after {FEW} requests, {figures['many_kib']} KiB after {many}; "
          f"{IDLE_CONNECTIONS} idle connections with half a request add {figures['idle_kib']} KiB")
    return figures


def crash_under_load(node, options, kill):
    """The longest that a client waited when something was killed under load, and what failed."""
    running = node.load("--flow", "quote", "--target", "cached", "--clients", 16, "--rate", 1000, "--duration",
                        round_duration(options))
    time.sleep(round_seconds(options) / 2)  # a steady part first, so that the kill falls into the middle
    kill()
    return running.result()


def round_seconds(options):
    """Seconds of one crash round."""
    return 1.0 if options.quick else 3.0


def round_duration(options):
    """The same as our programs read it."""
    return f"{int(round_seconds(options) * 1000)}ms"


def warm_spare(node):
    """Who serves, when there is a spare that is warm."""
    def found():
        generations = node.ctl("status")["generations"]
        ready = any(each["role"] == "spare" and each["state"] == "ready" for each in generations)
        return ready and next((each for each in generations if each["role"] == "serving"), None)
    return nodes.wait_until(found, "a warm spare")


def kill_with_spare(node):
    """Microseconds from kill -9 to the kernel's end of the process, to the answer of a client that comes then, and to
    that of one that had sent a part of its request to the process that was killed."""
    request = aesm.init_request()
    pidfd = os.pidfd_open(warm_spare(node)["pid"])
    with contextlib.closing(os.fdopen(pidfd, closefd=True)), aesm.Connection(node.socket) as early:
        early.send(request[:10])
        time.sleep(0.05)  # until the node is quiet again
        start = time.monotonic_ns()
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        aesm.ask(node.socket, request)
        answered = time.monotonic_ns()
        select.select([pidfd], [], [])
        gone = time.monotonic_ns()
        early.send(request[10:]).frame()
        return [(at - start) / 1000 for at in (gone, answered, time.monotonic_ns())]


def measure_spare(options):
    """How soon a warm spare answers, on a node without other clients and on one with."""
    figures = {}
    with nodes.Node({"restart": {"spare": "true", "settle": "10ms"}}) as node:
        node.ctl("stage", node.platform.bundle("1.0", 8))
        node.ctl("swap", "1.0")
        for name in ("idle", "busy"):
            running = node.load("--rate", 500, "--clients", 8, "--duration", "1h") if name == "busy" else None
            rounds = [kill_with_spare(node) for _ in range(5 if options.quick else 100)]
            report = running.stop() if running else {"failed": 0}
            figures[name] = {key: {"median": statistics.median(each), "worst": max(each)}
                             for key, each in zip(("gone_us", "new_us", "early_us"), zip(*rounds))}
            figures[name]["failed"] = report["failed"]
            part = figures[name]
            print(f"kill -9 with a spare, {name} node, {len(rounds)} times: answers a new client after "
                  f"{part['new_us']['median']:.0f} us (worst {part['new_us']['worst']:.0f}), one of the killed process after "
                  f"{part['early_us']['median']:.0f} us (worst {part['early_us']['worst']:.0f}); the process is gone after "
                  f"{part['gone_us']['median']:.0f} us; {part['failed']} requests failed")
    return figures


def measure_recovery(node, _bundles, options):
    """kill -9 of the serving generation, without and with a spare, and of the manager, under load."""
    def kill_serving():
        os.kill(node.serving()["pid"], signal.SIGKILL)

    def kill_manager():
        node.kill_manager()
        node.start()

    figures = {}
    for name, kill in (("serving", kill_serving), ("manager", kill_manager)):
        reports = [crash_under_load(node, options, kill) for _ in range(options.rounds)]
        figures[name] = {"longest_ms": statistics.median(each["latency_us"]["max"] for each in reports) / 1000,
                         "worst_ms": max(each["latency_us"]["max"] for each in reports) / 1000,
                         "requests": sum(each["requests"] for each in reports),
                         "failed": sum(each["failed"] for each in reports)}
        part = figures[name]
        print(f"kill -9 of the {name + (' generation' if name == 'serving' else '')}: the longest wait of a client is "
              f"{part['longest_ms']:.1f} ms (median of {len(reports)}; worst {part['worst_ms']:.1f} ms), "
              f"{part['failed']} of {part['requests']} requests failed")
    figures["spare"] = measure_spare(options)
    return figures
