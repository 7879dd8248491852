"""Routes that give the map what is too large for a rerun: figures, codes, thumbnails; all kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pages.ui.server.bodies import read_body
from pages.ui.shared import all_images, cache, clicks, estimates, images, scatter, visitor
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import from_text
from vae import CheckpointError, DatasetError
from vae.latent import LARGEST_CODE
from vae.schema import SchemaError, decode

__all__ = ["map_routes"]

T = TypeVar("T")

_MOST_TILES = 200
_LARGE = 4_000_000  # bytes
_LARGEST = 4_000_000  # bytes of a code
_LONGEST = 40  # characters that tell a visitor from others
_NOT_KEPT = {"Cache-Control": "no-store"}
_FOR_EVER = "public, max-age=31536000, immutable"


def map_routes(live: str) -> list[Route]:
    """Lists the routes.

    - `maps/{name}/{stamp}/figure.json`: axes and legend, for `projection`, `x`, `y` and `colour`
    - `maps/{name}/{stamp}/places.bin`: as `cache.map_places` gives them, for `projection`, `x`
      and `y`
    - `maps/{name}/{stamp}/marks.bin`: as `cache.map_marks` gives them, for `colour`
    - `maps/{name}/{stamp}/codes.bin`: as `cache.codes_block` packs them
    - `maps/{name}/{stamp}/likely.bin`: as `cache.likely_places` gives them, for `projection`, `x`
      and `y`, completed like the `pin` that is written as in an address
    - `maps/{name}/{stamp}/noise.bin`: as `cache.noise_block` gives it
    - `maps/{name}/{stamp}/nats.bin`: KL and ELBO of each image in nats, `(N, 2)` float32
    - `maps/{name}/{stamp}/tiles.jpg`: the images of `rows`, with dots between, laid out likewise
    - `maps/{name}/{stamp}/names.json`: names of the images' files, where they came from files
    - `maps/{name}/{stamp}/image.png`: the image in a `row`
    - `maps/{name}/{stamp}/about.json`: what `estimates.about_image` says of the image in a `row`
      to a visitor (`who`), and `about_place` of a code that is sent as numbers of 32 bits
    - `maps/{name}/{stamp}/pins`: POST of `clicks.Told`; answers as `clicks.answer`. Where this
      process has no such session, or another model by now, 404
    - `maps/{name}/{stamp}/atlas.jpg`: every reference image, as `images.atlas` lays them out

    Args:
        live: the folder of the app's own routes.
    """
    place = f"{live}/maps/{{name:path}}/{{stamp}}"
    binary = "application/octet-stream"
    return [
        Route(f"{place}/figure.json", _serve(_figure, "application/json")),
        Route(f"{place}/places.bin", _serve(_places, binary)),
        Route(f"{place}/marks.bin", _serve(_marks, binary)),
        Route(f"{place}/codes.bin", _serve(lambda space, _: cache.codes_block(space), binary)),
        Route(f"{place}/likely.bin", _serve(_likely, binary)),
        Route(f"{place}/noise.bin", _serve(_noise, binary)),
        Route(f"{place}/nats.bin", _serve(_nats, binary)),
        Route(f"{place}/tiles.jpg", _serve(_tiles, "image/jpeg")),
        Route(f"{place}/names.json", _serve(_names, "application/json")),
        Route(f"{place}/image.png", _serve(_image, "image/png")),
        Route(f"{place}/about.json", _about, methods=["GET", "POST"]),
        Route(f"{place}/pins", _pins, methods=["POST"]),
        Route(f"{place}/atlas.jpg", _serve(lambda space, _: cache.atlas(space), "image/jpeg")),
    ]


def _figure(space: LatentSpace, query: QueryParams) -> str | None:
    projection, axes = _plane(space, query)
    colour = query.get("colour", "")
    if axes is None or colour not in scatter.colours(space):
        return None
    return cache.map_figure(space, projection, axes, colour)


def _places(space: LatentSpace, query: QueryParams) -> bytes | None:
    projection, axes = _plane(space, query)
    return None if axes is None else cache.map_places(space, projection, axes)


def _marks(space: LatentSpace, query: QueryParams) -> bytes | None:
    colour = query.get("colour", "")
    return cache.map_marks(space, colour) if colour in scatter.colours(space) else None


def _likely(space: LatentSpace, query: QueryParams) -> bytes | None:
    projection, axes = _plane(space, query)
    if axes is None or projection == "tsne" or not space.judges_likelihood:
        return None
    if not (text := query.get("pin", "")):
        return cache.likely_places(space, projection, axes, None)
    pin = from_text(space, text)
    return None if pin is None else cache.likely_places(space, projection, axes, pin.z)


def _noise(space: LatentSpace, query: QueryParams) -> bytes | None:
    return cache.noise_block(space) if space.judges_likelihood else None


def _nats(space: LatentSpace, query: QueryParams) -> bytes | None:
    if space.kl is None or space.elbo is None:
        return None
    return np.stack([space.kl, space.elbo], 1).astype("<f4").tobytes()


def _tiles(space: LatentSpace, query: QueryParams) -> bytes | None:
    parts = query.get("rows", "").split(".")
    if len(parts) > _MOST_TILES or not all(p.isascii() and p.isdigit() for p in parts):
        return None
    rows = [int(part) for part in parts if len(part) < 10]
    if len(rows) < len(parts) or max(rows) >= len(space):
        return None
    return images.atlas(space.dataset.images, space.index[rows])


def _names(space: LatentSpace, query: QueryParams) -> str | None:
    names = space.file_names
    return None if names is None else json.dumps([plain(name, "text") for name in names])


def _image(space: LatentSpace, query: QueryParams) -> bytes | None:
    row = _row(space, query)
    return None if row is None else _png(space, row)


@cache.shared(1_000)
def _png(space: LatentSpace, row: int) -> bytes:
    return images.png(space.image(row))


def _row(space: LatentSpace, query: QueryParams) -> int | None:
    """The row that a request names, if there is such an image."""
    text = query.get("row", "")
    whole = text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if whole and int(text) < len(space) else None


async def _about(request: Request) -> Response:
    """Not kept by the browser: more may be known later."""
    body = await read_body(request, _LARGEST) if request.method == "POST" else b""

    def read() -> dict[str, Any] | None:
        space = _opened(request)
        if space is None:
            return None
        if body:
            z = np.frombuffer(body, "<f4") if len(body) == 4 * space.mean.shape[1] else np.empty(0)
            fine = z.size and bool((np.abs(z) <= LARGEST_CODE).all())  # false for nan
            return estimates.about_place(space, z) if fine else None
        row, who = _row(space, request.query_params), request.query_params.get("who", "")
        return None if row is None else estimates.about_image(space, row, who[:_LONGEST])

    content = await _in_thread(read)
    return _gone() if content is None else JSONResponse(content, 200, _NOT_KEPT)


async def _pins(request: Request) -> Response:
    """Without a run of the page; whoever does not know a session's token learns nothing."""
    body = await read_body(request, _LARGEST)
    try:
        told = decode(body, clicks.Told) if len(body) <= _LARGEST else None
    except SchemaError:
        told = None
    known = None if told is None else visitor.find(told.token)
    if told is None or known is None:
        return Response(status_code=404, headers=_NOT_KEPT)

    def take() -> dict[str, Any] | None:
        space = _opened(request)
        return None if space is None else clicks.answer(known, space, told)

    content = await _in_thread(take)
    if content is None:
        return Response(status_code=404, headers=_NOT_KEPT)
    return JSONResponse(content, 200, _NOT_KEPT)


def _plane(space: LatentSpace, query: QueryParams) -> tuple[str, tuple[int, int] | None]:
    """Projection and axes of a request; None for axes that make no sense for this model."""
    projection = query.get("projection", "")
    axes = tuple(query.get(name, "") for name in "xy")
    known = {str(k) for k in range(space.mean.shape[1])}
    if projection not in scatter.projections(space) or not set(axes) <= known:
        return projection, None
    return projection, (int(axes[0]), int(axes[1]))


def _opened(request: Request) -> LatentSpace | None:
    """The model that a request names; None where it has changed since."""
    stamp = request.path_params["stamp"]
    space = cache.still(request.path_params["name"], stamp.removesuffix(all_images.ALL))
    if space is not None and stamp.endswith(all_images.ALL):
        return all_images.ready(space)
    return space


async def _in_thread(read: Callable[[], T | None]) -> T | None:
    try:
        return await run_in_threadpool(read)
    except (CheckpointError, DatasetError):
        return None


def _gone() -> Response:
    message = "This model is not here, or has changed since: reload the page."
    return JSONResponse({"error": message}, 404, _NOT_KEPT)


def _serve(make: Callable[[LatentSpace, QueryParams], bytes | str | None], media_type: str):  # noqa: ANN202
    async def endpoint(request: Request) -> Response:
        def read() -> bytes | str | None:
            space = _opened(request)
            return None if space is None else make(space, request.query_params)

        content = await _in_thread(read)
        if content is None:
            return _gone()
        headers = {"Cache-Control": _FOR_EVER}
        large = len(content) > _LARGE  # packing takes longer than sending
        if (
            media_type.startswith("image/") or large
        ):  # keeps Streamlit's middleware from packing it
            headers["Content-Encoding"] = "identity"
        return Response(content, media_type=media_type, headers=headers)

    return endpoint
