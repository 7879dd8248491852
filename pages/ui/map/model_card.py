"""The model card: what a model is, and every metric measured on held-out images."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.shared import formatting
from pages.ui.shared.disentanglement import show_scores
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.glossary import explain
from pages.ui.shared.grid import show_table
from pages.ui.shared.latent_space import LatentSpace
from vae.bounds import Bounds, Estimate
from vae.code_distribution import CodeDistribution
from vae.sample_quality import MEASURES

__all__ = ["show_card"]

_METRICS = (  # key, label, format
    ("active_units", "Active units", "{}"),
    ("psnr", "PSNR", "{:.1f} dB"),
)
_SAME = "ELBO of the same images"
_HELP = {  # the glossary's term, and what there is to add
    "ELBO": ("ELBO", ""),
    "Reconstruction": ("reconstruction", ""),
    "KL": ("KL", ""),
    _SAME: ("ELBO", "Of the images for which the log evidence was estimated."),
    "Log evidence": ("evidence", "By importance sampling on the first images."),
    "Active units": ("active unit", ""),
}
_PSNR = (
    "Peak signal-to-noise ratio of the reconstruction from the posterior mean, averaged over "
    "images."
)
_SOURCES = {
    "held_out": "Other held-out images",
    "reconstructions": "Reconstructions",
    "learned": "Learned distribution of the codes",
    "mixture": "Mixture of Gaussians fitted to the codes",
    "fitted_gaussian": "Gaussian fitted to the codes",
    "prior": "Prior",
}
_MAPS = {"pca": "PCA plane", "tsne": "t-SNE"}
_ENDLESS = 1e300  # what no figure reaches, and still fits a float
_MOST = 6  # attributes whose neighbours are told
_WAYS = {
    "reconstructions": "Reconstructions",
    "learned": "Draws of the learned distribution",
    "mixture": "Draws of a mixture of Gaussians",
    "gaussian": "Draws of the fitted Gaussian",
    "prior": "Draws of the prior",
    "learned_path": "Middles of paths: learned distribution",
    "arc": "Middles of paths: arc",
    "line": "Middles of paths: straight line",
    "map": "Places of the map",
    "corners": "Blends of four random codes",
    "blend": "Blends of four neighbours on the t-SNE map",
    "crossfades": "Cross-fades of two reconstructions",
}


def _nats(metrics: dict[str, float]) -> dict[str, str]:
    """The nats of a card in the format of `bounds_in_words`; three digits without an error."""
    if "kl" not in metrics or "elbo" not in metrics:
        return {}
    if "elbo_error" not in metrics:
        names = {"ELBO": "elbo", "Reconstruction": "reconstruction", "KL": "kl",
                 "Log evidence": "log_evidence"}  # fmt: skip
        return {
            k: f"≈ {formatting.figure_of(metrics[v])}" for k, v in names.items() if v in metrics
        }
    elbo = Estimate(metrics["elbo"], metrics["elbo_error"])
    return formatting.bounds_in_words(Bounds(metrics["kl"], elbo)) | _evidence(metrics)


def _evidence(metrics: dict[str, float]) -> dict[str, str]:
    """Log p(x) of the first images of a card, beside the ELBO of the same images."""
    if "log_evidence" not in metrics:
        return {}
    found = Estimate(
        metrics["log_evidence"],
        metrics.get("log_evidence_error", 1.0),
        averages_bounds=bool(metrics.get("log_evidence_is_bound")),
    )
    known = "evidence_elbo" in metrics  # earlier versions compared it with the ELBO of all images
    prefix = "evidence_elbo" if known else "elbo"
    elbo = Estimate(metrics[prefix], metrics[f"{prefix}_error"])
    shown = formatting.bounds_in_words(Bounds(metrics["kl"], elbo, found))
    return ({_SAME: shown["ELBO"]} if known else {}) | {"Log evidence": shown["Log evidence"]}


def _sampling(metrics: dict[str, Any]) -> str:
    """How far the estimate of log p(x) can be trusted, or ""."""
    interval, numbers = metrics.get("log_evidence_interval"), _numbers(metrics)
    if not isinstance(interval, list | tuple) or "log_evidence_ess" not in numbers:
        return ""
    low, high = (formatting.nats(end) for end in interval)
    return (
        f"Log evidence by importance sampling on the first {numbers['evidence_images']:,} images: "
        f"95 % interval {low} to {high} nats; effective sample size "
        f"{numbers['log_evidence_ess']:,.0f} or more for each image."
    )


def show_card(space: LatentSpace) -> None:
    """Shows a model card; metrics that were not measured are left out."""
    config, card = space.model.config, space.card
    metrics = card.get("metrics") if isinstance(card.get("metrics"), dict) else {}
    numbers = _numbers(metrics)
    likelihood = formatting.likelihood(config.likelihood)
    st.markdown(
        f"**{config.kind}**, {config.latent_dim} latent dimensions, {likelihood} likelihood. "
        f"Measured on {numbers.get('n', len(space)):,} held-out images."
    )
    notices = card.get("notices") if isinstance(card.get("notices"), list) else []
    for notice in [*notices, *filter(None, [card.get("no_tsne")])]:
        st.caption(message(notice))
    with st.container(horizontal=True, gap="medium"):
        for label, value in _nats(numbers).items():
            st.metric(label, value, width="content", help=explain(*_HELP[label]))
        for key, label, text in _METRICS:
            if numbers.get(key) is not None:
                about = explain(*_HELP[label]) if label in _HELP else _PSNR
                st.metric(label, text.format(numbers[key]), width="content", help=about)
    if trust := _sampling(metrics):
        st.caption(trust)
    _show_samples(metrics)
    _show_realism(
        *(_numbers(metrics.get(key)) for key in ("realism", "shared_kept", "realism_by_zone"))
    )
    _show_fit(space.distribution)
    _show_neighbours(metrics)
    show_scores(card)
    rows = card.get("trade_off")
    if trade_off := [_numbers(row) for row in rows] if isinstance(rows, list) else []:
        st.markdown("**Trade-off between reconstructions and samples**")
        show_table(
            [
                {
                    "beta": row.get("beta"),
                    "PSNR, dB": row.get("psnr"),
                    "KL, nats": row.get("kl"),
                    "Precision of N(0, I)": row.get("precision"),
                    "Recall": row.get("recall"),
                }
                for row in trade_off
            ],
            column_config={
                "PSNR, dB": st.column_config.NumberColumn(format="%.2f"),
                "KL, nats": st.column_config.NumberColumn(format="%.1f"),
                "Precision of N(0, I)": st.column_config.NumberColumn(format="percent"),
                "Recall": st.column_config.NumberColumn(format="percent"),
            },
        )
        st.caption("The same network, trained for a few more epochs with each beta.")
    survival = _numbers(metrics.get("attribute_survival"))
    accuracy = _numbers(metrics.get("classifier_accuracy"))
    if survival and accuracy:
        st.markdown("**Attributes preserved by reconstruction**")
        share = st.column_config.NumberColumn(format="%.1f %%")
        show_table(
            [
                {
                    "Attribute": formatting.option(name),
                    "Preserved by reconstruction": 100 * survival[name],
                    "Classifier accuracy on real images": 100 * accuracy[name],
                }
                for name in survival
                if name in accuracy
            ],
            height=248,
            column_config={
                "Preserved by reconstruction": share,
                "Classifier accuracy on real images": share,
            },
        )
    if licence := card.get("licence"):
        name = plain(formatting.words(str(card.get("dataset", ""))))
        st.caption(f"Images: {name}. {plain(licence, longest=300)}.")


def _show_fit(distribution: CodeDistribution | None) -> None:
    """Shows that the learned distribution of the codes does not merely remember them."""
    figures = _numbers(distribution.about) if distribution is not None else {}
    rows = [
        {
            "Codes": words,
            "Log density, nats": figures.get(f"log_density_{name}"),
            "Distance to the nearest training code": figures.get(f"nearest_of_{name}"),
        }
        for name, words in (
            ("training", "drawn for training images"),
            ("held_out", "drawn for held-out images"),
            ("draws", "drawn from the distribution"),
        )
    ]
    if not figures.keys() >= {"log_density_held_out", "nearest_of_draws"}:
        return
    st.markdown("**Learned distribution of the codes, medians**")
    columns = {
        "Log density, nats": st.column_config.NumberColumn(format="%.1f"),
        "Distance to the nearest training code": st.column_config.NumberColumn(format="%.2f"),
    }
    show_table(rows, column_config=columns)
    st.caption(
        "A distribution that merely remembered its training codes would draw codes nearer to "
        "them than held-out codes are, and find those far less likely."
    )


def _show_samples(metrics: dict[str, Any]) -> None:
    """How samples compare with real images, with intervals where they were measured."""
    measured = {name: _numbers(metrics.get(name)) for name in MEASURES}
    if not measured["precision"]:
        return

    def cell(measure: str, source: str) -> str | None:
        if source not in measured[measure]:
            return None
        ends = metrics.get(f"{measure}_interval")
        ends = ends.get(source) if isinstance(ends, dict) else None
        value = measured[measure][source]
        half = (ends[1] - ends[0]) / 2 if isinstance(ends, list) and len(ends) == 2 else 0.0
        if measure == "density":
            return f"{value:.2f}" + (f" ± {half:.2f}" if half else "")
        return f"{100 * value:.1f} %" + (f" ± {100 * half:.1f}" if half else "")

    st.markdown("**Samples compared with real images**")
    show_table(
        [
            {"Pictures": words}
            | {name.capitalize(): cell(name, key) for name in MEASURES if measured[name]}
            for key, words in _SOURCES.items()
            if key in measured["precision"]
        ],
    )
    st.caption(
        "In the feature space of the classifier, with 95 % intervals from five seeds. Precision: "
        "the share of the pictures that lies among real images. Recall: the share of real images "
        "that lies among the pictures (Kynkäänniemi et al., 2019). Copies of one average image "
        "have a precision of 100 %, but hardly any coverage: the share of the neighbourhoods of "
        "real images that hold a picture. Density: how many of these neighbourhoods a picture "
        "lies in, 1 for real images (Naeem et al., 2020)."
    )


def _show_realism(
    passed: dict[str, float], kept: dict[str, float], zones: dict[str, float]
) -> None:
    """Shows the shares of decoded codes that discriminators take for reconstructions."""
    rows = [
        {"Pictures": words, "Pass": passed[way], "Shared attributes kept": kept.get(way)}
        for way, words in _WAYS.items()
        if way in passed
    ]
    if not rows:
        return
    st.markdown("**Pictures that pass for reconstructions**")
    share = st.column_config.NumberColumn(format="percent")
    show_table(
        rows,
        column_config={"Pass": share, "Shared attributes kept": share},
    )
    st.caption(
        "By three discriminators that learned to tell reconstructions of other images from "
        "cross-fades of two of them. Of what both ends of a path have in common, the last column "
        "says how much the classifier finds in the middle."
    )
    if "inside" in zones and "outside" in zones:
        st.caption(
            f"Of all these codes, {zones['inside']:.0%} of those that the pages call inside the "
            f"data pass, and {zones['outside']:.0%} of those outside."
        )


def _show_neighbours(metrics: dict[str, Any]) -> None:
    """How true the maps are to the latent space, and what neighbours there have in common."""
    kept = metrics.get("maps") if isinstance(metrics.get("maps"), dict) else {}
    maps = {key: _numbers(kept.get(key)) for key in _MAPS}
    share = st.column_config.NumberColumn(format="%.2f")
    if rows := [
        {
            "Map": _MAPS[key],
            "Trustworthiness": of["trustworthiness"],
            "Continuity": of["continuity"],
        }
        for key, of in maps.items()
        if {"trustworthiness", "continuity"} <= of.keys()
    ]:
        st.markdown("**Maps compared with the latent space**")
        names = ("Trustworthiness", "Continuity")
        show_table(rows, column_config=dict.fromkeys(names, share))
        st.caption(
            "1 where neighbours on the map are neighbours in the latent space, and the reverse; "
            "about 0.5 for a map that has nothing to do with the codes."
        )
    found = metrics.get("neighbours") if isinstance(metrics.get("neighbours"), dict) else {}
    shares = {plain(str(name)): _numbers(of) for name, of in found.items()}
    best = [
        f"{name} {of['equal']:.0%} ({of['by_chance']:.0%} by chance)"
        for name, of in sorted(shares.items(), key=lambda item: -_above_chance(item[1]))
        if {"equal", "by_chance"} <= of.keys()
    ]
    if best:
        more = f", and {len(best) - _MOST:,} more" if len(best) > _MOST else ""
        st.caption(f"Share of the ten nearest codes that agree: {', '.join(best[:_MOST])}{more}.")


def _above_chance(shares: dict[str, float]) -> float:
    return shares.get("equal", 0.0) - shares.get("by_chance", 0.0)


def _numbers(metrics: object) -> dict[str, float]:
    """The finite numbers in a part of a card; other values are left out."""
    if not isinstance(metrics, dict):
        return {}
    numbers = {k: v for k, v in metrics.items() if isinstance(v, int | float)}
    return {k: v for k, v in numbers.items() if abs(v) < _ENDLESS}  # false for NaN
