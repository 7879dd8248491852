"""The page Room: drawings that everybody sends, and what only the presenter sees of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from pages.ui.room import gathering
from pages.ui.shared import jobs, permissions
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
