"""Concept vectors: estimators, and metrics of how well a vector separates its concept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import Tensor

__all__ = [
    "ReportCard",
    "adjusted_vectors",
    "bootstrap_cosines",
    "concept_vector",
    "cosines",
    "orthogonalised",
    "pair_cosine",
    "probe_vector",
    "report_card",
    "separation",
    "split_by_attribute",
]

Codes = TypeVar("Codes", np.ndarray, Tensor)
Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]

_RESAMPLES = 100
_RANDOM = 200  # random directions with which a vector is compared
_FEWEST = 4  # codes of a group, the smallest number of which some can be held out


# Estimators ---------------------------------------------------------------------------------


def concept_vector(z_with: Codes, z_without: Codes) -> Codes:
    """The difference of the mean codes of two groups.

    Args:
        z_with: codes `(N, D)` of images that show the concept, or a single code `(D,)`.
        z_without: codes `(M, D)` of images that do not show it.

    Returns:
        The vector `(D,)`, of the type of `z_with`.

    Raises:
        ValueError: if a group is empty or the dimensions of the groups differ.

    References:
        Analogies by vector arithmetic: Distributed representations of words and phrases (Mikolov
        et al., 2013).
    """
    ours, others = _groups(z_with, z_without)
    vector = ours.mean(0) - others.mean(0)
    return (
        z_with.new_tensor(vector.tolist())
        if isinstance(z_with, Tensor)
        else vector.astype(np.float32)
    )


def adjusted_vectors(
    codes: np.ndarray, attributes: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The effect of each attribute on a code, with all other attributes held fixed.

    The vectors are the coefficients of one least-squares fit of the codes on all attributes and a
    constant. If attributes are correlated in the sample, the difference of means confounds them;
    the joint fit separates them. If attributes are linearly dependent, the solution of minimum
    norm is returned. Missing values count as the mean of those that are known, and so have no
    weight.

    Args:
        codes: codes `(N, D)`.
        attributes: values of each attribute by name, `(N,)`: bool, 0…1, or numbers in units of
            their standard deviation; NaN where missing.

    Returns:
        Vectors `(D,)` by name.

    Raises:
        ValueError: if there is no attribute, or the length of one differs from that of the codes.
    """
    codes = np.asarray(codes, dtype=np.float64)
    if not attributes:
        raise ValueError("There is no attribute to fit the codes on; expected one or more.")
    columns = [np.asarray(v, dtype=np.float64) for v in attributes.values()]
    for name, column in zip(attributes, columns, strict=True):
        if column.shape != (len(codes),):
            raise ValueError(
                f"Attribute {name} has shape {column.shape}; expected ({len(codes)},), "
                "one value a code."
            )
    # Centred, so that the constant does not affect the minimum-norm solution.
    table = np.stack(columns, 1)
    known = np.isfinite(table)
    mean = np.where(known, table, 0).sum(0) / np.maximum(known.sum(0), 1)
    centred = np.where(known, table - mean, 0)
    fit = np.linalg.lstsq(centred, codes - codes.mean(0), rcond=1e-10)[0]
    return {name: row.astype(np.float32) for name, row in zip(attributes, fit, strict=True)}


def orthogonalised(vector: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """The component of a vector that is orthogonal to the span of other vectors.

    If the others were estimated from a sample in which they correlate with this concept, this
    removes part of the concept itself. `adjusted_vectors` does not.

    Args:
        vector: vector `(D,)`.
        others: vectors `(D,)`, possibly none or linearly dependent.

    Returns:
        The orthogonal component, `(D,)`.
    """
    vector = np.asarray(vector, dtype=np.float64)
    if not len(others):
        return vector.astype(np.float32)
    span = np.stack([np.asarray(v, dtype=np.float64) for v in others], 1)
    return (vector - span @ np.linalg.lstsq(span, vector, rcond=None)[0]).astype(np.float32)


def probe_vector(z_with: np.ndarray, z_without: np.ndarray) -> np.ndarray:
    """The normal vector of a linear probe, the direction that best separates two groups.

    It is scaled to the norm of the difference of means, so that strengths are comparable.

    Args:
        z_with: codes `(N, D)` of images that show the concept.
        z_without: codes `(M, D)` of images that do not show it.

    Returns:
        The vector `(D,)`.

    References:
        Understanding intermediate layers using linear classifier probes (Alain and Bengio, 2016).
    """
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    ours, others = _groups(z_with, z_without)
    codes = np.concatenate([ours, others])
    spread = codes.std(0) + 1e-9
    side = np.r_[np.ones(len(ours)), np.zeros(len(others))]
    probe = LogisticRegression(max_iter=1000, class_weight="balanced").fit(codes / spread, side)
    normal = probe.coef_[0] / spread
    length = np.linalg.norm(ours.mean(0) - others.mean(0))
    return (normal * (length / max(float(np.linalg.norm(normal)), 1e-12))).astype(np.float32)


def split_by_attribute(
    attributes: Mapping[str, np.ndarray], name: str, excluded: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows into the positives and the negatives of an attribute.

    Negatives show neither the attribute nor one that excludes it: faces with sunglasses are
    neither positives nor negatives of glasses. If this leaves no negatives, as for classes, all
    rows that are known not to be positives are negatives. Rows whose value is missing are neither.

    Args:
        attributes: values of each attribute by name, `(N,)`: bool, or 0 and 1, NaN where missing.
        name: name of the attribute.
        excluded: attributes that no image has together with it.

    Returns:
        Positives and negatives, bool `(N,)`.
    """
    values = np.asarray(attributes[name], dtype=np.float32)  # NaN is on neither side
    positives, others = values > 0.5, values <= 0.5
    negatives = others
    for other in excluded:
        negatives = negatives & ~(np.asarray(attributes[other], dtype=np.float32) > 0.5)
    return positives, negatives if negatives.any() else others


# How good a vector is -----------------------------------------------------------------------


@dataclass(frozen=True)
class ReportCard:
    """Metrics of a concept vector; None if there are too few examples.

    Args:
        n_with: number of examples that show the concept.
        n_without: number of examples that do not show it.
        length: Euclidean norm of the vector.
        stability: median cosine between vectors of two bootstrap resamples: 1 if the choice of
            examples does not matter, about 0 for noise.
        stability_low: 5 % quantile of these cosines.
        cohens_d: difference of the mean projections in pooled standard deviations, on held-out
            examples.
        auc: area under the ROC curve of the projections, on held-out examples.
        random_auc: mean AUC of random directions, each with the better of both signs.
        random_auc_high: 95 % quantile of the AUC of random directions.
    """

    n_with: int
    n_without: int
    length: float
    stability: float | None
    stability_low: float | None
    cohens_d: float | None
    auc: float | None
    random_auc: float | None
    random_auc_high: float | None


def report_card(
    z_with: np.ndarray,
    z_without: np.ndarray,
    vector: np.ndarray | None = None,
    estimator: Estimator = concept_vector,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
) -> ReportCard:
    """Evaluates a concept vector.

    Args:
        z_with: positives `(N, D)` from which the vector was estimated.
        z_without: negatives `(M, D)`, likewise.
        vector: vector `(D,)`; by default the estimate from both groups.
        estimator: function that estimates a vector from two groups, for resamples and folds.
        held_out: held-out positives and negatives. By default the vector of each half of the
            examples is evaluated on the other half.
        seed: seed of resamples, folds and random directions.
    """
    ours, others = _groups(z_with, z_without)
    estimate = estimator(ours, others) if vector is None else np.asarray(vector)
    rng = np.random.default_rng(seed)
    agreement = bootstrap_cosines(ours, others, estimator, seed=seed)
    middle, low = np.quantile(agreement, (0.5, 0.05)).tolist() if len(agreement) else (None, None)
    few = min(len(ours), len(others)) < _FEWEST
    d = auc = random = high = None
    if held_out is not None and min(map(len, held_out)):
        pairs = [(estimate, *held_out)]
    elif held_out is None and not few:
        halves = [rng.permutation(len(side)) % 2 for side in (ours, others)]
        pairs = [
            (estimator(ours[halves[0] != k], others[halves[1] != k]),
             ours[halves[0] == k], others[halves[1] == k])
            for k in (0, 1)
        ]  # fmt: skip
    else:
        pairs = []
    if pairs:
        figures = np.array([separation(*pair) for pair in pairs])
        d, auc = figures.mean(0).tolist()
        _, a, b = pairs[0]
        areas = [separation(v, a, b)[1] for v in rng.standard_normal((_RANDOM, ours.shape[1]))]
        better = np.maximum(areas, 1 - np.array(areas))
        random, high = float(better.mean()), float(np.quantile(better, 0.95))
    length = float(np.linalg.norm(estimate))
    return ReportCard(len(ours), len(others), length, middle, low, d, auc, random, high)


def bootstrap_cosines(
    z_with: np.ndarray,
    z_without: np.ndarray,
    estimator: Estimator = concept_vector,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """Cosines between the vectors of pairs of bootstrap resamples.

    Args:
        z_with: codes `(N, D)` of images that show the concept.
        z_without: codes `(M, D)` of images that do not show it.
        estimator: function that estimates a vector from two groups.
        resamples: number of resamples of both groups.
        seed: seed of the resamples.

    Returns:
        Cosines `(resamples // 2,)`; empty if a group has fewer than two examples.
    """
    ours, others = _groups(z_with, z_without)
    if min(len(ours), len(others)) < 2:
        return np.empty(0)
    rng = np.random.default_rng(seed)

    def resampled() -> np.ndarray:
        return estimator(
            ours[rng.integers(len(ours), size=len(ours))],
            others[rng.integers(len(others), size=len(others))],
        )

    return np.array([_cosine(resampled(), resampled()) for _ in range(resamples // 2)])


def separation(
    vector: np.ndarray, z_with: np.ndarray, z_without: np.ndarray
) -> tuple[float, float]:
    """Measures the separation of two groups along a vector.

    Args:
        vector: vector `(D,)`.
        z_with: codes `(N, D)` of images that show the concept.
        z_without: codes `(M, D)` of images that do not show it.

    Returns:
        Cohen's d (difference of the mean projections in pooled standard deviations; nan for a
        group of fewer than two codes) and the area under the ROC curve: the probability that a
        positive projects further than a negative, ties counting half.
    """
    a, b = (np.asarray(z, dtype=np.float64) @ vector for z in (z_with, z_without))
    d = float("nan")
    if min(len(a), len(b)) > 1:
        freedom = len(a) + len(b) - 2
        pooled = ((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / freedom
        d = float((a.mean() - b.mean()) / max(np.sqrt(pooled), 1e-12))
    ordered = np.sort(b)
    below = np.searchsorted(ordered, a, "left")
    not_above = np.searchsorted(ordered, a, "right")
    return d, float((below + not_above).mean() / (2 * len(b)))


def pair_cosine(z_with: np.ndarray, z_without: np.ndarray) -> float | None:
    """Mean cosine between the differences of pairs: 1 if all differences are parallel.

    Args:
        z_with: codes `(N, D)` of images that show the concept.
        z_without: codes `(N, D)` of their partners, row by row.

    Returns:
        The mean cosine, or None for fewer than two pairs.
    """
    steps = np.asarray(z_with, dtype=np.float64) - np.asarray(z_without, dtype=np.float64)
    n = len(steps)
    return None if n < 2 else float((cosines(steps).sum() - n) / (n * (n - 1)))


def cosines(vectors: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Cosines `(K, K)` between K vectors `(D,)`; 1 on the diagonal, 0 for zero vectors."""
    table = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    result = np.clip(unit @ unit.T, -1, 1)
    np.fill_diagonal(result, 1)
    return result


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(cosines([a, b])[0, 1])


def _groups(*groups: np.ndarray | Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Two groups as `(N, D)` float64, checked."""
    checked = []
    for name, group in zip(("z_with", "z_without"), groups, strict=True):
        codes = group.detach().cpu().numpy() if isinstance(group, Tensor) else np.asarray(group)
        codes = np.atleast_2d(codes).astype(np.float64)
        if codes.ndim != 2 or len(codes) == 0:
            raise ValueError(
                f"{name} has shape {codes.shape}; expected (N, D) with at least one code."
            )
        checked.append(codes)
    if checked[0].shape[1] != checked[1].shape[1]:
        raise ValueError(
            f"z_with has {checked[0].shape[1]} dimensions, z_without {checked[1].shape[1]}; "
            "expected codes of one model."
        )
    return checked[0], checked[1]
