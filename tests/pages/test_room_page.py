"""The page Room: drawings that everybody sends, and what only the presenter sees of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from pages.ui.components import room as room_component
from pages.ui.components import room_question
from pages.ui.room import gathering
from pages.ui.shared import images, jobs, permissions
from pages.ui.shared import room as rooms
from vae.imports import list_datasets

PAGE = Path(__file__).resolve().parents[2] / "pages" / "room.py"


@pytest.fixture
def room(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setenv(permissions.MODE, permissions.ROOM)
    room = rooms.Room()
    monkeypatch.setattr(rooms, "ROOM", room)
    drawn = torch.zeros(1, 28, 28)
    drawn[:, 8:20, 12:16] = 1
    monkeypatch.setattr(gathering, "draw_digit", lambda shape, key: drawn)
    return room


def visit() -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=60).run()
    assert not at.exception
    return at


def test_what_is_drawn_comes_to_the_presenter_and_becomes_a_dataset(room, monkeypatch):
    for sent in (1, 2):
        at = visit()
        assert not [b for b in at.button if b.label == "Make a dataset"]
        next(b for b in at.button if b.label == "Send").click().run()
        assert len(room.gathered()) == sent
    monkeypatch.setattr(permissions, "may_change", lambda cookies=None: True)
    at = visit()
    assert any("2 drawings" in m.value for m in at.markdown)
    next(b for b in at.button if b.label == "Make a dataset").click().run()
    job = jobs.find("gathered-drawings")
    while job.live:
        pass
    assert job.state == "done", job.problem
    assert [d.name for d in list_datasets()] == ["drawings-of-the-room"]


def test_the_store_of_drawings_is_bounded(room):
    assert not room.gather(b"x" * 70_000)
    for number in range(700):
        assert room.gather(str(number).encode())
    assert len(room.gathered()) == 600 and room.gathered()[-1] == b"699"
    with pytest.raises(permissions.NotAllowedError):
        rooms.forget_drawings()


def test_a_server_for_one_person_says_how_to_present(monkeypatch):
    monkeypatch.setenv(permissions.MODE, permissions.SINGLE_USER)
    at = visit()
    assert "make present" in at.info[0].value and not at.button


@pytest.fixture
def presenter(room, monkeypatch):
    monkeypatch.setattr(permissions, "may_change", lambda cookies=None: True)
    return room


def test_drawings_appear_on_the_presenters_map_as_they_come(presenter, data, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(data))
    drawn = images.png(torch.rand(1, 28, 28))
    at = AppTest.from_file(PAGE.with_name("router.py"), default_timeout=120)
    at.query_params["model"] = "tiny-plane"
    at.run()
    assert not at.exception and not at.session_state.visitor.drawings_seen
    assert not [b for b in at.button if b.label == "Stop"]
    at.session_state.visitor.drawings_seen = 0
    for come in (1, 3):
        for _ in range(come):
            presenter.gather(drawn)
        at.run()
        seen = at.session_state.visitor
        titles = [pin.title for pin in seen.pins if pin.kind == "upload"]
        assert not at.exception and seen.drawings_seen == len(titles) == {1: 1, 3: 4}[come]
    next(b for b in at.button if b.label == "Stop").click().run()
    presenter.gather(drawn)
    at.run()
    assert at.session_state.visitor.drawings_seen is None


def test_what_came_since_is_counted_whatever_was_dropped_or_forgotten(room):
    for number in range(603):
        room.gather(str(number).encode())
    assert room.gathered_since(601) == (603, [b"601", b"602"])
    assert len(room.gathered_since(0)[1]) == 600
    room.forget_drawings()
    assert room.gathered_since(603) == (603, []) and room.gathered_since(0) == (603, [])


def _asks():
    from pages.ui.components.room_question import offer_question

    offer_question("How far?", ["near", "far"], "Ask the room", "ask")


def test_a_lessons_question_is_posed_to_the_room_by_the_presenter_alone(room, monkeypatch):
    for name in ("ask", "end_question"):
        monkeypatch.setattr(rooms, name, permissions.presenter_only(getattr(room, name)))
    at = AppTest.from_function(_asks).run()
    assert not at.exception and not at.button
    monkeypatch.setattr(permissions, "may_change", lambda cookies=None: True)
    at.run()
    at.button[0].click().run()
    question, counts = room.question()
    assert (question.text, question.options, counts) == ("How far?", ["near", "far"], [0, 0])
    assert room.answer(rooms.Answer(question.number, 1, "0" * 16))
    at.run()
    assert any("1 answered" in text.value for text in at.markdown)
    at.button[0].click().run()
    assert room.question() is None


def test_ranges_cover_the_whole():
    assert room_question.ranges(0, 20) == ["0 – 4", "4 – 8", "8 – 12", "12 – 16", "16 – 20"]


def test_what_stands_around_every_page_is_there_where_a_page_ends_early(room, monkeypatch):
    joined = []
    for page in ("room.py", "learn_amortised.py"):
        monkeypatch.setattr(room_component, "join_room", lambda pages, page: joined.append(page))
        at = AppTest.from_file(PAGE.with_name("router.py"), default_timeout=120)
        at.query_params["answers"] = "none"
        at.switch_page(page).run()
        assert not at.exception
    assert joined == ["room", "learn_amortised"]
