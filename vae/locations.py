"""The folders of models and runs: those that are shipped, and those that visitors create."""

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
    "all_checkpoints",
    "data_folder",
    "epoch_folder",
    "is_checkpoint",
    "list_checkpoints",
    "list_epochs",
    "list_lab_checkpoints",
]

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_explorer"  # the app's folder in a wheel, absent in a checkout
APP = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
SHIPPED = APP / "checkpoints"
FILES = (  # files of a checkpoint; the weights, which make a folder a checkpoint, come first
    *("model.safetensors", "codes.safetensors", "code-distribution.safetensors"),
    *("card.json", "decoder.onnx", "encoder.onnx"),  # the last two of an imported model
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that can be opened.

    Args:
        name: unique name among those of `list_checkpoints`.
        folder: folder of the checkpoint.
        shipped: whether the checkpoint is part of the program.
    """

    name: str
    folder: Path
    shipped: bool


def data_folder() -> Path:
    """The folder of all that visitors create.

    This is `$LATENT_DATA` if set; else `data/` in a checkout, or the operating system's folder
    for application data, such as `~/.local/share/latent-space-explorer` on Linux.
    """
    if named := os.environ.get("LATENT_DATA"):
        return Path(named)
    if APP == _INSTALLED:
        return platformdirs.user_data_path("latent-space-explorer", appauthor=False)
    return APP / "data"


def list_checkpoints() -> list[Checkpoint]:
    """Lists all checkpoints: the shipped ones, then those that visitors saved or trained."""
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
    """Lists the small shipped models of the lessons, `lab/…`, which `list_checkpoints` omits."""
    files = sorted((SHIPPED / "lab").glob("*/model.safetensors"))
    return [Checkpoint(f"lab/{file.parent.name}", file.parent, True) for file in files]


def list_epochs(run: Path) -> list[int]:
    """The epochs of a run whose weights were kept, in order; 0 is before training."""
    files = (run / "epochs").glob("*/model.safetensors")
    return sorted(int(name) for file in files if (name := file.parent.name).isdecimal())


def epoch_folder(run: Path, epoch: int) -> Path:
    """The checkpoint of one epoch of a run."""
    return run / "epochs" / str(epoch)


def list_epoch_checkpoints() -> list[Checkpoint]:
    """Lists the kept epochs of all runs, `RUN/epoch-N`, which `list_checkpoints` omits."""
    runs = sorted((data_folder() / "runs").glob("*/epochs"))
    return [
        Checkpoint(f"{run.parent.name}/epoch-{epoch}", epoch_folder(run.parent, epoch), False)
        for run in runs
        if NAME.fullmatch(run.parent.name)
        for epoch in list_epochs(run.parent)
    ]


def all_checkpoints() -> list[Checkpoint]:
    """All that can be opened by a name: models, those of the lessons, and epochs of runs."""
    return [*list_checkpoints(), *list_lab_checkpoints(), *list_epoch_checkpoints()]


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a model, intact or damaged."""
    return (folder / "model.safetensors").exists()
