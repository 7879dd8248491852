"""The room's channel: the presenter tells where they are, pupils hear it, and answer questions.

One stream of events goes to each pupil. Between two events there is a pause, and each event is
what counts then: who is slow misses what was in between, and nothing queues.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from pages.ui.server.bodies import read_body
from pages.ui.shared import permissions
from pages.ui.shared.room import ROOM, Answer, Lead

__all__ = ["room_routes"]

_PAUSE = 0.08  # seconds between two events
_ALIVE = 15.0  # seconds after which a comment keeps proxies from closing a quiet stream
_LARGEST = 40_000  # bytes of a message
_HEADERS = {"Cache-Control": "no-store", "Content-Encoding": "identity"}


def room_routes(live: str) -> list[Route]:
    """Lists the routes.

    - `room`: GET of a stream of events, each with all that the room shares as JSON
    - `room/lead`: POST by the presenter of where they are
    - `room/answer`: POST of an answer to the question

    Args:
        live: the folder of the app's own routes.
    """
    return [
        Route(f"{live}/room", _follow),
        Route(f"{live}/room/lead", _lead, methods=["POST"]),
        Route(f"{live}/room/answer", _answer, methods=["POST"]),
    ]


class _Bell:
    """Wakes all streams at a change: one look at the version for all of them."""

    def __init__(self) -> None:
        self._streams = 0
        self._rung = asyncio.Event()
        self._watching: asyncio.Task | None = None

    async def wait(self, version: int) -> None:
        """Waits until there is another version, or until a sign of life is due."""
        if version != ROOM.version:
            await asyncio.sleep(_PAUSE)
            return
        self._streams += 1
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(version))
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), _ALIVE)
        finally:
            self._streams -= 1

    async def _watch(self, seen: int) -> None:
        while self._streams:
            await asyncio.sleep(_PAUSE)
            if seen != ROOM.version:
                seen = ROOM.version
                self._rung.set()
                self._rung = asyncio.Event()


_bell = _Bell()


async def _follow(request: Request) -> Response:
    return StreamingResponse(_events(), media_type="text/event-stream", headers=_HEADERS)


async def _events() -> AsyncIterator[bytes]:
    sent = -1
    while not ROOM.closed:
        version, content = ROOM.snapshot()
        if version != sent:
            sent = version
            yield b"data: " + content + b"\n\n"
        else:
            yield b": still here\n\n"
        await _bell.wait(sent)


async def _lead(request: Request) -> Response:
    if not permissions.may_change(request.cookies):
        return JSONResponse({"error": "Only the presenter leads the room."}, 403, _HEADERS)
    lead = await _read(request, Lead)
    if lead is None:
        return JSONResponse({"error": "This is no place to lead to."}, 400, _HEADERS)
    ROOM.lead(lead)
    return Response(status_code=204)


async def _answer(request: Request) -> Response:
    answer = await _read(request, Answer)
    if answer is None or not ROOM.answer(answer):
        message = "This answers no question that is open."
        return JSONResponse({"error": message}, 409, _HEADERS)
    return Response(status_code=204)


async def _read(request: Request, kind: type) -> object | None:
    """The body as a message; None where it is none."""
    body = await read_body(request, _LARGEST)
    if len(body) > _LARGEST:
        return None
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
