"""Concept vectors as files: `.safetensors` whose header says what model they belong to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from ..checkpoint import FORMAT, CheckpointError, read_tensors
from ..latent import LARGEST_CODE
from ..model import VAE

__all__ = ["Concept", "VectorError", "fingerprint", "pack", "read_vectors"]

_MOST = 200  # vectors in a file
_LONGEST = 80  # characters of a name


class VectorError(ValueError):
    """A file of concept vectors that cannot be used; says what was found and expected."""


@dataclass(frozen=True, eq=False)
class Concept:
    """A named concept vector.

    Args:
        name: as the visitor calls it.
        vector: `(D,)`.
        estimator: how it was made, in a word or two.
        about: what else is to be known: numbers of examples, attribute, expression.
    """

    name: str
    vector: np.ndarray = field(repr=False)
    estimator: str = "difference of means"
    about: dict[str, Any] = field(default_factory=dict)


def fingerprint(model: VAE) -> str:
    """A digest of a model's weights, rounded to 16 bits: the same for a model and its file."""
    digest = hashlib.sha256(json.dumps(model.config.to_dict(), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().half().numpy().tobytes())
    return digest.hexdigest()[:32]


def pack(concepts: list[Concept], model: VAE, model_name: str) -> tuple[bytes, bytes]:
    """Writes vectors of one model.

    Args:
        concepts: one or more, each of another name.
        model: that they were made with.
        model_name: said to those who open the file with another model.

    Returns:
        A `.safetensors` file, and its card, which the file's header holds too, as JSON.
    """
    card = {
        "model": model_name,
        "fingerprint": fingerprint(model),
        "dimension": model.latent_dim,
        "vectors": [
            {k: v for k, v in asdict(c).items() if k != "vector"}
            | {"length": round(float(np.linalg.norm(c.vector)), 6)}
            for c in concepts
        ],
    }
    tensors = {
        f"vector-{k}": torch.from_numpy(np.asarray(c.vector, dtype=np.float32).copy())
        for k, c in enumerate(concepts)
    }
    metadata = {"format": FORMAT, "concepts": json.dumps(card, allow_nan=False)}
    file = safetensors.torch.save(tensors, metadata=metadata)
    return file, json.dumps(card, indent=1, allow_nan=False).encode() + b"\n"


def read_vectors(file: str | Path, model: VAE) -> list[Concept]:
    """Reads vectors that belong to a model.

    Args:
        file: as `pack` wrote it; safe to open, whoever sent it.
        model: the one that they are to be used with.

    Raises:
        VectorError: no such file, damaged, of another dimension or of another model.
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
    if not isinstance(entries, list) or not 0 < len(entries) == len(arrays) <= _MOST:
        raise VectorError(
            f"The file's card describes no vectors, or not those in it; expected 1 to {_MOST}."
        )
    concepts = []
    for k, entry in enumerate(entries):
        vector = arrays.get(f"vector-{k}")
        name = entry.get("name") if isinstance(entry, dict) else None
        if vector is None or vector.ndim != 1 or not isinstance(name, str) or not name.strip():
            raise VectorError(f"Vector {k + 1} has no name, or not one row of numbers.")
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
            )
        )
    if card.get("fingerprint") != fingerprint(model):
        raise VectorError(
            f"These vectors were made with another model, {str(card.get('model'))[:_LONGEST]!r}. "
            "Directions mean something only in the model they come from: choose that one."
        )
    return concepts


def _about(entry: object) -> dict[str, Any]:
    """What is to be known of a vector."""
    return entry if isinstance(entry, dict) else {}
