"""A page in a frame of another: its live part alone, and without the controls a link takes away.

Streamlit's `embed=true` takes away its own header; here, all of the page but the components that
are live goes, too. `hide=` names controls, in a frame or not.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import streamlit as st

from pages.ui.shared import links
from pages.ui.shared.link_table import CONTROLS, Control

__all__ = ["apply", "controls", "live", "mention_uploads", "on"]

_COOKIE = "_streamlit_xsrf"  # without it Streamlit refuses uploads
_LIVE = '[class*="st-key-live-part-"]'
_HEADER = '[data-testid="stHeader"]'
_PROBLEM = '[data-testid="stAlertContentError"]'
_ELSE = (  # all but what is live, where something is
    f"body:has({_LIVE}) .stMain :is(.stVerticalBlock, .stHorizontalBlock) > "
    f":not({_LIVE}, {_LIVE} *):not(:has({_LIVE}, {_PROBLEM}))"
)
_EMBEDDED = f"""
{_ELSE}, {_HEADER} {{ display: none !important; }}
.stMainBlockContainer {{ padding: 0.6rem 0.8rem !important; }}
:root {{ --map-above: 6rem; }}
"""


def on() -> bool:
    """Whether the page is shown in a frame as its live part alone (`embed=true`)."""
    return bool(st.context.is_embedded)


def live(key: str) -> AbstractContextManager[object]:
    """The place of a component that stays when the page is embedded.

    Args:
        key: key of the component.
    """
    return st.container(key=f"live-part-{key}") if on() else nullcontext()


def apply() -> None:
    """Takes away what an embedded page does not show, and the controls that its address names.

    The router calls it before a page.
    """
    known = {control.name: control for control in CONTROLS}
    hidden = links.read_names("hide", tuple(known))
    links.put("hide", ",".join(hidden))
    rules = [known[name].rule for name in hidden]
    if on():
        rules.append(_EMBEDDED)
    if rules:
        st.html(f"<style>{' '.join(rules)}</style>")


def controls(page: str) -> list[Control]:
    """The controls of a page that a link can take away."""
    return [control for control in CONTROLS if page in control.pages]


def mention_uploads() -> None:
    """Says what to open where the browser keeps no cookies for this frame: uploads need one."""
    if st.context.headers and _COOKIE not in st.context.cookies:
        st.caption(
            "This browser keeps no cookies for a frame of another site, so nothing can be "
            f"uploaded here. Open the app itself: {st.context.url}"
        )
