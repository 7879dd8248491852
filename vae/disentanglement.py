"""Disentanglement: whether single latent dimensions stand for single factors of the images.

The factors must be known: those of drawn faces, or columns of an imported dataset. None of the
scores needs the decoder.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .datasets import Dataset

__all__ = [
    "Factor",
    "Scores",
    "as_report",
    "beta_vae_score",
    "dci",
    "factors_of",
    "importance_scores",
    "measure",
    "mig",
    "sap",
]

_BINS = 20  # of a code or a number whose mutual information is counted
_GROUPS = 10  # of a number whose value two images share
_MOST = 3_000  # images of which importances are computed
_FEWEST = 300
_FACTORS = (  # of a drawn face; the others apply to some people only
    *("smile", "skin", "face_width", "face_height", "eye_size", "brow_angle", "nose_size"),
    *("background", "clothing", "x", "y"),
)


@dataclass(frozen=True)
class Factor:
    """A factor of variation with its value in each image.

    Args:
        name: name for visitors.
        values: numbers `(N,)`, or numbers of classes.
        is_number: whether values are ordered, so that they are divided into groups where a score
            needs classes.
    """

    name: str
    values: np.ndarray
    is_number: bool

    def groups(self, count: int) -> np.ndarray:
        """Classes `(N,)`, of a number as many of equal size."""
        if not self.is_number:
            return np.unique(self.values, return_inverse=True)[1]
        edges = np.quantile(self.values, np.linspace(0, 1, count + 1)[1:-1])
        return np.searchsorted(np.unique(edges), self.values, side="right")


@dataclass(frozen=True)
class Scores:
    """Disentanglement scores, 0 (none) to 1.

    Args:
        mig: mutual information gap: how far the most informative dimension of a factor is ahead of
            the second.
        sap: separated attribute predictability: the same for the share that one dimension
            predicts.
        disentanglement: DCI: whether a dimension matters for one factor only.
        completeness: DCI: whether one dimension alone matters for a factor.
        informativeness: DCI: how well all dimensions together predict the factors, share of right
            answers or of the variance.
        beta_vae: how well the dimension that varies least tells which factor two images share.
        importance: importance of each dimension for each factor `(D, F)`.
        factors: names of the factors.
    """

    mig: float
    sap: float
    disentanglement: float
    completeness: float
    informativeness: float
    beta_vae: float
    importance: np.ndarray
    factors: tuple[str, ...]


def factors_of(data: Dataset, rows: np.ndarray) -> list[Factor]:
    """The known factors of images; of drawn faces the continuous ones.

    Args:
        data: a dataset.
        rows: rows of the images `(N,)`.

    Returns:
        Factors without missing values that vary; empty if nothing is known of the images.
    """
    if data.name == "faces":
        from .datasets.faces import person

        people = [person(data.split, int(row)) for row in rows]
        columns = {name: np.array([getattr(one, name) for one in people]) for name in _FACTORS}
        return [Factor(name, values.astype(float), True) for name, values in columns.items()]
    found = []
    for name, column in data.attributes.items():
        values = column.numpy()[rows]
        is_number = name in getattr(data, "numbers", ())
        missing = np.isnan(values).any() if values.dtype.kind == "f" else (values < 0).any()
        if not missing and len(np.unique(values)) > 1:
            found.append(Factor(name, values.astype(float), is_number))
    return found


def mig(codes: np.ndarray, factors: list[Factor]) -> float:
    """The mutual information gap, averaged over factors.

    Args:
        codes: posterior means `(N, D)`.
        factors: factors of the same images.

    References:
        Isolating sources of disentanglement in VAEs (Chen et al., 2018); bins as in Challenging
        common assumptions (Locatello et al., 2019).
    """
    binned = [np.digitize(code, np.histogram_bin_edges(code, _BINS)[1:-1]) for code in codes.T]
    gaps = []
    for factor in factors:
        groups = factor.groups(_BINS)
        shared = sorted((_information(code, groups) for code in binned), reverse=True)
        entropy = _information(groups, groups)
        second = shared[1] if len(shared) > 1 else 0.0
        gaps.append((shared[0] - second) / entropy if entropy else 0.0)
    return float(np.mean(gaps))


def sap(codes: np.ndarray, factors: list[Factor]) -> float:
    """The separated attribute predictability score, averaged over factors.

    A number is predicted by its squared correlation with a dimension, a class by a linear
    classifier of that dimension alone.

    Args:
        codes: posterior means `(N, D)`.
        factors: factors of the same images.

    References:
        Variational inference of disentangled latent concepts from unlabeled observations (Kumar et
        al., 2018).
    """
    from sklearn.svm import LinearSVC

    half = len(codes) // 2
    gaps = []
    for factor in factors:
        shares = []
        for code in codes.T:
            if code.std() < 1e-9:
                shares.append(0.0)
            elif factor.is_number:
                shares.append(float(np.corrcoef(code, factor.values)[0, 1] ** 2))
            else:
                groups = factor.groups(_GROUPS)
                column = ((code - code.mean()) / code.std())[:, None]
                found = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
                found.fit(column[:half], groups[:half])
                shares.append(float(found.score(column[half:], groups[half:])))
        shares.sort(reverse=True)
        gaps.append(shares[0] - (shares[1] if len(shares) > 1 else 0.0))
    return float(np.mean(gaps))


def dci(
    codes: np.ndarray,
    factors: list[Factor],
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> tuple[float, float, float, np.ndarray]:
    """Disentanglement, completeness and informativeness from gradient boosted trees.

    Args:
        codes: posterior means `(N, D)`, of which one half trains the trees.
        factors: factors of the same images.
        progress: called with the number of factors done, and of all.

    Returns:
        The three scores, and the importance of each dimension for each factor `(D, F)`.

    References:
        A framework for the quantitative evaluation of disentangled representations (Eastwood and
        Williams, 2018); trees as in Locatello et al. (2019).
    """
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    half = len(codes) // 2
    importance, right = np.zeros((codes.shape[1], len(factors))), []
    for column, factor in enumerate(factors):
        trees = (GradientBoostingRegressor if factor.is_number else GradientBoostingClassifier)(
            random_state=0
        )
        target = factor.values if factor.is_number else factor.groups(_GROUPS)
        trees.fit(codes[:half], target[:half])
        importance[:, column] = trees.feature_importances_
        right.append(max(0.0, float(trees.score(codes[half:], target[half:]))))
        progress(column + 1, len(factors))
    return (*importance_scores(importance), float(np.mean(right)), importance)


def importance_scores(importance: np.ndarray) -> tuple[float, float]:
    """DCI's disentanglement and completeness of a matrix of importances.

    Args:
        importance: `(D, F)`, not negative.
    """
    dimensions, factors = importance.shape
    total = importance.sum()
    if total <= 0:
        return 0.0, 0.0
    each = 1 - _entropy(importance, axis=1) / np.log(max(factors, 2))
    disentanglement = float((each * importance.sum(1)).sum() / total)
    whole = 1 - _entropy(importance, axis=0) / np.log(max(dimensions, 2))
    completeness = float((whole * importance.sum(0)).sum() / total)
    return disentanglement, completeness


def beta_vae_score(
    codes: np.ndarray, factors: list[Factor], seed: int = 0, points: int = 1_000, batch: int = 64
) -> float:
    """The share of right answers of a linear classifier that tells which factor images share.

    A point is the mean absolute difference of the codes of `batch` pairs of images that have one
    factor in common.

    Args:
        codes: posterior means `(N, D)`.
        factors: factors of the same images.
        seed: seed of the pairs.
        points: number of points to learn from, and as many to test.
        batch: pairs of a point.

    References:
        beta-VAE (Higgins et al., 2017).
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    members = [
        [np.flatnonzero(groups == k) for k in range(groups.max() + 1)]
        for groups in (factor.groups(_GROUPS) for factor in factors)
    ]
    chosen = rng.integers(len(factors), size=2 * points)
    features = np.empty((2 * points, codes.shape[1]))
    for row, factor in enumerate(chosen):
        groups = members[factor]
        sizes = np.array([len(group) for group in groups])
        picked = rng.choice(len(groups), size=batch, p=sizes / sizes.sum())
        pairs = np.array([rng.choice(groups[k], 2) for k in picked])
        features[row] = np.abs(codes[pairs[:, 0]] - codes[pairs[:, 1]]).mean(0)
    features /= codes.std(0).clip(1e-9)
    model = LogisticRegression(max_iter=1_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one that has not converged is scored as it is
        model.fit(features[:points], chosen[:points])
    return float(model.score(features[points:], chosen[points:]))


def measure(
    codes: np.ndarray,
    factors: list[Factor],
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Scores | None:
    """All scores; None with fewer than two factors or 300 images.

    Args:
        codes: posterior means `(N, D)`.
        factors: factors of the same images.
        seed: seed of the pairs of the beta-VAE score.
        progress: called with the number of factors whose importances are known, and of all.
    """
    if len(factors) < 2 or len(codes) < _FEWEST:
        return None
    few = [Factor(f.name, f.values[:_MOST], f.is_number) for f in factors]
    disentanglement, completeness, informativeness, importance = dci(codes[:_MOST], few, progress)
    return Scores(
        mig(codes, factors),
        sap(codes, factors),
        disentanglement,
        completeness,
        informativeness,
        beta_vae_score(codes, factors, seed),
        importance,
        tuple(factor.name for factor in factors),
    )


def as_report(scores: Scores | None) -> Mapping[str, object]:
    """The scores as fields of a report; None for each where they were not measured."""
    names = ("mig", "sap", "disentanglement", "completeness", "informativeness", "beta_vae")
    if scores is None:
        return {"disentanglement": None}
    return {
        "disentanglement": {name: getattr(scores, name) for name in names}
        | {"factors": list(scores.factors), "importance": scores.importance.round(4).tolist()}
    }


def _information(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information of two discrete variables, in nats."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    outer = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / outer[seen])).sum())


def _entropy(weights: np.ndarray, axis: int) -> np.ndarray:
    shares = weights / np.maximum(weights.sum(axis, keepdims=True), 1e-300)
    return -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis)
