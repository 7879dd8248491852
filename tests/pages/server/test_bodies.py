"""A body that never ends is read up to its bound."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from pages.ui.server.bodies import read_body


class Endless:
    """A request whose parts are counted as they are read."""

    def __init__(self, parts: int | None = None) -> None:
        self.parts, self.read = parts, 0

    async def stream(self):
        while self.parts is None or self.read < self.parts:
            self.read += 1
            yield b"1234"


@pytest.mark.parametrize(("parts", "length", "read"), [(None, 12, 3), (2, 8, 2), (0, 0, 0)])
def test_no_more_is_read_than_one_part_too_many(parts, length, read):
    request = Endless(parts)
    with ThreadPoolExecutor(1) as thread:  # this one may have a browser's event loop
        body = thread.submit(asyncio.run, read_body(request, 10)).result()
    assert (len(body), request.read) == (length, read)
