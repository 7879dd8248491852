"""Heavy work in the app's own process: in order, bounded, and left by whoever goes away."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.shared.cache import latent_space
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import real_pin
from pages.ui.shared.visitor import Visitor
from pages.ui.shared.waiting_line import EVIDENCE, BusyError, WaitingLine

MAP = Path(__file__).resolve().parents[3] / "pages" / "map.py"


class Gone(Exception):
    """What Streamlit raises in the script of a visitor who has gone on."""


def occupied(line: WaitingLine, count: int) -> tuple[list[threading.Thread], threading.Event]:
    """So many threads in the line, of which all end with the event."""
    end = threading.Event()

    def work() -> None:
        with line.turn():
            end.wait(30)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(line._line) <= number:
            pass
    return threads, end


def test_few_work_few_wait_and_the_next_is_refused():
    line, at_once, most = WaitingLine(2, 3), [], []

    def work() -> None:
        with line.turn():
            at_once.append(1)
            most.append(len(at_once))
            end.wait(30)
            at_once.pop()

    end = threading.Event()
    threads = [threading.Thread(target=work) for _ in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(line._line) <= number:
            pass
    with pytest.raises(BusyError, match="3 visitors are already waiting"), line.turn():
        pass
    end.set()
    for thread in threads:
        thread.join(30)
    assert max(most) == 2 and len(most) == 5
    with line.turn(lambda ahead: pytest.fail("nobody is ahead")):
        pass


def test_who_waits_is_told_and_may_leave():
    line = WaitingLine(1, 3)
    threads, end = occupied(line, 2)
    told = []

    def leave(ahead: int) -> None:
        told.append(ahead)
        raise Gone

    with pytest.raises(Gone), line.turn(leave):
        pytest.fail("it was not its turn")
    assert told == [2] and len(line._line) == 2
    end.set()
    for thread in threads:
        thread.join(30)
    assert not line._line


def test_work_that_fails_leaves_the_line():
    line = WaitingLine(1, 0)
    for _ in range(2):
        with pytest.raises(ValueError, match="of its own"), line.turn():
            raise ValueError("of its own")


def test_a_visitor_is_told_when_too_many_wait(monkeypatch):
    """The page shows everything else."""
    monkeypatch.setattr(EVIDENCE, "_waiting", -EVIDENCE._at_once)
    monkeypatch.setattr(LatentSpace, "bounds", lambda space, row: None)  # none with the codes
    at = AppTest.from_file(MAP, default_timeout=60)
    at.run()
    name = at.selectbox(key="model").value
    at.session_state["visitor"] = Visitor(pins=[real_pin(latent_space(name), 11)])
    at.run()
    assert not at.exception
    assert any("Try again in a moment" in caption.value for caption in at.caption)
    assert "ELBO" in [metric.label for metric in at.metric]
