"""Steps from pairs: the same image with and without an attribute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["PairedStep", "fit_paired_step"]

_PENALTIES = np.logspace(-1, 4, 11)  # of which cross-validation chooses


@dataclass(frozen=True, eq=False)
class PairedStep:
    """A step in the latent space that depends on where it starts: affine in the code.

    A vector adds the same to every code. Long hair hides different things of different people, so
    what has to be added depends on the person.

    Args:
        weight: `(D, D)`.
        bias: `(D,)`.
    """

    weight: np.ndarray
    bias: np.ndarray

    def at(self, z: np.ndarray) -> np.ndarray:
        """What is added to codes `(N, D)`: `(N, D)`."""
        return z @ self.weight + self.bias


def fit_paired_step(before: np.ndarray, after: np.ndarray) -> PairedStep:
    """Fits a step to pairs by ridge regression of the differences on the codes.

    The strength of the penalty is chosen by cross-validation; the stronger it is, the closer the
    step is to the mean difference for all.

    Args:
        before: codes `(N, D)` of images without the attribute.
        after: codes `(N, D)` of the same images with it.

    Raises:
        ValueError: if the shapes differ or there are fewer than two pairs.
    """
    from sklearn.linear_model import RidgeCV

    if before.shape != after.shape or len(before) < 2:
        raise ValueError(
            f"There are {before.shape} and {after.shape} codes; expected two or more pairs of the "
            "same number of dimensions."
        )
    spread = before.std(0).clip(1e-9)
    model = RidgeCV(alphas=_PENALTIES).fit(before / spread, after - before)
    return PairedStep((model.coef_ / spread).T, model.intercept_)
