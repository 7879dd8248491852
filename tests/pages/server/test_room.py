"""The room's channel: the presenter alone leads, pupils hear the latest, and answer once."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from plain_client import Client
from starlette.applications import Starlette

from pages.ui.server import room as routes
from pages.ui.shared import permissions
from pages.ui.shared.room import Room

TOKEN = "a-token-of-the-presenter"
LEAD = {"address": "/map?model=faces", "model": "faces", "pointer": None, "pin": None}


@pytest.fixture
def room(monkeypatch):
    monkeypatch.setenv(permissions.MODE, permissions.ROOM)
    monkeypatch.setenv(permissions.TOKEN, TOKEN)
    room = Room()
    monkeypatch.setattr(routes, "ROOM", room)
    return room


@pytest.fixture
def client(room, serve):
    return Client(serve(Starlette(routes=routes.room_routes("/live"))))


def post(client: Client, name: str, body: object) -> int:
    return client.ask("POST", f"/live/room/{name}", json.dumps(body).encode()).status


def shared(room: Room) -> dict:
    return json.loads(room.snapshot()[1])


def test_the_presenter_alone_leads(room, client):
    assert post(client, "lead", LEAD) == 403
    assert room.snapshot() == (0, b"{}")
    client.cookie = f"{permissions.COOKIE}={TOKEN}"
    assert post(client, "lead", LEAD) == 204
    assert shared(room)["lead"] == LEAD


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "//evil.example/"},
        {"address": "https://evil.example/"},
        {"address": "/\\evil.example"},
        {"address": "/", "script": "x"},
        {"address": "/", "pin": {"view": "map", "count": 1, "row": 0, "z": [1e300] * 3}},
        {"address": "/" + "x" * 50_000},
        {},
    ],
    ids=str,
)
def test_it_leads_to_no_place_outside_of_the_app(room, client, wrong):
    client.cookie = f"{permissions.COOKIE}={TOKEN}"
    assert post(client, "lead", wrong) == 400
    assert room.version == 0


def test_each_answers_a_question_once_and_the_last_answer_counts(room, client):
    room.ask("Which?", ["This", "That"])
    number = shared(room)["question"]["number"]

    def answer(voter: str, option: int, to: int = number) -> int:
        body = {"number": to, "option": option, "voter": voter * 16}
        return post(client, "answer", body)

    assert [answer("a", 0), answer("b", 0), answer("a", 1)] == [204, 204, 204]
    assert room.question()[1] == [1, 1]
    assert [answer("c", 2), answer("c", -1), answer("c", 0, number + 1)] == [409, 409, 409]
    assert client.ask("POST", "/live/room/answer", b"\xff").status == 409
    room.end_question()
    assert room.question() is None and answer("a", 0) == 409


def test_a_stream_gives_the_latest_and_nothing_queues(room, monkeypatch):
    monkeypatch.setattr(routes, "_PAUSE", 0.001)

    async def listen() -> list[int]:
        events = routes._events()
        heard = []

        async def hear() -> None:
            event = await anext(events)
            question = json.loads(event.removeprefix(b"data: ")).get("question")
            heard.append(question and question["text"])

        await hear()
        waiting = asyncio.create_task(hear())
        await asyncio.sleep(0)
        room.ask("one", ["a", "b"])
        await asyncio.wait_for(waiting, 10)
        for text in ("two", "three"):  # while the stream is busy
            room.ask(text, ["a", "b"])
        await asyncio.wait_for(hear(), 10)
        room.close()  # which ends the stream, or the server would wait for it
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(events), 10)
        return heard

    with ThreadPoolExecutor(1) as apart:  # from the loop of a browser's test
        heard = apart.submit(lambda: asyncio.run(listen())).result(60)
    assert heard == [None, "one", "three"]
