"""Long steps: a bounded line that sessions take turns in, and what nobody looks at is dropped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.shared import jobs
from pages.ui.shared.waiting_line import WaitingLine


@pytest.fixture(autouse=True)
def own_jobs(monkeypatch, tmp_path) -> Iterator[None]:
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setattr(jobs, "_jobs", {})
    monkeypatch.setattr(jobs, "_LINE", WaitingLine(at_once=2, waiting=20, each=10))
    yield
    for job in jobs._jobs.values():
        job._stop.set()
    until(lambda: not any(job.live for job in jobs._jobs.values()))


def until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def work(job: jobs.Job) -> None:
    while True:
        job.tell(0.5)
        time.sleep(0.005)


def test_what_is_simply_begun_again_stops_where_nobody_looks_and_all_else_goes_on(monkeypatch):
    monkeypatch.setattr(jobs, "_PATIENCE", 2.0)
    kept = jobs.start("import", "Importing", work)
    seen = jobs.start("seen", "Looking", work, remembered=False)
    left = jobs.start("left", "Looking", work, remembered=False)  # waits for its turn
    while left.live:
        seen.look()
        time.sleep(0.01)
    assert left.state == "stopped" and kept.live and seen.live
    assert jobs.find("left") is None  # whoever comes back begins it again
    until(lambda: not seen.live)
    assert kept.state == "running"


def test_who_stops_a_look_is_told_so():
    job = jobs.start("look", "Looking", work, remembered=False)
    job._stop.set()
    until(lambda: not job.live)
    assert jobs.find("look") is job and job.state == "stopped"


def test_sessions_take_turns_and_too_many_are_refused(monkeypatch):
    line, order, go = WaitingLine(at_once=1, waiting=3, each=3), [], threading.Event()
    monkeypatch.setattr(jobs, "_LINE", line)

    def noted(job: jobs.Job) -> None:
        go.wait(30)
        order.append(job.key)

    def start(key: str) -> jobs.Job:
        monkeypatch.setattr(jobs, "_session", lambda: key[0])
        before = len(line._working) + sum(map(len, line._lines.values()))
        job = jobs.start(key, "Working", noted)
        until(
            lambda: (
                not job.live or len(line._working) + sum(map(len, line._lines.values())) > before
            )
        )
        return job

    for key in ("a1", "a2", "a3"):
        start(key)
    fourth = start("a4")
    assert fourth.state == "failed" and "as one visitor may: 3" in fourth.problem
    start("b1")
    assert "Try again in a moment" in start("c1").problem
    go.set()
    until(lambda: len(order) == 4)
    assert order == ["a1", "a2", "b1", "a3"]


def test_a_page_that_shows_a_job_looks_at_it():
    def page() -> None:
        from pages.ui.components.job_progress import show_job
        from pages.ui.shared import jobs

        show_job(jobs._jobs["shown"])

    job = jobs.start("shown", "Looking", work, remembered=False)
    job._seen = since = time.monotonic() - 5
    assert not AppTest.from_function(page, default_timeout=30).run().exception
    assert job._seen > since
