"""What a page shows its visitors: its components, and what they are sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from streamlit.testing.v1 import AppTest

from pages.ui.shared import component_scripts
from pages.ui.site.views import View
from vae.locations import APP

__all__ = ["Part", "SiteError", "take"]

_LIVE = ("latent_map", "live_picture", "live_decoder")  # components that need no server
_PATIENCE = 600  # seconds: the first run may have to compute a projection


class SiteError(Exception):
    """A view cannot be written; the message says why and what to do."""


@dataclass(frozen=True)
class Part:
    """A component of a page.

    Args:
        name: its name.
        html: its elements.
        css: its styles.
        script: the module that makes it live.
        isolated: whether it lives in a shadow root.
        data: what the page sends it.
    """

    name: str
    html: str
    css: str
    script: str
    isolated: bool
    data: dict[str, Any]


def take(view: View, model: str, link: str = "") -> list[Part]:
    """Opens a page as a visitor would, and takes down what runs in the browser.

    Args:
        view: the view.
        model: name of the model.
        link: what the page's address says after its `?`, beside the model and the view.

    Raises:
        SiteError: the page has nothing live, or cannot use the link.
    """
    page = AppTest.from_file(APP / "pages" / "router.py", default_timeout=_PATIENCE)
    page.switch_page(view.page)
    said: Mapping[str, str] = {**dict(parse_qsl(link.lstrip("?"))), **view.query, "model": model}
    for name, value in said.items():
        page.query_params[name] = value
    page.run()
    shown = [element.proto for element in page.get("bidi_component")]
    parts = [_part(proto) for proto in shown if proto.component_name in _LIVE]
    # A notice says what of the link cannot be used.
    problems = [t.value for t in page.toast if t.value.startswith("This link")]
    problems += [e.message for e in page.exception]
    if not parts:
        problems += [e.value for e in page.error]
        problems.append(f"It shows nothing of {model} that lives in the browser.")
    if problems:
        raise SiteError(f"The page {view.page} says: {' '.join(problems)}")
    return parts


def _part(proto: Any) -> Part:
    (data,) = json.loads(proto.json)
    script = component_scripts.script(proto.component_name)
    texts = (proto.html_content, proto.css_content, script)
    return Part(proto.component_name, *texts, proto.isolate_styles, data)
