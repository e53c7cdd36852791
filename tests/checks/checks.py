# SPDX-License-Identifier: Apache-2.0
"""Every check of manager/checks is on its page with the worst result it can give, and has a case in a test where
it passes and one where it does not."""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("PSW_SOURCE") or pathlib.Path(__file__).resolve().parents[2])


def read_table():
    """{id: severity} of every check."""
    checks = {}
    for path in sorted((ROOT / "manager/checks").glob("*.c")):
        table = re.search(r"static const Check checks\[\] = \{(.*?)\n\};", path.read_text(encoding="ascii"), re.S)
        if table:
            for entry in re.split(r'\n    \{(?=")', table[1])[1:]:
                checks[entry.split('"')[1]] = re.search(r"CHECK_(INFO|WARN|FAIL)\b", entry)[1].lower()
    return checks


def read_cases():
    """{id: results that some test wants of it}."""
    cases = {}
    for path in (ROOT / "tests").rglob("*"):
        if path.suffix in (".c", ".py"):
            for check, result in re.findall(r'"([a-z0-9]+\.[a-z0-9_-]+)",\s*(?:CHECK_|")(PASS|INFO|WARN|FAIL|pass|info|warn|fail)\b',
                                            path.read_text(encoding="utf-8")):
                cases.setdefault(check, set()).add(result.lower())
    return cases


def main():
    page = dict(re.findall(r"^\| `([a-z0-9]+\.[a-z0-9_-]+)` \| [^|]* \| (\w+) \|", (ROOT / "docs/checks.md").read_text(encoding="utf-8"), re.M))
    checks, cases, problems = read_table(), read_cases(), []
    for check, severity in checks.items():
        if page.get(check) != severity:
            problems.append(f"{check}: docs/checks.md must have it with the worst result {severity}")
        if "pass" not in cases.get(check, ()):
            problems.append(f"{check}: no test makes it pass")
        if not cases.get(check, set()) - {"pass"}:
            problems.append(f"{check}: no test makes it fail")
    problems += [f"{check}: is in docs/checks.md and in no table" for check in page if check not in checks]
    print("\n".join(problems + [f"{len(checks)} checks, {len(problems)} problems"]))
    return 1 if problems or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
