"""A mixture of Gaussians fitted to a model's codes: between one Gaussian and the learned flow."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

__all__ = ["CodeMixture", "fit_mixture"]

_PARTS = 64
_EACH = 20  # codes for each part, at least
_TENTH = 10  # every so-manyth image is held out
_FLOOR = 1e-4  # added to the variances of scaled codes


@dataclass(frozen=True, eq=False)
class CodeMixture:
    """A mixture of Gaussians over codes.

    Args:
        mean: mean `(D,)` of the codes, subtracted before the mixture applies.
        scale: standard deviation `(D,)` of the codes, by which they are divided.
        parts: scikit-learn's mixture over the scaled codes.
        covariance: kind of the covariances, `full` or `diag`.
    """

    mean: np.ndarray
    scale: np.ndarray
    parts: GaussianMixture = field(repr=False)
    covariance: str

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Draws codes `(n, D)`, float32.

        Args:
            n: number of codes.
            seed: seed of the draws.
        """
        rng = np.random.default_rng(seed)
        which = rng.choice(len(self.parts.weights_), n, p=self.parts.weights_)
        noise = rng.standard_normal((n, len(self.mean)))
        # scikit-learn keeps the inverse of each factor of the covariance.
        inverse = self.parts.precisions_cholesky_
        if self.covariance == "diag":
            noise /= inverse[which]
        else:
            noise = np.einsum(
                "nij,nj->ni", np.linalg.inv(inverse).transpose(0, 2, 1)[which], noise
            )
        return (self.mean + self.scale * (self.parts.means_[which] + noise)).astype(np.float32)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """The log densities `(N,)` of codes `(N, D)`, in nats."""
        scaled = (np.atleast_2d(z) - self.mean) / self.scale
        return self.parts.score_samples(scaled) - np.log(self.scale).sum()


def fit_mixture(
    mean: np.ndarray,
    variance: np.ndarray | None = None,
    *,
    parts: int = _PARTS,
    seed: int = 0,
    log: Callable[[str], object] = lambda sentence: None,
) -> CodeMixture:
    """Fits a mixture of Gaussians to draws from q(z|x), one for each image.

    Two are fitted, with diagonal and with full covariances; the one with the higher likelihood on
    the codes of every tenth image, which are held out, is returned.

    Args:
        mean: posterior means `(N, D)`.
        variance: posterior variances `(N, D)`; None or zeros for a standard autoencoder.
        parts: largest number of components; there are at least 20 codes for each.
        seed: seed of the draws and of the fit.
        log: called with a message for each step.

    Raises:
        ValueError: if there are fewer than two codes.

    References:
        Maximum likelihood from incomplete data via the EM algorithm (Dempster et al., 1977).
    """
    from sklearn.exceptions import ConvergenceWarning  # takes a second
    from sklearn.mixture import GaussianMixture

    mean = np.asarray(mean, dtype=np.float64)
    if mean.ndim != 2 or len(mean) < 2:
        raise ValueError(f"Means have shape {mean.shape}; expected (N, D) with two codes or more.")
    z = mean
    if variance is not None:
        noise = np.random.default_rng(seed).standard_normal(mean.shape)
        z = mean + np.sqrt(np.asarray(variance, dtype=np.float64)) * noise
    centre, scale = z.mean(0), z.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    scaled = (z - centre) / scale
    held_out = np.arange(len(z)) % _TENTH == 0 if len(z) >= 2 * _TENTH else np.ones(len(z), bool)
    kept = scaled[~held_out] if not held_out.all() else scaled
    parts = max(1, min(parts, len(kept) // _EACH))
    fitted = {}
    for covariance in ("diag", "full"):
        log(f"Fitting a mixture of {parts} Gaussians, {covariance}.")
        mixture = GaussianMixture(
            parts,
            covariance_type=covariance,
            reg_covar=_FLOOR,
            max_iter=50,
            tol=1e-2,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 50 rounds will do
            warnings.simplefilter("ignore", RuntimeWarning)  # of codes that are all equal
            fitted[covariance] = mixture.fit(kept)
    better = max(fitted, key=lambda name: fitted[name].score(scaled[held_out]))
    return CodeMixture(centre, scale, fitted[better], better)
