"""What tests of the training page do in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["keyed", "press", "start", "until"]


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def keyed(page, key: str):
    """The part of the page whose widget's key begins so."""
    return page.locator(f"[class*='st-key-{key}']").first


def press(page, key: str) -> None:
    keyed(page, key).get_by_role("button").click()


def start(page, app: str, runs: Path, epochs: int) -> Path:
    """Begins a run of the first preset with so many epochs; gives its folder."""
    before = set(runs.iterdir()) if runs.exists() else set()
    page.set_default_timeout(120_000)
    page.goto(f"{app}/?model=tiny-plane")
    page.goto(f"{app}/train")
    page.wait_for_selector("[class*=st-key-train-view]")
    if keyed(page, "preset").count() == 0:
        keyed(page, "train-view").get_by_role("radio").nth(1).click()
    keyed(page, "preset").wait_for()
    page.locator("[data-testid=stExpander] summary").first.click()
    field = page.locator("[class*='st-key-digits'][class*='-epochs'] input")
    field.fill(str(epochs))
    field.press("Enter")
    press(page, "start")
    until(lambda: runs.exists() and set(runs.iterdir()) - before)
    (run,) = set(runs.iterdir()) - before
    return run
