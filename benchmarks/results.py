"""Where benchmarks keep their last figures: a section each in `results.md`."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["report", "write_section"]

FILE = Path(__file__).with_name("results.md")
HEAD = (
    "# Results\n\nThe last figures of each benchmark. Load is the average of the minute before.\n"
)


def write_section(title: str, command: str, lines: Sequence[str], file: Path = FILE) -> None:
    """Puts a benchmark's figures in place of its last ones.

    Args:
        title: of the section.
        command: that measured them.
        lines: Markdown.
        file: that keeps them.
    """
    kept = file.read_text(encoding="utf-8") if file.exists() else HEAD
    head, *sections = re.split(r"^(?=## )", kept, flags=re.MULTILINE)
    begins = f"## {title}\n"
    section = "\n".join([begins, f"`{command}` · {_machine()}", "", *lines, "", ""])
    sections = [section if old.startswith(begins) else old for old in sections]
    if section not in sections:
        sections.append(section)
    parts = [part.rstrip() for part in (head, *sections)]
    file.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def report(title: str, figures: Mapping[str, object], options: argparse.Namespace) -> None:
    """Prints a benchmark's figures as a table, keeps them, and prints them as JSON, if asked to.

    Args:
        title: of their section in the results.
        figures: by name.
        options: with `record`, whether to keep them, and `json`.
    """
    lines = ["| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in figures.items()]
    print("\n".join(lines))
    if options.record:
        command = f"python benchmarks/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}"
        write_section(title, command, lines)
    if options.json:
        print(json.dumps(figures))


def _machine() -> str:
    """The commit, the date, and what it was measured on."""
    root = FILE.parent.parent
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True
    )
    commit = found.stdout.strip() or "no commit"
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (named := re.search(r"model name\s*: (.+)", cpuinfo.read_text())):
        processor = named[1]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{commit} · {datetime.date.today()} · {os.cpu_count()} × {processor}{load}"
