"""The lesson on latent arithmetic: one pair, many, and the same in a standard autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from pages.ui.components.plotly_chart import chart
from pages.ui.components.sliders import Slider, live_sliders
from pages.ui.learn import prediction
from pages.ui.learn.texts import lesson, numbers
from pages.ui.shared import cache, formatting, images, labels, links, problems
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
    "STAGES",
    "choose_concept",
    "from_many",
    "on_another",
    "one_pair",
    "open_models",
    "outcome",
    "two_models",
]

STAGES = ("pair", "add", "many", "models")


@dataclass(frozen=True)
class Outcome:
    """What a vector did to held-out images, as `Effect` defines it.

    Args:
        n: number of images.
        success: the share for which the concept is predicted afterwards, 0…1.
        leakage: the largest share for which another prediction flips; None without another.
        leaks_into: attribute with the largest leakage.
    """

    n: int
    success: float
    leakage: float | None
    leaks_into: str | None


def open_models() -> tuple[LatentSpace, LatentSpace | None]:
    """Opens the faces, or digits where there are none, and their standard autoencoder.

    A message names what is missing; the page stops where nothing can be shown.
    """
    text = lesson("arithmetic")
    pairs = text.number("models")
    known = {c.name for c in list_checkpoints()}
    missing = []
    for names in pairs:
        opened = []
        for name in names:
            try:
                opened.append(cache.latent_space(name) if name in known else None)
            except (CheckpointError, DatasetError):
                opened.append(None)
        if opened[0] is not None:
            if missing:
                st.info(text("models.missing", missing=missing[0], shown=names[0]))
            return opened[0], opened[1]
        missing.append(names[0])
    st.info(text("models.none", first=missing[0], second=missing[1]))
    problems.end_page()


def choose_concept(space: LatentSpace) -> str:
    """Lets the visitor choose an attribute or a class that the model's images have."""
    text = lesson("arithmetic")
    first = text.number("concept")
    fit = labels.fit_rows(space)
    names = [k for k, v in labels.shows(space).items() if 4 <= v[fit].sum() < fit.sum()]
    if not names:
        st.info(text("models.no_labels"))
        problems.end_page()
    return st.selectbox(
        text("concept"),
        names,
        format_func=formatting.option,
        **links.choice(
            "concept",
            names,
            first if first in names else names[0],
            text=links.token,
            labels=formatting.option,
        ),
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
    text, word = lesson("arithmetic"), formatting.words(name).lower()
    without, shown, z0, z1 = _pair(space, name, seed)
    vector = z1 - z0
    decoded = decode(space.model, np.stack([z0, z1]))
    left, right = st.columns([2, 3], gap="medium", vertical_alignment="center")
    with left:
        named = (("pair.without", without), ("pair.with", shown))
        images.pictures([(text(key, concept=word), x) for key, x in named], 140)
        named = zip(("pair.decoded_without", "pair.decoded_with"), decoded, strict=True)
        images.pictures([(text(key), x) for key, x in named], 140)
    order = space.order[: min(len(vector), 32)]
    figure = go.Figure()
    for label, values, colour in (
        (text("pair.bar_without"), z0, "prior"),
        (text("pair.bar_with"), z1, "mean"),
        (text("pair.difference"), vector, "gap"),
    ):
        figure.add_bar(
            x=[f"z{k + 1}" for k in order], y=values[order], name=label,
            marker_color=TERMS[colour],
        )  # fmt: skip
    figure.update_layout(
        height=340,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        yaxis_title=text("pair.y"),
        bargap=0.25,
    )
    with right:
        chart(figure, key="pair-codes", alt=text("pair.alt"))
    same, scale, usual = space.dataset.name == "faces", space.neighbour_distances, ""
    if scale.judged:
        usual = text("pair.usual", distance=f"{scale.usual:.2f}")
    norm = f"{np.linalg.norm(vector):.2f}"
    st.caption(text("pair.same" if same else "pair.other", seed=seed, norm=norm, usual=usual))


def on_another(space: LatentSpace, name: str, seed: int) -> None:
    """Step 2: the difference of that one pair, added to others by a slider."""
    text, pair = lesson("arithmetic"), _pair(space, name, seed)
    vector = pair[3] - pair[2]
    rows = labels.held_out(space, name)[1][:3]
    live_sliders(
        space,
        [(real_pin(space, int(r)).title, space.mean[r]) for r in rows],
        vector[None],
        [Slider(text("add.slider", concept=formatting.words(name)), -1, 2, 1, 0.05)],
        key=f"add-{space.name}-{name}-{seed}",
        before=True,
        size=150,
    )
    measured = outcome(space, name, vector)
    if measured is None:
        _show_outcome(space, name, None)
        return
    question = prediction.number(text, 0.0, 100.0, 5.0, count=measured.n)
    if question.looked:
        success = 100 * measured.success
        question.tell_number(success, 15, f"{success:.0f} %")
        _show_outcome(space, name, measured)


@cache.shared(256)
def outcome(space: LatentSpace, name: str, step: np.ndarray) -> Outcome | None:
    """Adds a step to held-out images and counts predictions, once for all visitors."""
    classifier, rows = space.classifier, labels.held_out(space, name)[1]
    if classifier is None or not len(rows) or name not in classifier.names:
        return None
    rows = evenly(rows, numbers("arithmetic")["tried"])
    before = predictions(space, rows)
    effect = effect_on_many(space.model, classifier, space.mean[rows], step, before)
    worst = effect.leakage({name, *labels.excluded(space, name)})
    leaks_into, leakage = worst or (None, None)
    return Outcome(effect.n, effect.success({name: True}), leakage, leaks_into)


def _show_outcome(space: LatentSpace, name: str, measured: Outcome | None) -> None:
    text = lesson("arithmetic")
    if measured is None:
        st.caption(text("add.uncounted"))
        return
    concept, success = formatting.mention(name), f"{measured.success:.0%}"
    parts = [text("add.outcome", count=measured.n, concept=concept, success=success)]
    if measured.leakage:
        other, leakage = formatting.mention(measured.leaks_into), f"{measured.leakage:.0%}"
        parts.append(text("add.leak", other=other, leakage=leakage))
    elif measured.leakage == 0:
        parts.append(text("add.clean"))
    st.markdown(" ".join(parts))


@cache.shared(64)
def _vectors_of_many(
    space: LatentSpace, name: str, seed: int
) -> dict[str, list[tuple[int, np.ndarray]]]:
    """Vectors `(D,)` with the number of their examples: "same" people, or "strangers"."""
    all_counts = numbers("arithmetic")["counts"]
    with_it, without = _examples(space, name, seed)
    most = min(len(with_it), len(without), all_counts[-1])
    counts = [n for n in all_counts if n <= most]
    strangers = [
        (n, concept_vector(space.mean[with_it[:n]], space.mean[without[:n]])) for n in counts
    ]
    vectors = {"strangers": strangers}
    twins = _twins(space, without[:most], name)
    if twins is not None:
        steps = twins[1] - space.mean[without[:most]]
        vectors = {"same": [(n, steps[:n].mean(0)) for n in counts]} | vectors
    return vectors


def from_many(space: LatentSpace, name: str, seed: int) -> None:
    """Step 3: success, leakage and agreement of vectors from more and more examples."""
    text, vectors = lesson("arithmetic"), _vectors_of_many(space, name, seed)
    tries = [(kind, n, v) for kind, estimates in vectors.items() for n, v in estimates]
    outcomes = {}
    words = text("many.trying")
    bar = st.progress(0.0, words)
    for k, (kind, n, vector) in enumerate(tries, 1):
        outcomes[kind, n] = outcome(space, name, vector)
        bar.progress(k / len(tries), words)
    bar.empty()
    figure, rows = go.Figure(), []
    for (kind, estimates), dash in zip(vectors.items(), ("solid", "dot"), strict=False):
        measured = [outcomes[kind, n] for n, _ in estimates]
        final = cosines([estimates[-1][1], *(v for _, v in estimates)])[0, 1:]
        rows += [(kind, n, o, c) for (n, _), o, c in zip(estimates, measured, final, strict=True)]
        if None in measured:
            continue
        for quantity, colour in (("success", "elbo"), ("leakage", "gap")):
            values = [getattr(o, quantity) for o in measured]
            if None not in values:
                figure.add_scatter(
                    x=[str(n) for n, _ in estimates],
                    y=[100 * v for v in values],
                    name=text(f"many.{quantity}", kind=text(f"many.{kind}")),
                    line={"color": TERMS[colour], "dash": dash, "width": 2},
                )
    figure.update_layout(
        height=320,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis={"title": text("many.x"), "type": "category"},
        yaxis={"title": text("many.y"), "range": [-3, 103]},
    )
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with left:
        chart(figure, key="from-many", alt=text("many.alt"))
    right.table(
        {
            text("many.made"): [
                text("many.row", kind=text(f"many.{kind}"), count=n) for kind, n, *_ in rows
            ],
            text("many.column_success"): [_percent(o and o.success) for *_, o, _ in rows],
            text("many.column_leakage"): [_leak(o) for *_, o, _ in rows],
            text("many.column_cosine"): [f"{c:.2f}" for *_, c in rows],
        },
        hide_index=True,
    )


def _leak(measured: Outcome | None) -> str:
    if measured is None or not measured.leakage:
        return _percent(measured and measured.leakage)
    return f"{measured.leakage:.0%} {formatting.mention(measured.leaks_into)}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def two_models(refs: Sequence[LatentSpace | None], name: str, seed: int) -> None:
    """Step 4: the same arithmetic in the variational model and in its standard autoencoder."""
    text, by_model = lesson("arithmetic"), []
    strengths = text.number("strengths")
    for column, space, title in zip(
        st.columns(2, gap="medium"), refs, ("variational", "autoencoder"), strict=True
    ):
        title = text(f"twins.{title}")
        with column, st.container(border=True):
            if space is None:
                st.markdown(f"**{title}**")
                st.info(text("twins.none"))
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
            with st.spinner(text("twins.trying")):
                by_model.append({s: outcome(space, name, s * vector) for s in strengths})
            st.table(
                {
                    text("twins.strength"): [f"{s:.1f}" for s in strengths],
                    text("many.column_success"): [
                        _percent(o and o.success) for o in by_model[-1].values()
                    ],
                    text("many.column_leakage"): [_leak(o) for o in by_model[-1].values()],
                },
                hide_index=True,
            )
    if len(by_model) == 2 and None not in (*by_model[0].values(), *by_model[1].values()):
        st.markdown(_verdict(by_model[0], by_model[1]))


def _mean_difference(space: LatentSpace, name: str) -> np.ndarray:
    """From all examples, whatever the seed."""
    with_it, without = _examples(space, name, 0)
    return concept_vector(space.mean[with_it], space.mean[without])


def _verdict(ours: dict[float, Outcome], theirs: dict[float, Outcome]) -> str:
    """Which model the arithmetic suits better here, whichever way it falls."""

    def best(measured: dict[float, Outcome]) -> tuple[float, Outcome]:
        return max(measured.items(), key=lambda f: f[1].success - (f[1].leakage or 0))

    (s0, a), (s1, b) = best(ours), best(theirs)
    gain = (a.success - (a.leakage or 0)) - (b.success - (b.leakage or 0))
    error = 2 * (0.5 / min(a.n, b.n)) ** 0.5  # twice the standard error of two shares, at most
    text = lesson("arithmetic")
    result = "equal" if abs(gain) < error else "first" if gain > 0 else "second"
    return text(
        "twins.verdict",
        s0=f"{s0:.1f}",
        s1=f"{s1:.1f}",
        result=text(f"twins.{result}"),
        success0=f"{a.success:.0%}",
        leakage0=_percent(a.leakage),
        success1=f"{b.success:.0%}",
        leakage1=_percent(b.leakage),
        count=a.n,
    )
