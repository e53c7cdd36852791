# SPDX-License-Identifier: Apache-2.0
"""Folders are layers: no file includes what the table in docs/architecture.md does not allow its folder,
and no folders include each other in a circle."""

import collections
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("PSW_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
PAGE = "docs/architecture.md"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def read_rows(text):
    """(layers, allowed) of each row of the table that begins with "| layer |", as text."""
    rows = []
    in_table = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] == "layer":
            in_table = True
        elif in_table and not line.startswith("|"):
            break
        elif in_table and len(cells) == 2 and not set(cells[0]) <= set("-: "):
            rows.append((cells[0], cells[1]))
    return rows


def without_note(item):
    """('bundles', 'manifest') of "bundles (manifest)"."""
    match = re.fullmatch(r"([\w/]+)(?: \(([\w ,]+)\))?", item)
    if match is None:
        raise SystemExit(f"{PAGE}: cannot read '{item}' in the layer table")
    return match.group(1), match.group(2)


class Table:
    """What each layer may include: layer -> [(layer, names of headers or None for all)]."""

    def __init__(self, rows):
        self.allowed = {}
        for left, _ in rows:
            for item in left.split(","):
                self.allowed[without_note(item.strip())[0]] = []
        for left, right in rows:
            for item in left.split(","):
                self.allowed[without_note(item.strip())[0]] = self.read_allowed(right)

    def resolve(self, name):
        """The layer that a name or the last part of one stands for."""
        fits = [layer for layer in self.allowed if layer == name or layer.endswith("/" + name)]
        if name in fits:
            return name
        if len(fits) != 1:
            raise SystemExit(f"{PAGE}: '{name}' in the layer table stands for {fits or 'no layer'}")
        return fits[0]

    def read_allowed(self, text):
        if text == "nothing of ours":
            return []
        allowed = []
        for item in re.split(r", (?![^(]*\))", text):
            group = re.fullmatch(r"all of (\w+)(?: but ([\w/ ]+))?", item)
            if group is None:
                name, note = without_note(item)
                allowed.append((self.resolve(name), set(re.split(r", | and ", note)) if note else None))
                continue
            excluded = {self.resolve(name) for name in (group.group(2) or "").split(" and ") if name}
            members = [layer for layer in self.allowed if (layer + "/").startswith(group.group(1) + "/")]
            allowed += [(layer, None) for layer in members if layer not in excluded]
        return allowed

    def layer_of(self, path):
        """The layer of a file: the nearest folder above it that the table names; None outside all layers."""
        for parent in pathlib.PurePosixPath(path).parents:
            if str(parent) in self.allowed:
                return str(parent)
        return None

    def permits(self, source, header):
        own, other = self.layer_of(source), self.layer_of(header)
        if own == other:
            return True
        stem = pathlib.PurePosixPath(header).stem
        return any(layer == other and (names is None or stem in names) for layer, names in self.allowed[own])


def sources(table):
    tops = {layer.split("/")[0] for layer in table.allowed}
    for top in sorted(tops):
        for path in sorted((ROOT / top).rglob("*.[ch]")):
            yield path.relative_to(ROOT).as_posix()


def includes(path):
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def find_cycle(graph):
    """A circle of folders as a list, or None. Depth first; a folder on the way down is grey."""
    grey, black = [], set()

    def visit(folder):
        if folder in grey:
            return grey[grey.index(folder):] + [folder]
        if folder in black:
            return None
        grey.append(folder)
        for following in sorted(graph[folder]):
            cycle = visit(following)
            if cycle:
                return cycle
        grey.pop()
        black.add(folder)
        return None

    for folder in sorted(graph):
        cycle = visit(folder)
        if cycle:
            return cycle
    return None


def main():
    rows = read_rows((ROOT / PAGE).read_text(encoding="utf-8"))
    if not rows:
        raise SystemExit(f"{PAGE}: no table that begins with '| layer | may include |'")
    table = Table(rows)
    problems = []
    graph = collections.defaultdict(set)
    count = 0
    for source in sources(table):
        folder = os.path.dirname(source)
        for number, header in includes(source):
            count += 1
            if header.split("/")[0] == "tests" or table.layer_of(header) is None:
                problems.append(f"{source}:{number}: {header} is in no layer")
            elif not table.permits(source, header):
                problems.append(f"{source}:{number}: {table.layer_of(source)} may not include {header}")
            elif os.path.dirname(header) != folder:
                graph[folder].add(os.path.dirname(header))
                graph.setdefault(os.path.dirname(header), set())
    cycle = find_cycle(graph)
    if cycle:
        problems.append("folders include each other: " + " -> ".join(cycle))
    for problem in problems:
        print(problem)
    if count == 0:
        problems.append("nothing was looked at")
    print(f"{count} includes, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
