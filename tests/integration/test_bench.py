# SPDX-License-Identifier: Apache-2.0
# label: slow
# alone
"""The benchmark measures what it says: one short round of some parts gives whole figures."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from tests.support.quoted import Stage

RUN = pathlib.Path(__file__).resolve().parents[1] / "bench" / "run"


def bench(*arguments):
    """The figures of one run."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "figures.json"
        subprocess.run([sys.executable, str(RUN), "--quick", "--json", str(path), *map(str, arguments)], check=True,
                       stdin=subprocess.DEVNULL, timeout=120)
        return json.loads(path.read_text())


class Bench(unittest.TestCase):
    def test_latency_while_swapping_is_measured_and_drawn(self):
        with tempfile.TemporaryDirectory() as directory:
            plot = pathlib.Path(directory) / "plot.svg"
            figures = bench("--plot", plot, "disturbance", "recovery")
            for name in ("fresh", "cached"):
                self.assertGreater(figures["disturbance"][name]["swaps"], 0)
                self.assertEqual(figures["disturbance"][name]["swapping"]["failed"], 0)
                drawn = plot.with_name(f"plot-{name}.svg").read_text()
                self.assertIn("p99", drawn)
        for name in ("serving", "manager"):
            self.assertEqual(figures["recovery"][name]["failed"], 0)
            self.assertGreater(figures["recovery"][name]["requests"], 100)
        for name in ("idle", "busy"):
            self.assertEqual(figures["recovery"]["spare"][name]["failed"], 0)

    def test_other_servers_sockets_are_measured_without_a_node_and_beside_each_other(self):
        stage = Stage()
        self.addCleanup(stage.close)
        daemon = stage.start(stage.bundle("1.0", 8)).wait_serving()
        figures = bench("--socket", daemon.socket, "--socket", daemon.socket, "--platform", stage.platform.directory)
        for figure in (figures["peer"], figures["beside"][str(daemon.socket)]):
            for flow in ("num", "init", "size", "quote"):
                self.assertGreater(figure[flow]["requests"], 0)
                self.assertEqual(figure[flow]["failed"], 0)
        self.assertGreater(figures["beside"][str(daemon.socket)]["quote"]["ratio"], 0)

    def test_a_plot_of_no_known_kind_is_refused(self):
        result = subprocess.run([sys.executable, str(RUN), "--plot", "x.bmp"], capture_output=True, text=True, check=False,
                                stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(result.returncode, 2)
        self.assertIn("a plot's name ends in .png or .svg", result.stderr)


if __name__ == "__main__":
    unittest.main()
