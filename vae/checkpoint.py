"""Checkpoints: folders of safetensors and JSON, loaded strictly and safe to open."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from .config import ConfigError, VAEConfig
from .files import check_output_folder, read_file, refusals_as, write_file
from .locations import NAME, all_checkpoints, data_folder, is_checkpoint
from .model import VAE, Decoder
from .schema import SchemaError, decode

__all__ = [
    "CheckpointError",
    "check_arrays",
    "delete_checkpoint",
    "find_checkpoint",
    "load_card",
    "load_checkpoint",
    "load_codes",
    "read_tensors",
    "rename_checkpoint",
    "save_card",
    "save_checkpoint",
    "save_codes",
    "save_own_checkpoint",
    "write_tensors",
]

FORMAT = "latent-space-explorer/1"
_LARGEST_HEADER = 1_000_000  # bytes
_LARGEST_FILE = 1_000_000_000
_TYPES = ("U8", "F16", "F32", "I64")
_LARGEST_NUMBER = 1e9  # bound on codes and nats: far outside any data, and squares do not overflow
_WORDS = {"f": "fractions", "i": "whole numbers", "u": "bytes"}
_CODES = {
    "mean": ("f", ("N", "D")),
    "variance": ("f", ("N", "D")),
    "index": ("i", ("N",)),
    "checksum": ("i", ("N",)),
    "kl": ("f", ("N",)),
    "elbo": ("f", ("N",)),
    "elbo_error": ("f", ("N",)),
    "log_evidence": ("f", ("N",)),
    "log_evidence_error": ("f", ("N",)),
    "tsne": ("f", ("N", 2)),
}


class _Card(TypedDict, total=False):  # the fields that are read; others are preserved
    dataset: str | None
    split: str | None
    licence: str | None
    fingerprint: str | None
    metrics: dict[str, Any] | None
    notices: list[str] | None


class CheckpointError(ValueError):
    """A checkpoint that cannot be read; the message says what was found and what was expected."""


def save_checkpoint(
    model: VAE,
    folder: str | Path,
    card: dict[str, Any] | None = None,
    *,
    half: bool = False,
    overwrite: bool = False,
) -> Path:
    """Writes the weights and the configuration of a model, and its card.

    Args:
        model: any VAE.
        folder: path of a new or an empty folder, which is created if missing.
        card: contents of `card.json`, if any: dataset, training, metrics, licence.
        half: whether to round the weights in the file to 16 bits.
        overwrite: whether to replace a checkpoint in the folder.

    Returns:
        The folder.

    Raises:
        CheckpointError: if a weight is not finite (in 16 bits, with `half`), or the model is one
            of `wrap_model`.
        OutputError: if the name is empty, names a file, or a folder with other contents, such as
            a checkpoint without `overwrite`.
    """
    if not isinstance(model.decoder, Decoder):
        raise CheckpointError(
            "This model wraps other networks, which this file cannot hold. Export them as ONNX "
            "files, and import those: python -m vae import-model."
        )
    tensors = _finite_weights(model, half)
    folder = check_output_folder(folder, lambda folder: overwrite and is_checkpoint(folder))
    _write_checkpoint(model, tensors, folder, card)
    return folder


def save_own_checkpoint(model: VAE, folder: Path, card: dict[str, Any]) -> None:
    """Writes a checkpoint in 16 bits into a folder that the caller owns, such as a run's.

    Args:
        model: any VAE.
        folder: existing folder, whose checkpoint is replaced.
        card: contents of `card.json`.

    Raises:
        CheckpointError: if a weight is not finite in 16 bits.
    """
    _write_checkpoint(model, _finite_weights(model, half=True), folder, card)


def _finite_weights(model: VAE, half: bool) -> dict[str, torch.Tensor]:
    dtype = torch.float16 if half else torch.float32
    tensors = {k: v.detach().cpu().to(dtype).contiguous() for k, v in model.state_dict().items()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{name} is not finite; expected finite weights. Nothing was saved; train again "
                "with a lower learning rate."
            )
    return tensors


def _write_checkpoint(
    model: VAE, tensors: dict[str, torch.Tensor], folder: Path, card: dict[str, Any] | None
) -> None:
    write_tensors(folder / "model.safetensors", tensors, {"config": model.config.to_dict()})
    if card is not None:
        save_card(folder, card)


def find_checkpoint(name: str | Path) -> Path:
    """Finds the folder of a checkpoint.

    Args:
        name: path of a folder, or a name listed by `all_checkpoints`.

    Raises:
        CheckpointError: if the name is empty, or neither a folder nor a known name.
    """
    if not str(name).strip():
        raise CheckpointError("The checkpoint has no name: give its folder, or its name.")
    if Path(name).is_dir():
        return Path(name)
    known = {c.name: c.folder for c in all_checkpoints()}
    if str(name) in known:
        return known[str(name)]
    raise CheckpointError(
        f"{name}: no such folder, and no checkpoint of this name. Give the folder of a "
        f"checkpoint, or one of {', '.join(list(known)[:20])}."
    )


def rename_checkpoint(name: str, new: str) -> Path:
    """Renames a checkpoint that a visitor saved or imported.

    Args:
        name: name listed by `list_checkpoints`, of one in the data folder's `checkpoints/`.
        new: its new name.

    Returns:
        The new folder.

    Raises:
        CheckpointError: if there is no such checkpoint, or the new name cannot be used or is
            taken.
    """
    place = data_folder() / "checkpoints"
    if not NAME.fullmatch(name) or not is_checkpoint(place / name):
        raise CheckpointError(f"There is no model {name!r} that could be renamed.")
    if not NAME.fullmatch(new):
        raise CheckpointError(
            f"{new!r} cannot be a name; expected up to 64 letters, digits, dots and dashes."
        )
    if os.path.lexists(place / new) or any(c.name == new for c in all_checkpoints()):
        raise CheckpointError(f"{new} is the name of another model: take another one.")
    with refusals_as(CheckpointError):
        os.rename(place / name, place / new)
    return place / new


def delete_checkpoint(name: str) -> None:
    """Deletes a checkpoint that a visitor saved or imported.

    Args:
        name: name listed by `list_checkpoints`, of one in the data folder's `checkpoints/`.

    Raises:
        CheckpointError: if there is no such checkpoint, or the system does not let it be deleted.
    """
    place = data_folder() / "checkpoints"
    if not NAME.fullmatch(name) or not is_checkpoint(place / name):
        raise CheckpointError(f"There is no model {name!r} that could be deleted.")
    with refusals_as(CheckpointError):
        if (place / name).is_symlink():  # somebody put it there: what it leads to is theirs
            (place / name).unlink()
        else:
            shutil.rmtree(place / name)


def load_checkpoint(folder: str | Path) -> VAE:
    """Loads a model in eval mode: one of our own, or one that was imported.

    The header is validated against the configuration and the size of the file before any tensor
    is read.

    Args:
        folder: folder or name of a checkpoint, or folder of a training run.

    Raises:
        CheckpointError: if the checkpoint is missing or damaged; the message names the file, the
            field, what was found and what was expected.
    """
    file = find_checkpoint(folder) / "model.safetensors"
    with _open(file, "pt") as opened:
        if "imported" in opened.metadata():
            from .imported_models.files import load_imported

            return load_imported(file.parent)
        config = _read_config(file, opened.metadata())
        _check_tensors(file, opened, config)
        state = {name: opened.get_tensor(name).float() for name in opened.keys()}
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{file}: tensor {name} has values that are not finite.")
    model = VAE(config)
    model.load_state_dict(state)
    return model.eval().requires_grad_(False)


def _check_tensors(file: Path, opened: safe_open, config: VAEConfig) -> None:
    with torch.device("meta"):
        expected = {k: tuple(v.shape) for k, v in VAE(config).state_dict().items()}
    tensors = {name: opened.get_slice(name) for name in opened.keys()}
    missing, extra = (
        sorted(expected.keys() - tensors.keys()),
        sorted(tensors.keys() - expected.keys()),
    )
    if missing:
        raise CheckpointError(f"{file}: tensor {missing[0]} is missing ({len(missing)} in all).")
    if extra:
        raise CheckpointError(
            f"{file}: tensor {extra[0]} was not expected ({len(extra)} in all); "
            "the config describes no such layer."
        )
    for name, shape in expected.items():
        if (claimed := tuple(tensors[name].get_shape())) != shape:
            raise CheckpointError(
                f"{file}: tensor {name} has shape {claimed}; the config expects {shape}."
            )
        if (dtype := tensors[name].get_dtype()) not in ("F16", "F32"):
            raise CheckpointError(f"{file}: tensor {name} has type {dtype}; expected F16 or F32.")


def save_codes(folder: str | Path, codes: dict[str, np.ndarray]) -> None:
    """Writes codes and embeddings of a checkpoint's reference images.

    Args:
        folder: folder of the checkpoint.
        codes: `mean` `(N, D)`, `variance` `(N, D)`, `index` `(N,)` rows of the reference split,
            `pca` `(N, 2)`, `tsne` `(N, 2)`, and `kl`, `elbo` `(N,)` in nats if variational; after
            `add_bounds` also `elbo_error`, `log_evidence` and `log_evidence_error` `(N,)`. An
            error of −1 marks a missing estimate, where `elbo` is that of a single draw.

    Raises:
        OutputError: if the name is empty, names a file, or a folder with other contents than a
            model.
    """
    folder = check_output_folder(folder, _takes_more)
    arrays = {k: np.ascontiguousarray(v) for k, v in codes.items()}
    whole = ("index", "checksum")
    small = {k: v.astype(np.int64 if k in whole else np.float32) for k, v in arrays.items()}
    write_tensors(
        folder / "codes.safetensors", {k: torch.from_numpy(v) for k, v in small.items()}, {}
    )


def load_codes(folder: str | Path) -> dict[str, np.ndarray]:
    """Reads what `save_codes` wrote.

    Returns:
        `mean` `(N, D)`, `index` `(N,)`, and the other stored arrays, each with N rows.

    Raises:
        CheckpointError: if the file is missing or damaged, or its arrays do not belong together.
    """
    file = find_checkpoint(folder) / "codes.safetensors"
    codes = read_tensors(file)[0]
    try:
        check_arrays(file, codes, _CODES, required=("mean", "index"))
        if codes["index"].min() < 0:
            raise CheckpointError(f"{file}: index has {codes['index'].min()}; expected rows.")
    except CheckpointError as error:
        raise CheckpointError(
            f"{error} Remove the file: the codes are computed again when the model is opened."
        ) from error
    return codes


def save_card(folder: str | Path, card: dict[str, Any]) -> None:
    """Writes `card.json`.

    Raises:
        OutputError: if the name is empty, names a file, or a folder with other contents than a
            model.
    """
    folder = check_output_folder(folder, _takes_more)
    write_file(folder / "card.json", json.dumps(card, indent=1, allow_nan=False).encode() + b"\n")


def load_card(folder: str | Path) -> dict[str, Any]:
    """Reads `card.json`, or returns an empty card if there is none.

    Raises:
        CheckpointError: if the file is not a JSON object, or a field has another type.
    """
    file = find_checkpoint(folder) / "card.json"
    if not file.exists():
        return {}
    try:
        content = read_file(file)
        return decode(content) | decode(content, _Card)
    except (OSError, SchemaError) as error:
        raise CheckpointError(
            f"{file} cannot be read ({error}). Put the file back as it was, or write it again."
        ) from error


def _takes_more(folder: Path) -> bool:
    """Whether codes or a card may be written: the folder holds a model, or only these files."""
    own = {"codes.safetensors", "card.json"}
    return is_checkpoint(folder) or all(file.name in own for file in folder.iterdir())


def write_tensors(file: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
    """Writes a safetensors file under a temporary name and renames it.

    Args:
        file: path of the file; its folder is created if missing.
        tensors: tensors `(…)` by name.
        metadata: values by name, stored as JSON beside the format version.
    """
    header = {"format": FORMAT} | {k: json.dumps(v) for k, v in metadata.items()}
    content = safetensors.torch.save(tensors, metadata=header)
    # Sorted for reproducible bytes; the order of the library is random.
    length = struct.unpack("<Q", content[:8])[0]
    start = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":"))
    padded = start.encode() + b" " * (-len(start.encode()) % 8)
    write_file(file, struct.pack("<Q", len(padded)) + padded + content[8 + length :])


def read_tensors(file: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads arrays and metadata that `write_tensors` wrote.

    Returns:
        Arrays `(…)` by name, and the metadata.

    Raises:
        CheckpointError: if the file is missing, damaged, of another format, or has values that
            are not finite.
    """
    with _open(file, "np") as opened:
        metadata = {}
        for key, text in opened.metadata().items():
            if key != "format":
                try:
                    metadata[key] = decode(text)
                except SchemaError as error:
                    raise CheckpointError(f"{file}: header field {key}: {error}.") from error
        arrays = {name: _read_array(file, name, opened) for name in opened.keys()}
    return arrays, metadata


def _read_array(file: Path, name: str, opened: safe_open) -> np.ndarray:
    if (dtype := opened.get_slice(name).get_dtype()) not in _TYPES:
        raise CheckpointError(
            f"{file}: tensor {name} has type {dtype}; expected {', '.join(_TYPES)}."
        )
    array = opened.get_tensor(name)
    if not np.isfinite(array).all():
        raise CheckpointError(f"{file}: tensor {name} has values that are not finite.")
    return array


def check_arrays(
    file: Path | str,
    arrays: dict[str, np.ndarray],
    expected: dict[str, tuple[str, tuple[str | int, ...]]],
    required: Collection[str],
) -> None:
    """Checks types, shapes and ranges of the arrays of a file.

    Args:
        file: file that messages name.
        arrays: arrays by name; unexpected ones are ignored.
        expected: allowed `dtype.kind` characters and shape of each array; a letter in a shape is
            a positive size that is the same in all arrays: `("N", "D")`, `("N", 2)`.
        required: names of the arrays that must be present.

    Raises:
        CheckpointError: if an array is missing or does not match; the message names it, what was
            found and what was expected.
    """
    sizes: dict[str, int] = {}
    for name, (kinds, shape) in expected.items():
        if name not in arrays:
            if name in required:
                raise CheckpointError(f"{file}: the array {name} is missing.")
            continue
        array = arrays[name]
        if array.ndim == len(shape):
            for size, letter in zip(array.shape, shape, strict=True):
                if isinstance(letter, str) and size:
                    sizes.setdefault(letter, size)
        fitting = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in shape)
        if array.shape != fitting or array.dtype.kind not in kinds:
            raise CheckpointError(
                f"{file}: {name} is {array.shape} {array.dtype}; expected {fitting} of "
                f"{' or '.join(_WORDS[kind] for kind in kinds)}."
            )
        if array.dtype.kind == "f" and (largest := float(np.abs(array).max())) > _LARGEST_NUMBER:
            raise CheckpointError(
                f"{file}: {name} reaches {largest:.0e}; expected at most {_LARGEST_NUMBER:.0e}."
            )


def _open(file: Path, framework: str) -> safe_open:
    """Opens a safetensors file, whose header is validated, without reading tensors."""
    if not file.is_file():
        raise CheckpointError(f"{file}: no such file; expected a checkpoint folder that holds it.")
    try:
        if (size := file.stat().st_size) > _LARGEST_FILE:
            raise CheckpointError(f"{file}: {size:,} bytes; expected at most {_LARGEST_FILE:,}.")
        with file.open("rb") as stream:
            header = int.from_bytes(stream.read(8), "little")
        if header > _LARGEST_HEADER:
            raise CheckpointError(
                f"{file}: the header claims {header:,} bytes; expected a safetensors file with "
                f"at most {_LARGEST_HEADER:,}."
            )
        opened = safe_open(file, framework)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{file}: found {str(error)[:300]}; expected a safetensors file, whole and unchanged. "
            "Fetch it again."
        ) from error
    if (version := (opened.metadata() or {}).get("format")) != FORMAT:
        raise CheckpointError(f"{file}: header field format is {version!r}; expected {FORMAT!r}.")
    return opened


def _read_config(file: Path, metadata: dict[str, str]) -> VAEConfig:
    text = metadata.get("config", "")
    try:
        return VAEConfig.from_dict(json.loads(text))
    except ConfigError as error:
        raise CheckpointError(f"{file}: header field config: {error}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{file}: header field config is not JSON: {str(text)[:80]!r}."
        ) from error
