"""Runs the tests that are long by nature, whole, and keeps what they went through.

    python benchmarks/soak.py [PYTEST ARGUMENTS]

With arguments, such as `-k killed`, it runs only what they choose, and keeps no figures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from results import write_section

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Runs them; its exit status is pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-m", "soak", "-rs"]
        command += ["-o", "junit_family=xunit1", f"--junitxml={report}"]  # with properties
        status = subprocess.run([*command, *arguments], cwd=ROOT).returncode
        rows = summary(report) if report.exists() else []
    print("\n".join(rows))
    if status == 0 and not arguments:
        write_section("Soak", "make soak", rows)
    return status


def summary(report: Path) -> list[str]:
    """A table: each test with its cases, what they counted, and how long they took."""
    cases, seconds, counted = Counter(), Counter(), {}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        name = case.get("name").partition("[")[0].removeprefix("test_").replace("_", " ")
        cases[name] += 1
        seconds[name] += float(case.get("time"))
        for found in case.iter("property"):
            if (value := found.get("value")).isdecimal():  # others are sentences
                counted.setdefault(name, Counter())[found.get("name")] += int(value)
    rows = ["| what | went through | minutes |", "|---|---|---|"]
    for name in cases:
        many = counted.get(name) or {"cases": cases[name]}
        through = ", ".join(f"{number:,} {what}" for what, number in many.items())
        rows.append(f"| {name} | {through} | {seconds[name] / 60:.1f} |")
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
