"""How the package is built: dependencies from the requirements files, the app inside `vae`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

EXTRAS = ("dev", "docs", "examples", "hdf5", "onnx")
TESTS_ONLY = ("pytest",)
APP = ("app.py", "pages", "checkpoints", ".streamlit")


def read_requirements(file: Path) -> list[str]:
    """The requirements that a file lists itself, without those of files that it includes."""
    lines = (line.partition("#")[0].strip() for line in file.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-")]


class Metadata(MetadataHookInterface):
    """Reads `requirements.txt`, where the tests' own requirement stands too, and the extras."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fills in what `pyproject.toml` calls dynamic."""
        root = Path(self.root)
        every = read_requirements(root / "requirements.txt")
        tests = [line for line in every if line.startswith(TESTS_ONLY)]
        extras = {extra: read_requirements(root / f"requirements-{extra}.txt") for extra in EXTRAS}
        metadata["dependencies"] = [line for line in every if line not in tests]
        metadata["optional-dependencies"] = extras | {"dev": tests + extras["dev"]}


class Build(BuildHookInterface):
    """Puts the app and the shipped models into the wheel; an editable one uses the checkout's."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Names the folders that the wheel holds beside the library's own."""
        if version == "standard":
            build_data["force_include"] |= {
                str(Path(self.root, name)): f"vae/_explorer/{name}" for name in APP
            }
