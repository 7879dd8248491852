"""Routes that give the map what is too large for a rerun: codes and thumbnails, kept for ever."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pages.ui import session
from pages.ui.reference import Reference
from vae import CheckpointError, DatasetError

__all__ = ["map_routes"]

_FOR_EVER = "public, max-age=31536000, immutable"


def map_routes(live: str) -> list[Route]:
    """Lists the routes.

    - `maps/{name}/{stamp}/codes.bin`: as `session.codes_block` packs them
    - `maps/{name}/{stamp}/atlas.jpg`: every reference image, as `images.atlas` lays them out

    Args:
        live: the folder of the app's own routes.
    """
    place = f"{live}/maps/{{name}}/{{stamp}}"
    return [
        Route(f"{place}/codes.bin", _serve(session.codes_block, "application/octet-stream")),
        Route(f"{place}/atlas.jpg", _serve(session.atlas, "image/jpeg")),
    ]


def _serve(make: Callable[[Reference], bytes], media_type: str):  # noqa: ANN202
    async def endpoint(request: Request) -> Response:
        def read() -> bytes | None:
            ref = session.reference(request.path_params["name"])
            return make(ref) if ref.stamp == request.path_params["stamp"] else None

        try:
            content = await run_in_threadpool(read)
        except (CheckpointError, DatasetError):
            content = None
        if content is None:
            sentence = "This model is not here, or has changed since: reload the page."
            return JSONResponse({"error": sentence}, 404, {"Cache-Control": "no-store"})
        headers = {"Cache-Control": _FOR_EVER, "Content-Encoding": "identity"}
        return Response(content, media_type=media_type, headers=headers)

    return endpoint
