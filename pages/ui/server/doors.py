"""The server's doors: by which names it is reached, and what browsers may do with its answers."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui.shared import permissions

__all__ = ["FRAMES", "NAMES", "Doors", "from_environment"]

NAMES, FRAMES = permissions.HOSTS, "LATENT_FRAMES"  # environment variables
_SAFE = ("GET", "HEAD", "OPTIONS")
_THIS_COMPUTER = "'self' http://localhost:* http://127.0.0.1:*"  # a notebook, for example
_ANY = "*"
_SOURCE = re.compile(r"'self'|'none'|\*|[\w:/.*?-]+", re.ASCII)
_log = logging.getLogger(__name__)
_HOST = re.compile(r"[\w.:\[\]-]+", re.ASCII)


def from_environment() -> dict[str, Collection[str] | str]:
    """The arguments of `Doors`, as whoever starts the server has set them.

    `LATENT_HOSTS` holds names, or `*`; `LATENT_FRAMES` sources of a content security policy, such
    as `https://school.example`. Commas or blanks lie between. What is neither is left out, and the
    log says so.
    """
    names, frames = [], []
    for text in _parts(NAMES):
        name = _host_of(text)
        names += [name] if name and "*" not in name else []
        if text == _ANY:
            names.append(_ANY)
        elif name != text.lower():
            _log.warning("%s: %r is taken as %r; expected a name.", NAMES, text, name)
    for text in _parts(FRAMES):
        source = f"'{text}'" if text in ("self", "none") else text
        if _SOURCE.fullmatch(source):
            frames.append(source)
        else:
            _log.warning("%s: %r is no source, such as https://school.example.", FRAMES, text)
    return {"names": names, "frames": " ".join(frames) or _THIS_COMPUTER}


def _parts(variable: str) -> list[str]:
    return (
        re.split(r"[\s,;]+", os.environ.get(variable, "").strip())
        if os.environ.get(variable)
        else []
    )


def _host_of(text: str) -> str:
    """The name in an address, as browsers write it; "" where there is none."""
    try:
        name = urlsplit(text if "//" in text else f"//{text}").hostname or ""
        return name if name.isascii() else name.encode("idna").decode()
    except ValueError:  # no address, or no name
        return ""


class Doors:
    """Refuses requests under foreign names and from foreign pages, and adds careful headers.

    A page somewhere on the web can have its own name resolved to this computer's address, and then
    counts as the app's own origin (DNS rebinding). The name in the request gives it away: an
    address, `localhost` and this computer's name are the app's, and others have to be named.

    Args:
        app: what answers.
        names: further names under which the app is reached; `*` for any.
        frames: sources that may show the app in a frame.
    """

    def __init__(
        self, app: ASGIApp, names: Collection[str] = (), frames: str = _THIS_COMPUTER
    ) -> None:
        self._app, self._names = app, frozenset(names)
        own = socket.gethostname().lower()
        self._own = {"localhost", own, f"{own}.local"} | self._names
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self._problem(scope, headers)
        if problem and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403, "reason": problem[:120]})
        elif problem:
            await PlainTextResponse(problem, 421)(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, self._careful(send, headers["host"]))

    def _problem(self, scope: Scope, headers: Headers) -> str:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_own(host):
            return (
                f"This app does not answer to the name {_host_of(host)[:100]!r}. If it is yours, "
                f"start the app with {NAMES} set to it."
            )
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if origin is None or not changes:
            return ""
        own = origin.lower().partition("://")[2] == host.lower()
        if own or self._is_named(_host_of(origin)):
            return ""
        return (
            f"A page of {origin[:100]!r} may not use this app. If it is yours, start the app with "
            f"{NAMES} set to its name."
        )

    def _is_named(self, name: str) -> bool:
        return _ANY in self._names or name in self._names

    def _is_own(self, host: str) -> bool:
        if not _HOST.fullmatch(host):  # it is repeated in a header
            return False
        if _ANY in self._names:
            return True
        name = _host_of(host)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._own
        return True

    def _careful(self, send: Send, host: str) -> Send:
        # Streamlit's page has scripts and styles in it, its components are modules in blobs, and
        # the decoder's kernel is WebAssembly.
        policy = "; ".join(
            (
                "default-src 'self'",
                "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:",
                "style-src 'self' 'unsafe-inline'",
                "img-src 'self' data: blob:",
                "font-src 'self' data:",
                f"connect-src 'self' ws://{host} wss://{host} data: blob:",
                "worker-src 'self' blob:",
                "media-src 'self' data: blob:",
                "object-src 'none'",
                "base-uri 'self'",
                "form-action 'self'",
                f"frame-ancestors {self._frames}",
            )
        )

        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Referrer-Policy", "same-origin")
                headers.setdefault("Content-Security-Policy", policy)
            await send(message)

        return careful
