"""Models as one file: a checkpoint in a zip archive, alone or with the pictures of its import."""

from __future__ import annotations

import contextlib
import json
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .checkpoint import CheckpointError, find_checkpoint, load_card, load_checkpoint, load_codes
from .datasets import DatasetError, dataset_names, is_path
from .files import (
    DAMAGED_ARCHIVE,
    is_full,
    new_archive,
    open_archive,
    read_file,
    refusals_as,
    write_file,
)
from .imported_models.networks import try_network
from .imports import export_dataset, find_dataset, import_source
from .imports.spool import check_unpacked
from .in_progress import in_progress, remove_leftovers
from .locations import FILES, NAME, data_folder, list_checkpoints
from .quota import check_quota
from .schema import decode

__all__ = ["ImportedModel", "export_model", "import_model", "new_checkpoint"]

_PICTURES = "pictures.zip"
_IGNORED = ("config.json", "metrics.jsonl")  # of a run that was exported
_LARGEST = {
    **dict.fromkeys(("model.safetensors", "decoder.onnx", "encoder.onnx"), 1 << 30),
    _PICTURES: 8 << 30,
}
_LARGEST_OTHER = 200_000_000  # bytes, which take twice their number in memory while they are read


@dataclass(frozen=True)
class ImportedModel:
    """A model that was imported.

    Args:
        name: name of the checkpoint.
        folder: its folder.
        told: messages, such as that its pictures are not here.
    """

    name: str
    folder: Path
    told: tuple[str, ...] = ()


def export_model(name: str | Path, file: str | Path, *, pictures: bool = False) -> Path:
    """Writes a checkpoint as a zip archive, which `import_model` reads anywhere.

    Args:
        name: name or folder of the checkpoint, as for `load_checkpoint`.
        file: path of a new file.
        pictures: whether to add the import that the model was made for.

    Returns:
        The path of the file.

    Raises:
        CheckpointError: if there is no such checkpoint, or its card is damaged.
        DatasetError: if pictures are asked for, and the model was not made for an import.
        OutputError: if the file exists already.
    """
    folder = find_checkpoint(name)
    file = Path(file)
    with new_archive(file) as archive:
        for member in FILES:
            if (folder / member).is_file():
                archive.write(folder / member, member)
        if pictures:
            dataset = find_dataset(str(load_card(folder).get("dataset", "")))
            with tempfile.TemporaryDirectory(dir=file.parent) as place:
                packed = export_dataset(dataset.reference, Path(place) / _PICTURES)
                archive.write(packed, _PICTURES, zipfile.ZIP_STORED)
    return file


def import_model(
    file: str | Path,
    name: str,
    *,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ImportedModel:
    """Reads what `export_model` wrote, or a run that was exported, into the data folder.

    A card that names a path is not followed: a file that somebody sent must not choose which
    pictures of this machine are shown.

    Args:
        file: path of the archive.
        name: name of the new checkpoint.
        progress: called with the fraction done, 0…1, and a message.
        cancelled: function that returns whether to stop; nothing is kept then.

    Raises:
        CheckpointError: if the name is taken or cannot be used, or the archive holds no sound
            model.
        DatasetError: if its pictures are damaged.
    """
    with new_checkpoint(name) as (folder, kept):
        _unpack(Path(file), folder, progress or (lambda fraction, words: None))
        load_checkpoint(folder)
        for network in sorted(folder.glob("*.onnx")):
            try_network(network)
        if (folder / "codes.safetensors").exists():
            load_codes(folder)
        told = _settle_dataset(folder, name, progress, cancelled)
        (folder / _PICTURES).unlink(missing_ok=True)
    return ImportedModel(name, kept, told)


@contextmanager
def new_checkpoint(name: str) -> Iterator[tuple[Path, Path]]:
    """A folder in which a checkpoint is made; it gets its name at the end, if all went well.

    Args:
        name: name of the new checkpoint.

    Yields:
        The folder to write into, and the one that it will be.

    Raises:
        CheckpointError: if the name is taken or cannot be used, or nothing can be written.
    """
    if not NAME.fullmatch(name):
        raise CheckpointError(
            f"{name[:80]!r} cannot be a name; expected up to 64 letters, digits, dots, hyphens "
            "and underscores."
        )
    if name in {checkpoint.name for checkpoint in list_checkpoints()}:
        raise CheckpointError(_taken(name))
    place = data_folder() / "checkpoints"
    unfinished = place / f".{name}.{uuid.uuid4().hex}.importing"
    with refusals_as(CheckpointError), contextlib.ExitStack() as held:
        check_quota()
        place.mkdir(parents=True, exist_ok=True)
        remove_leftovers()
        folder = held.enter_context(in_progress(unfinished))
        folder.mkdir()
        yield folder, place / name
        try:
            folder.rename(place / name)
        except OSError:
            if not (place / name).exists():
                raise
            raise CheckpointError(_taken(name)) from None  # somebody was faster


def _taken(name: str) -> str:
    return f"There is a model named {name} already; choose another name."


def _unpack(file: Path, folder: Path, progress: Callable[[float, str], None]) -> None:
    """Unpacks the members of a model, from the archive's top or from one folder in it."""
    try:
        with open_archive(file) as archive:
            members = {}
            for info in archive.infolist():
                base = info.filename.rpartition("/")[2]
                if info.is_dir() or base in _IGNORED:
                    continue
                if base not in (*FILES, _PICTURES) or info.filename.count("/") > 1:
                    raise CheckpointError(
                        f"{file.name} holds {info.filename[:80]!r}; expected a model that was "
                        f"exported here: {', '.join(FILES)}."
                    )
                if info.file_size > _LARGEST.get(base, _LARGEST_OTHER) or base in members:
                    raise CheckpointError(f"{file.name}: {base} is too large, or there twice.")
                members[base] = info
            if "model.safetensors" not in members:
                raise CheckpointError(
                    f"{file.name} holds no model.safetensors; expected a model that was exported."
                )
            size, done = sum(info.file_size for info in members.values()), 0
            check_unpacked(size, file.stat().st_size, file.name)
            for base, info in members.items():
                with archive.open(info) as packed, (folder / base).open("xb") as out:
                    while part := packed.read(1 << 22):
                        done += len(part)
                        if done > size:
                            raise CheckpointError(f"{file.name} is damaged. Export it again.")
                        out.write(part)
                        progress(0.5 * done / max(size, 1), f"unpacking {base}")
    except DAMAGED_ARCHIVE as error:
        if is_full(error):
            raise
        raise CheckpointError(
            f"{file.name} is no zip archive that can be read ({error})."
        ) from error


def _settle_dataset(
    folder: Path,
    name: str,
    progress: Callable[[float, str], None] | None,
    cancelled: Callable[[], bool] | None,
) -> tuple[str, ...]:
    """Imports the pictures that came along, and lets the card name them; what is to be told."""
    card = load_card(folder)
    dataset = card.get("dataset")
    if (folder / _PICTURES).exists():
        stem = str(dataset or name).partition("@")[0]
        wanted = stem if NAME.fullmatch(stem) else name
        found = import_source(folder / _PICTURES, wanted, progress=progress, cancelled=cancelled)
        card = decode(read_file(folder / "card.json")) | {"dataset": found.reference}
        write_file(folder / "card.json", json.dumps(card, indent=1).encode())
        return ()
    if not isinstance(dataset, str):
        return ("Its card names no dataset, so there are no real images to show it with.",)
    if is_path(dataset):
        raise CheckpointError(
            f"This model was made for the path {dataset[:80]!r} of another machine. Import its "
            "pictures, train on them, and export the model with pictures."
        )
    if dataset not in dataset_names():
        try:
            find_dataset(dataset)
        except DatasetError:
            return (f"Its pictures, {dataset}, are not here: import them under this name.",)
    return ()
