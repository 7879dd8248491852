"""Two-dimensional pictures of codes: PCA and t-SNE, both able to place new codes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

__all__ = ["PCA", "TSNE", "ProjectionError", "fit_discriminants", "fit_pca", "fit_tsne"]

_USUAL_PERPLEXITY = 30.0
_LEAST_PERPLEXITY = 5.0  # below, van der Maaten and Hinton's own range ends
_LARGEST_CODE = 1e12  # openTSNE breaks at about 1e20
_RESOLUTION = 1e-5  # of the codes' size and spread: below lie the rounding errors of an encoder


class ProjectionError(ValueError):
    """Codes that cannot be projected as asked; the message says why."""


@dataclass(frozen=True)
class PCA:
    """The directions in which codes vary most.

    Args:
        mean: `(D,)`.
        components: `(K, D)`, orthonormal rows, widest first.
        deviations: `(K,)`, standard deviation of the codes along each.
    """

    mean: np.ndarray
    components: np.ndarray
    deviations: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """`(K,)` what part each is of the variance along all K."""
        return self.deviations**2 / max(float((self.deviations**2).sum()), 1e-12)

    def transform(self, codes: np.ndarray) -> np.ndarray:
        """Projects codes `(N, D)` to `(N, K)`."""
        return (np.asarray(codes) - self.mean) @ self.components.T

    def inverse(self, at: np.ndarray) -> np.ndarray:
        """Places positions `(N, K)` back in the latent space, `(N, D)`."""
        return np.asarray(at) @ self.components + self.mean

    def residual(self, codes: np.ndarray) -> np.ndarray:
        """What the projection does not show: `(N, D)`, orthogonal to every component."""
        return np.asarray(codes) - self.inverse(self.transform(codes))


def fit_pca(codes: np.ndarray, components: int = 2) -> PCA:
    """Fits PCA by singular values; each component's largest entry is positive.

    Args:
        codes: `(N, D)`.
        components: K ≤ D.

    Raises:
        ProjectionError: codes are not finite.
    """
    codes = _finite(codes)
    mean = codes.mean(0)
    _, singular, rows = np.linalg.svd(codes - mean, full_matrices=False)
    rows = rows[:components]
    signs = np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(1)])
    deviations = singular[:components] / np.sqrt(max(len(codes) - 1, 1))
    return PCA(
        mean.astype(np.float32),
        (rows * signs[:, None]).astype(np.float32),
        deviations.astype(np.float32),
    )


def _finite(codes: np.ndarray) -> np.ndarray:
    codes = np.asarray(codes, dtype=np.float64)
    broken = int((~np.isfinite(codes)).any(1).sum())
    if broken:
        raise ProjectionError(
            f"{broken:,} of {len(codes):,} codes are not finite numbers; expected finite ones. "
            "Train again with a lower learning rate."
        )
    return codes


def fit_discriminants(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Finds the plane in which classes lie furthest apart for how wide each of them is.

    Where there are too few classes to span a plane, the direction in which codes vary most
    completes it.

    Args:
        codes: `(N, D)`.
        labels: `(N,)`, the class of each.

    Returns:
        `(K, D)`, K = 2 ≤ D orthonormal rows.

    References:
        The use of multiple measurements in taxonomic problems (Fisher, 1936).
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # takes a second

    codes = _finite(codes)
    directions = np.empty((codes.shape[1], 0))
    classes = len(np.unique(labels))
    # Shrinkage keeps dimensions that carry nothing from being scaled up.
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=1e-3)
    with suppress(np.linalg.LinAlgError):  # no class is more than a point
        if 1 < classes < len(codes):
            directions = lda.fit(codes, labels).scalings_[:, : min(2, classes - 1)]
    spanning = np.concatenate([directions, fit_pca(codes, 2).components.T], axis=1)
    return np.linalg.qr(spanning)[0][:, :2].T.astype(np.float32)


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows `(M,)` of codes that differ by more than rounding, and which of these each code is."""
    centred = codes - codes.mean(0)
    spread = np.abs(centred).max()
    all_equal = spread <= _RESOLUTION * np.abs(codes).max()
    rounded = np.round(centred / (np.inf if all_equal else _RESOLUTION * spread))
    _, first, which = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # their own order, in which codes that all differ stay
    return first[order], np.argsort(order)[which.reshape(-1)]


class TSNE:
    """A t-SNE embedding that can place codes it was not fitted on.

    It has no inverse: positions between points mean nothing by themselves. `embedding` `(N, 2)`
    holds the places of the codes it was fitted on. Codes that are equal to within rounding share
    a place: openTSNE is given distinct codes alone, and of moderate size, because
    it ends the process (signal 11) where all codes are equal or too large to be squared twice.

    References:
        Visualizing data using t-SNE (van der Maaten and Hinton, 2008); openTSNE: a modular Python
        library for t-SNE dimensionality reduction and embedding (Poličar et al., 2024).

    Args:
        codes: `(N, D)` that the embedding shows.
        embedding: `(N, 2)`, their places, if known: nothing is then fitted.
        perplexity: about how many neighbours each code keeps close; by default 30, or fewer where
            there are fewer than 91 distinct codes.
        seed: of the randomised parts.

    Raises:
        ProjectionError: the codes are not finite, too large, have one dimension, or fewer of them
            are distinct than the perplexity needs: three neighbours for each unit of it.
    """

    def __init__(
        self,
        codes: np.ndarray,
        embedding: np.ndarray | None = None,
        *,
        perplexity: float | None = None,
        seed: int = 0,
    ) -> None:
        codes = _finite(codes)
        if codes.shape[1] < 2:
            raise ProjectionError("t-SNE needs codes of two or more dimensions; these have one.")
        largest = np.abs(codes).max()
        if largest > _LARGEST_CODE:
            raise ProjectionError(
                f"t-SNE needs codes of at most ±{_LARGEST_CODE:g}; found: {largest:g}."
            )
        rows, which = _distinct(codes)
        least = _LEAST_PERPLEXITY if perplexity is None else perplexity
        limit = (len(rows) - 1) / 3
        if least <= 1:
            raise ProjectionError(f"perplexity is {least:g}; expected more than 1.")
        if least > limit:
            raise ProjectionError(
                f"t-SNE needs {3 * least + 1:.0f} or more distinct codes for a perplexity of "
                f"{least:g}; found: {len(rows):,} among {len(codes):,}."
            )
        self.perplexity = min(_USUAL_PERPLEXITY, limit) if perplexity is None else perplexity

        import openTSNE  # brings in scikit-learn and pandas: seconds that only t-SNE should cost

        distinct = codes[rows]
        affinities = openTSNE.affinity.PerplexityBasedNN(
            distinct, perplexity=self.perplexity, random_state=seed, n_jobs=1
        )
        if embedding is None:
            start = openTSNE.initialization.pca(distinct, random_state=seed)
        else:
            start = np.asarray(embedding, dtype=np.float64)[rows]
        self._embedding = openTSNE.TSNEEmbedding(
            start, affinities, negative_gradient_method="fft", n_jobs=1, random_state=seed
        )
        if embedding is None:
            self._embedding.optimize(250, exaggeration=12, momentum=0.5, inplace=True)
            self._embedding.optimize(500, momentum=0.8, inplace=True)
            start = self._embedding
        self.embedding = np.array(start, dtype=np.float32)[which]

    def place(self, codes: np.ndarray) -> np.ndarray:
        """Finds places for new codes `(M, D)` among the old ones: `(M, 2)`."""
        codes = np.atleast_2d(np.asarray(codes, dtype=np.float64))
        perplexity = min(self.perplexity, 5)
        placed = np.asarray(self._embedding.transform(codes, perplexity=perplexity))
        # openTSNE centres the old points where they lie while it places new ones.
        moved = np.asarray(self._embedding)[0] - self.embedding[0]
        return (placed - moved).astype(np.float32)


def fit_tsne(codes: np.ndarray, *, perplexity: float | None = None, seed: int = 0) -> TSNE:
    """Embeds codes in two dimensions, as `TSNE` says.

    Args:
        codes: `(N, D)`.
        perplexity: about how many neighbours each code is to have; by default what suits N.
        seed: of the start and of the optimisation.
    """
    return TSNE(codes, perplexity=perplexity, seed=seed)
