"""Reads the formulas of docstrings, `.. math:: …`, as Markdown knows them."""

from __future__ import annotations

import re
from typing import Any

import griffe

_MATH = re.compile(r"^\.\. math::(.*(?:\n(?=[ \t]+\S).*)*)", re.MULTILINE)


class Directives(griffe.Extension):
    """Rewrites docstrings before they are parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for everything that has a docstring."""
        if obj.docstring is not None and ".. math::" in obj.docstring.value:
            obj.docstring.value = _MATH.sub(
                lambda found: f"$$\n{' '.join(found.group(1).split())}\n$$", obj.docstring.value
            )
