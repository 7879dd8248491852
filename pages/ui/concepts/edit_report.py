"""The report card of an edit: what it did to this picture, to others, and against the truth."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui.concepts.edit import Edit, EditResult
from pages.ui.shared import cache, formatting, images
from pages.ui.shared.latent_space import LatentSpace
from vae.codes import UNUSUAL, decode
from vae.concepts.edits import EditReport, Effect, rmse
from vae.latent import UNJUDGED, evenly

__all__ = ["show_after", "show_pictures", "show_verdict"]

_LEAK = 0.05


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
    judged = edit.space.neighbour_distances.judged
    out = judged and report.unusual > UNUSUAL
    place = "The code stays where real images are."
    if not judged:
        place = f"Whether the code stays where real images are: {UNJUDGED}."
    elif out:
        place = "The code has left the region of real images, so look twice."
    targets = edit.targets
    if not report.after or not targets:
        why = "these pictures" if not report.after else "this concept, which is no known attribute"
        return "fair" if out else "open", f"No classifier can judge {why}. {place}"
    missed = [n for n, value in targets.items() if report.predicts(n)[1] != value]
    wanted = " and ".join(_word(n) if value else f"no {_word(n)}" for n, value in targets.items())
    there = [n for n, value in targets.items() if report.predicts(n) == (value, value)]
    flipped = report.flipped(edit.allowed_changes)
    success = leak = None
    if effect is not None:
        success, leak = effect.success(targets), effect.leakage(edit.allowed_changes)
    leaks = leak is not None and leak[1] > _LEAK
    if missed:
        still = "still sees" if not targets[missed[0]] else "does not see"
        words = [f"It fails here: the independent classifier {still} {_word(missed[0])}."]
    elif len(there) == len(targets):
        words = [f"Nothing to do here: the independent classifier saw {wanted} before, too."]
    else:
        words = [f"It works here: the independent classifier sees {wanted}."]
    if success is not None:
        words.append(f"Of {effect.n} others it works for {success:.0%}.")
    if flipped:
        words.append(f"Also changed: {', '.join(map(_word, flipped))}.")
    elif leaks:
        words.append(f"For {leak[1]:.0%} of them {_word(leak[0])} changes too.")
    elif leak is not None:
        words.append("Hardly anything else moves.")
    words.append(place)
    if missed or (success is not None and success < 0.5):
        return "bad", " ".join(words)
    if flipped or leaks or out or (success is not None and success < 0.9):
        return "fair", " ".join(words)
    return "good", " ".join(words)


_CALLOUTS = {
    "good": (st.success, ":material/check_circle:"),
    "fair": (st.warning, ":material/warning:"),
    "bad": (st.error, ":material/cancel:"),
    "open": (st.info, ":material/info:"),
}


def show_verdict(result: EditResult) -> None:
    """Says in one line what the edit did: at once for this picture, then for many others."""
    slot, edit = st.empty(), result.edit

    def say(effect: Effect | None) -> None:
        kind, sentence = verdict(edit, result.report, effect)
        callout, icon = _CALLOUTS[kind]
        with slot:
            callout(sentence, icon=icon)

    say(None)
    if edit.targets and result.effect is not None:
        say(result.effect)


def show_pictures(result: EditResult) -> None:
    """Before, after and difference; for a drawn person also how it should be."""
    before, after, truth = result.before, result.after, result.truth
    shown = [
        ("before", before),
        ("after", after),
        ("difference", (0.5 + (after - before)).clamp(0, 1)),
    ]
    own = result.edit.pin.image
    if own is not None:
        shown.insert(0, ("your picture", own))
    if truth is not None:
        shown += [
            ("how it should be: drawn", truth),
            ("the model’s copy of that", result.reconstruction),
        ]
    images.pictures(shown, 88)
    if truth is not None:
        pictures = (after, before, result.reconstruction)
        errors = [rmse(x[None], truth[None])[0] for x in pictures]
        better = "closer to" if errors[0] < errors[1] else "no closer to"
        st.caption(
            f"The edit is {better} the drawn truth than doing nothing: error {errors[0]:.3f} "
            f"against {errors[1]:.3f}. The model’s own copy of the truth has {errors[2]:.3f}. "
            "(Root mean square over pixels in 0…1.)"
        )
    elif own is not None and rmse(before[None], own[None])[0] > _usual_error(result.edit.space):
        st.warning(
            "The model cannot draw your picture: its copy is further off than those of 99 % of "
            "real images. What is edited is the copy.",
            icon=":material/broken_image:",
        )
    else:
        st.caption("Grey in the difference: unchanged. Lighter or darker: changed that way.")


@cache.shared(16)
def _usual_error(space: LatentSpace) -> float:
    """Below this the reconstructions of 99 % of real images differ from them."""
    rows = evenly(np.arange(len(space)), 300)
    real = space.model.observe(space.dataset.images[space.index[rows]])
    return float(np.quantile(rmse(decode(space.model, space.mean[rows]), real), 0.99))


def show_after(result: EditResult) -> None:
    """The report card of an edit: what the classifier sees, identity, place among the data."""
    space, report = result.edit.space, result.report
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**What the independent classifier sees**")
        if report.before:
            _show_predictions(result)
        else:
            st.info("There is no classifier for these images.")
    with right:
        st.markdown("**Is it still the same picture?**")
        change, region = (result.after - result.before).square().mean(0), result.region
        outside, inside = (change[part].mean().sqrt().item() for part in (~region, region))
        scale = space.neighbour_distances
        usual = f"{scale.usual:.2f}" if scale.judged else UNJUDGED
        with st.container(horizontal=True, gap="medium"):
            st.metric(
                "Moved in the code", f"{report.moved:.2f}", width="content",
                help=f"Usual distance between neighbouring real codes: {usual}.",
            )  # fmt: skip
            st.metric(
                "Change outside the region", f"{outside:.3f}", width="content",
                help=f"Inside it: {inside:.3f}. Root mean square over pixels in 0…1. The region "
                "is where the drawn twin differs, or where this edit changes others most.",
            )  # fmt: skip
            shares = [f"{v:.0%}" for v in (report.unusual, report.unusual_before)]
            now, before = shares if scale.judged else ("–", UNJUDGED)
            st.metric(
                "More unusual than", now, width="content",
                help="Share of real codes that lie nearer to the middle of the Gaussian fitted "
                f"to them (Mahalanobis distance). Before the edit: {before}.",
            )  # fmt: skip
        st.caption("Region, and the real image whose code is nearest to the edited one")
        near = space.image(report.nearest)
        shade = result.after * (0.25 + 0.75 * region.float())
        images.pictures(
            [("region", shade), (f"nearest: {space.title(report.nearest)}", near)], width=88
        )
        st.caption(f"Its code is {report.nearest_distance:.2f} away.")


def _show_predictions(result: EditResult) -> None:
    report, effect = result.report, result.effect
    targets, allowed = result.edit.targets, result.edit.allowed_changes
    flips = effect.flips if effect is not None else {}
    rows = []
    for name in report.before:
        before, after = report.predicts(name)
        if name in targets:
            role = "wished for" if targets[name] else "to be gone"
        else:
            role = "excluded" if name in allowed and not report.exclusive else ""
        row = {
            "Attribute": formatting.option(name),
            "Before": report.before[name],
            "After": report.after[name],
            "Part": role or ("changed" if before != after else ""),
        }
        if flips:
            row["Changed for others"] = flips[name]
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
        _offer_all(result)


def _offer_all(result: EditResult) -> None:
    everybody = len(result.others)
    if result.effect.n < everybody:
        st.button(
            f"Try it on all {everybody:,}",
            key="effect-all",
            icon=":material/groups:",
            on_click=result.try_on_all,
        )
