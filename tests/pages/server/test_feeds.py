"""Streams of what many watch at once: one look for all of them, and only what has changed."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from plain_client import Client
from starlette.applications import Starlette

from pages.ui.server import feeds as streams
from pages.ui.shared import feeds


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    monkeypatch.setattr(feeds, "_feeds", {})
    monkeypatch.setattr(feeds, "_ended", threading.Event())
    monkeypatch.setattr(feeds, "Feed", functools.partial(feeds.Feed, pause=0.005))
    monkeypatch.setattr(streams, "_readers", {})


def test_nothing_is_streamed_that_no_page_has_offered(serve):
    client = Client(serve(Starlette(routes=streams.feed_routes("/live"))))
    feeds.offer("known", "1", dict)
    for name in ("known/2", "other/1", "..%2f..%2fapp.py/1", "known%2f1/x"):
        answer = client.ask("GET", f"/live/feeds/{name}", None)
        assert answer.status == 404, name


def test_who_is_offered_twice_is_one_feed():
    assert feeds.offer("a b", "1", dict) == feeds.offer("a b", "1", dict) == "/live/feeds/a%20b/1"
    assert len(feeds._feeds) == 1 and feeds.offer("a b", "2", dict) != "/live/feeds/a%20b/1"
    for k in range(2 * feeds._MOST):
        feeds.offer("many", str(k), dict)
    assert len(feeds._feeds) == feeds._MOST


def test_one_reader_looks_for_all_who_listen():
    now = {"step": b"1", "curve": b'{"figure": "one"}'}
    looks = []
    feeds.offer("run", "1", lambda: looks.append(1) or dict(now))

    async def listen() -> list[list[dict]]:
        reader = streams.Reader(feeds.find("run/1"))
        heard: list[list[dict]] = [[] for _ in range(50)]

        async def hear(place: list[dict]) -> None:
            async for event in streams._events(reader):
                if event.startswith(b"data: "):
                    place.append(json.loads(event.removeprefix(b"data: ")))

        tasks = [asyncio.create_task(hear(place)) for place in heard]
        while not all(heard):
            await asyncio.sleep(0.01)
        before = len(looks)
        now["step"] = b"2"
        while not all(len(place) == 2 for place in heard):
            await asyncio.sleep(0.001)
        assert len(looks) - before < 25, "not one for each who listens"
        late: list[dict] = []
        tasks.append(asyncio.create_task(hear(late)))
        while not late:
            await asyncio.sleep(0.01)
        heard.append(late)
        feeds.end_all()  # which ends the streams, or the server would wait for them
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        end = len(looks)
        await asyncio.sleep(0.1)
        assert len(looks) <= end + 1, "nobody listens any more"
        return heard

    with ThreadPoolExecutor(1) as apart:  # from the loop of a browser's test
        *heard, late = apart.submit(lambda: asyncio.run(listen())).result(60)
    first = {"step": 1, "curve": {"figure": "one"}}
    assert heard == [[first, {"step": 2}]] * 50, "only what has changed"
    assert late == [first | {"step": 2}], "who comes later hears all"


def test_a_reader_survives_what_cannot_be_read():
    failing = [OSError("gone"), {"step": b"1"}]

    def read():
        found = failing[0] if len(failing) == 1 else failing.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    feeds.offer("run", "1", read)

    async def listen() -> bytes:
        reader = streams.Reader(feeds.find("run/1"))
        async for event in streams._events(reader):
            if event.startswith(b"data: "):
                return event
        return b""

    with ThreadPoolExecutor(1) as apart:
        heard = apart.submit(lambda: asyncio.run(listen())).result(60)
    assert heard == b'data: {"step":1}\n\n'
