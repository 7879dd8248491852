"""Report cards: how good a concept vector is before it is used, and what it did when it was."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from pages.ui.components.plotly_chart import chart
from pages.ui.concepts.edit import Edit, truth
from pages.ui.shared import cache, classifier, concepts, formatting, images, labels
from pages.ui.shared.concepts import Made
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.progress import with_progress
from vae.codes import UNUSUAL, decode
from vae.concepts.edits import EditReport, Effect, edit_report, effect_on_many, rmse
from vae.concepts.vectors import ReportCard, cosines, pair_cosine, report_card
from vae.latent import evenly

__all__ = [
    "show_after",
    "show_before",
    "show_pictures",
    "show_verdict",
]

_MANY = 200  # held-out images that an edit is tried on at once; on all of them when asked
_LEAK = 0.05


# After an edit ---


def _report(edit: Edit) -> EditReport:
    space = edit.space
    return edit_report(
        space.model,
        classifier.judge(space),
        edit.pin.z,
        edit.edited,
        space.mean,
        space.aggregate_posterior,
        edit.pin.row,
    )


def _others(edit: Edit) -> np.ndarray:
    """Held-out images without what is to be added, and with what is to be taken away."""
    rows = np.flatnonzero(~labels.fit_rows(edit.space))
    for name, value in edit.wishes.items():
        with_it, without = labels.held_out(edit.space, name)
        rows = np.intersect1d(rows, without if value else with_it)
    leave = frozenset().union(*(m.rows for m in edit.active))
    return np.array([r for r in rows if r not in leave and r != edit.pin.row], dtype=np.int64)


def _effect(edit: Edit) -> Effect | None:
    """The same edit on many others; None where nobody can judge it."""
    seen_by, rows = classifier.judge(edit.space), _others(edit)
    if seen_by is None or len(rows) < 20:
        return None
    step = edit.step
    everybody = st.session_state.get("effect-on-all") == (edit.space.name, step.tobytes())
    rows = rows if everybody else evenly(rows, _MANY)

    def compute() -> Effect:
        arguments = edit.space.model, seen_by, edit.space.mean[rows], step
        if not everybody:
            return effect_on_many(*arguments)
        text = f"Trying the edit on {len(rows):,} pictures…"
        return with_progress(text, lambda tell: effect_on_many(*arguments, tell))

    return cache.remember(edit.space, ("effect", step.tobytes(), rows.tobytes()), compute)


def _offer_all(edit: Edit, effect: Effect) -> None:
    everybody = len(_others(edit))
    if effect.n < everybody:
        st.button(
            f"Try it on all {everybody:,}",
            key="effect-all",
            icon=":material/groups:",
            on_click=st.session_state.update,
            args=({"effect-on-all": (edit.space.name, edit.step.tobytes())},),
        )


def _word(name: str) -> str:
    return f"“{formatting.mention(name)}”"


def verdict(edit: Edit, report: EditReport, effect: Effect | None) -> tuple[str, str]:
    """Sums an edit up.

    Args:
        edit: what was done.
        report: what it did to this picture.
        effect: what it did to others, if that is known already.

    Returns:
        "good", "fair", "bad" or "open", and a line in plain words.
    """
    if not np.abs(edit.strengths).max() >= 0.25:
        return "open", "Nothing is added yet: move a slider away from zero."
    out = report.unusual > UNUSUAL
    place = (
        "The code has left the region of real images, so look twice."
        if out
        else "The code stays where real images are."
    )
    if not report.after or not edit.wishes:
        why = "these pictures" if not report.after else "this concept, which is no known attribute"
        return "fair" if out else "open", f"No classifier can judge {why}. {place}"
    missed = [n for n, value in edit.wishes.items() if report.sees(n)[1] != value]
    wished = " and ".join(
        _word(n) if value else f"no {_word(n)}" for n, value in edit.wishes.items()
    )
    flipped = report.flipped(edit.aside)
    shares, leak, leaking = [], 0.0, ""
    if effect is not None:
        shares = [effect.shown[n] if v else 1 - effect.shown[n] for n, v in edit.wishes.items()]
        rest = {n: s for n, s in effect.flips.items() if n not in edit.aside}
        if rest and not report.exclusive:
            leaking, leak = max(rest.items(), key=lambda item: item[1])
    there = [n for n, value in edit.wishes.items() if report.sees(n) == (value, value)]
    if missed:
        still = "still sees" if not edit.wishes[missed[0]] else "does not see"
        words = [f"It fails here: the independent classifier {still} {_word(missed[0])}."]
    elif len(there) == len(edit.wishes):
        words = [f"Nothing to do here: the independent classifier saw {wished} before, too."]
    else:
        words = [f"It works here: the independent classifier sees {wished}."]
    if shares:
        words.append(f"Of {effect.n} others it works for {min(shares):.0%}.")
    if flipped and not report.exclusive:
        words.append(f"Also changed: {', '.join(map(_word, flipped))}.")
    elif leak > _LEAK:
        words.append(f"For {leak:.0%} of them {_word(leaking)} changes too.")
    elif effect is not None and not report.exclusive:
        words.append("Hardly anything else moves.")
    words.append(place)
    if missed or (shares and min(shares) < 0.5):
        return "bad", " ".join(words)
    side = bool(flipped and not report.exclusive) or leak > _LEAK
    if side or out or (shares and min(shares) < 0.9):
        return "fair", " ".join(words)
    return "good", " ".join(words)


_CALLOUTS = {
    "good": (st.success, ":material/check_circle:"),
    "fair": (st.warning, ":material/warning:"),
    "bad": (st.error, ":material/cancel:"),
    "open": (st.info, ":material/info:"),
}


def show_verdict(edit: Edit) -> None:
    """Says in one line what the edit did: at once for this picture, then for many others."""
    slot, report = st.empty(), _report(edit)

    def say(effect: Effect | None) -> None:
        kind, sentence = verdict(edit, report, effect)
        callout, icon = _CALLOUTS[kind]
        with slot:
            callout(sentence, icon=icon)

    say(None)
    if edit.wishes and (effect := _effect(edit)) is not None:
        say(effect)


@torch.no_grad()
def show_pictures(edit: Edit) -> None:
    """Before, after and difference; for a drawn person also how it should be."""
    before, after = decode(edit.space.model, np.stack([edit.pin.z, edit.edited]))
    shown = [
        ("before", before),
        ("after", after),
        ("difference", (0.5 + (after - before)).clamp(0, 1)),
    ]
    found = truth(edit)
    own = edit.pin.image
    if own is not None:
        shown.insert(0, ("your picture", own))
    if found:
        shown += [("how it should be: drawn", found[0]), ("the model’s copy of that", found[1])]
    images.pictures(shown, 88)
    if found:
        errors = [rmse(x[None], found[0][None])[0] for x in (after, before, found[1])]
        better = "closer to" if errors[0] < errors[1] else "no closer to"
        st.caption(
            f"The edit is {better} the drawn truth than doing nothing: error {errors[0]:.3f} "
            f"against {errors[1]:.3f}. The model’s own copy of the truth has {errors[2]:.3f}. "
            "(Root mean square over pixels in 0…1.)"
        )
    elif own is not None and rmse(before[None], own[None])[0] > _usual_error(edit.space):
        st.warning(
            "The model cannot draw your picture: its copy is further off than those of 99 % of "
            "real images. What is edited is the copy.",
            icon=":material/broken_image:",
        )
    else:
        st.caption("Grey in the difference: unchanged. Lighter or darker: changed that way.")


@torch.no_grad()
def _usual_error(space: LatentSpace) -> float:
    """Below this the copies of 99 % of real images differ from them."""

    def compute() -> float:
        rows = evenly(np.arange(len(space)), 300)
        copies, real = (
            decode(space.model, space.mean[rows]),
            space.dataset.images[space.index[rows]],
        )
        return float(np.quantile(rmse(copies, space.model.observe(real)), 0.99))

    return cache.remember(space, ("usual-error",), compute)


@torch.no_grad()
def show_after(edit: Edit) -> None:
    """The report card of an edit: what the classifier sees, identity, place among the data."""
    space, report, effect = edit.space, _report(edit), _effect(edit)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**What the independent classifier sees**")
        if report.before:
            _table_of_answers(edit, report, effect)
        else:
            st.info("There is no classifier for these images.")
    with right:
        st.markdown("**Is it still the same picture?**")
        before, after = decode(space.model, np.stack([edit.pin.z, edit.edited]))
        region = _region(edit)
        outside = (after - before).square().mean(0)[~region].mean().sqrt().item()
        inside = (after - before).square().mean(0)[region].mean().sqrt().item()
        usual = space.neighbour_distances.usual
        with st.container(horizontal=True, gap="medium"):
            st.metric(
                "Moved in the code", f"{report.moved:.2f}", width="content",
                help=f"Usual distance between neighbouring real codes: {usual:.2f}.",
            )  # fmt: skip
            st.metric(
                "Change outside the region", f"{outside:.3f}", width="content",
                help=f"Inside it: {inside:.3f}. Root mean square over pixels in 0…1. The region "
                "is where the drawn twin differs, or where this edit changes others most.",
            )  # fmt: skip
            st.metric(
                "More unusual than", f"{report.unusual:.0%}", width="content",
                help="Share of real codes that lie nearer to the middle of the Gaussian fitted "
                f"to them (Mahalanobis distance). Before the edit: {report.unusual_before:.0%}.",
            )  # fmt: skip
        st.caption("Region, and the real image whose code is nearest to the edited one")
        near = space.image(report.nearest)
        shade = after * (0.25 + 0.75 * region.float())
        images.pictures(
            [("region", shade), (f"nearest: {space.title(report.nearest)}", near)], width=88
        )
        st.caption(f"Its code is {report.nearest_distance:.2f} away.")


def _table_of_answers(edit: Edit, report: EditReport, effect: Effect | None) -> None:
    rows = []
    for name in report.before:
        saw, sees = report.sees(name)
        if name in edit.wishes:
            role = "wished for" if edit.wishes[name] else "to be gone"
        else:
            role = "excluded" if name in edit.aside and not report.exclusive else ""
        row = {
            "Attribute": formatting.option(name),
            "Before": report.before[name],
            "After": report.after[name],
            "Part": role or ("changed" if saw != sees else ""),
        }
        if effect is not None:
            row["Changed for others"] = effect.flips[name]
        rows.append(row)
    rows.sort(key=lambda row: -abs(row["After"] - row["Before"]))
    share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
    st.dataframe(
        rows,
        hide_index=True,
        height=38 + 35 * min(len(rows), 8),
        column_config={name: share for name in ("Before", "After", "Changed for others")}
        | {"Part": st.column_config.TextColumn(width=90)},
    )
    if effect is not None:
        st.caption(
            f"Others: the same edit on {effect.n} held-out images that need it, and the share for "
            "whom the answer changes."
        )
        _offer_all(edit, effect)


@torch.no_grad()
def _region(edit: Edit) -> torch.Tensor:
    """Pixels `(H, W)` that the edit may change."""
    found = truth(edit)
    if found:
        original = edit.space.image(edit.pin.row)
        change = (found[0] - original).abs().amax(0)
        level = 0.02
    else:
        rows = evenly(_others(edit), 40)
        codes = edit.space.mean[rows] if len(rows) else edit.pin.z[None]
        after = decode(edit.space.model, (codes + edit.step).astype(np.float32))
        change = (after - decode(edit.space.model, codes)).abs().mean((0, 1))
        level = 0.3 * change.max().item()
    wide = torch.nn.functional.max_pool2d(change[None, None], 5, 1, 2)[0, 0]
    region = wide > level
    return region if region.any() and not region.all() else wide >= wide.median()


# Before use ---


def _card(space: LatentSpace, made: Made) -> ReportCard | None:
    """The report card of a vector; None if nothing is known of its examples."""
    if not len(made.z_with) or not len(made.z_without):
        if made.target is None:
            return None
    tests = None
    if made.target in labels.table(space):
        rows = labels.held_out(space, made.target, made.rows)
        tests = tuple(space.mean[r] for r in rows)
    sides = (made.z_with, made.z_without)
    if not len(sides[0]) or not len(sides[1]):
        sides = tests

    def compute() -> ReportCard:
        return report_card(*sides, made.concept.vector, held_out=tests)

    return cache.remember(
        space, ("card", made.concept.name, made.concept.vector.tobytes()), compute
    )


def _grade(card: ReportCard) -> str:
    if card.auc is None:
        return "Too few examples to tell"
    if card.auc <= card.random_auc_high:
        return "No better than a random direction"
    if card.stability is not None and card.stability < 0.7:
        return "Depends on the choice of examples"
    return "Reliable" if card.auc > 0.95 else "Weak but real"


def show_before(space: LatentSpace, active: list[Made]) -> None:
    """The report card of each vector before it is used, and the cosines of all of them."""
    rows = []
    for made in active:
        card = _card(space, made)
        row = {
            "Concept": plain(made.concept.name, "text"),
            "Made by": plain(made.concept.estimator, "text"),
        }
        if card is None:
            rows.append(row | {"Verdict": "Made by arithmetic: nothing to test it on"})
            continue
        pair = pair_cosine(made.z_with, made.z_without) if made.paired else None
        agree = {} if pair is None else {"Pairs agree": pair}
        rows.append(
            row
            | {
                "Verdict": _grade(card),
                "With": len(made.z_with),
                "Without": len(made.z_without),
                "Stability": card.stability,
                "Cohen’s d": card.cohens_d,
                "Held-out AUC": card.auc,
                "Random AUC": card.random_auc,
                "Length": card.length,
            }
            | agree
        )
    number = st.column_config.NumberColumn
    st.dataframe(
        rows,
        hide_index=True,
        column_config={
            "With": number(help="Examples that show it"),
            "Without": number(help="Examples that do not"),
            "Stability": number(
                format="%.2f",
                help="Median cosine between the vectors of two random resamples of the examples: "
                "1 if their choice does not matter.",
            ),
            "Pairs agree": number(format="%.2f", help="Mean cosine between the pairs’ steps"),
            "Cohen’s d": number(
                format="%.1f", help="Distance of the two sides along it, in standard deviations"
            ),
            "Held-out AUC": number(
                format="%.3f",
                help="How often an unseen image with it lies further along than one without: "
                "0.5 is chance",
            ),
            "Random AUC": number(
                format="%.3f", help="The same for 200 random directions of the same length"
            ),
            "Length": number(format="%.2f"),
        },
    )
    known = list(concepts.concepts(space).values())
    if len(known) < 2:
        return
    names = [plain(m.concept.name, "chart") for m in known]
    table = cosines([m.concept.vector for m in known])
    figure = go.Figure(
        go.Heatmap(
            z=table, x=names, y=names, zmin=-1, zmax=1, colorscale="RdBu", texttemplate="%{z:.1f}",
            hovertemplate="%{x} and %{y}: %{z:.2f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(
        height=130 + 26 * len(names),
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"type": "category", "dtick": 1},
        yaxis={"type": "category", "dtick": 1, "autorange": "reversed"},
    )
    st.markdown("**Cosines**: 1 the same direction, 0 independent, −1 opposite")
    chart(figure, key="cosines", alt="Cosines between all concept vectors")
