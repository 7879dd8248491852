"""Concept vectors: directions of the latent space that mean something, and their arithmetic."""

from __future__ import annotations

import numpy as np
from torch import Tensor

__all__ = ["concept_vector"]


def concept_vector(
    z_with: np.ndarray | Tensor, z_without: np.ndarray | Tensor
) -> np.ndarray | Tensor:
    """The difference of two groups' mean codes.

    Args:
        z_with: codes `(N, D)` of images that show the concept; one code `(D,)` will do.
        z_without: codes `(M, D)` of images that do not.

    Returns:
        `(D,)`, of the kind of `z_with`.

    Raises:
        ValueError: if a group is empty or the groups' dimensions differ.

    References:
        Deep feature interpolation and its kin go back to the analogies of Distributed
        representations of words and phrases (Mikolov et al., 2013).
    """
    groups = []
    for name, group in (("z_with", z_with), ("z_without", z_without)):
        codes = group.detach().cpu().numpy() if isinstance(group, Tensor) else np.asarray(group)
        codes = np.atleast_2d(codes)
        if codes.ndim != 2 or len(codes) == 0:
            raise ValueError(
                f"{name} has shape {codes.shape}; expected (N, D) with at least one code."
            )
        groups.append(codes)
    if groups[0].shape[1] != groups[1].shape[1]:
        raise ValueError(
            f"z_with has {groups[0].shape[1]} dimensions, z_without {groups[1].shape[1]}; "
            "expected codes of one model."
        )
    vector = groups[0].mean(0, dtype=np.float64) - groups[1].mean(0, dtype=np.float64)
    return (
        z_with.new_tensor(vector.tolist())
        if isinstance(z_with, Tensor)
        else vector.astype(np.float32)
    )
