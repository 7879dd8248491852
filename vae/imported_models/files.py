"""The files of an imported model: its ONNX files beside a header that says what they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from ..config import ConfigError
from ..files import read_file
from ..tensors import CheckpointError, read_tensors, write_tensors
from .config import ImportedConfig
from .networks import OnnxNetwork
from .onnx_file import ImportedModelError
from .wrapped import NearestImages, WrappedModel

__all__ = ["DECODER", "ENCODER", "load_imported", "save_imported"]

DECODER, ENCODER = "decoder.onnx", "encoder.onnx"
_LARGEST = 1 << 31  # bytes, which no ONNX file exceeds


def save_imported(model: WrappedModel, folder: Path) -> None:
    """Writes what describes an imported model; its ONNX files lie in the folder already.

    Args:
        model: model whose networks are the folder's ONNX files, or nearest images.
        folder: folder of the checkpoint.
    """
    tensors: dict[str, torch.Tensor] = {}
    if isinstance(model.decoder, NearestImages):
        tensors = {"codes": model.decoder.codes, "pictures": model.decoder.pictures}
    files = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (DECODER, ENCODER)
        if (folder / name).exists()
    }
    about = {"imported": model.config.to_dict(), "files": files}
    write_tensors(folder / "model.safetensors", tensors, about)


def load_imported(folder: Path) -> WrappedModel:
    """Loads an imported model; its networks start when they are first needed.

    Args:
        folder: folder of the checkpoint.

    Raises:
        CheckpointError: if a file is missing or damaged.
        ImportedModelError: if an ONNX file has changed, or cannot be used.
    """
    file = folder / "model.safetensors"
    arrays, about = read_tensors(file)
    try:
        config = ImportedConfig.from_dict(about.get("imported"))
    except ConfigError as error:
        raise CheckpointError(f"{file}: header field imported: {error}") from error
    files = about.get("files")
    known = {DECODER} if config.decoder == "network" else set()
    known |= {ENCODER} if config.encoder != "none" else set()
    if not isinstance(files, dict) or set(files) != known:
        raise CheckpointError(f"{file}: header field files is {files!r:.200}; expected {known}.")
    for name, digest in files.items():
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name}: no such file; import the model again.")
        if hashlib.sha256(read_file(folder / name, _LARGEST)).hexdigest() != digest:
            raise ImportedModelError(
                f"{folder / name} is not the file that was imported. Put it back, or import the "
                "model again."
            )
    encoder = OnnxNetwork(folder / ENCODER) if ENCODER in known else None
    if DECODER in known:
        decoder: OnnxNetwork | NearestImages = OnnxNetwork(folder / DECODER)
    else:
        decoder = _nearest(file, config, arrays)
    return WrappedModel(config, encoder, decoder).eval().requires_grad_(False)


def _nearest(file: Path, config: ImportedConfig, arrays: dict) -> NearestImages:
    codes, pictures = arrays.get("codes"), arrays.get("pictures")
    if (
        codes is None
        or pictures is None
        or codes.dtype.kind != "f"
        or pictures.dtype.kind != "u"
        or codes.shape[1:] != (config.latent_dim,)
        or pictures.shape != (len(codes), *config.image_shape)
        or not len(codes)
    ):
        shapes = {name: array.shape for name, array in arrays.items()}
        raise CheckpointError(
            f"{file} holds {json.dumps(shapes)[:200]}; expected codes of {config.latent_dim} "
            f"dimensions and as many pictures of {config.image_shape}."
        )
    return NearestImages(config, torch.from_numpy(codes).float(), torch.from_numpy(pictures))
