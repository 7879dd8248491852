"""The room's channel: the presenter tells where they are, pupils hear it, and answer questions."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pages.ui.server.bodies import read_body
from pages.ui.server.feeds import Reader, stream
from pages.ui.shared import permissions
from pages.ui.shared.feeds import Feed
from pages.ui.shared.room import ROOM, Answer, Lead
from vae.files import explain_refusal
from vae.schema import SchemaError, decode

__all__ = ["room_routes"]

_PAUSE = 0.08  # seconds between two events
_LARGEST = 40_000  # bytes of a message
_HEADERS = {"Cache-Control": "no-store"}


def room_routes(live: str) -> list[Route]:
    """Lists the routes.

    - `room`: GET of a stream of events, each with what has changed of it, as JSON
    - `room/lead`: POST by the presenter of where they are
    - `room/answer`: POST of an answer to the question

    Args:
        live: the folder of the app's own routes.
    """
    reader = Reader(Feed(ROOM.parts, _PAUSE))

    async def follow(request: Request) -> Response:
        return stream(reader)

    return [
        Route(f"{live}/room", follow),
        Route(f"{live}/room/lead", _lead, methods=["POST"]),
        Route(f"{live}/room/answer", _answer, methods=["POST"]),
    ]


async def _lead(request: Request) -> Response:
    if not permissions.may_change(request.cookies):
        return JSONResponse({"error": "Only the presenter leads the room."}, 403, _HEADERS)
    lead = await _read(request, Lead)
    if lead is None:
        return JSONResponse({"error": "This is no place to lead to."}, 400, _HEADERS)
    try:
        await run_in_threadpool(ROOM.lead, lead)
    except OSError as problem:
        return JSONResponse({"error": explain_refusal(problem)}, 503, _HEADERS)
    return Response(status_code=204)


async def _answer(request: Request) -> Response:
    answer = await _read(request, Answer)
    try:
        if answer is None or not await run_in_threadpool(ROOM.answer, answer):
            message = "This answers no question that is open."
            return JSONResponse({"error": message}, 409, _HEADERS)
    except OSError as problem:
        return JSONResponse({"error": explain_refusal(problem)}, 503, _HEADERS)
    return Response(status_code=204)


async def _read(request: Request, kind: type) -> object | None:
    """The body as a message; None where it is none."""
    body = await read_body(request, _LARGEST)
    if len(body) > _LARGEST:
        return None
    try:
        return decode(body, kind)
    except SchemaError:
        return None
