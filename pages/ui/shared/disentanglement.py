"""Disentanglement scores of a card: of the whole model, and what a latent axis stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from pages.ui.shared.foreign_text import plain

__all__ = ["axes_in_words", "show_scores"]

_NAMES = {
    "mig": "MIG",
    "sap": "SAP",
    "disentanglement": "DCI disentanglement",
    "completeness": "DCI completeness",
    "informativeness": "DCI informativeness",
    "beta_vae": "β-VAE score",
}
_MAIN = 0.5  # share of an axis's importance above which a factor is its main one


def show_scores(card: dict[str, Any]) -> None:
    """Shows the scores of a card, if it has some.

    Args:
        card: card of a checkpoint.
    """
    scores = _scores(card)
    if not scores:
        return
    st.markdown("**Disentanglement**")
    with st.container(horizontal=True, gap="medium"):
        for key, name in _NAMES.items():
            st.metric(name, f"{scores[key]:.2f}", width="content")
    st.caption(
        f"From {len(scores['factors'])} known factors of the images, 0 to 1. MIG and SAP: how far "
        "the best latent dimension of a factor is ahead of the second. DCI: whether a dimension "
        "serves one factor, whether a factor has one dimension, and how well all of them predict "
        "the factors. β-VAE score: how often the codes of two images tell which factor they share "
        "(definitions as in Locatello et al., 2019)."
    )


def axes_in_words(card: dict[str, Any], axes: list[int]) -> str:
    """What single latent axes stand for, as Markdown; "" where it is not known.

    Args:
        card: card of a checkpoint.
        axes: numbers of latent dimensions.
    """
    scores = _scores(card)
    if not scores:
        return ""
    said = []
    for axis in axes:
        if axis >= len(scores["importance"]):
            continue
        row = np.asarray(scores["importance"][axis])
        shares = row / row.sum() if row.sum() > 0 else row
        best = int(shares.argmax())
        if shares[best] >= _MAIN:
            factor = plain(str(scores["factors"][best]).replace("_", " "))
            said.append(f"z{axis + 1}: {factor}, {100 * shares[best]:.0f} %")
        else:
            said.append(f"z{axis + 1}: no single factor")
    return (
        f"Of what an axis tells about the known factors — {'; '.join(said)}. "
        f"MIG {scores['mig']:.2f}, DCI disentanglement {scores['disentanglement']:.2f}."
    )


def _scores(card: dict[str, Any]) -> dict[str, Any]:
    """The scores of a card, or {} where they are absent or damaged."""
    metrics = card.get("metrics")
    scores = metrics.get("disentanglement") if isinstance(metrics, dict) else None
    if not isinstance(scores, dict):
        return {}
    numbers = [scores.get(key) for key in _NAMES]
    if not all(isinstance(n, int | float) and abs(n) <= 1e6 for n in numbers):  # false for NaN
        return {}
    factors, importance = scores.get("factors"), scores.get("importance")
    if not isinstance(factors, list) or not isinstance(importance, list):
        return {}
    try:
        table = np.asarray(importance, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return {}
    if table.ndim != 2 or table.shape[1] != len(factors) or not np.isfinite(table).all():
        return {}
    return scores
