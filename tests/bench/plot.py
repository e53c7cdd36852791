# SPDX-License-Identifier: Apache-2.0
"""Latency over time as a picture, with a line for each swap; drawn by gnuplot."""

import pathlib
import shutil
import subprocess

TERMINALS = {".png": "pngcairo size 1200,600", ".svg": "svg size 1200,600"}


def check(path):
    """Raises ValueError if no plot can be written there."""
    if pathlib.Path(path).suffix not in TERMINALS:
        raise ValueError(f"{path}: a plot's name ends in .png or .svg")
    if shutil.which("gnuplot") is None:
        raise ValueError("gnuplot is missing: apt-get install gnuplot-nox")


def draw(path, timeline, swaps_s, title):
    """`timeline` is what aesm-load --timeline wrote; `swaps_s` when swaps began, in seconds on its clock."""
    timeline = pathlib.Path(timeline)
    columns = timeline.read_text(encoding="ascii").splitlines()[0].split(",")
    curves = [name for name in columns if name.endswith("_us")]
    marks = "\n".join(f"set arrow from {at:.3f}, graph 0 to {at:.3f}, graph 1 nohead lc rgb '#bbbbbb' lw 1 back"
                      for at in swaps_s)
    plots = ", ".join(f"'{timeline}' using 1:{columns.index(name) + 1} every ::1 with lines lw 2 "
                      f"title '{name[:-3]}'" for name in curves)
    script = f"""set terminal {TERMINALS[pathlib.Path(path).suffix]}
set output '{path}'
set datafile separator ','
set title "{title} (grey: a swap begins)" noenhanced
set xlabel 'seconds'
set ylabel 'latency, us'
set logscale y
set grid y
set key top left
{marks}
plot {plots}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
