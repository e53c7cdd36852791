# SPDX-License-Identifier: Apache-2.0
"""Metrics and health as Prometheus and an operator see them, over swaps, crashes and restarts of the manager."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import unittest

from tests.support import aesm, node as nodes
from tests.support.cases import PlatformCase

SOURCE = pathlib.Path(os.environ["PSW_SOURCE"])
DEADLINE = 60


def promtool(*arguments, text=None):
    """The real thing; its output if it has nothing to say against it."""
    result = subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True, text=True,
                            timeout=DEADLINE, check=False)
    if result.returncode != 0 or result.stderr:
        raise AssertionError(f"promtool {' '.join(map(str, arguments))}: {result.stdout}{result.stderr}")
    return result.stdout


def samples(page):
    """{"name{labels}": value} of a page."""
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", page, re.M)}


def families(page):
    """{name: type} of a page."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))


class Served(PlatformCase):
    """One platform for all; a node of its own for each test."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first = cls.platform.bundle("1.1", 8)
        cls.second = cls.platform.bundle("1.2", 9)

    def node(self, settings=None):
        """A running node with both bundles staged, the first serving."""
        node = self.make_node(settings).start()
        node.ctl("stage", self.first)
        node.ctl("stage", self.second)
        node.ctl("swap", "1.1")
        return node

    def get(self, connection, path, **headers):
        """Status, content type and text."""
        self.addCleanup(connection.close)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read().decode()

    def page(self, node, **headers):
        """The metrics of a node."""
        status, _, text = self.get(nodes.Api(node.api_path), "/metrics", **headers)
        self.assertEqual(status, 200, text)
        return text

    def quotes(self, node, requests):
        """So many good quotes."""
        report = node.load("--flow", "quote", "--target", "cached", "--requests", requests, "--clients", "2").result()
        self.assertEqual(report["failed"], 0, report)

    def shrunk(self, before, after):
        """Counters of `before` that are smaller or gone in `after`."""
        return {name: (value, after.get(name)) for name, value in before.items()
                if re.search(r"_(total|bucket|count|sum)(\{|$)", name) and "psw_rescued" not in name
                and after.get(name, -1) < value}

    def test_a_live_page_is_what_prometheus_wants(self):
        node = self.node()
        self.quotes(node, 20)
        page = self.page(node)
        promtool("check", "metrics", text=page)
        self.assertEqual(samples(page)['psw_requests_total{type="quote",code="0"}'], 20)
        # Counted when the answer is written, which a client may see a moment before.
        nodes.wait_until(lambda: samples(self.page(node))['psw_request_duration_seconds_count{type="quote"}'] == 20,
                         "the last answer's time")
        status, kind, text = self.get(nodes.Api(node.api_path), "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        self.assertEqual((status, kind.split(";")[0]), (200, "application/openmetrics-text"))
        self.assertTrue(text.endswith("\n# EOF\n"))
        self.assertEqual(families(text)["psw_requests"], "counter")

    def test_every_metric_is_listed_with_its_type_and_no_other_is(self):
        code = {}
        for path in ("quoted/control/counts.c", "manager/metrics_page.c"):
            text = (SOURCE / path).read_text()
            text = re.sub(r"METRICS_PAGE_[A-Z_]+", lambda name: re.search(rf'{name[0]} ("\w+")',
                          (SOURCE / "manager/metrics_page.h").read_text())[1] if name[0] != "METRICS_PAGE_SIZE_MAX"
                          else name[0], text)
            code.update((name, (kind.lower(), labels)) for name, kind, labels in
                        re.findall(r'\{\s*"(psw_\w+)",\s*METRICS_(\w+),\s*"([^"]*)"', text))
        self.assertGreater(len(code), 30)
        listed = {}
        for names, kind, labels in re.findall(r"^\| (`psw_[^|]*) \| (\w+) \| ([^|]*?) ?\|", (SOURCE / "docs/metrics.md").read_text(), re.M):
            for name in re.findall(r"`(\w+)`", names):
                listed[name] = (kind, ",".join(re.findall(r"`(\w+)`", labels)))
        self.assertEqual(listed, code)
        node = self.node()
        without_updates = {name: kind for name, (kind, _) in code.items() if not name.startswith("psw_update_")}
        self.assertEqual(families(self.page(node)), without_updates)

    def test_alerts_and_dashboard_use_what_there_is(self):
        rules = SOURCE / "config/prometheus/psw-manager.rules.yaml"
        promtool("check", "rules", rules)
        promtool("test", "rules", SOURCE / "tests/data/psw-manager.rules.test.yaml")
        listed = set(re.findall(r"`(psw_\w+)`", (SOURCE / "docs/metrics.md").read_text()))
        dashboard = json.loads((SOURCE / "config/grafana/psw-manager.json").read_text())
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        self.assertGreater(len(expressions), 15)
        for text in (rules.read_text(), "\n".join(expressions)):
            used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bpsw_\w+", text)}
            self.assertEqual(used - listed, set())

    def test_counters_only_grow_whoever_ends_how(self):
        node = self.node()
        self.quotes(node, 10)
        seen = samples(self.page(node))
        for step in ("swap", "swap back", "generation killed", "manager killed", "both killed"):
            with self.subTest(step):
                pid = node.serving()["pid"]
                if step.startswith("swap"):
                    node.ctl("swap", "1.2" if step == "swap" else "1.1", "--allow-downgrade", "psw-simulated")
                if "manager" in step or "both" in step:
                    node.kill_manager()
                if "generation" in step or "both" in step:
                    os.kill(pid, signal.SIGKILL)
                if "killed" in step and step != "generation killed":
                    node.start()
                nodes.wait_until(lambda: (node.serving() or {}).get("status"), "a generation that serves")
                self.quotes(node, 10)
                now = samples(self.page(node))
                self.assertEqual(self.shrunk(seen, now), {})
                name = 'psw_requests_total{type="quote",code="0"}'
                self.assertEqual(now[name], seen[name] + 10)
                seen = now
        self.assertEqual(seen['psw_swaps_total{outcome="committed"}'], 3)
        self.assertEqual(seen['psw_generation_crashes_total{role="serving"}'], 1)  # the second nobody saw

    def test_what_a_generation_counted_to_its_end_is_kept(self):
        node = self.node({"lame_ducks": {"count": 0}})
        for version in ("1.2", "1.1", "1.2"):
            self.quotes(node, 10)
            node.ctl("swap", version, "--allow-downgrade", "psw-simulated")
        nodes.wait_until(lambda: len(node.ctl("status")["generations"]) == 1, "the former ones' end")
        self.assertEqual(samples(self.page(node))['psw_requests_total{type="quote",code="0"}'], 30)

    def test_what_goes_wrong_is_counted_by_what_it_is(self):
        node = self.node()
        aesm.ask(node.socket, aesm.frame(b"\xff\xff\xff"))  # nothing known in it
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(node.socket))
        self.quotes(node, 5)
        node.ctl("test", "1.2")
        nodes.wait_until(lambda: samples(self.page(node))['psw_connections_unanswered_total{reason="silent"}'] == 1,
                         "the connection's end")
        seen = samples(self.page(node))
        self.assertEqual(seen['psw_connections_unanswered_total{reason="unreadable"}'], 1)
        self.assertEqual(seen['psw_engine_calls_total{code="0"}'], 5)
        self.assertEqual(seen['psw_generations{role="serving"}'], 1)
        self.assertGreater(seen["psw_store_bytes"], 1000)
        self.assertEqual(seen["psw_store_bundles"], 2)

    def test_the_second_door_shows_metrics_and_health_and_nothing_else(self):
        host = f"127.77.{os.getpid() // 256 % 256}.{os.getpid() % 256}"  # nobody else's
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = probe.getsockname()[1]
        node = self.node({"metrics": {"listen": f"{host}:{port}"}})
        for path, wanted in (("/metrics", 200), ("/v1/health", 200), ("/v1/status", 404), ("/v1/journal", 404)):
            status, _, text = self.get(http.client.HTTPConnection(host, port, timeout=DEADLINE), path)
            self.assertEqual(status, wanted, text)
        outside = http.client.HTTPConnection(host, port, timeout=DEADLINE)
        self.addCleanup(outside.close)
        outside.request("POST", "/v1/swap", '{"bundle": "1.2"}', {"Content-Type": "application/json"})
        self.assertEqual(outside.getresponse().status, 404)
        self.assertEqual(node.serving()["bundle"]["version"], "1.1")

    def test_health_is_a_quote(self):
        node = self.node()
        status, _, text = self.get(nodes.Api(node.api_path), "/v1/health")
        health = json.loads(text)
        self.assertEqual((status, health["healthy"], health["error"]), (200, True, None))
        self.assertEqual(health["qe"], node.serving()["qe"])
        self.assertLess(health["trial_age_ms"], 60000)
        self.assertEqual(node.ctl_raw("status").returncode, 0)
        self.assertEqual(samples(self.page(node))["psw_healthy"], 1)

    def test_a_generation_that_makes_no_quotes_any_more_is_not_healthy(self):
        node = self.node()
        path = self.directory / "fails.pswb"
        nodes.run("psw-bundle", "sim", "--platform", self.platform.directory, "--version", "2.1", "--qe-svn", "10",
                  "--pce-svn", "15", "--fault", "quote:0xe016,after=2", "-o", path)
        node.ctl("stage", path)
        node.ctl("swap", "2.1", "--soak", "0")
        status, _, text = self.get(nodes.Api(node.api_path), "/v1/health")
        health = json.loads(text)
        self.assertEqual((status, health["healthy"]), (503, False))
        self.assertIn("0xe016", health["error"])
        result = node.ctl_raw("status")
        self.assertEqual(result.returncode, 16)
        self.assertIn("makes no quotes", result.stdout)
        self.assertEqual(samples(self.page(node))["psw_healthy"], 0)
        node.ctl("rollback")
        self.assertEqual(self.get(nodes.Api(node.api_path), "/v1/health")[0], 200)
        self.assertEqual(node.ctl_raw("status").returncode, 0)

    def test_where_nothing_serves_there_is_no_health(self):
        node = self.make_node().start()
        status, _, text = self.get(nodes.Api(node.api_path), "/v1/health")
        self.assertEqual((status, json.loads(text)["error"]), (503, "nothing serves"))
        self.assertEqual(node.ctl_raw("status").returncode, 0)  # and nothing should
        promtool("check", "metrics", text=self.page(node))


if __name__ == "__main__":
    unittest.main()
