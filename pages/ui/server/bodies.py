"""Bodies of requests, read up to a length."""

from __future__ import annotations

from starlette.requests import Request

__all__ = ["read_body"]


async def read_body(request: Request, most: int) -> bytes:
    """Reads a request's body, and no more than one part beyond so many bytes.

    Args:
        request: request to be read.
        most: largest length in bytes; a longer body is cut off somewhere beyond it.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            break
    return bytes(body)
