"""An import as one file, which can be imported again."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from ..datasets.base import SPLITS, DatasetError, Progress
from ..files import (
    DAMAGED_ARCHIVE,
    is_full,
    new_archive,
    open_archive,
    read_file,
    write_file,
)
from ..schema import SchemaError, convert, decode
from .planning import Options
from .spool import MAX_BYTES, check_unpacked
from .store import (
    ImportedDataset,
    all_images,
    find_dataset,
    open_import,
    read_import,
    sound_versions,
)
from .writing import unfinished

__all__ = [
    "FILES",
    "check_options",
    "export_dataset",
    "import_exported",
    "is_exported",
    "unpack_exported",
]

FILES = ("card.json", "names.json", "pixels.npy", "rows.safetensors")
"""Files of an import, and of the zip archive that it is exported as."""


def export_dataset(name: str, file: str | Path) -> Path:
    """Writes an import as a zip archive, which `import_source` reads.

    Args:
        name: `NAME` or `NAME@VERSION`.
        file: path of a new file.

    Returns:
        The path of the file.

    Raises:
        DatasetError: if there is no such import.
        OutputError: if the file exists already.
    """
    found = find_dataset(name)
    with new_archive(file) as archive:
        for member in FILES:
            if member == "card.json":
                archive.writestr(member, _without_place(found.folder / member))
            else:
                archive.write(found.folder / member, member)
    return Path(file)


def is_exported(path: Path) -> bool:
    """Whether a file is an archive that `export_dataset` wrote."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with open_archive(path) as archive:
            return sorted(archive.namelist()) == list(FILES)
    except Exception:  # zipfile raises errors of many types on damaged bytes
        return False


def check_options(path: Path, options: Options, labels: str | Path | None) -> None:
    """Refuses options that an exported dataset cannot follow: it is imported as it is.

    Args:
        path: path of the archive.
        options: how its pictures should become images.
        labels: path of a table that should describe them, or None.

    Raises:
        DatasetError: if an option changes its pictures, or there is a table.
    """
    if labels or options != Options(skip_broken=options.skip_broken):
        raise DatasetError(
            f"{path.name} is an exported dataset, which is imported as it is: leave out the "
            "image size, the colour, the fit and the table. To change them, import the pictures "
            "that it was made of."
        )


def import_exported(
    path: Path,
    name: str,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ImportedDataset:
    """Imports what `export_dataset` wrote, unchanged.

    Args:
        path: path of the archive.
        name: name of the import.
        progress: called with the fraction done, 0…1, and a message.
        cancelled: function that returns whether to stop.

    Raises:
        DatasetError: if a file in it is damaged.
        Cancelled: if `cancelled` returned True; nothing is kept then.
    """
    with unfinished(name) as (folder, keep):
        found = unpack_exported(path, folder, name, progress, cancelled)
        for known in sound_versions(name):
            if known.card["content"] == found.card["content"]:
                return known
        version = keep()
    return find_dataset(f"{name}@{version}")


def unpack_exported(
    path: Path,
    folder: Path,
    name: str,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ImportedDataset:
    """Unpacks what `export_dataset` wrote into a folder, and checks it.

    Args:
        path: path of the archive.
        folder: an empty folder.
        name: name that the dataset is given.
        progress: called with the fraction done, 0…1, and a message.
        cancelled: function that returns whether to stop.

    Raises:
        DatasetError: if a file in it is damaged.
        Cancelled: if `cancelled` returned True.
    """
    from .reading import Cancelled

    try:
        with open_archive(path) as archive:
            size = sum(archive.getinfo(member).file_size for member in FILES)
            check_unpacked(size, path.stat().st_size, str(path))
            if size > min(MAX_BYTES, shutil.disk_usage(folder).free):
                raise DatasetError(f"{path} unpacks to {size:,} bytes: too many for this disk.")
            done = 0
            for member in FILES:
                with archive.open(member) as packed, (folder / member).open("wb") as out:
                    while part := packed.read(1 << 22):
                        done += len(part)
                        if done > size:  # the declared size is false
                            raise DatasetError(f"{path} is damaged. Export it again.")
                        out.write(part)
                        if progress:
                            progress(done / max(size, 1), f"Unpacking {path.name}")
                        if cancelled and cancelled():
                            raise Cancelled("The import was cancelled; nothing was kept.")
    except DAMAGED_ARCHIVE as error:
        if is_full(error):
            raise
        raise DatasetError(f"{path} is damaged ({error}). Export it again.") from error
    write_file(folder / "card.json", _without_place(folder / "card.json"))
    found = read_import(folder, name)
    all_images(found)
    for split in SPLITS:
        if found.counts.get(split):
            open_import(found, split)
    return found


def _without_place(file: Path) -> bytes:
    """A card that does not say where the source lay: that is nobody's business elsewhere.

    Raises:
        DatasetError: if the card is damaged.
    """
    try:
        card = decode(read_file(file), dict[str, Any])
        options = convert(card.get("options"), dict[str, Any] | None) or {}
    except (OSError, SchemaError) as error:
        raise DatasetError(f"{file.name} is damaged ({error}). Export it again.") from error
    options = {k: v for k, v in options.items() if k != "labels"}
    named = {"source": PurePath(str(card.get("source", ""))).name, "stamp": "", "options": options}
    return json.dumps(card | named, ensure_ascii=False, indent=1).encode()
