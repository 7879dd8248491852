"""Heavy work in the app's own process: in turn, bounded, and left by whoever goes away."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.shared import estimates
from pages.ui.shared.cache import latent_space
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import real_pin
from pages.ui.shared.visitor import Visitor
from pages.ui.shared.waiting_line import (
    EVIDENCE,
    BusyError,
    LeftError,
    WaitingLine,
    Wishes,
)

MAP = Path(__file__).resolve().parents[3] / "pages" / "map.py"


class Gone(Exception):
    """What Streamlit raises in the script of a visitor who has gone on."""


def size(line: WaitingLine) -> int:
    return len(line._working) + sum(map(len, line._lines.values()))


def occupied(
    line: WaitingLine, visitors: str, ended: list[str]
) -> tuple[list[threading.Thread], threading.Semaphore]:
    """A thread in the line for each letter; each one that works ends with one release."""
    end = threading.Semaphore(0)

    def work(visitor: str) -> None:
        with line.turn(visitor):
            assert end.acquire(timeout=30)
            ended.append(visitor)

    threads = [threading.Thread(target=work, args=(visitor,)) for visitor in visitors]
    for number, thread in enumerate(threads):
        thread.start()
        until(lambda number=number: size(line) > number)
    return threads, end


def ended(threads: list[threading.Thread], end: threading.Semaphore) -> None:
    end.release(len(threads))
    for thread in threads:
        thread.join(30)


def test_few_work_few_wait_and_the_next_is_refused():
    line, at_once, most = WaitingLine(2, 3, each=1), [], []

    def work(visitor: int) -> None:
        with line.turn(visitor):
            at_once.append(1)
            most.append(len(at_once))
            end.wait(30)
            at_once.pop()

    end = threading.Event()
    threads = [threading.Thread(target=work, args=(visitor,)) for visitor in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        until(lambda number=number: size(line) > number)
    with pytest.raises(BusyError, match="3 computations of this kind"), line.turn("another"):
        pass
    end.set()
    for thread in threads:
        thread.join(30)
    assert max(most) == 2 and len(most) == 5
    with line.turn("another", lambda ahead: pytest.fail("nobody is ahead")):
        pass


def test_visitors_take_turns_however_much_one_of_them_wants():
    line, order = WaitingLine(1, 20, each=4), []
    threads, end = occupied(line, "aaaabbc", order)
    with pytest.raises(BusyError, match="as one visitor may: 4"), line.turn("a"):
        pass
    ended(threads, end)
    assert "".join(order) == "aabcaba"


def test_who_waits_is_told_and_may_leave():
    line = WaitingLine(1, 3, each=1)
    threads, end = occupied(line, "ab", [])
    told = []

    def leave(ahead: int) -> None:
        told.append(ahead)
        raise Gone

    with pytest.raises(Gone), line.turn("c", leave):
        pytest.fail("it was not its turn")
    assert told == [2] and size(line) == 2
    ended(threads, end)
    assert size(line) == 0


def test_a_request_waits_in_turn_without_a_thread_and_leaves_when_its_browser_has():
    line, order = WaitingLine(1, 20, each=2), []
    threads, end = occupied(line, "aa", order)
    closed = set()

    async def ask(visitor: str) -> str:
        async def gone() -> bool:
            return visitor in closed

        try:
            async with line.turn_of_request(visitor, gone):
                order.append(visitor)
                return "answered"
        except LeftError:
            return "left"

    async def all_of_them() -> list[str]:
        asked = [asyncio.create_task(ask(visitor)) for visitor in "bcd"]
        while size(line) < 5:
            await asyncio.sleep(0)
        closed.add("c")
        await asked[1]  # leaves before its turn
        assert order == []
        end.release(3)
        return await asyncio.gather(*asked)

    with ThreadPoolExecutor(1) as apart:  # from the loop of a browser's test
        answers = apart.submit(lambda: asyncio.run(all_of_them())).result(60)
    assert answers == ["answered", "left", "answered"]
    ended(threads, end)
    assert order == ["a", "a", "b", "d"] and size(line) == 0


def test_work_that_fails_leaves_the_line():
    line = WaitingLine(1, 0, each=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="of its own"), line.turn("a"):
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


def until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_wishes_come_true_in_turn_and_what_nobody_wants_any_more_is_dropped():
    wishes, begun, done, go = Wishes(most=2), [], [], threading.Event()

    def work(name: str):
        def run(go_on) -> None:
            begun.append(name)
            go.wait(30)
            go_on()
            done.append(name)

        return run

    assert wishes.want("one", "a", work("one's first"))
    assert wishes.want("one", "a", work("asked again"))  # which is no wish of its own
    until(lambda: begun)
    assert wishes.want("two", "a", work("two's"))
    assert not wishes.want("three", "a", work("three's"))  # too many wait
    assert wishes.want("one", "b", work("one's second"))  # who has moved on from the first
    go.set()
    until(lambda: len(done) == 2)
    assert done == ["two's", "one's second"] and "one's first" in begun
    assert wishes.want("three", "a", work("three's"))
    until(lambda: done[-1] == "three's")


def test_it_rests_while_others_use_the_app():
    wishes, done = Wishes(most=2, rest=0.05), []
    wishes.disturb()
    since = time.monotonic()
    wishes.want("one", "a", lambda go_on: done.append(time.monotonic()))
    until(lambda: done)
    assert done[0] - since >= 0.05


def test_it_ends_in_a_stated_time_where_others_never_pause():
    """As in a class in which somebody pins every 25 ms."""
    wishes, done, end = Wishes(most=2, rest=0.5, longest=0.6), [], threading.Event()

    def pin() -> None:
        while not end.is_set():
            wishes.disturb()
            end.wait(0.025)

    busy = threading.Thread(target=pin)
    busy.start()
    parts: list[tuple[float, float]] = []

    def work(go_on) -> None:
        for _ in range(8):
            since = time.monotonic()
            time.sleep(0.03)  # of work
            ended = time.monotonic()
            go_on()
            parts.append((ended - since, time.monotonic() - ended))
        done.append(time.monotonic())

    since = time.monotonic()
    wishes.want("one", "a", work)
    try:
        until(lambda: done)
    finally:
        end.set()
        busy.join(30)
    assert done[0] - since >= 0.6  # others went first
    assert done[0] - since < 0.6 + 2 * sum(worked for worked, _ in parts) + 2  # a slow machine's
    assert all(rested >= worked for worked, rested in parts)  # half of the time is theirs


def test_whoever_does_not_ask_again_has_gone():
    wishes, begun, done, go = (
        Wishes(most=2, patience=1),
        threading.Event(),
        [],
        threading.Event(),
    )

    def work(go_on) -> None:
        begun.set()
        go.wait(30)
        go_on()
        done.append(1)

    wishes.want("gone", "a", work)
    assert begun.wait(30)
    time.sleep(1.1)
    go.set()
    wishes.want("there", "a", lambda go_on: done.append(2))
    until(lambda: done)
    assert done == [2]


def test_in_a_room_a_pin_waits_for_no_estimate(monkeypatch):
    monkeypatch.setenv("LATENT_MODE", "room")
    space = latent_space("digits-16")
    asked = threading.Event()
    monkeypatch.setattr(estimates, "estimate", lambda *a: asked.set() or space.bounds(0))
    at = AppTest.from_file(MAP, default_timeout=120)
    at.session_state["model"] = "digits-16"
    at.session_state["visitor"] = Visitor(pins=[real_pin(space, 417)])
    at.run()
    shown = {metric.label: metric.value for metric in at.metric}
    assert not at.exception and shown["Log evidence"] == "…"
    assert asked.wait(30)
