"""Text that somebody else wrote, shown as it is: names from files, cards, links and uploads.

Streamlit renders nearly every text as Markdown, also labels, options and captions, and Plotly
reads a kind of HTML. A name from a file must mean nothing to either of them: a picture in it would
make every visitor's browser fetch a foreign address.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Literal

__all__ = ["message", "plain"]

_MESSAGE = 600  # characters of an error message that are shown; a name gets fewer
_JOINER = "\u2060"  # word joiner: has no width and allows no line break
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
# What Streamlit still replaces after Markdown's escapes are resolved: icons and emoji (`:name:`),
# web and mail addresses, arrows and dashes of ASCII characters.
_REPLACED = re.compile(r"(?<=:)(?=[\w+/-])|(?<=@)|(?<=www)(?=\.)|(?<=[<>~-])(?=[>=-])", re.I)
_IN_WORDS = "\u200c\u200d"  # zero-width (non-)joiners: scripts and emoji need them


def plain(
    text: object,
    where: Literal["markdown", "chart", "text"] = "markdown",
    *,
    longest: int = 80,
) -> str:
    """Makes foreign text safe to show: it appears character by character and has no effect.

    White space of any kind becomes single spaces, control and bidirectional characters become
    visible as ⟨U+202E⟩, what cannot be encoded becomes �, and long text ends in an ellipsis.

    Args:
        text: whatever came from a file, a link or a visitor.
        where: reader of the result: "markdown" for everything that Streamlit renders, labels,
            options and help included; "chart" for Plotly's titles, names, hover text and axes;
            "text" for what shows characters as they are: options of `st.selectbox` and
            `st.multiselect`, cells of tables, alternative texts, our own components.
        longest: characters that are kept of the text.
    """
    visible = " ".join(str(text)[: 10 * longest].split())
    if not (visible.isascii() and visible.isprintable()):
        visible = "".join(map(_visible, visible))
    if len(visible) > longest:
        visible = visible[: longest - 1].rstrip() + "…"
    if where == "chart":
        return re.sub(r"[$%{}]", lambda m: f"&#{ord(m[0])};", html.escape(visible))
    if where == "markdown":
        return _PUNCTUATION.sub(r"\\\g<0>", _REPLACED.sub(_JOINER, visible))
    return visible


def message(text: object) -> str:
    """An error message as Markdown: like `plain`, with a larger length."""
    return plain(text, longest=_MESSAGE)


def _visible(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cs":
        return "\ufffd"
    if kind in ("Cc", "Cf", "Co", "Cn") and character not in _IN_WORDS:
        return f"⟨U+{ord(character):04X}⟩"
    return character
