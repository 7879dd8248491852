"""Renaming and deleting imports, and who needs them."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..datasets.base import DatasetError
from ..files import read_file, refusals_as, write_file
from ..locations import data_folder
from ..schema import SchemaError, decode
from .store import (
    check_name,
    datasets_folder,
    find_dataset,
    former_names,
    list_versions,
    present_name,
)

__all__ = ["delete_dataset", "rename_dataset", "runs_that_need"]


@refusals_as(DatasetError)
def rename_dataset(name: str, new: str) -> None:
    """Renames an import; runs and checkpoints that name it find it still.

    Raises:
        DatasetError: if there is no such import, or the new name cannot be used or is taken.
    """
    check_name(new)
    place = datasets_folder()
    if not list_versions(name):
        raise DatasetError(f"There is no import {name!r}.")
    with FileLock(place / ".versions.lock"):
        if os.path.lexists(place / new) or present_name(new) not in (new, name):
            raise DatasetError(f"{new} is the name of another import, or was: take another one.")
        former = [n for n in former_names(place / name) if n != new]
        write_file(place / name / "former.json", json.dumps([*former, name]).encode())
        os.rename(place / name, place / new)


@refusals_as(DatasetError)
def delete_dataset(name: str) -> None:
    """Deletes an import with all its versions; `runs_that_need` tells who misses it.

    Args:
        name: name of the import, or `NAME@VERSION` for one version.

    Raises:
        DatasetError: if there is no such import.
    """
    stem, _, version = name.partition("@")
    stem = stem if list_versions(stem) else present_name(stem)
    known = list(map(str, list_versions(stem)))  # damaged or not
    if not known or (version and version not in known):
        find_dataset(name)  # says which there are
    whole = datasets_folder() / stem
    away = datasets_folder() / f".{stem}.{uuid.uuid4().hex}.importing"
    os.replace(whole / version, away)  # at once, so that nobody sees half of it
    shutil.rmtree(away, ignore_errors=True)
    if version and not list_versions(stem):
        shutil.rmtree(whole, ignore_errors=True)


def runs_that_need(name: str) -> list[str]:
    """The names of runs and checkpoints that refer to an import.

    Args:
        name: `NAME`, for any version, or `NAME@VERSION`.
    """
    present, _, wanted = name.partition("@")
    present = present if list_versions(present) else present_name(present)
    if not (known := list_versions(present)):
        return []
    wanted = wanted or str(known[-1])
    names = {present, *former_names(datasets_folder() / present)}
    needed = []
    for place in (data_folder() / "runs", data_folder() / "checkpoints"):
        for folder in sorted(place.glob("*/")):
            for file in (folder / "config.json", folder / "card.json"):
                stem, _, version = _dataset_of(file).partition("@")
                if stem in names and ("@" not in name or version == wanted):
                    needed.append(folder.name)
                    break
    return needed


def _dataset_of(file: Path) -> str:
    try:
        described = decode(read_file(file), dict[str, Any])
    except (OSError, SchemaError):
        return ""
    return str(described.get("dataset", ""))
