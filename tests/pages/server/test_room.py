"""The room's channel: the presenter alone leads, pupils hear the latest, and answer once."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from plain_client import Client
from starlette.applications import Starlette

from pages.ui.server import feeds as streams
from pages.ui.server import room as routes
from pages.ui.shared import feeds, permissions
from pages.ui.shared import room as rooms
from pages.ui.shared.room import Answer, Lead, Room
from vae.files import explain_refusal

TOKEN = "a-token-of-the-presenter"
LEAD = {"address": "/map?model=faces", "model": "faces", "pointer": None, "pin": None}
LEADS = Lead(LEAD["address"], LEAD["model"])
NOTHING = {"lead": None, "question": None}


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
    return {name: json.loads(part) for name, part in room.parts().items()}


def test_the_presenter_alone_leads(room, client):
    assert post(client, "lead", LEAD) == 403
    assert shared(room) == NOTHING
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
    assert shared(room) == NOTHING


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
    monkeypatch.setattr(feeds, "_ended", threading.Event())

    async def listen() -> list[dict]:
        reader = streams.Reader(feeds.Feed(room.parts, 0.001))
        events = streams.stream(reader).body_iterator
        heard = []

        async def hear() -> None:
            while not (event := await asyncio.wait_for(anext(events), 10)).startswith(b"data: "):
                pass
            heard.append(json.loads(event.removeprefix(b"data: ")))

        await hear()
        waiting = asyncio.create_task(hear())
        await asyncio.sleep(0)
        room.lead(LEADS)
        await waiting
        for text in ("one", "two", "three"):  # while the stream is busy
            room.ask(text, ["a", "b"])
        known = reader.feed.version
        while reader.feed.version == known:
            await asyncio.sleep(0.001)
        await hear()
        feeds.end_all()  # which ends the stream, or the server would wait for it
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(events), 10)
        return heard

    with ThreadPoolExecutor(1) as apart:  # from the loop of a browser's test
        first, second, third = apart.submit(lambda: asyncio.run(listen())).result(60)
    assert first == NOTHING and second == {"lead": LEAD}, "only what has changed"
    assert set(third) == {"question"} and third["question"]["text"] == "three"


def test_who_comes_after_a_pause_hears_what_is_so_now(room, monkeypatch):
    monkeypatch.setattr(feeds, "_ended", threading.Event())

    async def listen() -> list[bytes]:
        reader = streams.Reader(feeds.Feed(room.parts, 0.001))
        heard = []
        for text in ("before", "now"):
            room.ask(text, ["a", "b"])
            async for event in streams.stream(reader).body_iterator:
                if event.startswith(b"data: "):
                    heard.append(json.loads(event.removeprefix(b"data: "))["question"]["text"])
                    break
            while not reader._looking.done():
                await asyncio.sleep(0.001)
        return heard

    with ThreadPoolExecutor(1) as apart:
        assert apart.submit(lambda: asyncio.run(listen())).result(60) == ["before", "now"]


@pytest.fixture
def replicas(room, monkeypatch, tmp_path):
    monkeypatch.setenv("LATENT_ROOM", "shared")
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    return Room(), Room()


def test_replicas_are_one_room(replicas):
    one, two = replicas
    one.lead(LEADS)
    two.ask("Which?", ["This", "That"])
    assert one.parts() == two.parts() and shared(one)["lead"] == LEAD
    question, _ = one.question()
    for room, voter in ((one, "a"), (two, "b")):
        assert room.answer(Answer(question.number, 1, voter * 16))
        assert room.gather(voter.encode())
    assert one.question() == two.question() == (question, [0, 2])
    assert one.gathered_since(1) == two.gathered_since(1) == (2, [b"b"])
    two.forget_drawings()
    assert one.gathered() == []


def test_a_class_of_replicas_loses_no_answer(replicas):
    replicas[0].ask("Which?", ["This", "That"])
    number = replicas[1].question()[0].number

    def answer(voter: int) -> bool:
        return replicas[voter % 2].answer(Answer(number, voter % 2, f"{voter:016x}"))

    with ThreadPoolExecutor(8) as class_:
        assert all(class_.map(answer, range(200)))
    assert replicas[0].question()[1] == [100, 100]


def test_what_a_class_left_is_gone_when_it_has_ended(replicas, monkeypatch):
    one, two = replicas
    one.lead(LEADS)
    one.ask("Which?", ["This", "That"])
    one.gather(b"drawing")
    monkeypatch.setattr(rooms, "_KEPT", -1.0)
    assert shared(two) == NOTHING and two.question() is None and one.gathered() == []


def test_a_room_whose_file_is_damaged_says_so(replicas, tmp_path, client):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "room.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(OSError) as refused:
        replicas[0].lead(LEADS)
    said = "room.sqlite of the data folder cannot be used (file is not a database)."
    assert explain_refusal(refused.value) == said
    client.cookie = f"{permissions.COOKIE}={TOKEN}"
    assert post(client, "lead", LEAD) == 503
