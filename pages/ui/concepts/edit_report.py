"""The report of an edit: its effect on this picture, on others, and against the ground truth."""

from __future__ import annotations

import numpy as np
import streamlit as st
from torch import Tensor

from pages.ui.concepts.edit import BroughtBack, EditResult
from pages.ui.concepts.verdict import of_others
from pages.ui.shared import cache, formatting, images, visitor
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.glossary import explain
from pages.ui.shared.grid import show_table
from pages.ui.shared.inside import INSIDE, Judgement, judge
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin
from vae.codes import decode
from vae.concepts.edits import EditReport, Effect, rmse
from vae.latent import UNJUDGED, evenly

__all__ = ["offer_report", "show_after", "show_pictures", "show_verdict"]

_CALLOUTS = {
    "good": (st.success, ":material/check_circle:"),
    "fair": (st.warning, ":material/warning:"),
    "bad": (st.error, ":material/cancel:"),
    "open": (st.info, ":material/info:"),
}


def offer_report(strengths: np.ndarray) -> None:
    """Says of which strengths `(K,)` the report is, with a button that makes it anew."""
    shown = ", ".join(f"{strength:.2f}" for strength in strengths)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Evaluate this edit",
            key="evaluate",
            icon=":material/refresh:",
            help="Measures what takes more than this picture: the ground truth, the same edit on "
            "held-out images, and where its code lies among those of real images.",
        )
        st.caption(
            f"The report is of {'strengths' if len(strengths) > 1 else 'strength'} {shown}."
        )


def show_verdict(result: EditResult) -> None:
    """Says how the edit works on held-out images, and where its code lies."""
    slot, edit = st.empty(), result.edit

    def show(effect: Effect | None) -> None:
        kind, words = of_others(edit, effect, result.place)
        callout, icon = _CALLOUTS[kind]
        with slot:
            callout(words, icon=icon)

    show(None)
    if edit.judged and result.effect is not None:
        show(result.effect)


def show_pictures(result: EditResult) -> None:
    """The difference that the edit makes; for a drawn person the ground truth as well."""
    before, after, truth = result.before, result.after, result.truth
    shown = [("difference", (0.5 + (after - before)).clamp(0, 1))]
    own = result.edit.pin.image
    if own is not None:
        shown.insert(0, ("your picture", own))
    if truth is not None:
        shown += [
            ("ground truth, redrawn", truth),
            ("its reconstruction", result.reconstruction),
        ]
    images.pictures(shown, 120)
    if truth is not None:
        pictures = (after, before, result.reconstruction)
        errors = [rmse(x[None], truth[None])[0] for x in pictures]
        better = "reduces" if errors[0] < errors[1] else "does not reduce"
        st.caption(
            f"The edit {better} the error against the ground truth: {errors[0]:.3f}, and "
            f"{errors[1]:.3f} without an edit. The reconstruction of the ground truth has "
            f"{errors[2]:.3f}. (Root mean square error of pixels in 0…1.)"
        )
    elif own is not None and rmse(before[None], own[None])[0] > _usual_error(result.edit.space):
        st.warning(
            "The model reconstructs your picture worse than 99 % of real images, and what is "
            "edited is the reconstruction.",
            icon=":material/broken_image:",
        )
    else:
        st.caption(
            "Difference: grey where nothing changes, lighter or darker where the edit makes it so."
        )


@cache.shared(16)
def _usual_error(space: LatentSpace) -> float:
    """The 99 % quantile of the reconstruction error of real images."""
    rows = evenly(np.arange(len(space)), 300)
    real = space.model.observe(space.dataset.images[space.index[rows]])
    return float(np.quantile(rmse(decode(space.model, space.mean[rows]), real), 0.99))


def show_after(result: EditResult) -> None:
    """The report card of an edit: predictions, identity, position among the codes."""
    space, report = result.edit.space, result.report
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            "**Predictions of an independent classifier**",
            help=explain("success and leakage"),
        )
        if report.before:
            _show_predictions(result)
        else:
            st.info("There is no classifier for these images.")
    with right:
        st.markdown("**Is everything else preserved?**")
        change, region = (result.after - result.before).square().mean(0), result.region
        outside, inside = (
            f"{change[part].mean().sqrt().item():.3f}" if part.any() else "–"
            for part in (~region, region)
        )
        scale = space.neighbour_distances
        usual = f"{scale.usual:.2f}" if scale.judged else UNJUDGED
        with st.container(horizontal=True, gap="medium"):
            st.metric(
                "Distance in latent space", f"{report.moved:.2f}", width="content",
                help="Length of the step. Usual distance between neighbouring real codes: "
                f"{usual}.",
            )  # fmt: skip
            st.metric(
                "Change outside the region", outside, width="content",
                help=f"Inside it: {inside}. Root mean square of pixels in 0…1. The region is "
                "where the ground truth differs, or where this edit changes other images most.",
            )  # fmt: skip
            _show_place(result)
        st.caption("The region, and the real image with the nearest code")
        near = space.image(report.nearest)
        shade = result.after * (0.25 + 0.75 * region.float())
        images.pictures(
            [("region", shade), (f"nearest: {space.title(report.nearest)}", near)], width=88
        )
        st.caption(f"Distance to that code: {report.nearest_distance:.2f}.")
    if result.brought_back is not None:
        _show_brought_back(result, result.brought_back)


def _show_brought_back(result: EditResult, back: BroughtBack) -> None:
    """The report card of the edit that stays with the data, beside that of the plain one."""
    edit = result.edit
    st.markdown(
        "**The edit brought back to the data**",
        help="The start and the edited code go back to noise of some level. There the edited one "
        "gets the length of the other and comes forward again. The lowest level that makes it "
        f"likelier than {INSIDE:.0%} of held-out codes is taken: here {back.level:.1f}.",
    )
    left, right = st.columns([1, 2], gap="large")
    with left:
        images.pictures([("plain edit", result.after), ("brought back", back.picture)], width=112)
        title = f"{edit.pin.title}, edited and brought back"
        st.button(
            "Pin what was brought back",
            icon=":material/push_pin:",
            on_click=visitor.add_pin,
            args=(Pin(edit.space.name, "generated", back.z, title),),
        )
    columns = [
        _figures(result, picture, report, place)
        for picture, report, place in (
            (result.after, result.report, result.place),
            (back.picture, back.report, back.place),
        )
    ]
    rows = [
        {"Figure": name, "Plain edit": figure, "Brought back": columns[1][name]}
        for name, figure in columns[0].items()
    ]
    show_table(rows, right, height=38 + 35 * len(rows))


def _figures(
    result: EditResult, picture: Tensor, report: EditReport, place: Judgement
) -> dict[str, str]:
    """The metrics of an edited picture `(C, H, W)`."""
    share = "below all" if place.share == 0 else f"{place.share:.0%}"
    shown = {"Likelihood percentile": share}
    if report.after:
        targets = result.edit.judged.items()
        if targets:
            reached = [name for name, value in targets if report.predicts(name)[1] == value]
            shown["Predicted as intended"] = f"{len(reached)} of {len(targets)}"
        flipped = report.flipped(result.edit.allowed_changes)
        names = ", ".join(formatting.words(name).lower() for name in flipped)
        shown["Other predictions changed"] = plain(names, "text") or "none"
    change = (picture - result.before).square().mean(0)[~result.region]
    shown["Change outside the region"] = f"{change.mean().sqrt():.3f}" if len(change) else "–"
    shown["Distance in latent space"] = f"{report.moved:.2f}"
    if result.truth is not None:
        shown["Error against the truth"] = f"{rmse(picture[None], result.truth[None])[0]:.3f}"
    return shown


def _show_place(result: EditResult) -> None:
    """The likelihood percentile of the edited code, or else its Mahalanobis percentile."""
    space, report = result.edit.space, result.report
    if (share := result.place.share) is not None:
        before = judge(space, result.edit.pin.z).share
        st.metric(
            "Likelihood percentile", f"{share:.0%}", width="content",
            help=explain(
                "learned distribution",
                f"Shown is the share of held-out codes that are less likely: from {INSIDE:.0%} on "
                f"a code is inside the data. Before the edit: {before:.0%}.",
            ),
        )  # fmt: skip
        return
    shares = [f"{v:.0%}" for v in (report.unusual, report.unusual_before)]
    now, before = shares if space.neighbour_distances.judged else ("–", UNJUDGED)
    st.metric(
        "Mahalanobis percentile", now, width="content",
        help=explain(
            "Mahalanobis distance",
            f"Shown is the share of real codes at a smaller distance. Before the edit: {before}.",
        ),
    )  # fmt: skip


def _show_predictions(result: EditResult) -> None:
    report, effect = result.report, result.effect
    targets, allowed = result.edit.targets, result.edit.allowed_changes
    flips = effect.flips if effect is not None else {}
    rows = []
    for name in report.before:
        before, after = report.predicts(name)
        if name in targets:
            role = "added" if targets[name] else "removed"
        else:
            role = "excluded" if name in allowed and not report.exclusive else ""
        row = {
            "Attribute": formatting.option(name),
            "Before": report.before[name],
            "After": report.after[name],
            "Role": role or ("changed" if before != after else ""),
        }
        if flips:
            row["Changed on held-out"] = flips[name]
        rows.append(row)
    rows.sort(key=lambda row: -abs(row["After"] - row["Before"]))
    share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
    show_table(
        rows,
        height=38 + 35 * min(len(rows), 8),
        column_config={name: share for name in ("Before", "After", "Changed on held-out")}
        | {"Role": st.column_config.TextColumn(width=90)},
    )
    if effect is not None:
        st.caption(
            f"Held-out: the same edit on {effect.n} held-out images that lack the concept, and "
            "the share whose prediction changes."
        )
        _offer_all(result)


def _offer_all(result: EditResult) -> None:
    everybody = len(result.others)
    if result.effect.n < everybody:
        st.button(
            f"Evaluate on all {everybody:,} images",
            key="effect-all",
            icon=":material/groups:",
            on_click=result.try_on_all,
        )
