"""Share what a page shows: its link, the same as a QR code, and the view as Python.

A page puts the button into its head and says how its numbers are computed; the router fills in
what is shared at the end of the run, when the address is known.
"""

from __future__ import annotations

import html
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

import segno
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui.shared import embedding, links, visitor

__all__ = ["ADDRESS", "button", "fill", "is_local", "link", "python", "qr_code", "room_link"]

ADDRESS = "LATENT_ADDRESS"  # environment variable: where the room reaches the app

_THIS_COMPUTER = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Menu:
    """The open menu during a run: what `fill` writes, and where.

    Its widgets belong to the page's head: those that a fragment makes would rerun it alone.

    Args:
        above: place of the link.
        below: place of the link for a frame, and of the program.
        hidden: controls that the link for a frame takes away.
        alone: whether it shows the live part alone.
    """

    above: DeltaGenerator
    below: DeltaGenerator
    hidden: Sequence[str]
    alone: bool


def button(label: str = "Share") -> None:
    """Puts the button into the head of a page, and into its open menu what is chosen there."""
    address = visitor.current().address
    menu = st.popover(label, icon=":material/share:", key="share", on_change="rerun")
    if not menu.open:
        return
    known = {c.name: c.label for c in embedding.controls(address.page or "map")}
    with menu:
        above = st.container()
        st.markdown("**For a slide or a course page**")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            hidden = st.pills(
                "Hide controls",
                list(known),
                selection_mode="multi",
                format_func=known.get,
                key="share-hidden",
                wrap=True,
            )
            alone = st.toggle(
                "Live part alone",
                key="share-alone",
                help="What a frame on another page shows: no title, no choices, no explanations.",
            )
        address.share = Menu(above, st.container(), hidden, alone)


def python(make: Callable[[], str]) -> None:
    """Sets how the page's numbers are computed, as a program that uses `vae`."""
    visitor.current().address.python = make


def link(**more: str) -> str:
    """The page's whole address, which restores all that is shown.

    Args:
        more: values that the address has beside.
    """
    query = urlencode(dict(links.query()) | more, safe=",:~")
    page = urlsplit(st.context.url or "")
    if is_local(page.geturl()) and (reached := os.environ.get(ADDRESS)):
        page = page._replace(netloc=urlsplit(reached).netloc)
    return urlunsplit(page._replace(path=page.path or "/", query=query))


def fill() -> None:
    """Writes what is shared below the button, if it is open.

    The router calls it at the end of a run, and no fragment does: its next run would clear this.
    """
    address = visitor.current().address
    menu, address.share = address.share, None
    if menu is None:
        return
    target = link()
    with menu.above:
        left, right = st.columns([2, 5], gap="medium")
        with left:
            st.image(qr_code(target), width="stretch", alt="The link as a QR code")
        with right:
            st.markdown("**Link to this view**")
            st.code(target, language=None, wrap_lines=True)
            st.caption("Of your own pictures it contains the codes only.")
            if is_local(target):
                st.info(
                    "This address works on this computer only. To share it with other devices, "
                    "start it with `make present` or `latent-space-explorer --present`.",
                    icon=":material/lan:",
                )
    with menu.below:
        _frame(menu.hidden, menu.alone)
        if address.python is not None:
            st.markdown("**This view as Python**")
            st.code(address.python(), language="python", wrap_lines=True, height=260)


def room_link() -> str:
    """The address that a room opens: as the server was told, or as the presenter's own."""
    page = urlsplit(st.context.url or "")
    return os.environ.get(ADDRESS) or urlunsplit(
        page._replace(path=page.path.rpartition("/")[0] + "/", query="", fragment="")
    )


def is_local(address: str) -> bool:
    """Whether an address works on this computer only."""
    return urlsplit(address).hostname in _THIS_COMPUTER


def _frame(hidden: Sequence[str], alone: bool) -> None:
    """The same link for slides and course pages, and how a page shows it."""
    if not hidden and not alone:
        return
    more = ({"hide": ",".join(hidden)} if hidden else {}) | ({"embed": "true"} if alone else {})
    target = link(**more)
    st.code(target, language=None, wrap_lines=True)
    if alone:
        source = html.escape(target, quote=True)
        style = "width: 100%; height: 640px; border: 0"
        st.code(f'<iframe src="{source}" style="{style}"></iframe>', "html", wrap_lines=True)
        st.caption(
            "Other sites may show this app in a frame if whoever runs it names them in "
            "LATENT_FRAMES. Without a server: make site."
        )


def qr_code(text: str) -> str:
    """A QR code as SVG, black on white in either theme, or cameras would not read it."""
    out = io.BytesIO()
    segno.make(text, error="l").save(out, kind="svg", scale=8, border=3, light="white")
    return out.getvalue().decode()
