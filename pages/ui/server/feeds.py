"""Streams of what many watch at once, such as a training: one reader each, whoever listens.

Each event holds what has changed since the last one: who is slow misses what was in between, and
nothing queues.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from pages.ui.shared import feeds

__all__ = ["Reader", "feed_routes", "stream"]

_ALIVE = 15.0  # seconds after which a comment keeps proxies from closing a quiet stream
_HEADERS = {"Cache-Control": "no-store", "Content-Encoding": "identity"}


def feed_routes(live: str) -> list[Route]:
    """Lists the routes.

    - `feeds/{name}/{identity}`: GET of a stream of events, each with the parts that have changed
      as JSON by name; 404 where no page has offered it

    Args:
        live: the folder of the app's own routes.
    """
    return [Route(f"{live}/feeds/{{name}}/{{identity}}", _listen)]


def stream(reader: Reader) -> Response:
    """A stream of events to one who listens."""
    return StreamingResponse(_events(reader), 200, _HEADERS, "text/event-stream")


class Reader:
    """Looks at a feed as long as anybody listens, and wakes all at a change.

    Args:
        feed: what is looked at.
    """

    def __init__(self, feed: feeds.Feed) -> None:
        self.feed = feed
        self._streams = 0
        self._looked, self._rung = asyncio.Event(), asyncio.Event()
        self._looking: asyncio.Task | None = None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Has somebody listen, to what is so by now."""
        self._streams += 1
        try:
            if self._looking is None or self._looking.done():
                self._looked = asyncio.Event()
                self._looking = asyncio.create_task(self._look())
            await self._looked.wait()
            yield
        finally:
            self._streams -= 1

    async def wait(self, version: int) -> None:
        """Waits until there is another version, or until a sign of life is due."""
        if version == self.feed.version:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), _ALIVE)

    async def _look(self) -> None:
        failed = False
        while self._streams:
            try:
                changed = await run_in_threadpool(self.feed.look)
                failed = False
            except Exception:  # a page shows what is wrong; the stream goes on when it is mended
                if not failed:
                    logging.getLogger(__name__).exception("What is watched could not be read.")
                changed, failed = False, True
            self._looked.set()
            if changed or feeds.ended():
                self._rung.set()
                self._rung = asyncio.Event()
            await asyncio.sleep(self.feed.pause)


_readers: dict[str, Reader] = {}


async def _listen(request: Request) -> Response:
    key = f"{request.path_params['name']}/{request.path_params['identity']}"
    feed = feeds.find(key)
    if feed is None:
        _readers.pop(key, None)
        message = "Nobody watches this here: reload the page."
        return JSONResponse({"error": message}, 404, _HEADERS)
    if key not in _readers or _readers[key].feed is not feed:
        _readers[key] = Reader(feed)
    return stream(_readers[key])


async def _events(reader: Reader) -> AsyncIterator[bytes]:
    sent = 0
    yield b": listening\n\n"
    async with reader.listening():
        while not feeds.ended():
            await reader.wait(sent)
            version = reader.feed.version
            if version != sent:
                yield b"data: " + reader.feed.since(sent) + b"\n\n"
                sent = version
            else:
                yield b": still here\n\n"
