"""Where models and runs are kept: those that came with the program, then what visitors make."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

__all__ = [
    "APP",
    "FILES",
    "NAME",
    "SHIPPED",
    "Checkpoint",
    "data_folder",
    "is_checkpoint",
    "list_checkpoints",
    "list_lab_checkpoints",
]

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_explorer"  # where a wheel keeps the app; a checkout has none
APP = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
SHIPPED = APP / "checkpoints"
FILES = (  # of a checkpoint; the weights, with which it is one, come first
    *("model.safetensors", "codes.safetensors", "code-distribution.safetensors"),
    "card.json",
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that can be opened.

    Args:
        name: as shown, and as `list_checkpoints` tells it from all others.
        folder: where it lies.
        shipped: whether it came with the program.
    """

    name: str
    folder: Path
    shipped: bool


def data_folder() -> Path:
    """Where everything that visitors make is kept.

    `$LATENT_DATA`; without it `data/` of a checkout, or the folder that the operating system has
    for the data of programs, such as `~/.local/share/latent-space-explorer` on Linux.
    """
    if named := os.environ.get("LATENT_DATA"):
        return Path(named)
    if APP == _INSTALLED:
        return platformdirs.user_data_path("latent-space-explorer", appauthor=False)
    return APP / "data"


def list_checkpoints() -> list[Checkpoint]:
    """Names every checkpoint folder: the shipped ones, then what visitors saved or trained."""
    checkpoints: dict[str, Checkpoint] = {}
    places = [
        (SHIPPED, True),
        (data_folder() / "checkpoints", False),
        (data_folder() / "runs", False),
    ]
    for place, shipped in places:
        for file in sorted(place.glob("*/model.safetensors")):
            name = file.parent.name
            if name not in checkpoints and NAME.fullmatch(name):
                checkpoints[name] = Checkpoint(name, file.parent, shipped)
    return list(checkpoints.values())


def list_lab_checkpoints() -> list[Checkpoint]:
    """Names the small shipped models that show one thing each: `lab/…`, in no list of models."""
    files = sorted((SHIPPED / "lab").glob("*/model.safetensors"))
    return [Checkpoint(f"lab/{file.parent.name}", file.parent, True) for file in files]


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a model, whole or damaged."""
    return (folder / "model.safetensors").exists()
