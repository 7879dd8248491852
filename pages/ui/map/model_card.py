"""A model's card: what it is, and every figure that was measured of it on held-out images."""

from __future__ import annotations

import math

import streamlit as st

from pages.ui.shared import formatting
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.latent_space import LatentSpace
from vae.bounds import Bounds, Estimate

__all__ = ["show_card"]

_FIGURES = (  # key, label, format, help
    ("active_units", "Active units", "{}", "Dimensions whose posterior mean varies by > 0.01."),
    ("psnr", "PSNR", "{:.1f} dB", "Of the decoded mean code, averaged over images."),
)
_NATS = {
    "ELBO": "Reconstruction − KL, nats per image: a bound on log p(x).",
    "Reconstruction": "E log p(x|z), nats per image.",
    "KL": "From q(z|x) to N(0, I), nats per image.",
    "Log evidence": "log p(x) by importance sampling, nats per image; of the first 200 images.",
}
_SOURCES = {
    "held_out": "Other held-out images",
    "reconstructions": "Reconstructions",
    "fitted_gaussian": "Gaussian fitted to the codes",
    "prior": "Prior, N(0, I)",
}


def _nats(found: dict[str, float]) -> dict[str, str]:
    """The card's nats as `bounds_in_words` writes them; three figures where no error was noted."""
    if "kl" not in found or "elbo" not in found:
        return {}
    if "elbo_error" not in found:
        names = {"ELBO": "elbo", "Reconstruction": "reconstruction", "KL": "kl",
                 "Log evidence": "log_evidence"}  # fmt: skip
        return {k: f"≈ {formatting.figure_of(found[v])}" for k, v in names.items() if v in found}
    evidence = None
    if "log_evidence" in found:
        evidence = Estimate(found["log_evidence"], found.get("log_evidence_error", 1.0))
    elbo = Estimate(found["elbo"], found["elbo_error"])
    return formatting.bounds_in_words(Bounds(found["kl"], elbo, evidence))


def show_card(space: LatentSpace) -> None:
    """Shows a model's card; figures that were not measured are left out."""
    config, card = space.model.config, space.card
    metrics = card.get("metrics") if isinstance(card.get("metrics"), dict) else {}
    found = _numbers(metrics)
    kind = "Variational autoencoder" if config.variational else "Standard autoencoder"
    likelihood = config.likelihood.replace("_", " ")
    st.markdown(
        f"**{kind}**, {config.latent_dim} latent dimensions, {likelihood} likelihood. "
        f"Figures of {found.get('n', len(space)):,} images that it never saw."
    )
    notices = card.get("notices") if isinstance(card.get("notices"), list) else []
    for notice in [*notices, *filter(None, [card.get("no_tsne")])]:
        st.caption(message(notice))
    with st.container(horizontal=True, gap="medium"):
        for label, about in _NATS.items():
            if label in (words := _nats(found)):
                st.metric(label, words[label], width="content", help=about)
        for key, label, text, about in _FIGURES:
            if found.get(key) is not None:
                st.metric(label, text.format(found[key]), width="content", help=about)
    precision, recall = _numbers(metrics.get("precision")), _numbers(metrics.get("recall"))
    if precision and recall:
        st.markdown("**Samples beside real images**")
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
            "1,000 of each, in the classifier’s features. Precision: how many lie among real "
            "ones; recall: how many real ones lie among them (Kynkäänniemi et al., 2019)."
        )
    rows = card.get("trade_off")
    if trade_off := [_numbers(row) for row in rows] if isinstance(rows, list) else []:
        st.markdown("**Reconstruction against samples**")
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
        st.caption("The same network after a few more epochs at each beta.")
    survival = _numbers(metrics.get("attribute_survival"))
    accuracy = _numbers(metrics.get("classifier_accuracy"))
    if survival and accuracy:
        st.markdown("**What survives**")
        share = st.column_config.NumberColumn(format="%.1f %%")
        st.dataframe(
            [
                {
                    "": formatting.option(name),
                    "Survives reconstruction": 100 * survival[name],
                    "The classifier is right on real images": 100 * accuracy[name],
                }
                for name in survival
                if name in accuracy
            ],
            hide_index=True,
            height=248,
            column_config={
                "Survives reconstruction": share,
                "The classifier is right on real images": share,
            },
        )
    if licence := card.get("licence"):
        name = plain(formatting.words(str(card.get("dataset", ""))))
        st.caption(f"Images: {name}. {plain(licence, longest=300)}.")


def _numbers(found: object) -> dict[str, float]:
    """The finite numbers in a part of a card; whatever else somebody wrote there is left out."""
    if not isinstance(found, dict):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, int | float) and math.isfinite(v)}
