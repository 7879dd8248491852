"""What a new maintainer is told is there: files, commands, tools."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("CONTRIBUTING.md", "README.md", "CHANGELOG.md", "docs/architecture.md")


def rows() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Where do I change")[2]
    return [line for line in text.splitlines() if line.startswith("| ")][1:]


def test_at_least_twelve_changes_have_their_place():
    assert len(rows()) >= 12
    for row in rows():
        places = re.findall(r"`([\w./-]+/[\w./-]+|requirements\.txt)`", row)
        assert places, f"no file is named: {row}"
        for place in places:
            assert (ROOT / place).is_file(), f"{place}: {row}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(document):
    text = (ROOT / document).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / document).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_make_exist(document):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = (ROOT / document).read_text("utf-8")
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= targets


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")
