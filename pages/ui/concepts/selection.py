"""Concepts as the page uses them: which there are, on whom they act, and the edited code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from pages.ui.components import gallery
from pages.ui.shared import images, scatter, session
from pages.ui.shared.latent_space import Reference
from pages.ui.shared.session import Pin
from vae.classifier import Classifier, classifier_file, load_classifier
from vae.concepts.edits import attribute_table, excluded_by
from vae.concepts.files import Concept
from vae.concepts.vectors import adjusted_vectors, sides
from vae.evaluation import FittedGaussian, decode

__all__ = [
    "Edit",
    "Made",
    "choose_concepts",
    "choose_start",
    "concepts",
    "excluded",
    "fit_rows",
    "fitted",
    "held_out",
    "judge",
    "keep_quietly",
    "pictures",
    "start",
    "table",
    "truth",
]

MOST_SLIDERS = 4  # more would be hard to use
_FIRST = ("glasses", "smile", "hat", "beard")  # shown first where the data have them


@dataclass(frozen=True, eq=False)
class Made:
    """A concept vector with what it was made from.

    Args:
        concept: name, vector, estimator.
        z_with: codes `(N, D)` of the examples that show it; empty where they are not known.
        z_without: codes `(M, D)` of those that do not.
        target: the attribute or class it is about, if it is one.
        paired: whether each row of one side belongs to the same row of the other.
        rows: reference rows among the examples, which then cannot test it.
    """

    concept: Concept
    z_with: np.ndarray = field(repr=False)
    z_without: np.ndarray = field(repr=False)
    target: str | None = None
    paired: bool = False
    rows: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Edit:
    """A start, the concepts that act on it, and their strengths.

    Args:
        ref: the model.
        pin: the start.
        active: K concepts.
        strengths: `(K,)`.
    """

    ref: Reference
    pin: Pin
    active: Sequence[Made]
    strengths: np.ndarray

    @property
    def step(self) -> np.ndarray:
        """What is added to the code, `(D,)`."""
        vectors = np.stack([m.concept.vector for m in self.active])
        return (self.strengths @ vectors).astype(np.float32)

    @property
    def edited(self) -> np.ndarray:
        """The code after it, `(D,)`."""
        return self.pin.z + self.step

    @property
    def wishes(self) -> dict[str, bool]:
        """What the edit should bring about: attributes that should be seen, or be gone."""
        pairs = zip(self.active, self.strengths, strict=True)
        return {m.target: bool(s > 0) for m, s in pairs if m.target and abs(s) >= 0.25}

    @property
    def aside(self) -> set[str]:
        """Names that may change: those wished for, and those that exclude them."""
        return set(self.wishes).union(*(excluded(self.ref, name) for name in self.wishes))


# What is known of a model ---


def table(ref: Reference) -> dict[str, np.ndarray]:
    """Who of the reference images shows what, bool `(N,)` by attribute or class."""
    return session.remember(ref, ("table",), lambda: attribute_table(ref.dataset, ref.index))


def excluded(ref: Reference, name: str) -> tuple[str, ...]:
    """Attributes that nobody has together with this one."""
    return excluded_by(ref.dataset, name)


def judge(ref: Reference) -> Classifier | None:
    """The classifier of the model's dataset, if there is one for such images."""
    file = classifier_file(ref.dataset.name)
    if not file.is_file():
        return None
    found = session.remember(
        ref, ("judge", file.stat().st_mtime_ns), lambda: load_classifier(ref.dataset.name)
    )
    return found if found is not None and found.image_shape == ref.shape else None


def fitted(ref: Reference) -> FittedGaussian:
    """The Gaussian fitted to the model's codes."""
    return session.remember(ref, ("fitted",), lambda: FittedGaussian.fit(ref.mean))


def fit_rows(ref: Reference) -> np.ndarray:
    """Reference images that ready-made vectors come from: every other one, bool `(N,)`."""
    return np.arange(len(ref)) % 2 == 0


def held_out(ref: Reference, name: str, leave: frozenset[int] = frozenset()) -> tuple:
    """Rows with and without an attribute among the images that no ready-made vector has seen."""
    free = ~fit_rows(ref)
    free[list(leave)] = False
    return tuple(
        np.flatnonzero(side & free) for side in sides(table(ref), name, excluded(ref, name))
    )


def concepts(ref: Reference) -> dict[str, Made]:
    """All concepts of a model by name: one for each attribute or class, then the visitor's own."""
    own = {name: entry["made"] for name, entry in session.vectors(ref.name).items()}
    return session.remember(ref, ("ready-made",), lambda: _ready(ref)) | own


def _ready(ref: Reference) -> dict[str, Made]:
    fit = fit_rows(ref)
    attributes = {k: v[fit] for k, v in table(ref).items() if 0 < v[fit].sum() < fit.sum()}
    if not attributes:
        return {}
    codes, found = ref.mean[fit], {}
    for name, vector in adjusted_vectors(codes, attributes).items():
        known = [other for other in excluded(ref, name) if other in attributes]
        with_it, without = (codes[side] for side in sides(attributes, name, known))
        about = {"target": name, "with": len(with_it), "without": len(without)}
        concept = Concept(scatter.words(name), vector, "adjusted for the others", about)
        rows = frozenset(np.flatnonzero(fit).tolist())
        found[concept.name] = Made(concept, with_it, without, name, rows=rows)
    return found


def keep_quietly(ref: Reference, made: Made) -> None:
    """Adds a concept to the visitor's own."""
    session.add_vector(ref.name, made.concept.name, made.concept.vector, made=made)


# Widgets ---


def choose_concepts(ref: Reference) -> list[Made]:
    """Lets the visitor choose which concepts act."""
    key = f"concepts-{ref.name}"
    # A new one takes the first slider: its widget can only be set before it is drawn.
    new = st.session_state.pop("concept-new", None)
    if new is not None:
        keep_quietly(ref, new)
        now = [n for n in st.session_state.get(key, []) if n != new.concept.name]
        st.session_state[key] = [new.concept.name, *now][:MOST_SLIDERS]
    known = concepts(ref)
    if key not in st.session_state:
        first = [scatter.words(n) for n in _FIRST if scatter.words(n) in known] or list(known)
        # Nobody is of two classes: these are added one at a time.
        st.session_state[key] = first[: 2 if ref.dataset.attributes else 1]
    st.session_state[key] = [n for n in st.session_state[key] if n in known]
    names = st.multiselect(
        "Concepts to add",
        list(known),
        key=key,
        max_selections=MOST_SLIDERS,
        persist_state="session",
        help="Each gets a slider. Those of the dataset are ready; make your own beside.",
    )
    return [known[name] for name in names]


def start(ref: Reference) -> Pin:
    """The picture that concepts act on: the visitor's choice, or a real image without them."""
    chosen = st.session_state.get("concept-start")
    if isinstance(chosen, Pin) and chosen.model == ref.name:
        return chosen
    shown = table(ref)
    plain = ~fit_rows(ref)
    for name in (*_FIRST, "sunglasses", "bald", "open_mouth", "moustache"):
        if name in shown and (plain & ~shown[name]).any():
            plain &= ~shown[name]
    rows = np.flatnonzero(plain)
    return gallery.real_pin(ref, int(rows[0]) if len(rows) else 0)


def choose_start(ref: Reference) -> None:
    """Offers everything that a concept can be added to: images, pins, samples, camera."""
    camera = st.segmented_control(
        "From",
        ["here", "camera"],
        default="here",
        required=True,
        format_func={"here": "The dataset or a file", "camera": "Camera"}.get,
        key="start-from",
        label_visibility="collapsed",
    )
    if camera == "camera":
        chosen = _photograph(ref)
    else:
        chosen = gallery.choose_item(ref, key="start", label="Start from")
    mark = None if chosen is None else (ref.name, chosen.kind, chosen.row, chosen.z.tobytes())
    if mark is not None and st.session_state.get("concept-start-mark") != mark:
        st.session_state["concept-start-mark"] = mark
        st.session_state["concept-start"] = chosen
        st.rerun()


@torch.no_grad()
def _photograph(ref: Reference) -> Pin | None:
    file = st.camera_input("Take a picture", key="start-camera")
    if file is None:
        return None
    x = images.read_upload(file, ref.shape)
    posterior = ref.model.encoder(ref.model.observe(x[None]))
    variance = posterior.variance[0].numpy() if ref.variational else None
    return Pin(
        ref.name, "upload", posterior.mean[0].numpy(), "Photograph", variance=variance, image=x
    )


def pictures(found: Sequence[tuple[str, Tensor]], width: int = 104) -> None:
    """Shows pictures `(C, H, W)` side by side, each with its caption."""
    st.image(
        [images.data_url(x, 2 * width) for _, x in found],
        caption=[words for words, _ in found],
        width=width,
        alt=[words for words, _ in found],
    )


# Truth ---


@torch.no_grad()
def truth(edit: Edit) -> tuple[Tensor, Tensor] | None:
    """The same person drawn with the wishes fulfilled, and what the model makes of that picture.

    Returns:
        Both `(C, H, W)`; None for anybody but the drawn faces, or where no such person exists.
    """
    ref, pin = edit.ref, edit.pin
    if ref.dataset.name != "faces" or pin.row < 0 or not edit.wishes:
        return None
    from vae.datasets.faces import counterfactual, draw, person

    try:
        twin = counterfactual(person(ref.dataset.split, int(ref.index[pin.row])), **edit.wishes)
    except ValueError:
        return None
    drawn = torch.from_numpy(draw(twin).copy()).permute(2, 0, 1).float().div(255)
    return drawn, decode(ref.model, ref.model.encoder(drawn[None]).mean)[0]
