"""Three lessons about concept vectors, each computed from the model at one click."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from torch import Tensor

from pages.ui.concepts.edit import EditResult
from pages.ui.shared import cache, concepts, formatting, images, labels, visitor
from pages.ui.shared.classifier import predictions
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from vae import concept_vector
from vae.codes import decode, encode
from vae.concepts.edits import Effect, codes_of_twins, draw_people, effect_on_many
from vae.concepts.vectors import adjusted_vectors, orthogonalised, split_by_attribute
from vae.latent import evenly

__all__ = ["show_lessons"]

_LESSONS = {
    "examples": ("How many examples does a vector need?", ":material/group_add:"),
    "confounding": ("What if two attributes are correlated?", ":material/link:"),
    "limits": ("Where does latent arithmetic fail?", ":material/block:"),
}
_TRIED = 100  # held-out images on which each vector is evaluated
_SHOWN = 5
_TWINS = 40  # pairs from which the vector of an unlabelled detail is estimated
_AGREE = 0.9


def show_lessons(result: EditResult) -> None:
    """Three buttons, and the lesson chosen last."""
    space = result.edit.space
    if len(labels.table(space)) < 2:
        st.info("These lessons need labelled images. Choose another model.")
        return
    with st.container(horizontal=True):
        for key, (title, icon) in _LESSONS.items():
            st.button(title, icon=icon, key=f"lesson-{key}", on_click=_choose, args=(key,))
    lesson = visitor.current().concepts.pitfall
    if lesson == "examples":
        _examples(space)
    elif lesson == "confounding":
        _confounding(space)
    elif lesson == "limits":
        _limits(space)


def _choose(lesson: str) -> None:
    visitor.current().concepts.pitfall = lesson


@dataclass(frozen=True, eq=False)
class _Tried:
    """A vector, edited pictures of some people, and its effect on held-out images."""

    title: str
    pictures: Tensor
    effect: Effect | None


def _try(space: LatentSpace, rows: np.ndarray, title: str, vector: np.ndarray) -> _Tried:
    tried, classifier, effect = evenly(rows, _TRIED), space.classifier, None
    if classifier is not None:
        before = predictions(space, tried)
        effect = effect_on_many(space.model, classifier, space.mean[tried], vector, before)
    shown = decode(space.model, space.mean[evenly(rows, _SHOWN)] + vector)
    return _Tried(title, shown, effect)


def _show(tried: list[_Tried], describe: Callable[[Effect], str]) -> None:
    for example in tried:
        words, shown = st.columns([2, 5], vertical_alignment="center")
        with words:
            st.markdown(f"**{example.title}**")
            if example.effect is not None and example.title != "Unedited":
                st.caption(describe(example.effect))
        with shown:
            images.pictures([("", x) for x in example.pictures], 84)


def _target(space: LatentSpace) -> str:
    known = labels.table(space)
    return "glasses" if "glasses" in known else next(iter(known))


# Lesson 1: examples ---


def _examples(space: LatentSpace) -> None:
    target = _target(space)
    word = formatting.mention(target)
    seed = visitor.current().concepts.pitfall_seed
    with st.spinner("Estimating vectors from few and from many examples…"):
        tried = _few_and_many(space, target, seed)

    def describe(effect: Effect) -> str:
        allowed = {target, *labels.excluded(space, target)}
        rest = [share for name, share in effect.flips.items() if name not in allowed]
        also = f"; another prediction changes for {np.mean(rest):.0%} on average" if rest else ""
        return f"Succeeds for {effect.success({target: True}):.0%}{also}."

    _show(tried, describe)
    st.markdown(
        f"One pair of the *same* person already gives the direction of “{word}”: everything else "
        "cancels. Between different people all other differences stay in the vector and average "
        "out only as their number grows."
        if space.dataset.name == "faces"
        else f"A vector “{word}” from one positive and one negative image contains everything "
        "else in which the two differ. With more images those differences average out."
    )
    st.button(
        "Draw other examples", icon=":material/casino:", key="lesson-again", on_click=_draw_again
    )


def _draw_again() -> None:
    visitor.current().concepts.pitfall_seed += 1


@cache.shared(32)
def _few_and_many(space: LatentSpace, target: str, seed: int) -> list[_Tried]:
    rng = np.random.default_rng(seed)
    fit, tests = labels.fit_rows(space), labels.held_out(space, target)[1]
    with_it, without = (
        rng.permutation(np.flatnonzero(side & fit))
        for side in split_by_attribute(labels.table(space), target, labels.excluded(space, target))
    )
    tried = [_try(space, tests, "Unedited", np.zeros(space.mean.shape[1], np.float32))]
    if space.dataset.name == "faces" and space.encodes:
        people = without[:50]
        twins = codes_of_twins(space.model, space.dataset, space.index[people], {target: True})
        for n in (1, 10, 50):
            title = f"{n} pair{'s' * (n > 1)} of the same person{'s' * (n > 1)}"
            vector = concept_vector(twins[:n], space.mean[people[:n]])
            tried.append(_try(space, tests, title.replace("persons", "people"), vector))
    for n in (1, 10, 50):
        vector = concept_vector(space.mean[with_it[:n]], space.mean[without[:n]])
        tried.append(
            _try(
                space,
                tests,
                f"{n} positive{'s' * (n > 1)}, {n} other negative{'s' * (n > 1)}",
                vector,
            )
        )
    return tried


# Lesson 2: confounding ---


def _confounding(space: LatentSpace) -> None:
    known = labels.table(space)
    if not space.dataset.attributes:
        st.info("This lesson needs attributes that can be combined. Choose the faces.")
        return
    target = _target(space)
    other = "grey_hair" if "grey_hair" in known else [n for n in known if n != target][-1]
    word, with_ = formatting.mention(target), formatting.mention(other)
    with st.spinner("Drawing a biased sample…"):
        tried, share, count = _confounded(space, target, other)

    def describe(effect: Effect) -> str:
        return (
            f"Adds “{word}” for {effect.success({target: True}):.0%}, and “{with_}” as well for "
            f"{effect.predicted[other]:.0%}."
        )

    st.caption(
        f"A sample of {count} images in which the labels “{word}” and “{with_}” agree for "
        f"{share:.0%}. All three vectors are estimated from it and added to the same people, who "
        "have neither."
    )
    _show(tried, describe)
    st.markdown(
        f"The plain difference cannot tell the two apart, so it adds “{with_}” as well. "
        "Projecting out the other vector *of the same sample* removes too much: that vector "
        f"contains “{word}”, too. The joint fit uses the few images that show only one of the "
        "two, and separates them."
    )


@cache.shared(8)
def _confounded(space: LatentSpace, target: str, other: str) -> tuple[list[_Tried], float, int]:
    known = labels.shows(space)
    rng = np.random.default_rng(0)
    _, bare = split_by_attribute(known, target, labels.excluded(space, target))
    usable = labels.fit_rows(space) & (known[target] | bare)
    agree = known[target] == known[other]
    share = (1 - _AGREE) / _AGREE * (usable & agree).sum() / max((usable & ~agree).sum(), 1)
    rows = np.flatnonzero(usable & (agree | (rng.random(len(space)) < share)))
    codes, table = space.mean[rows], {k: v[rows] for k, v in known.items() if v[rows].any()}

    def difference(name: str) -> np.ndarray:
        return concept_vector(*(codes[s] for s in split_by_attribute(table, name)))

    naive = difference(target)
    vectors = {
        "Plain difference": naive,
        f"Orthogonal to “{formatting.mention(other)}”": orthogonalised(naive, [difference(other)]),
        "Joint fit on all labels": adjusted_vectors(codes, table)[target],
    }
    neither = np.intersect1d(labels.held_out(space, target)[1], labels.held_out(space, other)[1])
    none = np.zeros(codes.shape[1], np.float32)
    tried = [_try(space, neither, title, v) for title, v in ({"Unedited": none} | vectors).items()]
    return tried, float(agree[rows].mean()), len(rows)


# Lesson 3: limits ---


def _limits(space: LatentSpace) -> None:
    if space.dataset.name == "faces" and space.encodes:
        _limits_of_faces(space)
        return
    if space.classifier is None:
        st.info("This lesson needs a classifier of these images. Choose another model.")
        return
    with st.spinner("Evaluating every concept…"):
        tried = _weakest(space)

    best, worst = tried[0], tried[-1]
    for (name, example), word in ((best, "best"), (worst, "worst")):
        title, target = f"{plain(formatting.words(name))}: works {word}", {name: True}
        _show(
            [replace(example, title=title)],
            lambda effect, target=target: f"Succeeds for {effect.success(target):.0%}.",
        )
    st.markdown(
        "Adding a vector suits a concept that can be added to any image in the same way. Where "
        "the images of a concept lie in several regions, or far apart, no single direction leads "
        "there from everywhere."
    )


@cache.shared(8)
def _weakest(space: LatentSpace) -> list[tuple[str, _Tried]]:
    evaluated = []
    for concept in concepts.concepts(space).values():
        rows = labels.held_out(space, concept.target)[1] if concept.target else []
        if len(rows):
            evaluated.append((concept.target, _try(space, rows, "", concept.at(space.mean[rows]))))
    return sorted(evaluated, key=lambda pair: -pair[1].effect.success({pair[0]: True}))


def _limits_of_faces(space: LatentSpace) -> None:
    with st.spinner("Drawing people with and without the change…"):
        details = _details(space)
    for title, pictures, arrived, copied in details:
        words, shown = st.columns([2, 5], vertical_alignment="center")
        with words:
            st.markdown(f"**{title}**")
            st.caption(
                f"Latent arithmetic reproduces {arrived:.0%} of the true change; the "
                f"reconstruction of the ground truth reproduces {copied:.0%}."
            )
        with shown:
            images.pictures(pictures, 104)
    (_, _, much, _), (_, _, little, copied) = details
    st.markdown(
        "A vector can only change what the model has learned to encode. Glasses change many "
        "pixels, so encoding them pays. The size of a nose changes only a few pixels slightly: "
        + (
            "the model hardly encodes it, and no direction in its latent space can restore it."
            if copied < 0.5
            else f"this model encodes it all the same; {little:.0%} of that change is reproduced, "
            f"and {much:.0%} of the glasses."
        )
    )


@cache.shared(8)
def _details(space: LatentSpace) -> list[tuple[str, list[tuple[str, Tensor]], float, float]]:
    """A large and a faint change, each as a vector from drawn twins, evaluated on others."""
    from vae.datasets.faces import counterfactual, person

    fit = labels.fit_rows(space)
    lacking = split_by_attribute(labels.table(space), "glasses", ("sunglasses",))[1]
    people = [
        person(space.dataset.split, int(space.index[r]))
        for side in (lacking & fit, lacking & ~fit)
        for r in np.flatnonzero(side)[:_TWINS]
    ]
    changes = {
        "Glasses": (people, [counterfactual(p, glasses=True) for p in people]),
        "A large nose": (
            [replace(p, nose_size=-1.0) for p in people],
            [replace(p, nose_size=1.0) for p in people],
        ),
    }
    rows = []
    for title, (before, after) in changes.items():
        x, y = draw_people(before), draw_people(after)
        z, z_true = (encode(space.model, t, bound=False)["mean"] for t in (x, y))
        vector = concept_vector(z_true[:_TWINS], z[:_TWINS])
        z, z_true, x, y = (t[_TWINS:] for t in (z, z_true, x, y))
        bare, edited, copy = (decode(space.model, c) for c in (z, z + vector, z_true))
        change = y - x
        size = change.square().sum()
        arrived, copied = (((p - bare) * change).sum() / size for p in (edited, copy))
        shown = [
            ("original", x[0]), ("ground truth", y[0]), ("reconstruction", bare[0]),
            ("ground truth, reconstructed", copy[0]), ("latent arithmetic", edited[0]),
        ]  # fmt: skip
        rows.append((title, shown, arrived.item(), copied.item()))
    return rows
