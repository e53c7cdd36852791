# SPDX-License-Identifier: Apache-2.0
"""Any AESM servers, asked over their sockets alone: rates and latencies, and what they are to the first one's."""

import json
import statistics

from tests.support import node as nodes

FLOWS = ("num", "init", "size", "quote")  # init first: before it, some servers have no key for size and quote
KEPT = ("per_second", "requests", "failed", "failures", "codes", "latency_us")


def ask(socket, flow, platform, options):
    """One flow for a while, flat out with 8 clients."""
    arguments = ["--flow", flow, "--target", "cached", "--verify", "none", "--clients", 8, "--duration",
                 f"{int(options.seconds * 1000)}ms"]
    if platform is not None:
        arguments += ["--platform", platform]
    report = nodes.Load(socket, *arguments).result()
    return {key: report[key] for key in KEPT}


def in_turns(sockets, flow, platform, options):
    """For each socket its rounds; in each round everybody has a turn, so that a change of the machine's speed meets all."""
    rounds = [[ask(socket, flow, platform, options) for socket in sockets] for _ in range(options.rounds)]
    return list(zip(*rounds))


def middle(rounds):
    """The round of which the rate is the median, with the failures of all."""
    chosen = sorted(rounds, key=lambda report: report["per_second"])[len(rounds) // 2]
    return {**chosen, "failed": sum(report["failed"] for report in rounds)}


def show(flow, report, ratio):
    """One line for people."""
    latency = report["latency_us"]
    beside = "" if ratio is None else f", {ratio:.2f} times the first"
    codes = f" {json.dumps(report['codes'])}" if report["codes"] else ""
    print(f"  {flow:8} {report['per_second']:9.0f} a second{beside}, p50 {latency['p50']} p99 {latency['p99']} "
          f"max {latency['max']} us, {report['failed']} failed{codes}")


def measure(sockets, platform, options):
    """Flow by flow. Quotes need a platform whose reports the servers' QE accepts. Figures of each socket, in their order."""
    figures = [{} for _ in sockets]
    for flow in FLOWS:
        if flow == "quote" and platform is None:
            print("quotes are not measured: --platform names what makes the reports")
            continue
        turns = in_turns(sockets, flow, platform, options)
        for place, rounds in enumerate(turns):
            figures[place][flow] = middle(rounds)
            if place > 0:
                pairs = zip(rounds, turns[0])
                figures[place][flow]["ratio"] = statistics.median(
                    own["per_second"] / first["per_second"] if first["per_second"] else 0 for own, first in pairs)
    for socket, figure in zip(sockets, figures):
        print(f"{socket}, 8 clients, one connection a request")
        for flow, report in figure.items():
            show(flow, report, report.get("ratio"))
    return figures
