"""Colours that figures, formulas and components share."""

from __future__ import annotations

__all__ = ["COLOURS", "TERMS", "coloured", "term"]


COLOURS = (  # told apart on a light and on a dark page, and by most colour-blind people
    "#4c86d0", "#ee8a3c", "#4cab62", "#de5570", "#8f72c9",
    "#9c7a63", "#dd86bd", "#8b93a3", "#b9b53a", "#38b3be",
)  # fmt: skip


# One colour a term, the same in formulas and pictures; each has a contrast of 3 or more with the
# light and the dark page.
TERMS = {
    "reconstruction": "#3b7dd8",
    "kl": "#d9701c",
    "elbo": "#2f9e5b",
    "evidence": "#8f68d0",
    "gap": "#dc4b63",
    "noise": "#2a97a5",
    "mean": "#3b7dd8",
    "deviation": "#d9701c",
    "prior": "#7f8a9e",
    "posterior": "#dc4b63",
}


def term(name: str, latex: str) -> str:
    r"""LaTeX in the colour of a term.

    Args:
        name: a key of `TERMS`.
        latex: such as `r"\log p(x)"`.
    """
    return rf"\textcolor{{{TERMS[name]}}}{{{latex}}}"


def coloured(name: str, text: str) -> str:
    """Words in the colour of a term, for Markdown, in the way of `term`."""
    return rf"$\textcolor{{{TERMS[name]}}}{{\textsf{{{text}}}}}$"
