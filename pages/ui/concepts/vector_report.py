"""The report card of a concept vector: its quality before it is used."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from pages.ui.components.plotly_chart import chart
from pages.ui.concepts.edit import EditResult
from pages.ui.shared import cache, concepts, formatting, labels
from pages.ui.shared.concepts import NamedConcept
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.grid import show_table
from pages.ui.shared.latent_space import LatentSpace
from vae.concepts.vectors import ReportCard, cosines, pair_cosine, report_card

__all__ = ["mention_few", "show_vectors"]

_FEW = 20  # examples of a side, below which a visitor is told


@cache.shared(64, {NamedConcept: lambda concept: (concept.name, concept.vector.tobytes())})
def _card(space: LatentSpace, concept: NamedConcept) -> ReportCard | None:
    """The report card of a vector; None if nothing is known of its examples."""
    if not len(concept.z_with) or not len(concept.z_without):
        if concept.target is None:
            return None
    tests = None
    if concept.target in labels.table(space):
        everyone = concept.concept.about.get("from") == "train images"
        rows = labels.held_out(space, concept.target, concept.rows, everyone=everyone)
        tests = tuple(space.mean[r] for r in rows)
    examples = (concept.z_with, concept.z_without)
    if not len(examples[0]) or not len(examples[1]):
        examples = tests
    return report_card(*examples, concept.vector, held_out=tests)


def _grade(card: ReportCard) -> str:
    if card.auc is None:
        return "Too few examples to judge"
    if card.auc <= card.random_auc_high:
        return "No better than a random direction"
    if card.stability is not None and card.stability < 0.7:
        return "Depends on the choice of examples"
    return "Reliable" if card.auc > 0.95 else "Weak, but better than chance"


def mention_few(active: Sequence[NamedConcept]) -> None:
    """Says which of the active vectors rest on few examples, and how far they can be trusted."""
    for concept in active:
        sizes = len(concept.z_with), len(concept.z_without)
        if not min(sizes) or min(sizes) >= _FEW:
            continue
        card_says = "“Is the vector any good?” says how much it depends on which ones."
        what = f"{sizes[0]} pairs" if concept.paired else f"{sizes[0]} with and {sizes[1]} without"
        st.caption(
            f":material/warning: {plain(formatting.concept(concept.name))} is made of all the "
            f"examples there are, but they are few: {what}. {card_says}"
        )


def show_vectors(result: EditResult) -> None:
    """The report card of each active vector, and the cosines of all vectors."""
    space, rows = result.edit.space, []
    for concept in result.edit.active:
        card = _card(space, concept)
        row = {
            "Concept": formatting.concept(concept.name),
            "Estimator": plain(concept.concept.estimator, "text"),
        }
        if card is None:
            rows.append(
                row | {"Verdict": "Made by arithmetic, so there are no examples to test it on"}
            )
            continue
        pair = pair_cosine(concept.z_with, concept.z_without) if concept.paired else None
        agree = {} if pair is None else {"Pairs agree": pair}
        rows.append(
            row
            | {
                "Verdict": _grade(card),
                "Positives": len(concept.z_with),
                "Negatives": len(concept.z_without),
                "Stability": card.stability,
                "Cohen’s d": card.cohens_d,
                "Held-out AUC": card.auc,
                "Random AUC": card.random_auc,
                "Length": card.length,
            }
            | agree
        )
    number = st.column_config.NumberColumn
    show_table(
        rows,
        column_config={
            "Positives": number(help="Positive examples"),
            "Negatives": number(help="Negative examples"),
            "Stability": number(
                format="%.2f",
                help="Median cosine between the vectors of two random resamples of the examples: "
                "1 if their choice does not matter.",
            ),
            "Pairs agree": number(format="%.2f", help="Mean cosine between the pairs’ steps"),
            "Cohen’s d": number(
                format="%.1f",
                help="Distance between the means of positives and negatives along the vector, in "
                "standard deviations",
            ),
            "Held-out AUC": number(
                format="%.3f",
                help="How often a held-out positive scores above a held-out negative along the "
                "vector; 0.5 is chance",
            ),
            "Random AUC": number(format="%.3f", help="Mean AUC of 200 random directions"),
            "Length": number(format="%.2f"),
        },
    )
    known = list(concepts.concepts(space).values())
    if len(known) < 2:
        return
    names = [plain(formatting.concept(c.name), "chart") for c in known]
    table = cosines([c.vector for c in known])
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
    st.markdown(
        "**Cosine similarity**: 1 for the same direction, 0 for orthogonal ones, −1 for opposite "
        "ones"
    )
    chart(figure, key="cosines", alt="Cosines between all concept vectors")
