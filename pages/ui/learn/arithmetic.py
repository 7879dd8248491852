"""Latent arithmetic for the Learn page: one pair, many, and the same in the twin model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from pages.ui.components.plotly_chart import chart
from pages.ui.components.sliders import Slider, live_sliders
from pages.ui.shared import cache, formatting, images, labels, url_state
from pages.ui.shared.classifier import predictions
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import real_pin
from pages.ui.shared.plot_style import TERMS
from vae import CheckpointError, DatasetError, concept_vector, list_checkpoints
from vae.codes import decode, encode
from vae.concepts.edits import effect_on_many, true_pictures
from vae.concepts.vectors import cosines, split_by_attribute
from vae.latent import evenly

__all__ = [
    "ABOUT",
    "STAGES",
    "choose_concept",
    "from_many",
    "on_another",
    "one_pair",
    "open_models",
    "outcome",
    "two_models",
]

STAGES = {
    "pair": "1 · One pair",
    "add": "2 · Add it to others",
    "many": "3 · From many",
    "models": "4 · Without a prior",
}
ABOUT = """
- Vectors are made from every other reference image, and tried on the rest.
- *Same person*: each drawn face is drawn a second time with the concept and nothing else changed;
  both are encoded, and the differences averaged. *Strangers*: the mean code of some who have it
  less the mean code of as many others who have not.
- *Success*: an independent classifier, which never saw a decoded picture, sees the concept after
  the edit. *Leakage*: of all other attributes, the share of people for whom the one most often
  changed flips.
- Two models have codes of different scale, so strengths are in units of each model's own vector.
"""
PAIRS = (("faces", "faces-autoencoder"), ("digits", "digits-autoencoder"))
COUNTS = (1, 3, 10, 30, 100)
STRENGTHS = (0.5, 1.0, 1.5)
_TRIED = 60  # held-out images that each vector is tried on


@dataclass(frozen=True)
class Outcome:
    """What a vector did to held-out images, as `Effect` defines it.

    Args:
        n: how many images.
        success: the share for which the concept is predicted afterwards, 0…1.
        leakage: the largest share for which another prediction flips; None without another.
        leaks_into: which.
    """

    n: int
    success: float
    leakage: float | None
    leaks_into: str | None


def open_models() -> tuple[LatentSpace, LatentSpace | None]:
    """Opens the faces, or digits where there are none, and their standard autoencoder.

    Says in a sentence what is missing; stops the page where nothing can be shown.
    """
    known = {c.name for c in list_checkpoints()}
    missing = []
    for names in PAIRS:
        opened = []
        for name in names:
            try:
                opened.append(cache.latent_space(name) if name in known else None)
            except (CheckpointError, DatasetError):
                opened.append(None)
        if opened[0] is not None:
            if missing:
                st.info(
                    f"There is no model “{missing[0]}” here, so “{names[0]}” stands in. Of "
                    "digits one can add a class, but no pair shows the same digit twice."
                )
            return opened[0], opened[1]
        missing.append(names[0])
    st.info(f"This page needs the model “{PAIRS[0][0]}” or “{PAIRS[1][0]}”: neither is here.")
    st.stop()


def choose_concept(space: LatentSpace) -> str:
    """Lets the visitor choose an attribute or a class that the model's images have."""
    fit = labels.fit_rows(space)
    names = [k for k, v in labels.table(space).items() if 4 <= v[fit].sum() < fit.sum()]
    if not names:
        st.info("The images of this model have no labels, so nothing can be added by name.")
        st.stop()
    return st.selectbox(
        "Concept",
        names,
        names.index("glasses") if "glasses" in names else 0,
        format_func=formatting.option,
        key="concept",
        bind=url_state.bind_choice("concept", map(formatting.option, names)),
        width=220,
    )


def _examples(space: LatentSpace, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with and without the concept that vectors may be made from, in an order of the seed."""
    rng = np.random.default_rng(seed)
    fit = labels.fit_rows(space)
    both = split_by_attribute(labels.table(space), name, labels.excluded(space, name))
    with_it, without = (rng.permutation(np.flatnonzero(side & fit)) for side in both)
    return with_it, without


def _twins(space: LatentSpace, rows: np.ndarray, name: str) -> tuple[Tensor, np.ndarray] | None:
    """The same people drawn with the concept, and their codes; None but for drawn faces."""
    drawn = true_pictures(space.dataset, space.index[rows], {name: True})
    if drawn is None:
        return None
    return drawn, encode(space.model, drawn, bound=False)["mean"]


@cache.shared(64)
def _pair(
    space: LatentSpace, name: str, seed: int
) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Pictures without and with, and both codes."""
    with_it, without = _examples(space, name, seed)
    row = int(without[0])
    twin = _twins(space, without[:1], name)
    if twin is None:
        other = int(with_it[0])
        return space.image(row), space.image(other), space.mean[row], space.mean[other]
    return space.image(row), twin[0][0], space.mean[row], twin[1][0]


def one_pair(space: LatentSpace, name: str, seed: int) -> None:
    """Step 1: two pictures, two codes, one difference."""
    word = formatting.words(name).lower()
    without, shown, z0, z1 = _pair(space, name, seed)
    vector = z1 - z0
    decoded = decode(space.model, np.stack([z0, z1]))
    left, right = st.columns([2, 3], gap="medium", vertical_alignment="center")
    with left:
        images.pictures([(f"without {word}", without), (f"with {word}", shown)], 140)
        images.pictures([("decoded: without", decoded[0]), ("decoded: with", decoded[1])], 140)
    order = space.order[: min(len(vector), 32)]
    figure = go.Figure()
    for label, values, colour in (
        ("without", z0, "prior"),
        ("with", z1, "mean"),
        ("with − without", vector, "gap"),
    ):
        figure.add_bar(
            x=[f"z{k + 1}" for k in order], y=values[order], name=label,
            marker_color=TERMS[colour],
        )  # fmt: skip
    figure.update_layout(
        height=340,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        yaxis_title="code",
        bargap=0.25,
    )
    with right:
        alt = "Two codes and their difference, dimension by dimension"
        chart(figure, key="pair-codes", alt=alt)
    same, scale, usual = space.dataset.name == "faces", space.neighbour_distances, ""
    if scale.judged:
        usual = f"; codes lie about {scale.usual:.2f} from their nearest neighbour"
    st.caption(
        f"{'The same person, drawn twice' if same else 'Two different images'}; seed {seed}. The "
        f"difference has length {np.linalg.norm(vector):.2f}{usual}."
    )


def on_another(space: LatentSpace, name: str, seed: int) -> None:
    """Step 2: the difference of that one pair, added to others by a slider."""
    vector = _pair(space, name, seed)[3] - _pair(space, name, seed)[2]
    rows = labels.held_out(space, name)[1][:3]
    live_sliders(
        space,
        [(real_pin(space, int(r)).title, space.mean[r]) for r in rows],
        vector[None],
        [Slider(f"{formatting.words(name)} of the pair, times", -1, 2, 1, 0.05)],
        key=f"add-{space.name}-{name}-{seed}",
        before=True,
        size=150,
    )
    _say_outcome(space, name, outcome(space, name, vector))


@cache.shared(256)
def outcome(space: LatentSpace, name: str, step: np.ndarray) -> Outcome | None:
    """Adds a step to held-out images and counts predictions, once for all visitors."""
    classifier, rows = space.classifier, labels.held_out(space, name)[1]
    if classifier is None or not len(rows) or name not in classifier.names:
        return None
    rows = evenly(rows, _TRIED)
    before = predictions(space, rows)
    effect = effect_on_many(space.model, classifier, space.mean[rows], step, before)
    worst = effect.leakage({name, *labels.excluded(space, name)})
    leaks_into, leakage = worst or (None, None)
    return Outcome(effect.n, effect.success({name: True}), leakage, leaks_into)


def _say_outcome(space: LatentSpace, name: str, found: Outcome | None) -> None:
    if found is None:
        st.caption("There is no classifier for these images, so nobody counts how often it works.")
        return
    leak = ""
    if found.leakage:
        beside = formatting.mention(found.leaks_into)
        leak = f" What changes most beside it is “{beside}”, for {found.leakage:.0%}."
    elif found.leakage == 0:
        leak = " Nothing else changes."
    st.markdown(
        f"Added once to {found.n} others who have none, a classifier then sees "
        f"“{formatting.mention(name)}” in **{found.success:.0%}** of them.{leak}"
    )


@cache.shared(64)
def _vectors_of_many(
    space: LatentSpace, name: str, seed: int
) -> dict[str, list[tuple[int, np.ndarray]]]:
    """Vectors `(D,)` with the number of their examples, by who those are."""
    with_it, without = _examples(space, name, seed)
    most = min(len(with_it), len(without), COUNTS[-1])
    counts = [n for n in COUNTS if n <= most]
    strangers = [
        (n, concept_vector(space.mean[with_it[:n]], space.mean[without[:n]])) for n in counts
    ]
    found = {"Strangers": strangers}
    twins = _twins(space, without[:most], name)
    if twins is not None:
        steps = twins[1] - space.mean[without[:most]]
        found = {"Same person": [(n, steps[:n].mean(0)) for n in counts]} | found
    return found


def from_many(space: LatentSpace, name: str, seed: int) -> None:
    """Step 3: success, leakage and agreement of vectors from more and more examples."""
    vectors = _vectors_of_many(space, name, seed)
    tries = [(kind, n, v) for kind, made in vectors.items() for n, v in made]
    outcomes = {}
    words = "Trying each vector on images that it was not made from…"
    bar = st.progress(0.0, words)
    for k, (kind, n, vector) in enumerate(tries, 1):
        outcomes[kind, n] = outcome(space, name, vector)
        bar.progress(k / len(tries), words)
    bar.empty()
    figure, rows = go.Figure(), []
    for (kind, made), dash in zip(vectors.items(), ("solid", "dot"), strict=False):
        found = [outcomes[kind, n] for n, _ in made]
        final = cosines([made[-1][1], *(v for _, v in made)])[0, 1:]
        rows += [(kind, n, o, c) for (n, _), o, c in zip(made, found, final, strict=True)]
        if None in found:
            continue
        for what, colour in (("success", "elbo"), ("leakage", "gap")):
            values = [getattr(o, what) for o in found]
            if None not in values:
                figure.add_scatter(
                    x=[str(n) for n, _ in made],
                    y=[100 * v for v in values],
                    name=f"{kind}: {what}",
                    line={"color": TERMS[colour], "dash": dash, "width": 2},
                )
    figure.update_layout(
        height=320,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis={"title": "pairs, or examples on each side", "type": "category"},
        yaxis={"title": "% of held-out images", "range": [-3, 103]},
    )
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with left:
        alt = "Success and leakage of vectors from more and more examples"
        chart(figure, key="from-many", alt=alt)
    right.table(
        {
            "Made from": [f"{kind}: {n}" for kind, n, *_ in rows],
            "Success": [_percent(o and o.success) for *_, o, _ in rows],
            "Leakage": [_leak(o) for *_, o, _ in rows],
            "Cosine to the last": [f"{c:.2f}" for *_, c in rows],
        },
        hide_index=True,
    )


def _leak(found: Outcome | None) -> str:
    if found is None or not found.leakage:
        return _percent(found and found.leakage)
    return f"{found.leakage:.0%} {formatting.mention(found.leaks_into)}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def two_models(refs: Sequence[LatentSpace | None], name: str, seed: int) -> None:
    """Step 4: the same arithmetic in the variational model and in its standard autoencoder."""
    found: list[dict[float, Outcome | None]] = []
    for column, space, title in zip(
        st.columns(2, gap="medium"), refs, ("Variational", "Standard autoencoder"), strict=True
    ):
        with column, st.container(border=True):
            if space is None:
                st.markdown(f"**{title}**")
                st.info("This model is not here, so there is nothing to compare with yet.")
                continue
            st.markdown(f"**{title}** · {plain(space.name)}")
            vector = _mean_difference(space, name)
            row = int(labels.held_out(space, name)[1][seed % 50])
            live_sliders(
                space,
                [(real_pin(space, row).title, space.mean[row])],
                vector[None],
                [Slider(formatting.words(name), -1, 2, 1, 0.05)],
                key=f"twin-{space.name}-{name}-{row}",
                before=True,
                size=150,
            )
            with st.spinner("Trying it on held-out images…"):
                found.append({s: outcome(space, name, s * vector) for s in STRENGTHS})
            st.table(
                {
                    "Strength": [f"{s:.1f}" for s in STRENGTHS],
                    "Success": [_percent(o and o.success) for o in found[-1].values()],
                    "Leakage": [_leak(o) for o in found[-1].values()],
                },
                hide_index=True,
            )
    if len(found) == 2 and None not in (*found[0].values(), *found[1].values()):
        st.markdown(_verdict(found[0], found[1]))


def _mean_difference(space: LatentSpace, name: str) -> np.ndarray:
    """From all examples, whatever the seed."""
    with_it, without = _examples(space, name, 0)
    return concept_vector(space.mean[with_it], space.mean[without])


def _verdict(ours: dict[float, Outcome], theirs: dict[float, Outcome]) -> str:
    """Which model the arithmetic suits better here, whichever way it falls."""

    def best(found: dict[float, Outcome]) -> tuple[float, Outcome]:
        return max(found.items(), key=lambda f: f[1].success - (f[1].leakage or 0))

    (s0, a), (s1, b) = best(ours), best(theirs)
    gain = (a.success - (a.leakage or 0)) - (b.success - (b.leakage or 0))
    error = 2 * (0.5 / min(a.n, b.n)) ** 0.5  # twice the standard error of two shares, at most
    said = (
        "the two do equally well, as far as so few images can tell"
        if abs(gain) < error
        else f"the {'variational model' if gain > 0 else 'standard autoencoder'} does better"
    )
    return (
        f"Each at its best strength ({s0:.1f} and {s1:.1f}), success less leakage: {said} "
        f"({a.success:.0%} less {_percent(a.leakage)}, against {b.success:.0%} less "
        f"{_percent(b.leakage)}; {a.n} images)."
    )
