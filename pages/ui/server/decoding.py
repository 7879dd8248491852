"""What the server decodes for browsers that cannot, each visitor's in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pages.ui.server.bodies import read_body
from pages.ui.server.packed import Refusal, open_decoder, open_flow
from pages.ui.shared.waiting_line import DECODES, BusyError, LeftError
from vae.checkpoint import CheckpointError
from vae.code_distribution import CodeDistribution
from vae.decoder_export import DEVIATION_WHITE
from vae.latent import LARGEST_CODE
from vae.model import Decoder

__all__ = ["decode", "follow"]

_LONGEST = 40  # characters of what tells visitors apart


async def follow(request: Request) -> Response:
    """Answers a code `(D,)` by where the learned distribution takes it, as `live_routes` says."""
    distribution = await run_in_threadpool(_distribution, request.path_params["name"])
    z = await _numbers(request, distribution.dim)
    level, until = (_part(request, name) for name in ("level", "until"))

    def take() -> bytes:
        if request.query_params.get("noise") == "true":
            point = distribution.to_noise(z, level)
        else:
            point = distribution.from_noise(z, level, until)
        return point[0].astype("<f4").tobytes()

    return await _in_turn(request, take)


async def decode(request: Request) -> Response:
    """Answers a code `(D,)` by its picture `(C, H, W)` in bytes, as `live_routes` says."""
    decoder = await run_in_threadpool(_decoder, request.path_params["name"])
    z = await _numbers(request, decoder.config.latent_dim)
    try:
        return await _in_turn(request, lambda: _picture(decoder, torch.from_numpy(z)))
    except CheckpointError as error:  # a network of one's own that gave up meanwhile
        raise Refusal(503, str(error)) from None


@contextmanager
def _read_again() -> Iterator[None]:
    try:
        yield
    except (CheckpointError, OSError):
        message = "The model cannot be read any more. Reload the page, which says why."
        raise Refusal(404, message) from None


def _decoder(name: str) -> Decoder:
    opened = open_decoder(name)
    with _read_again():
        return opened.decoder


def _distribution(name: str) -> CodeDistribution:
    flow = open_flow(name)
    if flow is None:
        raise Refusal(404, "This model has no learned distribution of its codes.")
    with _read_again():
        return flow.distribution


async def _in_turn(request: Request, work: Callable[[], bytes]) -> Response:
    who = request.query_params.get("who", "")[:_LONGEST]
    headers = {"Cache-Control": "no-store", "Content-Encoding": "identity"}
    try:
        async with DECODES.turn_of_request(who, request.is_disconnected):
            content = await run_in_threadpool(work)
    except BusyError as error:
        raise Refusal(503, str(error)) from None
    except LeftError:  # nobody reads this
        return Response(status_code=503, headers=headers)
    return Response(content, media_type="application/octet-stream", headers=headers)


def _part(request: Request, name: str) -> float:
    """A number in 0…1 of the query, 1 by default."""
    text = request.query_params.get(name, "1")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise Refusal(400, f"{name} is not a number from 0 to 1; expected one.")
    return value


async def _numbers(request: Request, count: int) -> np.ndarray:
    """The code that a request brings, `(count,)`."""
    expected = 4 * count
    body = await read_body(request, expected)
    if len(body) != expected:
        length = f"more than {expected}" if len(body) > expected else f"{len(body)}"
        raise Refusal(
            400,
            f"The code has {length} bytes; expected {expected}: "
            f"{count} numbers of 4 bytes, little-endian.",
        )
    z = np.frombuffer(body, dtype="<f4").astype(np.float32)
    if not (np.abs(z) <= LARGEST_CODE).all():  # false for NaN, too
        raise Refusal(
            400,
            f"The code has numbers beyond ±{LARGEST_CODE:,} or not finite; expected smaller ones.",
        )
    return z


@torch.inference_mode()
def _picture(decoder: Decoder, z: torch.Tensor) -> bytes:
    likelihood = decoder(z[None])
    planes = [likelihood.mean]
    if decoder.config.likelihood == "gaussian":
        planes.append(likelihood.stddev / DEVIATION_WHITE)
    grey = torch.cat(planes).nan_to_num(0).mul(255).round().clamp(0, 255)
    return grey.to(torch.uint8).numpy().tobytes()
