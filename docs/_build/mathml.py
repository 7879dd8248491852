"""Formulas as MathML when the pages are built: nothing is fetched when they are read."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

_FORMULA = re.compile(
    r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL
)


def on_page_content(content: str, **_: Any) -> str:
    """Replaces each formula of a page."""

    def write(found: re.Match[str]) -> str:
        inline, display = found.group(2), found.group(3)
        text = html.unescape(inline if display is None else display).strip()
        return convert(text, display="inline" if display is None else "block")

    return _FORMULA.sub(write, content)
