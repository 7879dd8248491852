"""Colours that figures, formulas and components share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import streamlit as st

__all__ = ["COLOURS", "DARK", "GREY", "LIGHT", "TERMS", "term"]


COLOURS = (  # told apart on a light and on a dark page, and with every colour blindness
    "#36a2e3", "#aa2b1e", "#d5a326", "#85509d", "#cc5a02",
    "#5a6a66", "#96816e", "#91b482", "#dd6bae", "#516bd2",
)  # fmt: skip
GREY = "#8b93a3"  # of what does not count


LIGHT = {  # 4.5 : 1 or more against the light page and its panels
    "reconstruction": "#296dcc",
    "kl": "#aa5816",
    "elbo": "#257d48",
    "evidence": "#8256cb",
    "gap": "#d32945",
    "noise": "#227984",
    "mean": "#296dcc",
    "deviation": "#aa5816",
    "prior": "#646f84",
    "posterior": "#d32945",
}
DARK = {  # likewise against the dark page
    "reconstruction": "#508bdc",
    "kl": "#d9701c",
    "elbo": "#2f9e5b",
    "evidence": "#9b78d5",
    "gap": "#e05e74",
    "noise": "#2a97a5",
    "mean": "#508bdc",
    "deviation": "#d9701c",
    "prior": "#7f8a9e",
    "posterior": "#e05e74",
}


class _Terms(Mapping[str, str]):
    """One colour a term, the same in formulas and pictures, for the theme that a visitor sees."""

    def __getitem__(self, name: str) -> str:
        return (DARK if st.context.theme.type == "dark" else LIGHT)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(LIGHT)

    def __len__(self) -> int:
        return len(LIGHT)


TERMS = _Terms()


def term(name: str, latex: str) -> str:
    r"""LaTeX in the colour of a term.

    Args:
        name: a key of `TERMS`.
        latex: such as `r"\log p(x)"`.
    """
    return rf"\textcolor{{{TERMS[name]}}}{{{latex}}}"
