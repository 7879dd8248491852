"""The model card: what a model is, and every metric measured on held-out images."""

from __future__ import annotations

import math

import streamlit as st

from pages.ui.shared import formatting
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.glossary import explain
from pages.ui.shared.latent_space import LatentSpace
from vae.bounds import Bounds, Estimate
from vae.code_distribution import CodeDistribution

__all__ = ["show_card"]

_METRICS = (  # key, label, format
    ("active_units", "Active units", "{}"),
    ("psnr", "PSNR", "{:.1f} dB"),
)
_HELP = {  # the glossary's term, and what there is to add
    "ELBO": ("ELBO", ""),
    "Reconstruction": ("reconstruction", ""),
    "KL": ("KL", ""),
    "Log evidence": ("evidence", "By importance sampling on the first 200 images."),
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
    "prior": "Prior, N(0, I)",
}
_WAYS = {
    "reconstructions": "Reconstructions",
    "learned": "Draws of the learned distribution",
    "mixture": "Draws of a mixture of Gaussians",
    "gaussian": "Draws of the fitted Gaussian",
    "prior": "Draws of the prior, N(0, I)",
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
    evidence = None
    if "log_evidence" in metrics:
        evidence = Estimate(metrics["log_evidence"], metrics.get("log_evidence_error", 1.0))
    elbo = Estimate(metrics["elbo"], metrics["elbo_error"])
    return formatting.bounds_in_words(Bounds(metrics["kl"], elbo, evidence))


def show_card(space: LatentSpace) -> None:
    """Shows a model card; metrics that were not measured are left out."""
    config, card = space.model.config, space.card
    metrics = card.get("metrics") if isinstance(card.get("metrics"), dict) else {}
    numbers = _numbers(metrics)
    kind = "Variational autoencoder" if config.variational else "Standard autoencoder"
    likelihood = config.likelihood.replace("_", " ")
    st.markdown(
        f"**{kind}**, {config.latent_dim} latent dimensions, {likelihood} likelihood. "
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
    precision, recall = _numbers(metrics.get("precision")), _numbers(metrics.get("recall"))
    if precision and recall:
        st.markdown("**Samples compared with real images**")
        share = st.column_config.NumberColumn(format="percent")
        st.dataframe(
            [
                {"Pictures": words, "Precision": precision[key], "Recall": recall.get(key)}
                for key, words in _SOURCES.items()
                if key in precision
            ],
            hide_index=True,
            column_config={"Precision": share, "Recall": share},
        )
        st.caption(
            "From 1,000 pictures of each kind, in the feature space of the classifier. Precision: "
            "the share that lies among real images. Recall: the share of real images that lies "
            "among them (Kynkäänniemi et al., 2019)."
        )
    _show_realism(_numbers(metrics.get("realism")), _numbers(metrics.get("shared_kept")))
    _show_fit(space.distribution)
    rows = card.get("trade_off")
    if trade_off := [_numbers(row) for row in rows] if isinstance(rows, list) else []:
        st.markdown("**Trade-off between reconstructions and samples**")
        st.dataframe(
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
            hide_index=True,
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
        st.dataframe(
            [
                {
                    "Attribute": formatting.option(name),
                    "Preserved by reconstruction": 100 * survival[name],
                    "Classifier accuracy on real images": 100 * accuracy[name],
                }
                for name in survival
                if name in accuracy
            ],
            hide_index=True,
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
    st.dataframe(rows, hide_index=True, column_config=columns)
    st.caption(
        "A distribution that merely remembered its training codes would draw codes nearer to "
        "them than held-out codes are, and find those far less likely."
    )


def _show_realism(passed: dict[str, float], kept: dict[str, float]) -> None:
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
    st.dataframe(
        rows,
        hide_index=True,
        column_config={"Pass": share, "Shared attributes kept": share},
    )
    st.caption(
        "By three discriminators that learned to tell reconstructions of other images from "
        "cross-fades of two of them. Of what both ends of a path have in common, the last column "
        "says how much the classifier finds in the middle."
    )


def _numbers(metrics: object) -> dict[str, float]:
    """The finite numbers in a part of a card; other values are left out."""
    if not isinstance(metrics, dict):
        return {}
    return {k: v for k, v in metrics.items() if isinstance(v, int | float) and math.isfinite(v)}
