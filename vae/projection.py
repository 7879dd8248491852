"""Two-dimensional projections of codes: PCA and t-SNE, both of which can embed new codes."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

__all__ = [
    "PCA",
    "TSNE",
    "ProjectionError",
    "fit_discriminants",
    "fit_pca",
    "fit_tsne",
    "is_deep",
    "place_among",
]

_USUAL_PERPLEXITY = 30.0
_LEAST_PERPLEXITY = 5.0  # lower end of the range that van der Maaten and Hinton recommend
_LARGEST_CODE = 1e12  # openTSNE breaks at about 1e20
_NEAREST = 5  # known codes among which another one is placed
_AT_ONCE = 2_000  # codes that are placed together
_RESOLUTION = 1e-5  # relative to the spread of codes; rounding errors of an encoder are smaller


class ProjectionError(ValueError):
    """Codes that cannot be projected; the message gives the reason."""


@dataclass(frozen=True)
class PCA:
    """The directions in which codes vary most.

    Args:
        mean: mean code `(D,)`.
        components: orthonormal rows `(K, D)`, by decreasing variance.
        deviations: standard deviation of the codes along each component, `(K,)`.
    """

    mean: np.ndarray
    components: np.ndarray
    deviations: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Share of each component in the variance along all K, `(K,)`."""
        return self.deviations**2 / max(float((self.deviations**2).sum()), 1e-12)

    def transform(self, codes: np.ndarray) -> np.ndarray:
        """Projects codes `(N, D)` to `(N, K)`."""
        return (np.asarray(codes) - self.mean) @ self.components.T

    def inverse(self, at: np.ndarray) -> np.ndarray:
        """Maps positions `(N, K)` back to the latent space, `(N, D)`."""
        return np.asarray(at) @ self.components + self.mean


def fit_pca(codes: np.ndarray, components: int = 2) -> PCA:
    """Fits PCA by singular value decomposition; the largest entry of each component is positive.

    Args:
        codes: codes `(N, D)`.
        components: number of components, K ≤ D.

    Raises:
        ProjectionError: if the codes are not finite.
    """
    codes = _finite(codes)
    mean = codes.mean(0)
    # The triangle of a QR decomposition has the same directions, in as many rows as dimensions.
    triangle = np.linalg.qr(codes - mean, mode="r")
    _, singular, rows = np.linalg.svd(triangle, full_matrices=False)
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
    """Finds the plane that separates classes best relative to their spread (Fisher's criterion).

    If there are too few classes to span a plane, it is completed by the direction of the largest
    variance.

    Args:
        codes: codes `(N, D)`.
        labels: class of each code, `(N,)`.

    Returns:
        Orthonormal rows `(K, D)`, K = 2 ≤ D.

    References:
        The use of multiple measurements in taxonomic problems (Fisher, 1936).
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # takes a second

    codes = _finite(codes)
    directions = np.empty((codes.shape[1], 0))
    classes = len(np.unique(labels))
    # Shrinkage prevents inactive dimensions from being scaled up.
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=1e-3)
    with suppress(np.linalg.LinAlgError), warnings.catch_warnings():  # each class is one point
        warnings.filterwarnings("ignore", "Only one sample")  # of a class, which has no spread
        if 1 < classes < len(codes):
            directions = lda.fit(codes, labels).scalings_[:, : min(2, classes - 1)]
    spanning = np.concatenate([directions, fit_pca(codes, 2).components.T], axis=1)
    return np.linalg.qr(spanning)[0][:, :2].T.astype(np.float32)


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows `(M,)` of codes that differ by more than rounding errors, and an inverse index."""
    centred = codes - codes.mean(0)
    spread = np.abs(centred).max()
    all_equal = spread <= _RESOLUTION * np.abs(codes).max()
    rounded = np.round(centred / (np.inf if all_equal else _RESOLUTION * spread))
    _, first, which = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # keeps the original order
    return first[order], np.argsort(order)[which.reshape(-1)]


class TSNE:
    """A t-SNE embedding that can embed new codes.

    It has no inverse: positions between points have no meaning. `embedding` `(N, 2)` holds the
    positions of the codes that it was fitted to. Codes that are equal within rounding errors
    share a position: only distinct codes of moderate size are passed to openTSNE, which crashes
    (signal 11) if all codes are equal or their fourth powers overflow.

    References:
        Visualizing data using t-SNE (van der Maaten and Hinton, 2008); openTSNE: a modular Python
        library for t-SNE dimensionality reduction and embedding (Poličar et al., 2024).

    Args:
        codes: codes `(N, D)` to be embedded.
        embedding: known positions `(N, 2)`, if any; fitting is then skipped.
        perplexity: effective number of neighbours of each code; by default 30, or fewer if there
            are fewer than 91 distinct codes.
        seed: seed of the initialisation and the optimisation.

    Raises:
        ProjectionError: if the codes are not finite, too large or one-dimensional, or if there
            are fewer distinct codes than three times the perplexity plus one.
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

        import openTSNE  # imports scikit-learn and pandas, which takes seconds

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
        """Embeds new codes `(M, D)` among the fitted ones, `(M, 2)`."""
        codes = np.atleast_2d(np.asarray(codes, dtype=np.float64))
        perplexity = min(self.perplexity, 5)
        placed = np.asarray(self._embedding.transform(codes, perplexity=perplexity))
        # openTSNE centres the fitted points in place while it embeds new ones.
        moved = np.asarray(self._embedding)[0] - self.embedding[0]
        return (placed - moved).astype(np.float32)


def fit_tsne(codes: np.ndarray, *, perplexity: float | None = None, seed: int = 0) -> TSNE:
    """Embeds codes in two dimensions; see `TSNE`.

    Args:
        codes: codes `(N, D)`.
        perplexity: effective number of neighbours of each code; by default it depends on N.
        seed: seed of the initialisation and the optimisation.
    """
    return TSNE(codes, perplexity=perplexity, seed=seed)


def place_among(codes: np.ndarray, known: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places codes on a map at the weighted mean of the places of their nearest known codes.

    A known code keeps its place.

    Args:
        codes: codes `(M, D)`.
        known: codes of the map `(N, D)`.
        places: their places `(N, 2)`.

    Returns:
        Places `(M, 2)`, float32.
    """
    codes, known = np.asarray(codes, np.float64), np.asarray(known, np.float64)
    if codes.shape == known.shape and np.array_equal(codes, known):
        return np.asarray(places, dtype=np.float32)
    count, squares = min(_NEAREST, len(known)), np.square(known).sum(1)
    placed = [np.zeros((0, 2))]
    for start in range(0, len(codes), _AT_ONCE):
        part = codes[start : start + _AT_ONCE]
        distances = np.square(part).sum(1)[:, None] - 2 * part @ known.T + squares
        rows = np.argpartition(distances, count - 1, axis=1)[:, :count]
        weights = 1 / (np.take_along_axis(distances, rows, 1).clip(0) + 1e-9)
        weights /= weights.sum(1, keepdims=True)
        placed.append((np.asarray(places)[rows] * weights[..., None]).sum(1))
    return np.concatenate(placed).astype(np.float32)


def is_deep(pca: PCA) -> bool:
    """Whether no plane shows half of the variance of the codes.

    An average of such codes is unlike all of them, and decoded as a double exposure.

    Args:
        pca: all principal directions of the codes.
    """
    return float(pca.shares[:2].sum()) < 0.5
