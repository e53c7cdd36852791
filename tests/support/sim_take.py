# SPDX-License-Identifier: Apache-2.0
"""Quotes of simulated bundles, taken with the bundles' own libraries in a process of their own."""

import os
import pathlib
import re
import subprocess
import sys

from tests.support.node import run

SUPPORT = pathlib.Path(__file__).resolve().parent
DEADLINE = 60


def sanitizers(library):
    """Runtime libraries that have to be in the process before a library that was built with a sanitizer."""
    listed = subprocess.run(["ldd", str(library)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"lib[at]san\S* => (\S+)", listed)


def take_quote(bundle, path, directory):
    """Unpacks the bundle and takes a quote with its library, in a process of its own."""
    unpacked = pathlib.Path(directory) / (path.name + ".bundle")
    unpacked.mkdir()
    run("psw-bundle", "unpack", bundle, "-C", unpacked)
    preload = sanitizers(unpacked / "lib" / "libsgx_qe3_logic.so")
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    if preload:
        environment["LD_PRELOAD"] = ":".join(preload)
    result = subprocess.run([sys.executable, SUPPORT / "sim_quote.py", unpacked / "lib", path], env=environment,
                            capture_output=True, text=True, timeout=DEADLINE, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"the quote library refused: {result.stdout}{result.stderr}")
