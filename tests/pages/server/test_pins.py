"""Pins that a browser tells of by a request: whose they are, what is answered, what is refused."""

from __future__ import annotations

import gc
import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
import tiny
from starlette.applications import Starlette

from pages.ui.server import map_data
from pages.ui.shared import cache, clicks, links, own_things, visitor
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import real_pin
from pages.ui.shared.visitor import Visitor


@pytest.fixture(scope="module")
def address(serve, tmp_path_factory) -> Iterator[str]:
    """The address of the app's folder."""
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints")
        yield serve(Starlette(routes=map_data.map_routes("/live")))


@pytest.fixture
def space(address) -> LatentSpace:
    return cache.latent_space("tiny-plane")


@pytest.fixture
def known(monkeypatch) -> Visitor:
    """A visitor with a session, whose page has said what its address is."""
    state: dict[str, Visitor] = {}
    monkeypatch.setattr(visitor.st, "session_state", state)
    visitor.current().address.written = {"model": "tiny-plane"}
    visitor.current().address.shown["pins"] = None
    return state["visitor"]


def click(count: int, row: int = -1, z=(0.25, -1.0), model: str = "tiny-plane") -> dict:
    kind = "generated" if row < 0 else "real"
    return {
        "count": count, "model": model, "kind": kind, "row": row, "z": list(z),
        "approximate": False,
    }  # fmt: skip


def tell(address: str, space: LatentSpace, body: object) -> tuple[int, bytes]:
    """(status, body) of a request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    place = f"{address}/live/maps/{space.name}/{space.stamp}/pins"
    try:
        with urllib.request.urlopen(urllib.request.Request(place, content), timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def told(known: Visitor, *made: dict) -> dict:
    return {"token": known.token, "view": "map", "clicks": list(made)}


def test_a_click_becomes_the_visitors_pin_without_a_run(address, space, known):
    status, content = tell(address, space, told(known, click(1, row=7), click(2)))
    answer = json.loads(content)
    assert status == 200 and [pin.row for pin in known.pins] == [7, -1]
    assert np.array_equal(known.pins[0].z, space.mean[7])
    assert known.pins[1].z.tolist() == [0.25, -1] and all(pin.clicked for pin in known.pins)
    assert answer["labels"] == ["1", "2"] and [m["label"] for m in answer["made"]] == ["1", "2"]
    assert answer["made"][0]["variance"] == space.variance[7].tolist()
    assert answer["anew"], "the page around the map has no list of pins yet"
    assert known.told["map", clicks.PINNED] == 2, "the next run says that it has heard of them"


def test_the_answer_has_the_address_as_the_next_run_writes_it(address, space, known):
    _, content = tell(address, space, told(known, click(1, row=7)))
    said = json.loads(content)["address"]
    assert dict(said["query"]) == {"model": "tiny-plane", "pins": str(space.index[7])}
    assert said["push"] and said["session"] == known.token and said["count"] == 1
    known.model = "tiny-plane"
    links.put("pins", lambda: own_things.pins_text(space, known))
    again = links.compose()
    assert dict(again["query"]) == dict(said["query"]) and again["count"] == said["count"]


def test_another_page_writes_its_own_address(address, space, known):
    known.address.shown.clear()
    _, content = tell(address, space, told(known, click(1, row=7)))
    assert json.loads(content)["address"] is None and len(known.pins) == 1


def test_what_is_told_twice_is_pinned_once(address, space, known):
    tell(address, space, told(known, click(1), click(2, row=3)))
    _, content = tell(address, space, told(known, click(2, row=3), click(3, row=4)))
    answer = json.loads(content)
    assert [pin.row for pin in known.pins] == [-1, 3, 4] and len(answer["made"]) == 1
    assert not answer["anew"]
    _, content = tell(address, space, told(known, click(4, row=3)))
    answer = json.loads(content)
    assert answer["labels"] == ["1", "3", "2"], "the same image again moves to the end"
    assert answer["made"] == [answer["made"][0] | {"count": 4, "label": "2"}]


def test_the_oldest_pins_go_as_they_do_elsewhere(address, space, known):
    for start in (1, 11):
        tell(address, space, told(known, *(click(start + k, row=start + k) for k in range(10))))
    assert [pin.row for pin in known.pins] == list(range(9, 21))
    assert len(known.pins) == visitor.MOST_PINS


@pytest.mark.parametrize("token", ["", "x", "a" * 22, "ä", "a" * 41])
def test_whoever_does_not_know_the_token_learns_and_changes_nothing(address, space, known, token):
    assert tell(address, space, told(known, click(1)) | {"token": token}) == (404, b"")
    assert not known.pins


@pytest.mark.parametrize(
    "change",
    [
        {"clicks": [click(1) | {"row": "7"}]},
        {"clicks": [click(1) | {"z": [1e9, 0]}]},
        {"clicks": [click(1) | {"more": 1}]},
        {"clicks": [click(k) for k in range(13)]},
        {"clicks": None},
        {"more": 1},
        {"view": "m" * 41},
    ],
)
def test_what_was_not_declared_is_refused(address, space, known, change):
    assert tell(address, space, told(known, click(1)) | change) == (404, b"")
    assert not known.pins


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b" " * 4_100_000])
def test_nonsense_is_refused(address, space, known, body):
    assert tell(address, space, body) == (404, b"")


def test_a_model_that_has_changed_is_left_to_the_page(address, space, known):
    class Changed:
        name, stamp = space.name, "another"

    assert tell(address, Changed, told(known, click(1))) == (404, b"")
    assert tell(address, space, told(known, click(1, model="another")))[0] == 200
    assert not known.pins


def test_who_has_left_is_not_kept(monkeypatch):
    monkeypatch.setattr(visitor.st, "session_state", {})
    token = visitor.current().token
    assert visitor.find(token) is visitor.current()
    visitor.st.session_state.clear()
    gc.collect()
    assert visitor.find(token) is None


def test_requests_and_runs_at_once_lose_no_pin(space, known):
    def pin(first: int) -> None:
        for row in range(first, first + 3):
            visitor.add_pin(real_pin(space, row), known)

    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(40):
            known.pins = []
            threads = [threading.Thread(target=pin, args=(3 * k,)) for k in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(pin.row for pin in known.pins) == list(range(12))
            assert sorted(pin.number for pin in known.pins) == list(range(1, 13))
    finally:
        sys.setswitchinterval(often)
