"""Files of concept vectors: `.safetensors` whose header identifies the model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from ..latent import LARGEST_CODE
from ..model import VAE
from ..tensors import FORMAT, CheckpointError, read_tensors
from .paired import PairedStep

__all__ = ["Concept", "VectorError", "fingerprint", "pack", "read_vectors"]

_MOST = 200  # largest number of vectors in a file
_LONGEST = 80  # largest number of characters in a name


class VectorError(ValueError):
    """A file of concept vectors that cannot be used; the message says why."""


@dataclass(frozen=True, eq=False)
class Concept:
    """A named concept vector.

    Args:
        name: name given by the visitor.
        vector: direction in the latent space, `(D,)`.
        estimator: name of the estimator.
        about: further information: numbers of examples, attribute, expression.
        step: the step that depends on where it starts, whose mean over its examples is `vector`;
            None if the same is added to every code.
    """

    name: str
    vector: np.ndarray = field(repr=False)
    estimator: str = "difference of means"
    about: dict[str, Any] = field(default_factory=dict)
    step: PairedStep | None = field(default=None, repr=False)

    def at(self, z: np.ndarray) -> np.ndarray:
        """What strength 1 adds to codes `(D,)` or `(N, D)`: `(D,)`, or one for each."""
        return self.vector if self.step is None else self.step.at(z).astype(np.float32)


def fingerprint(model: VAE) -> str:
    """A digest of a model's weights in 16 bits, which is the same for a model and its file."""
    digest = hashlib.sha256(json.dumps(model.config.to_dict(), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().half().numpy().tobytes())
    return digest.hexdigest()[:32]


def pack(concepts: list[Concept], model: VAE, model_name: str) -> tuple[bytes, bytes]:
    """Serialises concept vectors of one model.

    Args:
        concepts: one or more concepts with distinct names.
        model: model in whose latent space the vectors lie.
        model_name: name of the model, for the message if another model opens the file.

    Returns:
        The content of a `.safetensors` file, and its card as JSON, which the header also holds.
    """
    card = {
        "model": model_name,
        "fingerprint": fingerprint(model),
        "dimension": model.latent_dim,
        "vectors": [
            {"name": c.name, "estimator": c.estimator, "about": c.about}
            | {"length": round(float(np.linalg.norm(c.vector)), 6)}
            for c in concepts
        ],
    }
    tensors = {
        f"vector-{k}": torch.from_numpy(np.asarray(c.vector, dtype=np.float32).copy())
        for k, c in enumerate(concepts)
    }
    for k, c in enumerate(concepts):
        if c.step is not None:
            tensors[f"weight-{k}"] = torch.from_numpy(c.step.weight.astype(np.float32))
            tensors[f"bias-{k}"] = torch.from_numpy(c.step.bias.astype(np.float32))
    metadata = {"format": FORMAT, "concepts": json.dumps(card, allow_nan=False)}
    file = safetensors.torch.save(tensors, metadata=metadata)
    return file, json.dumps(card, indent=1, allow_nan=False).encode() + b"\n"


def read_vectors(file: str | Path, model: VAE) -> list[Concept]:
    """Reads the concept vectors of a model.

    Args:
        file: output of `pack`, possibly from an untrusted source.
        model: model in whose latent space the vectors are used.

    Raises:
        VectorError: if the file is missing, damaged, or belongs to another model.
    """
    try:
        arrays, metadata = read_tensors(Path(file))
    except CheckpointError as error:
        raise VectorError(
            f"This file holds no concept vectors; expected one that was exported here. ({error})"
        ) from error
    card = metadata.get("concepts")
    card = card if isinstance(card, dict) else {}
    entries = card.get("vectors")
    vectors = [name for name in arrays if name.startswith("vector-")]
    if not isinstance(entries, list) or not 0 < len(entries) == len(vectors) <= _MOST:
        raise VectorError(
            f"The file's card describes no vectors, or not those in it; expected 1 to {_MOST}."
        )
    concepts = []
    for k, entry in enumerate(entries):
        vector = arrays.get(f"vector-{k}")
        name = entry.get("name") if isinstance(entry, dict) else None
        if vector is None or vector.ndim != 1 or not isinstance(name, str) or not name.strip():
            raise VectorError(
                f"Vector {k + 1} has no name or is not one row of numbers; expected both. Export "
                "the file again."
            )
        if len(vector) != model.latent_dim:
            raise VectorError(
                f"{name[:_LONGEST]} has {len(vector)} dimensions; this model's codes have "
                f"{model.latent_dim}. Choose the model it was made with: {card.get('model')}."
            )
        largest = np.abs(vector).max(initial=0.0)
        if not largest <= LARGEST_CODE:
            raise VectorError(
                f"{name[:_LONGEST]} has numbers of up to {largest:.3g}; expected at most "
                f"±{LARGEST_CODE:,}."
            )
        concepts.append(
            Concept(
                name.strip()[:_LONGEST],
                vector.astype(np.float32),
                str(entry.get("estimator", "unknown"))[:_LONGEST],
                _about(entry.get("about")),
                _step(arrays, k, name[:_LONGEST], model.latent_dim),
            )
        )
    if card.get("fingerprint") != fingerprint(model):
        raise VectorError(
            f"These vectors were made with another model, {str(card.get('model'))[:_LONGEST]!r}. "
            "Directions mean something only in the model they come from: choose that one."
        )
    return concepts


def _step(arrays: dict[str, np.ndarray], k: int, name: str, d: int) -> PairedStep | None:
    """The step of a vector that depends on the code, if the file has one."""
    weight, bias = arrays.get(f"weight-{k}"), arrays.get(f"bias-{k}")
    if weight is None and bias is None:
        return None
    if weight is None or bias is None or (weight.shape, bias.shape) != ((d, d), (d,)):
        found = [None if array is None else array.shape for array in (weight, bias)]
        raise VectorError(
            f"{name}: its step has weights and biases of shapes {found[0]} and {found[1]}; "
            f"expected {(d, d)} and {(d,)}. Export the file again."
        )
    largest = max(np.abs(weight).max(), np.abs(bias).max())
    if not largest <= LARGEST_CODE:
        raise VectorError(
            f"{name} has numbers of up to {largest:.3g}; expected at most ±{LARGEST_CODE:,}."
        )
    return PairedStep(weight.astype(np.float32), bias.astype(np.float32))


def _about(entry: object) -> dict[str, Any]:
    """The further information of a vector, empty if it is invalid."""
    return entry if isinstance(entry, dict) else {}
