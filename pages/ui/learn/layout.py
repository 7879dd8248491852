"""The frame of the Learn pages: steps, formulas with coloured terms, things to try, details.

A page reads: `begin`, its picture, `formula`, `to_try`, `details`, `end`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import streamlit as st

from pages.ui.learn.contents import STEPS
from pages.ui.shared import images, url_state
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.plot_style import term

__all__ = [
    "balance",
    "begin",
    "choose_image",
    "details",
    "end",
    "formula",
    "seed",
    "to_try",
]


def begin(file: str, sentences: str) -> None:
    """Writes the head of a page: which step it is, the ways on, and what it is about.

    Args:
        file: the page's, as in `STEPS`.
        sentences: two.
    """
    number = [step.file for step in STEPS].index(file)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"{number + 1} · {STEPS[number].title}", anchor=False, width="stretch")
        for by, label, key in ((-1, "Previous", "P"), (1, "Next", "N")):
            target = number + by
            missing = not _exists(target)
            if st.button(
                label,
                icon=f":material/arrow_{'back' if by < 0 else 'forward'}:",
                icon_position="left" if by < 0 else "right",
                shortcut=key,
                disabled=missing,
                help=None if missing else STEPS[target].title,
                key=f"step{by:+d}",
                width="content",
            ):
                st.switch_page(STEPS[target].file, query_params={})
    st.markdown(sentences)


def end(file: str) -> None:
    """Writes the foot of a page: links to its neighbours, which open in a new tab as well."""
    number = [step.file for step in STEPS].index(file)
    st.divider()
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for target, way in ((number - 1, "back"), (number + 1, "forward")):
            if _exists(target):
                step = STEPS[target]
                st.page_link(
                    step.file,
                    label=f"{target + 1} · {step.title}",
                    icon=f":material/arrow_{way}:",
                    icon_position="left" if way == "back" else "right",
                )


def formula(latex: str, *words: tuple[str, str, str]) -> None:
    r"""Writes a formula, and below it what its terms mean.

    Args:
        latex: with terms coloured by `term`.
        words: name of the colour, the term's LaTeX, and what it is in plain words.
    """
    with st.container(border=True):
        st.latex(latex)
        if words:
            st.caption("  ·  ".join(f"${term(name, tex)}$ {text}" for name, tex, text in words))


def balance(
    whole: tuple[str, str, float],
    *parts: tuple[str, str, float],
    digits: int = 2,
    rounded: int = -1,
) -> None:
    """Writes an equation with its numbers: the whole is the sum of its parts, as printed, too.

    Args:
        whole: name of the colour, LaTeX, value.
        parts: likewise.
        digits: after the decimal point.
        rounded: which part makes up for what rounding the others leaves.
    """
    others = round(whole[2], digits) - sum(round(value, digits) for _, _, value in parts)
    name, tex, value = parts[rounded]
    filled = list(parts)
    filled[rounded] = (name, tex, round(value, digits) + others)
    parts = tuple(filled)

    def braced(name: str, tex: str, value: float) -> str:
        return term(name, rf"\underbrace{{{value:.{digits}f}}}_{{{tex}}}")

    sides = [braced(*whole), " + ".join(braced(*part) for part in parts)]
    st.latex(" = ".join(sides))


def to_try(*things: str) -> None:
    """Lists what a visitor might do next, each in one sentence."""
    with st.container(border=True):
        st.markdown("**What to try**\n" + "".join(f"\n- {thing}" for thing in things))


def details(title: str, icon: str = "unfold_more") -> AbstractContextManager[object]:
    """A folded part of a page, for those who want to know more."""
    return st.expander(title, icon=f":material/{icon}:")


def seed(key: str = "seed", help: str | None = None) -> int:
    """Shows the seed of all draws on a page; part of the address, so a link gives the same.

    Args:
        key: of the widget and in the address.
        help: what is drawn from it.
    """
    text = help or "All random numbers on this page come from it: the same seed, the same page."
    bind = url_state.bind_number(key, 0, 9_999, whole=True)
    with st.container(width=140):
        return int(st.number_input("Seed", 0, 9_999, 0, key=key, bind=bind, help=text))


def choose_image(
    space: LatentSpace, *, key: str = "image", default: int = 0, width: int = 96
) -> int:
    """Lets the visitor choose one of a model's real images by number, and shows it.

    Args:
        space: the model.
        key: of the widget and in the address.
        default: row that is shown first.
        width: of the picture in pixels.

    Returns:
        A row of `space.mean`.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", width="content"):
        row = st.number_input(
            "Real image",
            0,
            len(space) - 1,
            min(default, len(space) - 1),
            key=key,
            bind=url_state.bind_number(key, 0, len(space) - 1, whole=True),
            width=150,
            help="Images that training never saw. The number is part of the address.",
        )
        row = int(row)
        st.image(
            images.data_url(space.image(row), 2 * width),
            width=width,
            alt=f"Real image {plain(space.title(row), 'text')}",
        )
    return row


def _exists(number: int) -> bool:
    pages = Path(__file__).parents[2]
    return 0 <= number < len(STEPS) and (pages / STEPS[number].file).exists()
