"""Streamlit's own page, scripts, styles and fonts, out of memory and compressed.

A first visit asks for sixty of them while the server still imports torch. Streamlit opens each in
threads, which wait for that import at every step, and sends all as they are. Its page gets a
script of ours, and is told to fetch the chart library, which is read when something needs it.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import file_util

from pages.ui.server.places import folder, within

__all__ = ["StreamlitFiles"]

_COMPRESSED = {".js", ".css", ".json", ".svg", ".ttf", ".otf", ".wasm"}
_SHORTEST = 500  # bytes that are worth compressing
_HEADERS = {  # as Streamlit's own: each name says what is in the file
    "Cache-Control": "public, immutable, max-age=31536000",
    "Vary": "Accept-Encoding",
}
_OF_A_PART = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
_EARLY = (
    b'<link rel="preload" as="script" href="./live/plotly.min.js"><script>\n'
    + Path(__file__).with_name("early.js").read_bytes()
    + b"</script>"
)


@dataclass(frozen=True)
class _File:
    plain: bytes
    compressed: bytes | None
    kind: str


class StreamlitFiles:
    """Answers what Streamlit's page asks for of its own folder.

    Args:
        app: what answers all else.
        base: path under which the app lies.
        root: folder of Streamlit's page; its own if None.
    """

    def __init__(self, app: ASGIApp, base: str = "", root: Path | None = None) -> None:
        self._app, self._place = app, folder(base, "static")
        root = root or Path(file_util.get_static_dir())
        top = root / "static"
        self._paths = {p.relative_to(top).as_posix(): p for p in top.rglob("*") if p.is_file()}
        page = (root / "index.html").read_text("utf-8")
        # Those of the page itself are read before torch is imported.
        asked = re.findall(r'(?:src|href)="\./static/([^"]+)"', page)
        self._files = {name: _read(self._paths[name]) for name in asked if name in self._paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = within(scope, self._place) if scope["type"] == "http" else None
        if name not in self._paths or scope["method"] not in ("GET", "HEAD"):
            if scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", ""):
                # A browser goes to a page, which has to come whole and plain to be added to: that
                # Streamlit's part of it has not changed does not say that ours has not.
                kept = [pair for pair in scope["headers"] if pair[0] not in _OF_A_PART]
                scope, send = {**scope, "headers": kept}, _Page(send)
            await self._app(scope, receive, send)
            return
        if name not in self._files:
            self._files[name] = await run_in_threadpool(_read, self._paths[name])
        file, headers = self._files[name], dict(_HEADERS)
        content = file.plain
        if file.compressed and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            content, headers["Content-Encoding"] = file.compressed, "gzip"
        response = Response(content, 200, headers, file.kind)
        if scope["method"] == "HEAD":
            response.body = b""
        await response(scope, receive, send)


class _Page:
    """Sends an answer on, and Streamlit's page with what it should load early."""

    def __init__(self, send: Send) -> None:
        self._send, self._start = send, None
        self._content = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = Headers(raw=message["headers"]).get("content-type", "")
            if message["status"] == 200 and kind.startswith("text/html"):
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        self._content += message.get("body", b"")
        if not message.get("more_body"):
            content = self._content.replace(b"</title>", b"</title>" + _EARLY, 1)
            headers = MutableHeaders(raw=self._start["headers"])
            if content:  # none answers HEAD, and its length is that of what is not sent
                headers["content-length"] = str(len(content))
            await self._send(self._start)
            await self._send({"type": "http.response.body", "body": content})


def _read(path: Path) -> _File:
    plain = path.read_bytes()
    worth = path.suffix in _COMPRESSED and len(plain) > _SHORTEST
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(plain, gzip.compress(plain, 6) if worth else None, kind)
