"""Whether decoded codes pass for reconstructions, or for two of them on top of each other.

Averages of codes tend to be decoded to double exposures. A discriminator learns to tell
reconstructions from cross-fades of two reconstructions; it is trained on one half of the held-out
images and applied to pictures made of the other half.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .classifier import Classifier
from .code_distribution import EDGE, INSIDE, CodeDistribution
from .codes import FittedGaussian, decode
from .latent import evenly, lerp, neighbours, slerp
from .likely_codes import blend, complete
from .mixture import CodeMixture
from .model import VAE
from .projection import fit_pca, is_deep

__all__ = [
    "FEWEST",
    "MAPS",
    "WAYS",
    "choose_map",
    "crossfades",
    "estimate_seconds",
    "make_codes",
    "measure_realism",
    "share_by_zone",
    "train_discriminator",
]

FEWEST = 200  # held-out images; half of fewer would teach a discriminator little
WAYS = (
    *("reconstructions", "prior", "gaussian", "mixture", "learned"),
    *("line", "arc", "learned_path", "map", "corners", "blend"),
)
"""The ways of making a code, in the order of a table."""
MAPS = ("mean", "pinned", "likely")
"""Where a map can take the dimensions from that it does not show."""

_REPORTED = (
    *("realism", "realism_interval", "realism_of_maps", "shared_kept"),
    "realism_by_zone",
)
_PASSES = 0.9
_MIDDLES = ("line", "arc", "learned_path")
_SEEDS = (0, 1, 2)
_STEPS = 400
_BATCH = 64
_REAL = 1_500  # images that a discriminator is trained on, at most
_COUNT = 500  # codes of each way
_NEAREST = 4  # codes that a place on a map without an inverse is blended from


def crossfades(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Mixes random pairs of images pixel by pixel, with a share of 0.3 to 0.7 of each.

    Args:
        x: images `(N, C, H, W)`, at least two.
        count: number of cross-fades.
        generator: random generator of the pairs and shares.

    Returns:
        Cross-fades `(count, C, H, W)`.
    """
    a, b = (torch.randint(len(x), (count,), generator=generator) for _ in range(2))
    b = torch.where(a == b, (b + 1) % len(x), b)
    share = 0.3 + 0.4 * torch.rand((count, 1, 1, 1), generator=generator)
    return torch.lerp(x[a], x[b], share)


def train_discriminator(
    real: Tensor,
    seed: int = 0,
    steps: int = _STEPS,
    progress: Callable[[float], object] = lambda share: None,
) -> Classifier:
    """Trains a classifier to tell images from their cross-fades.

    Args:
        real: images `(N, C, H, W)` in [0, 1].
        seed: seed of the weights, the order and the cross-fades.
        steps: training steps, each on 64 images and as many new cross-fades.
        progress: function called with the completed share, 0…1.

    Returns:
        A classifier with the single attribute `real`.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = Classifier((*real.shape[1:],), ("real",), exclusive=False)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-2)
    target = (torch.arange(2 * _BATCH) < _BATCH).float()
    for step in range(steps):
        rows = torch.randint(len(real), (_BATCH,), generator=generator)
        x = torch.cat([real[rows], crossfades(real, _BATCH, generator)])
        with torch.enable_grad():
            loss = F.binary_cross_entropy_with_logits(model(x)[:, 0], target)
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
        progress((step + 1) / steps)
    return model.eval().requires_grad_(False)


def make_codes(
    codes: np.ndarray,
    *,
    gaussian: FittedGaussian | None = None,
    mixture: CodeMixture | None = None,
    learned: CodeDistribution | None = None,
    variational: bool = True,
    prior: Callable[[int], np.ndarray] | None = None,
    tsne: np.ndarray | None = None,
    count: int = _COUNT,
    seed: int = 0,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Makes codes in all the ways in which the app makes them.

    Args:
        codes: posterior means `(N, D)` of real images.
        gaussian: fitted Gaussian of the codes.
        mixture: mixture of Gaussians of the codes.
        learned: learned distribution of the codes; without it averages are plain.
        variational: whether draws from the prior have a meaning.
        prior: draws so many codes from a learned prior; N(0, I) without it.
        tsne: places `(N, 2)` of the codes on a map without an inverse; without them, neighbours
            in the latent space are blended.
        count: largest number of codes of each way.
        seed: seed of draws and pairs.

    Returns:
        Codes `(M, D)` for each of the available `WAYS`, with `map_mean`, `map_pinned` and
        `map_likely` instead of `map`, and the rows `(M, 2)` of the ends of the
        paths whose middles `line`, `arc` and `learned_path` are.
    """
    rng = np.random.default_rng(seed)
    count, dim = min(count, len(codes)), codes.shape[1]
    ends = np.stack([rng.permutation(len(codes))[:count] for _ in range(2)], 1)
    ends[ends[:, 0] == ends[:, 1], 1] += 1
    ends %= len(codes)
    pairs, middle = codes[ends], np.array([0.5])

    def halfway(path: Callable[..., Any]) -> np.ndarray:
        return np.concatenate([path(a, b, middle) for a, b in pairs])

    def average(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        if learned is None:
            return np.einsum("mk,mkd->md", weights, codes[rows])
        groups = zip(rows, weights, strict=True)
        return np.concatenate([blend(learned, codes[row], weight) for row, weight in groups])

    by_way = {"reconstructions": codes[rng.permutation(len(codes))[:count]]}
    if variational:
        by_way["prior"] = rng.standard_normal((count, dim)) if prior is None else prior(count)
    for name, source in (("gaussian", gaussian), ("mixture", mixture), ("learned", learned)):
        if source is not None:
            by_way[name] = source.sample(count, seed)
    by_way |= {"line": halfway(lerp), "arc": halfway(slerp)}
    if learned is not None:
        by_way["learned_path"] = halfway(learned.path)
    maps = {f"map_{name}": z for name, z in _on_the_map(codes, ends, learned).items()}
    corners = np.stack([rng.permutation(len(codes))[:count] for _ in range(4)], 1)
    by_way["corners"] = average(corners, np.full(corners.shape, 0.25))
    places = codes if tsne is None else tsne
    near, distances = neighbours(places, places[ends[:, 0]], _NEAREST + 1)
    weights = 1 / np.maximum(distances[:, 1:], 1e-6)
    by_way["blend"] = average(near[:, 1:], weights / weights.sum(1, keepdims=True))
    ordered = {name: by_way[name] for name in WAYS if name in by_way} | maps
    return {name: z.astype(np.float32) for name, z in ordered.items()}, ends


def choose_map(shares: Mapping[str, float], *, deep: bool) -> str:
    """Chooses where a map takes the dimensions from that it does not show.

    From the pin in a deep latent space, from the mean code in another; where less than nine in
    ten of the pictures then pass for reconstructions, from where most do.

    Args:
        shares: share of the pictures that pass, 0…1, for the available `MAPS`.
        deep: whether the latent space is deep, see `is_deep`.

    Returns:
        One of the `MAPS`.
    """
    usual = "pinned" if deep else "mean"
    if shares.get(usual, 1.0) >= _PASSES:
        return usual
    return max(shares, key=lambda name: shares[name])


def _on_the_map(
    codes: np.ndarray, ends: np.ndarray, learned: CodeDistribution | None
) -> dict[str, np.ndarray]:
    """Codes at places on the PCA plane, by where their other dimensions come from."""
    pca = fit_pca(codes, min(2, codes.shape[1]))
    place, pin = ((codes[end] - pca.mean) @ pca.components.T @ pca.components for end in ends.T)
    pinned = codes[ends[:, 1]]
    maps = {"mean": pca.mean + place, "pinned": pinned - pin + place}
    if learned is not None:
        noise = learned.to_noise(pinned)
        maps["likely"] = complete(learned, maps["mean"], pca.components, noise)
    return maps


def measure_realism(
    model: VAE,
    codes: np.ndarray,
    *,
    gaussian: FittedGaussian | None = None,
    mixture: CodeMixture | None = None,
    learned: CodeDistribution | None = None,
    classifier: Classifier | None = None,
    tsne: np.ndarray | None = None,
    seeds: Sequence[int] = _SEEDS,
    steps: int = _STEPS,
    progress: Callable[[float], object] = lambda share: None,
) -> dict[str, dict[str, Any] | None]:
    """Measures the share of pictures that pass for reconstructions, for each way of making codes.

    Args:
        model: model that decodes the codes.
        codes: posterior means `(N, D)` of held-out images. Discriminators are trained on every
            other one, and applied to what is made of the rest.
        gaussian: fitted Gaussian of the codes.
        mixture: mixture of Gaussians of the codes.
        learned: learned distribution of the codes.
        classifier: classifier of the attributes that the ends of a path share.
        tsne: places `(N, 2)` of the codes on the t-SNE map.
        seeds: seeds of the discriminators, each with draws and pairs of its own.
        steps: training steps of a discriminator.
        progress: function called with the completed share, 0…1.

    Returns:
        `realism`: for each way, the share that passes, 0…1, averaged over the seeds, and for
        `crossfades` the share of unseen cross-fades that are mistaken; `realism_interval`: the
        lowest and the highest of them; `realism_of_maps`: the share for each of the `MAPS`, of
        which `map` is the one that `choose_map` gives; `shared_kept`: for the middles of paths,
        the share of what both ends have in common (attributes that both have or both lack, or
        their class) that the classifier predicts there; `realism_by_zone`: the share that passes
        of all these codes together, for those inside, at the edge of and outside the data, and
        `auc`, how well their likelihood tells pictures that pass from those that do not. All are
        None for fewer than 200 codes, `shared_kept` also without a classifier, and the zones
        without a learned distribution.
    """
    if len(codes) < FEWEST:
        return dict.fromkeys(_REPORTED)
    real = decode(model, evenly(codes[::2], _REAL))
    evaluated, places = codes[1::2], None if tsne is None else tsne[1::2]
    passed: dict[str, list[float]] = {}
    kept: dict[str, list[float]] = {}
    verdicts: list[tuple[np.ndarray, np.ndarray]] = []  # codes, and whether their pictures pass
    for turn, seed in enumerate(seeds):

        def tell(share: float, turn: int = turn) -> None:
            progress((turn + share) / len(seeds))

        def learned_draws(count: int, seed: int = seed) -> np.ndarray:
            return model.draw_prior(count, torch.Generator().manual_seed(seed)).numpy()

        judge = train_discriminator(real, seed, steps, lambda share: tell(0.7 * share))
        by_way, ends = make_codes(
            evaluated,
            gaussian=gaussian,
            mixture=mixture,
            learned=learned,
            variational=model.config.variational,
            prior=None if model.config.has_prior else learned_draws,
            tsne=places,
            seed=seed,
        )
        first, second = (decode(model, evaluated[end]) for end in ends.T)
        pictures = {"crossfades": torch.lerp(first, second, 0.5)}
        for number, name in enumerate([*by_way, *pictures], 1):
            x = pictures[name] if name in pictures else decode(model, by_way[name])
            passes = judge.predictions(x)[:, 0]
            passed.setdefault(name, []).append(passes.float().mean().item())
            if turn == 0 and name in by_way:
                verdicts.append((by_way[name], passes.numpy()))
            if classifier and name in _MIDDLES:
                kept.setdefault(name, []).append(_shared_kept(classifier, first, second, x))
            tell(0.7 + 0.3 * number / (len(by_way) + 1))
    maps = {name: passed.pop(f"map_{name}") for name in MAPS if f"map_{name}" in passed}
    of_maps = {name: float(np.mean(shares)) for name, shares in maps.items()}
    passed["map"] = maps[choose_map(of_maps, deep=is_deep(fit_pca(codes, codes.shape[1])))]
    passed = {name: passed[name] for name in (*WAYS, "crossfades") if name in passed}
    return {
        "realism": {name: float(np.mean(shares)) for name, shares in passed.items()},
        "realism_interval": {name: [min(s), max(s)] for name, s in passed.items()},
        "realism_of_maps": of_maps,
        "shared_kept": {name: float(np.mean(s)) for name, s in kept.items()} or None,
        "realism_by_zone": None
        if learned is None or learned.held_out is None or not learned.learned
        else share_by_zone(learned, *map(np.concatenate, zip(*verdicts, strict=True))),
    }


def share_by_zone(
    learned: CodeDistribution, codes: np.ndarray, passes: np.ndarray, *, fewest: int = 100
) -> dict[str, float | None]:
    """How well the likelihood of codes foretells whether their pictures pass.

    Args:
        learned: learned distribution of the codes, with held-out codes.
        codes: codes `(N, D)`, made in any way.
        passes: whether the picture of each passes for a reconstruction, bool `(N,)`.
        fewest: codes without which a zone has no share.

    Returns:
        The share that passes of codes `inside`, at the `edge` of and `outside` the data, None
        where there are few such codes; and `auc`, the area under the ROC curve of the log density.
    """
    from sklearn.metrics import roc_auc_score

    density = learned.log_density(codes)
    assert learned.held_out is not None
    less = np.searchsorted(learned.held_out, density) / len(learned.held_out)
    zones = {
        "inside": less >= INSIDE,
        "edge": (less < INSIDE) & (less >= EDGE),
        "outside": less < EDGE,
    }
    shares = {
        name: float(passes[of].mean()) if of.sum() >= fewest else None
        for name, of in zones.items()
    }
    both = 0 < passes.mean() < 1
    return shares | {"auc": float(roc_auc_score(passes, density)) if both else None}


def estimate_seconds(model: VAE, codes: np.ndarray, learned: CodeDistribution | None) -> float:
    """Estimates the duration of `measure_realism` from a small part of its work.

    Args:
        model: model that decodes the codes.
        codes: posterior means `(N, D)` of held-out images.
        learned: learned distribution of the codes.

    Returns:
        Seconds; 0 for too few codes.
    """
    if len(codes) < FEWEST:
        return 0.0
    count = min(_COUNT, len(codes) // 2)
    real = decode(model, codes[:_BATCH])
    decoding = _fastest(lambda: decode(model, codes[:_BATCH])) / _BATCH
    training = _fastest(lambda: train_discriminator(real, steps=2)) / 2
    blending = 0.0
    if learned is not None:
        blending = _fastest(lambda: blend(learned, codes[:4], np.full(4, 0.25)))
    each = _STEPS * training + count * (decoding * (len(WAYS) + 2) + 3 * blending)
    return len(_SEEDS) * each


def _fastest(action: Callable[[], object], tries: int = 3) -> float:
    """Seconds of the fastest of a few calls: the first one warms up, and others are held up."""
    seconds = []
    for _ in range(tries):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _shared_kept(classifier: Classifier, first: Tensor, second: Tensor, between: Tensor) -> float:
    """Share of the predictions on which two images agree that hold between them, too."""
    a, b, middle = (classifier.predictions(x) for x in (first, second, between))
    if classifier.exclusive:
        same = (a == b).all(1)
        return (middle == a).all(1)[same].float().mean().item() if same.any() else 1.0
    return (middle == a)[a == b].float().mean().item()
