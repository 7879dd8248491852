"""Components of our own: a page's part that runs in the browser and may answer to Python."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.components import schema
from pages.ui.components.schema import Heard
from pages.ui.shared import component_scripts, embedding, links, visitor
from vae.schema import SchemaError, convert

__all__ = ["Component", "bundle", "styles"]

_log = logging.getLogger(__name__)
_IMPORT = re.compile(r'^import \{[^}]*} from "(\.{1,2}/[^"]+)"\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default )", re.MULTILINE)


class Component:
    """A component, and what it and Python tell each other.

    Args:
        name: name under which Streamlit registers it.
        script: a JavaScript module; its HTML lies beside it, and CSS beside each module.
        data: type of the data that it receives, as declared in `messages`.
        answers: types of its answers by name, likewise.
        isolate_styles: whether it lives in a shadow root.
        live: whether it is what an embedded page shows.
    """

    def __init__(
        self,
        name: str,
        script: Path,
        data: Any,
        answers: Mapping[str, Any] | None = None,
        *,
        isolate_styles: bool = True,
        live: bool = False,
    ) -> None:
        self.name, self.data, self.answers = name, data, dict(answers or {})
        self._live = live
        self._mount = st.components.v2.component(
            name,
            html=script.with_suffix(".html").read_text(encoding="utf-8"),
            css=styles(script),
            js=component_scripts.loader(name, bundle(script), links.base_path()),
            isolate_styles=isolate_styles,
        )

    def show(
        self, data: Mapping[str, Any], *, key: str, **on_answer: Callable[[Any], None]
    ) -> None:
        """Shows the component; an error in its place where it would be sent what does not fit.

        Args:
            data: data that it receives.
            key: key of the component.
            **on_answer: by the name of an answer, called with each new valid one.
        """
        try:
            convert(data, self.data)
        except SchemaError as error:
            _log.error("Nothing was sent to the component %s: %s", self.name, error)
            st.error(
                "This part of the page cannot be drawn: something in it is missing, or is not a "
                "finite number. The app's log says what. Choose another model, or reload the page."
            )
            return

        def tell(name: str) -> None:
            # One that was away and comes back says once more what it said last.
            heard, told = self._said(key, name), visitor.current().told
            if heard.count > told.get((key, name), 0):
                told[key, name] = heard.count
                if heard.value is not None and name in on_answer:
                    on_answer[name](heard.value)

        callbacks = {f"on_{name}_change": functools.partial(tell, name) for name in self.answers}
        # In a dict Streamlit would look for data frames, and import pandas for it.
        with embedding.live(key) if self._live else nullcontext():
            self._mount(data=[data], key=key, **callbacks)

    def heard(self, key: str, name: str) -> Heard:
        """What the browser last answered; a message that does not fit is dropped and logged.

        Args:
            key: key of the component.
            name: name of the answer.
        """
        heard = self._said(key, name)
        acknowledged = visitor.current().told.get((key, name), 0)
        return replace(heard, count=max(heard.count, acknowledged))

    def _said(self, key: str, name: str) -> Heard:
        state = st.session_state.get(key)
        message = state.get(name) if isinstance(state, Mapping) else None
        return schema.heard(self.answers[name], message, f"{self.name}.{name}")


def bundle(script: Path) -> str:
    """Joins a JavaScript module and all that it imports into one.

    Streamlit runs a component's script from a blob, which can import nothing by a relative path.
    The modules end in one scope, so each of their names may be declared only once.

    Args:
        script: its imports are written as `import { … } from "./…"`.
    """
    texts = [file.read_text(encoding="utf-8") for file in _modules(script)]
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)


def styles(script: Path) -> str:
    """Joins the CSS that lies beside a JavaScript module, and beside all that it imports."""
    sheets = [file.with_suffix(".css") for file in _modules(script)]
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets if sheet.exists())


def _modules(script: Path) -> list[Path]:
    """A module and all that it imports, each after what it needs."""
    modules: list[Path] = []

    def add(file: Path) -> None:
        for path in _IMPORT.findall(file.read_text(encoding="utf-8")):
            if (needed := (file.parent / path).resolve()) not in modules:
                add(needed)
        modules.append(file)

    add(script.resolve())
    return modules
