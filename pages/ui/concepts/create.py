"""Making concepts: from an attribute, pairs, groups, uploads, or a sum of others."""

from __future__ import annotations

import keyword
from collections.abc import Sequence

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from pages.ui.components import pickers
from pages.ui.concepts import files, selection
from pages.ui.shared import cache, concepts, embedding, formatting, images, labels, visitor
from pages.ui.shared.concepts import NamedConcept
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, original, refound, upload_pin
from vae import DatasetError, concept_vector
from vae.codes import decode, encode
from vae.concepts.edits import codes_of_twins, true_pictures
from vae.concepts.files import Concept
from vae.concepts.paired import PairedStep, fit_paired_step
from vae.concepts.vectors import adjusted_vectors, orthogonalised, probe_vector, split_by_attribute
from vae.expressions import ExpressionError, combine

__all__ = ["operand", "show"]

_WAYS = {
    "attribute": "From labels",
    "pairs": "From pairs",
    "groups": "From two groups",
    "uploads": "From my pictures",
    "sum": "By arithmetic",
    "files": "Export and import",
}
_ESTIMATORS = {
    "adjusted": "Adjusted for all other labels",
    "difference": "Difference of means",
    "orthogonal": "Difference, made orthogonal to…",
    "probe": "Linear probe",
    "dependent": "Depends on the person",
}
_MOST_PAIRS = 500  # people who are drawn again for a step that depends on the person
_MOST_FILES = 40


def show(space: LatentSpace, active: Sequence[NamedConcept]) -> None:
    """Offers every method of making a concept vector; open where two groups have been made."""
    state = visitor.current().concepts
    if state.from_groups:
        state.from_groups = False
        st.session_state["make-open"] = True
        st.session_state["make-how"] = "groups"
    with st.expander(
        "Make, combine, import or export concepts",
        icon=":material/add_circle:",
        key="make-open",
        on_change="rerun",
    ) as maker:
        if maker.open:
            _show_ways(space, active)


def _show_ways(space: LatentSpace, active: Sequence[NamedConcept]) -> None:
    ways = [w for w in _WAYS if w != "attribute" or labels.table(space)]
    ways = [w for w in ways if w != "uploads" or space.encodes]
    way = st.segmented_control(
        "How", ways, default=ways[0], required=True, format_func=_WAYS.get, key="make-how",
        label_visibility="collapsed",
    )  # fmt: skip
    if way == "attribute":
        _from_labels(space)
    elif way == "pairs":
        _from_pairs(space)
    elif way == "groups":
        _from_groups(space)
    elif way == "uploads":
        _from_uploads(space)
    elif way == "sum":
        _from_sum(space, active)
    else:
        files.show_files(space, active)


def operand(name: str) -> str:
    """A concept in expressions: `long_hair` for `Long hair`, in quotes what is no identifier."""
    identifier = "_".join(name.lower().split())
    if identifier.isidentifier() and not keyword.iskeyword(identifier):
        return identifier
    return f'"{name.replace(chr(34), "″")}"'


def _name_and_make(space: LatentSpace, key: str, proposal: str, ready: bool = True) -> str | None:
    """Shows a name field and a button; returns the name when the button is pressed."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name", plain(proposal, "text"), key=f"{key}-name-{proposal}", max_chars=40, width=260
        )
        pressed = st.button(
            "Make concept",
            key=f"{key}-make",
            icon=":material/add:",
            type="primary",
            disabled=not ready,
        )
    return (name.strip() or proposal) if pressed else None


def _keep(concept: NamedConcept) -> None:
    """Keeps a concept and runs the page again, now with its slider."""
    if np.linalg.norm(concept.vector) < 1e-6:
        st.warning(
            "Positives and negatives have the same code, so the vector has length 0. Choose "
            "others."
        )
        return
    visitor.current().concepts.made = concept
    st.rerun()


# From labels ---


def _from_labels(space: LatentSpace) -> None:
    shown = labels.table(space)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Attribute",
            list(shown),
            format_func=formatting.option,
            key="make-attribute",
        )
        estimator = st.selectbox(
            "Estimator", _estimators(space), format_func=_ESTIMATORS.get, key="make-estimator",
            help="A difference of means mixes attributes that are correlated in the sample. The "
            "adjusted estimate is the label’s coefficient in one least-squares fit of the codes "
            "on all labels. A linear probe is the direction that best separates positives from "
            "negatives. A step that depends on the person is a linear function of the code, "
            "fitted to people who are drawn without and with the attribute.",
        )  # fmt: skip
        others = []
        if estimator == "orthogonal":
            rest = [other for other in shown if other != name]
            others = st.multiselect(
                "Orthogonal to", rest, format_func=formatting.option, key="make-others"
            )
    proposal = f"{formatting.words(name)} ({estimator})"
    chosen = _name_and_make(space, "label", proposal)
    if chosen is None:
        return
    fit = labels.fit_rows(space)
    codes, known = space.mean[fit], {k: v[fit] for k, v in shown.items()}

    def examples(of: str) -> tuple[np.ndarray, np.ndarray]:
        both = split_by_attribute(known, of, labels.excluded(space, of))
        return tuple(codes[side] for side in both)

    with_it, without = examples(name)
    if not len(with_it) or not len(without):
        st.warning(
            f"Either no image or every image has the label {formatting.mention(name)}: there is "
            "nothing to compare."
        )
        return
    step = None
    if estimator == "dependent" and len(without) < 2:
        st.warning("A step that depends on the person needs two people or more without the label.")
        return
    if estimator == "dependent":
        with st.spinner("Drawing people again…"):
            without, with_it, step = _dependent_step(space, name)
        vector = concept_vector(with_it, without)
    elif estimator == "adjusted":
        vector = adjusted_vectors(codes, known)[name]
    elif estimator == "probe":
        vector = probe_vector(with_it, without)
    else:
        away = [concept_vector(*examples(o)) for o in others if all(map(len, examples(o)))]
        vector = orthogonalised(concept_vector(with_it, without), away)
    about = {"target": name, "with": len(with_it), "without": len(without), "others": others}
    concept = Concept(chosen, vector, _ESTIMATORS[estimator].lower().rstrip("…"), about, step)
    rows, paired = frozenset(np.flatnonzero(fit).tolist()), step is not None
    _keep(NamedConcept(concept, with_it, without, name, paired, rows))


def _estimators(space: LatentSpace) -> list[str]:
    drawn = space.dataset.name == "faces" and space.encodes
    return [key for key in _ESTIMATORS if drawn or key != "dependent"]


@cache.shared(32)
def _dependent_step(space: LatentSpace, name: str) -> tuple[np.ndarray, np.ndarray, PairedStep]:
    """Codes of people without an attribute, of the same people with it, and the step."""
    lacking = split_by_attribute(labels.table(space), name, labels.excluded(space, name))[1]
    rows = np.flatnonzero(lacking & labels.fit_rows(space))[:_MOST_PAIRS]
    before = space.mean[rows]
    after = codes_of_twins(space.model, space.dataset, space.index[rows], {name: True})
    return before, after, fit_paired_step(before, after)


# From pairs ---


def _from_pairs(space: LatentSpace) -> None:
    state = visitor.current().concepts
    mine = state.pairs.setdefault(space.name, [])
    half = state.half_pairs.setdefault(space.name, {})
    now = [(refound(space, a), refound(space, b), twin) for a, b, twin in mine]
    mine[:] = [pair for pair in now if pair[0] and pair[1]]
    for side in [side for side, pin in half.items() if not refound(space, pin)]:
        del half[side]
    st.caption(
        "Choose two pictures that differ in a single attribute: pairs of the same person work "
        "best."
    )
    chosen = pickers.choose_item(space, key="pair-item", label="Choose a picture")
    twin = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for side, words in (("with", "Use as positive"), ("without", "Use as negative")):
            if st.button(words, key=f"pair-{side}", disabled=chosen is None):
                half[side] = chosen
        if space.dataset.name == "faces" and space.encodes:
            names = list(labels.table(space))
            attribute = st.selectbox(
                "Attribute to change", names, format_func=formatting.option, key="twin-what"
            )
            drawable = chosen is not None and chosen.kind == "real"
            if st.button(
                "Redraw this person", key="twin", icon=":material/content_copy:",
                disabled=not drawable,
                help="Draws the same person again with only that attribute changed, which makes "
                "a pair.",
            ):  # fmt: skip
                twin = attribute
                half.update(_twins(space, chosen, attribute))
    if {"with", "without"} <= half.keys():
        mine.append((half["with"], half["without"], twin))
        half.clear()
    for words, side in (("positive", "with"), ("negative", "without")):
        if side in half:
            st.caption(
                f"Chosen as {words}: {plain(half[side].title)}. Now choose the other picture."
            )
    for k, (a, b, _) in enumerate(mine):
        with st.container(horizontal=True, vertical_alignment="center"):
            images.pictures([("with", _picture(space, a)), ("without", _picture(space, b))], 56)
            if st.button("Remove", key=f"pair-remove-{k}", type="tertiary"):
                del mine[k]
                st.rerun()
    targets = {target for _, _, target in mine}
    target = targets.pop() if len(targets) == 1 else None
    word = formatting.words(target) if target else "My concept"
    proposal = f"{word} ({len(mine)} pair{'s' * (len(mine) != 1)})"
    name = _name_and_make(space, "pairs", proposal, bool(mine))
    if name and mine:
        with_it, without = (np.stack([pair[k].z for pair in mine]) for k in (0, 1))
        rows = frozenset(p.row for pair in mine for p in pair[:2] if p.row >= 0)
        about = {"pairs": len(mine), "target": target}
        concept = Concept(name, concept_vector(with_it, without), "mean of pairs", about)
        _keep(NamedConcept(concept, with_it, without, target, paired=True, rows=rows))


def _twins(space: LatentSpace, pin: Pin, name: str) -> dict[str, Pin]:
    """A drawn person and a twin who differs in one attribute, as positive and negative."""
    has = bool(labels.table(space)[name][pin.row])
    drawn = true_pictures(space.dataset, space.index[[pin.row]], {name: not has})
    twin = upload_pin(space, drawn[0], f"{pin.title}, redrawn")
    return {"with": pin, "without": twin} if has else {"with": twin, "without": pin}


def _picture(space: LatentSpace, pin: Pin) -> Tensor:
    x = original(space, pin)
    return decode(space.model, pin.z[None])[0] if x is None else x


# From two groups ---


def _from_groups(space: LatentSpace) -> None:
    st.caption(
        "Positives in group A, negatives in group B. Tick pictures here, or use a lasso on the "
        "map."
    )
    state = visitor.current().concepts

    def tick(rows: list[int]) -> None:
        state.ticked[space.name] = rows

    ticked = [row for row in state.ticked.get(space.name, ()) if row < len(space)]
    pickers.tick_real(space, key="ticks", label="Images for a group", ticked=ticked, on_tick=tick)

    def fill(group: str) -> None:
        visitor.set_group(space, group, [*visitor.group(space, group).tolist(), *ticked])
        tick([])

    def empty() -> None:
        for group in "AB":
            visitor.set_group(space, group, ())

    those = f"Add {len(ticked)} ticked" if ticked else "Add ticked"
    with st.container(horizontal=True):
        for name, words in (("A", "to A, positives"), ("B", "to B, negatives")):
            st.button(
                f"{those} {words}", key=f"tick-{name}", disabled=not ticked,
                on_click=fill, args=(name,),
            )  # fmt: skip
        st.button("Clear both groups", key="tick-empty", type="tertiary", on_click=empty)
    groups = {name: visitor.group(space, name) for name in "AB"}
    for name, group in groups.items():
        if len(group):
            st.caption(f"Group {name}: {len(group)} image{'s' * (len(group) != 1)}")
            shown = [(f"#{space.index[r]}", space.image(int(r))) for r in group[:12]]
            images.pictures(shown, 48)
    ready = all(map(len, groups.values()))
    name = _name_and_make(space, "groups", "A − B", ready)
    if name:
        a, b = groups["A"], groups["B"]
        about = {"with": len(a), "without": len(b)}
        vector = concept_vector(space.mean[a], space.mean[b])
        rows = frozenset([*a.tolist(), *b.tolist()])
        concept = Concept(name, vector, "difference of means", about)
        _keep(NamedConcept(concept, space.mean[a], space.mean[b], rows=rows))


# From uploads ---


def _from_uploads(space: LatentSpace) -> None:
    st.caption(
        "This works for pictures that resemble the model’s images. Others are reconstructed as "
        "something that it knows, and a vector of them means little."
    )
    embedding.mention_uploads()
    groups: list[list[Tensor]] = []
    sides = {"with": "Positives", "without": "Negatives"}
    for column, (side, words) in zip(st.columns(2), sides.items(), strict=True):
        files = column.file_uploader(
            words, type=["png", "jpg", "jpeg", "webp", "bmp"], accept_multiple_files=True,
            key=f"uploads-{side}",
        )  # fmt: skip
        read = []
        for file in files[:_MOST_FILES]:
            try:
                read.append(images.read_upload(file, space))
            except DatasetError as problem:
                column.error(message(problem))
        if len(files) > _MOST_FILES:
            column.warning(f"Only the first {_MOST_FILES} pictures are used.")
        groups.append(read)
    name = _name_and_make(space, "uploads", "From my pictures", all(groups))
    if name:
        codes = [encode(space.model, torch.stack(g), bound=False)["mean"] for g in groups]
        about = {"with": len(groups[0]), "without": len(groups[1])}
        concept = Concept(name, concept_vector(*codes), "difference of means", about)
        _keep(NamedConcept(concept, *codes))


# By arithmetic ---


def _from_sum(space: LatentSpace, active: Sequence[NamedConcept]) -> None:
    known = {operand(name): concept for name, concept in concepts.concepts(space).items()}
    vectors = {c.target: c.vector for c in known.values() if c.target}  # as a table has them
    vectors |= {name.strip('"'): concept.vector for name, concept in known.items()}
    start = selection.start(space, active)
    pins = visitor.pins(space)
    letters = {chr(ord("A") + k): pin for k, pin in enumerate(pins)}
    st.caption(f"Concepts: {', '.join(plain(name) for name in known) or 'none yet'}")
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = [("start", _picture(space, start))]
        shown += [(letter, _picture(space, pin)) for letter, pin in letters.items()]
        images.pictures(shown, 48)
        if st.button("Pin the starting picture", key="sum-pin", type="tertiary"):
            visitor.add_pin(start)
            st.rerun()
    example = " − ".join(f"0.5·{name}" if k == 0 else name for k, name in enumerate([*known][:2]))
    text = st.text_input(
        "Sum", placeholder=example or "A − B", key="sum", max_chars=500,
        help="Use + − · / and brackets. A sum of concepts is a concept. A sum of pictures is a "
        "picture if their factors add up to 1, as in A − B + start, and a concept if they add up "
        "to 0.",
    )  # fmt: skip
    if not text.strip():
        return
    places = {"start": start.z} | {letter: pin.z for letter, pin in letters.items()}
    try:
        z, place = combine(text, vectors, places)
    except ExpressionError as problem:
        st.error(message(problem))
        return
    if place:
        images.pictures([(text[:40], decode(space.model, z[None])[0])])
        if st.button("Start from this picture", key="sum-start", icon=":material/person_search:"):
            selection.set_start(Pin(space.name, "generated", z, text[:40]))
            st.rerun()
        return
    name = _name_and_make(space, "sum", text.strip()[:40])
    if name:
        none = np.empty((0, len(z)), np.float32)
        _keep(NamedConcept(Concept(name, z, "arithmetic", {"expression": text}), none, none))
