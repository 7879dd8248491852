"""What the server says of a pin that a browser shows."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny
from starlette.applications import Starlette

from pages.ui.server.map_data import map_routes
from pages.ui.shared import cache, estimates
from vae.bounds import Bounds, Estimate

BOUNDS = Bounds(3.0, Estimate(-100.0, 0.0), Estimate(-90.0, 0.0))


@pytest.fixture(autouse=True)
def models(tmp_path_factory, monkeypatch):
    data = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("LATENT_DATA", str(data))
    tiny.make(data / "checkpoints", ("tiny-plane",))


def ask(file: str, query: str = "", body: bytes = b"") -> tuple[int, bytes]:
    """Status and content of what the map's routes answer."""
    stamp, parts = cache.latent_space("tiny-plane").stamp, []
    scope = {"type": "http", "method": "POST" if body else "GET", "headers": []}
    scope |= {"path": f"/live/maps/tiny-plane/{stamp}/{file}", "query_string": query.encode()}

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict) -> None:
        parts.append(message)

    app = Starlette(routes=map_routes("/live"))
    with ThreadPoolExecutor(1) as thread:  # for a browser's loop may run in this one
        thread.submit(lambda: asyncio.run(app(scope, receive, send))).result()
    return parts[0]["status"], b"".join(part.get("body", b"") for part in parts)


def about(query: str = "", body: bytes = b"") -> dict:
    status, content = ask("about.json", query, body)
    assert status == 200
    return json.loads(content)


def test_estimates_come_in_turn_and_once(monkeypatch):
    wanted = []
    monkeypatch.setattr(estimates, "want", lambda *a: wanted.append(a) or True)
    first = about("row=7&who=me")
    assert first["again"] > 0 and "Log evidence" not in first["nats"]
    assert [(w[1], w[4]) for w in wanted] == [(7, "me")]
    estimates.estimated(cache.latent_space("tiny-plane"), 7).append(BOUNDS)
    then = about("row=7&who=you")
    assert then["again"] is None and then["nats"]["Log evidence"] == "−90.0"
    assert then["nats"]["Reconstruction"] == "−97.0" and len(wanted) == 1


def test_whoever_cannot_wait_is_told_and_asks_later(monkeypatch):
    monkeypatch.setattr(estimates, "want", lambda *a: False)
    answer = about("row=8&who=me")
    assert answer["note"] == estimates.LATER and answer["again"] >= 5


def test_a_place_is_judged_and_nonsense_refused():
    code = np.zeros(2, "<f4").tobytes()
    assert "nearest code" in about(body=code)["judged"]
    for bad in (code[:4], np.array([np.nan, 0], "<f4").tobytes()):
        assert ask("about.json", body=bad)[0] == 404
    for query in ("", "row=-1", "row=1e9", "row=99999"):
        assert ask("about.json", query)[0] == 404
        assert ask("image.png", query)[0] == 404
    assert ask("image.png", "row=3")[1].startswith(b"\x89PNG")
