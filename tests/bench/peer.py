# SPDX-License-Identifier: Apache-2.0
"""Any AESM server, asked over its socket alone: rates and latencies to lay beside quoted's."""

import json

from tests.support import node as nodes

FLOWS = ("num", "init", "size", "quote")


def measure(socket, platform, options):
    """Flat out with 8 clients, flow by flow. Quotes need a platform whose reports the server's QE accepts."""
    figures = {}
    print(f"{socket}, 8 clients, one connection a request")
    for flow in FLOWS:
        if flow == "quote" and platform is None:
            print("  quote     not measured: --platform names what makes the reports")
            continue
        arguments = ["--flow", flow, "--target", "cached", "--verify", "none", "--clients", 8, "--duration",
                     f"{int(options.seconds * 1000)}ms"]
        if platform is not None:
            arguments += ["--platform", platform]
        report = nodes.Load(socket, *arguments).result()
        figures[flow] = {key: report[key] for key in ("per_second", "requests", "failed", "failures", "codes", "latency_us")}
        latency = report["latency_us"]
        print(f"  {flow:8} {report['per_second']:9.0f} a second, p50 {latency['p50']} p99 {latency['p99']} max {latency['max']} us, "
              f"{report['failed']} failed {json.dumps(report['codes']) if report['codes'] else ''}".rstrip())
    return figures
