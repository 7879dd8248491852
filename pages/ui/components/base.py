"""Components of our own: a page's part that runs in the browser and may answer to Python."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["bundle", "component", "finite"]

_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.{1,2}/[^"]+)"\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default )", re.MULTILINE)


def component(name: str, script: Path, *, isolate_styles: bool = True) -> Callable[..., Any]:
    """Declares a component.

    Args:
        name: by which Streamlit knows it.
        script: a JavaScript module; HTML and CSS lie beside it.
        isolate_styles: whether it lives in a shadow root.

    Returns:
        A function that shows it: `data` is a dict that JSON can hold, all else is Streamlit's.
        A number that is not finite reaches the browser as null.
    """
    mount = st.components.v2.component(
        name,
        html=script.with_suffix(".html").read_text(encoding="utf-8"),
        css=script.with_suffix(".css").read_text(encoding="utf-8"),
        js=bundle(script),
        isolate_styles=isolate_styles,
    )

    def show(*, data: dict[str, Any], **options: Any) -> Any:
        # In a dict Streamlit would look for data frames, and import pandas for it.
        return mount(data=[finite(data, name)], **options)

    return show


def finite(value: Any, where: str) -> Any:
    """Replaces numbers that are not finite: JSON has none, and a browser would refuse all of it.

    What cannot be measured should be None from the start, so each replacement is warned of.

    Args:
        value: dicts, lists and tuples of what JSON can hold.
        where: what the value is, for the warning.

    Returns:
        A copy with None in place of NaN and infinities.
    """
    if isinstance(value, dict):
        return {key: finite(one, f"{where}.{key}") for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one, where) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        warnings.warn(f"{where} is {value}; the browser is sent null.", stacklevel=3)
        return None
    return value


def bundle(script: Path) -> str:
    """Joins a JavaScript module and all that it imports into one.

    Streamlit runs a component's script from a blob, which can import nothing by a relative path.
    The modules end in one scope, so each of their names may be declared only once.

    Args:
        script: its imports are written as `import { … } from "./…"`.
    """
    parts: dict[Path, str] = {}

    def add(file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        for path in _IMPORT.findall(text):
            if (found := (file.parent / path).resolve()) not in parts:
                add(found)
        parts[file] = _EXPORT.sub("", _IMPORT.sub("", text))

    add(script.resolve())
    return "\n".join(parts.values())
