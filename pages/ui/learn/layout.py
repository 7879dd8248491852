"""The frame of the Learn pages: steps, formulas with coloured terms, things to try, details.

A page reads: `begin`, its picture, `formula`, `to_try`, `details`, `end`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import streamlit as st

from pages.ui.components.lesson_steps import lesson_steps, tick
from pages.ui.learn.contents import STEPS
from pages.ui.learn.texts import DEFAULT, Lesson, language, lesson
from pages.ui.shared import images, links, share
from pages.ui.shared.device import on_a_phone
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.glossary import links_to, terms_in
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.plot_style import term

__all__ = [
    "balance",
    "begin",
    "choose_image",
    "details",
    "did",
    "end",
    "formula",
    "plane_words",
    "seed",
    "show_image",
    "shown_image",
    "to_try",
]


def begin(text: Lesson) -> None:
    """Writes the head of a page: which step it is, the ways on, and what it is about.

    Args:
        text: the lesson's words, with "title" and "intro".
    """
    number, frame = _number(text), lesson("frame")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="head"):
        st.title(f"{number + 1} · {text('title')}", anchor=False, width="stretch")
        with st.container(width=290):
            titles = {step.name: step.title for step in STEPS if _exists(STEPS.index(step))}
            words = {"label": frame("steps.label"), "done": frame("steps.done")}
            lesson_steps(titles, text.name, **words)
        share.button(frame("share"))
        ways = ((-1, frame("previous"), "P", "left"), (1, frame("next"), "N", "right"))
        for by, label, key, side in ways:
            target = number + by
            missing = not _exists(target)
            if st.button(
                label,
                icon=f":material/arrow_{'back' if by < 0 else 'forward'}:",
                icon_position=side,
                shortcut=None if on_a_phone() else key,
                disabled=missing,
                help=None if missing else STEPS[target].title,
                key=f"step{by:+d}",
                width="content",
            ):
                st.switch_page(STEPS[target].file, query_params={})
    st.markdown(text("intro"))


def did(text: Lesson) -> None:
    """Ticks a lesson off: its visitor has done what it is for. The browser remembers."""
    tick(text.name)


def end(text: Lesson) -> None:
    """Writes the foot of a page: its terms in the glossary, and links to its neighbours."""
    number = _number(text)
    if language() == DEFAULT:  # which is the glossary's
        terms = links_to(terms_in(text.texts()))
        st.caption(lesson("frame")("terms", terms=terms))
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


def formula(text: Lesson) -> None:
    """Writes the lesson's formula, and below it what its terms mean."""
    with st.container(border=True, key="formula"):
        _formula(text("formula.latex"))
        st.markdown("  ·  ".join(text.all("formula.legend")))


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
        rounded: part that compensates for the rounding of the others.
    """
    others = round(whole[2], digits) - sum(round(value, digits) for _, _, value in parts)
    name, tex, value = parts[rounded]
    filled = list(parts)
    filled[rounded] = (name, tex, round(value, digits) + others)
    parts = tuple(filled)

    def braced(name: str, tex: str, value: float) -> str:
        return term(name, rf"\underbrace{{{value:.{digits}f}}}_{{{tex}}}")

    sides = [braced(*whole), " + ".join(braced(*part) for part in parts)]
    _formula(" = ".join(sides))


def plane_words(*, gaussian: bool = False) -> dict[str, str]:
    """What planes write, in the visitor's language.

    Args:
        gaussian: whether the plane has a Gaussian, which adds keys.
    """
    frame, title = lesson("frame"), "{title}"  # which the browser fills in
    return {
        "keys": frame(f"planes.keys{'_gaussian' * gaussian}", title=title),
        "decoded": frame("planes.decoded", title=title),
        "draws": frame("planes.draws"),
        "draw": frame("planes.draw", number="{number}"),
    }


def to_try(text: Lesson) -> None:
    """Lists what a visitor might do next, each in one sentence."""
    with st.container(border=True, key="try"):
        things = "".join(f"\n- {thing}" for thing in text.all("try"))
        st.markdown(f"**{lesson('frame')('try')}**\n{things}")


def details(title: str, icon: str = "unfold_more") -> AbstractContextManager[object]:
    """A folded part of a page, for those who want to know more."""
    return st.expander(title, icon=f":material/{icon}:")


def seed(help: str | None = None) -> int:
    """Shows the seed of all draws on a page; part of the address, so a link gives the same.

    Args:
        help: description of what is drawn from it.
    """
    frame = lesson("frame")
    with st.container(width=140):
        return int(
            st.number_input(
                frame("seed.label"),
                0,
                9_999,
                **links.number("seed", 0, 0, 9_999, whole=True),
                help=help or frame("seed.help"),
            )
        )


def choose_image(
    space: LatentSpace, *, key: str = "image", default: int = 0, width: int = 96
) -> int:
    """Lets the visitor choose one of a model's real images by number, and shows it.

    Args:
        space: the model.
        key: key of the widget and name in the address.
        default: row that is shown first.
        width: width of the picture in pixels.

    Returns:
        A row of `space.mean`.
    """
    frame = lesson("frame")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", width="content"):
        row = st.number_input(
            frame("image.label"),
            0,
            len(space) - 1,
            **links.number(key, min(default, len(space) - 1), 0, len(space) - 1, whole=True),
            width=150,
            help=frame("image.help"),
        )
        row = int(row)
        st.image(
            images.data_url(space.image(row), 2 * width),
            width=width,
            alt=frame("image.alt", name=plain(space.title(row), "text")),
        )
    return row


def shown_image(key: str = "image") -> int | None:
    """The row that `choose_image` shows, or showed last on this page; None before."""
    row = st.session_state.get(key)
    return None if row is None else int(row)


def show_image(row: int, key: str = "image") -> None:
    """Has `choose_image` show a row from the next run on."""
    st.session_state[key] = row


def _formula(latex: str) -> None:
    """Writes a formula of its own line that breaks where the page is narrow; KaTeX's never do."""
    one_line = " ".join(latex.split())  # a line that begins with a minus sign would be a list
    st.markdown(rf"$\displaystyle {one_line}$", text_alignment="center")


def _number(text: Lesson) -> int:
    return [step.name for step in STEPS].index(text.name)


def _exists(number: int) -> bool:
    pages = Path(__file__).parents[2]
    return 0 <= number < len(STEPS) and (pages / STEPS[number].file).exists()
