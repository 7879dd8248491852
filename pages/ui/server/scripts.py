"""Files that a browser keeps and asks about again, and the chart library among them."""

from __future__ import annotations

import functools
import gzip
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["cached", "compress_plotly", "plotly"]

_SCRIPT = "text/javascript"


def cached(request: Request, content: bytes, tag: str, media_type: str) -> Response:
    """Answers with a file that the browser keeps, asking each time whether it is still the same.

    Args:
        request: that asks for it.
        content: of the file.
        tag: what is another one whenever the content is, in double quotes.
        media_type: of the file.
    """
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match", "").removeprefix("W/") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


async def plotly(request: Request) -> Response:
    """Answers with the chart library, compressed as soon as `compress_plotly` has done so.

    A first visitor, who is next to the server, gets it as it is: compressing takes a fifth of a
    second while everything else has to be done, too.
    """
    zipped = bool(_compressed) and "gzip" in request.headers.get("accept-encoding", "")
    content = _compressed[0] if zipped else _plain()
    tag = f'"{version("plotly")}{"-gzip" if zipped else ""}"'
    response = cached(request, content, tag, _SCRIPT)
    if zipped and response.status_code == 200:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    return response


def compress_plotly() -> None:
    """Compresses the chart library, once for all who ask for it."""
    if not _compressed:
        _compressed.append(gzip.compress(_plain(), 6, mtime=0))


_compressed: list[bytes] = []


@functools.cache
def _plain() -> bytes:
    # Where `plotly.offline.get_plotlyjs` finds it, which imports all of Plotly.
    (folder,) = find_spec("plotly").submodule_search_locations  # type: ignore[union-attr, misc]
    return Path(folder, "package_data", "plotly.min.js").read_bytes()
