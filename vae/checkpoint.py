"""Checkpoints: folders of safetensors and JSON, loaded strictly and safe to open."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from safetensors import safe_open

from .config import ConfigError, VAEConfig
from .files import check_output_folder, read_file, refusals_as, write_file
from .locations import NAME, all_checkpoints, data_folder, is_checkpoint
from .model import VAE, Decoder
from .schema import SchemaError, decode
from .tensors import CheckpointError, check_arrays, open_tensors, read_tensors, write_tensors

__all__ = [
    "CheckpointError",
    "delete_checkpoint",
    "find_checkpoint",
    "load_card",
    "load_checkpoint",
    "load_codes",
    "rename_checkpoint",
    "save_card",
    "save_checkpoint",
    "save_codes",
    "save_own_checkpoint",
]

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
    with open_tensors(file, "pt") as opened:
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
