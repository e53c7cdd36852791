# SPDX-License-Identifier: Apache-2.0
"""Every source begins with its licence, every header is guarded by its path, every include is written from
the root and names a file that is there."""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("PSW_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
TOPS = ("bundles", "quoted", "manager", "tests", "config", "docs")
LICENCE = "SPDX-License-Identifier: Apache-2.0"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def files():
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*")):
            parts = path.relative_to(ROOT).parts
            if path.is_file() and "node_modules" not in parts and "corpus" not in parts and "data" not in parts:
                yield path


def problems_of(path):
    name = path.relative_to(ROOT).as_posix()
    is_c = path.suffix in (".c", ".h")
    if not is_c and path.suffix not in (".py", ".sh") and path.name != "CMakeLists.txt":
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    head = lines[:1] if is_c else lines[:2]
    if not any(LICENCE in line for line in head):
        yield f"{name}:1: no line '{LICENCE}'"
    if path.suffix == ".h":
        guard = re.sub(r"[^A-Z0-9]", "_", name.upper())
        if f"#ifndef {guard}" not in lines or f"#define {guard}" not in lines:
            yield f"{name}: the guard is not {guard}"
    if is_c:
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match and not (ROOT / match.group(1)).is_file():
                yield f"{name}:{number}: \"{match.group(1)}\" is not a path from the root"


def main():
    count = 0
    problems = []
    for path in files():
        count += 1
        problems += problems_of(path)
    for problem in problems:
        print(problem)
    print(f"{count} files, {len(problems)} problems")
    return 1 if problems or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
