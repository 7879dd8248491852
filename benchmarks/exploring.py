"""One person explores all pages in one browser for hours: does anything grow, does anything fail?

    python benchmarks/exploring.py [--minutes 120] [--pause 3] [--seed 0] [--record]

First a tour of every page with every model that ships, and of its map with all train images,
after which all is loaded that is kept. From then on a script does what a person does, one thing
after another with pauses: goes to another page or back, chooses models and options, clicks,
drags, moves sliders, and now and then opens a link in a second tab. Memory of the server and
JavaScript's heap, after a collection, may each grow by 100 MB from the first time that the server
rests, on the Map after the tour, to the last, there again; nothing may be written to the console
as an error.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from latency import CHROMIUM, QUIET
from playwright.sync_api import CDPSession, ConsoleMessage, Error, Locator, Page, sync_playwright
from results import write_section
from serving import memory, rests, served

MODELS = ("digits", "digits-16", "fashion", "faces", "glyphs")
MOST = 100.0  # MB that the server, and the heap, may grow by
EVERY = 120.0  # seconds between two measurements
REST = 25.0  # seconds in which a server gives back what it has freed
LINKS = (
    "?model=faces&pins=3.17.s5.1&group-a=1.2.3",
    "interpolate?model=digits&a=17&b=4&at=0.3",
    "interpolate?model=faces&walk=corners",
    "concepts?model=faces&strengths=0.8",
    "learn_terms?answers=shown&image=5",
    "learn_codes?model=digits&seed=1",
    "train",
    "?model=fashion&projection=tsne&colour=kl",
)
LEFT = (  # buttons that change the data folder, take the processor for minutes, or leave the page
    "delete|remove|import|train|start|resume|download|export|save|upload|stop|rename|branch|queue"
)


class Explorer:
    """What a person does in one tab.

    Args:
        page: an open page of the app.
        seed: of the order in which things are done.
    """

    def __init__(self, page: Page, seed: int) -> None:
        self._page, self._chance = page, random.Random(seed)
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._actions: dict[Callable[[], bool], float] = {
            self.another_page: 3,
            self.move: 5,
            self.click: 3,
            self.drag: 2,
            self.press: 3,
            self.choose: 3,
            self.slide: 3,
            self.tick: 1,
            self.back: 1,
            self.link: 0.3,
        }

    def act(self) -> None:
        """Does one thing that the page offers."""
        action = self._chance.choices(list(self._actions), list(self._actions.values()))[0]
        try:
            done = action()
        except Error:  # covered by something else, or gone meanwhile
            done = False
        (self.done if done else self.missed)[action.__name__] += 1
        if not done:
            self._page.keyboard.press("Escape")

    def titles(self) -> list[str]:
        """All pages by their titles, those of the navigation's menu last."""
        links = self._page.get_by_test_id("stTopNavLink").all_inner_texts()
        self._page.get_by_test_id("stTopNavSection").first.click()
        inside = self._page.get_by_test_id("stTopNavDropdownLink")
        inside.first.wait_for()
        names = [*links, *inside.all_inner_texts()]
        self._page.keyboard.press("Escape")
        return [name.splitlines()[-1] for name in names]

    def go(self, title: str) -> bool:
        """Goes to a page as a click in the navigation does."""
        direct = self._page.get_by_test_id("stTopNavLink").filter(has_text=title)
        if direct.count():
            direct.first.click()
        else:
            self._page.get_by_test_id("stTopNavSection").first.click()
            inside = self._page.get_by_test_id("stTopNavDropdownLink").filter(has_text=title)
            inside.first.click()
        return True

    def another_page(self) -> bool:
        return self.go(self._chance.choice(self.pages))

    pages: tuple[str, ...] = ()

    def move(self) -> bool:
        return self._over(lambda x, y: None)

    def click(self) -> bool:
        return self._over(self._page.mouse.click)

    def drag(self) -> bool:
        def pull(x: float, y: float) -> None:
            self._page.mouse.down()
            self._page.mouse.move(x + self._chance.uniform(-120, 120), y, steps=6)
            self._page.mouse.up()

        return self._over(pull)

    def press(self) -> bool:
        button = self._any("button:visible:enabled")
        if button is None:
            return False
        name = f"{button.inner_text()} {button.get_attribute('aria-label') or ''}".lower()
        if any(word in name for word in LEFT.split("|")):
            return False
        button.click()
        if self._chance.random() < 0.7:
            self._page.keyboard.press("Escape")
        return True

    def choose(self) -> bool:
        box = self._any('[role="combobox"]:visible')
        if box is None:
            return False
        box.click()
        option = self._any('[role="option"]:visible')
        if option is not None:
            option.click()
        self._page.keyboard.press("Escape")
        return option is not None

    def slide(self) -> bool:
        slider = self._any('input[type="range"]:visible, [role="slider"]:visible')
        if slider is None:
            return False
        slider.focus()
        for _ in range(self._chance.randrange(1, 12)):
            self._page.keyboard.press(self._chance.choice(("ArrowLeft", "ArrowRight")))
        return True

    def tick(self) -> bool:
        box = self._any('label:has(input[type="checkbox"]):visible, [role="radio"]:visible')
        if box is None:
            return False
        box.click()
        return True

    def back(self) -> bool:
        self._page.go_back(wait_until="commit")
        if self._chance.random() < 0.5:
            self._page.go_forward(wait_until="commit")
        return True

    def link(self) -> bool:
        with contextlib.closing(self._page.context.new_page()) as other:
            address = "/".join(self._page.url.split("/")[:3])
            other.goto(f"{address}/{self._chance.choice(LINKS)}")
            other.wait_for_timeout(4_000)
        return True

    def _over(self, act: Callable[[float, float], None]) -> bool:
        """Moves the pointer over a component, and does something at the end."""
        place = self._any(".stBidiComponent canvas:visible, .stBidiComponent svg:visible")
        box = place and place.bounding_box()
        if not box:
            return False
        for _ in range(8):
            x = box["x"] + self._chance.random() * box["width"]
            y = box["y"] + self._chance.random() * box["height"]
            self._page.mouse.move(x, y, steps=4)
        act(x, y)
        return True

    def _any(self, selector: str) -> Locator | None:
        found = self._page.locator(selector).all()
        if not found:
            return None
        chosen = self._chance.choice(found)
        chosen.scroll_into_view_if_needed()
        return chosen


def show_all(page: Page) -> None:
    """Has the map show the train images as well, which are encoded for it."""
    page.get_by_role("combobox", name="Images", exact=True).click()
    page.get_by_role("option", name="All, train too", exact=True).click()
    begin, told = page.get_by_role("button", name="Encode them"), page.get_by_text("Hollow: ")
    begin.or_(told).first.wait_for()
    if begin.is_visible():
        begin.click()
    told.wait_for(timeout=900_000)


def heap(session: CDPSession) -> tuple[float, int]:
    """JavaScript's heap in MB after a collection, and how many nodes the documents have."""
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    metrics = session.send("Performance.getMetrics")["metrics"]
    return used, int(next(m["value"] for m in metrics if m["name"] == "Nodes"))


def explore(options: argparse.Namespace, data: Path) -> dict[str, object]:
    """The figures of one exploration."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit("No chromium was found; install it.")
    errors: list[str] = []
    command = [sys.executable, "-m", "uvicorn", "app:app"]
    root = Path(__file__).resolve().parent.parent
    with (
        served(command, root, data, data / "log", mode="single-user") as (address, process),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        context = browser.new_context(viewport={"width": 1280, "height": 800})

        def heard(message: ConsoleMessage) -> None:
            if message.type == "error":
                where = message.location.get("url", "")
                errors.append(f"{message.page and message.page.url}: {message.text} ({where})")
                print(errors[-1], flush=True)

        context.on("console", heard)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        page = context.new_page()
        page.set_default_timeout(120_000)  # which a busy machine may take
        page.goto(f"{address}/?model={MODELS[0]}", timeout=120_000)
        page.wait_for_selector(".latent-map[data-ready]", timeout=240_000)
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        start = time.monotonic()
        seen: list[dict[str, float]] = []

        def measure() -> None:
            used, nodes = heap(session)
            minutes = (time.monotonic() - start) / 60
            seen.append({"minutes": round(minutes, 1), "server": memory(process), "heap": used})
            actions = sum(explorer.done.values())
            print(
                f"{minutes:6.1f} min  server {seen[-1]['server']:7.1f} MB  heap {used:6.1f} MB  "
                f"{nodes:6} nodes  {actions:5} actions  {len(errors)} errors",
                flush=True,
            )

        def pause() -> None:
            page.wait_for_timeout(1000 * options.pause * random.uniform(0.67, 1.33))
            for shown in page.locator(".stException").all_inner_texts():
                errors.append(f"{page.url}: {shown}")
                print(errors[-1], flush=True)

        def measure_at_rest() -> None:
            explorer.go("Map")
            pause()
            rests(process)
            page.wait_for_timeout(1000 * REST)
            measure()

        explorer = Explorer(page, options.seed)
        explorer.pages = tuple(explorer.titles())
        print(f"pages: {', '.join(explorer.pages)}", flush=True)
        measure()
        for model in MODELS:
            explorer.go("Map")
            page.get_by_role("combobox", name="Model", exact=True).click()
            page.get_by_role("option", name=model, exact=True).click()
            show_all(page)
            for title in explorer.pages:
                explorer.go(title)
                pause()
        measure_at_rest()
        page.set_default_timeout(6_000)
        end = time.monotonic() + 60 * options.minutes
        due = time.monotonic() + EVERY
        while time.monotonic() < end:
            explorer.act()
            pause()
            if time.monotonic() > due:
                measure()
                due += EVERY
        page.set_default_timeout(120_000)
        page.keyboard.press("Escape")
        measure_at_rest()
        browser.close()
    first, base, *later = seen
    return {
        "minutes": options.minutes,
        "actions": sum(explorer.done.values()),
        "what was done": dict(explorer.done),
        "what was not there": dict(explorer.missed),
        "server_mb_at_first": first["server"],
        "server_mb_after_the_tour": base["server"],
        "server_mb_at_the_end": later[-1]["server"],
        "server_mb_grown_since_the_tour": later[-1]["server"] - base["server"],
        "server_mb_at_most": max(one["server"] for one in later),
        "heap_mb_after_the_tour": base["heap"],
        "heap_mb_at_the_end": later[-1]["heap"],
        "heap_mb_at_most": max(one["heap"] for one in later),
        "errors": errors,
    }


def main() -> int:
    """Explores, and prints the figures; 1 if something grew too much or failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between two actions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="keep the figures in results.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends, too
    with tempfile.TemporaryDirectory() as folder:
        found = explore(options, Path(folder))
    print(json.dumps(found, indent=1))
    if options.record:
        rows = [f"| {name} | {value} |" for name, value in found.items()]
        command = f"python benchmarks/exploring.py --minutes {options.minutes:g}"
        command += f" --pause {options.pause:g}"
        write_section("Exploring", command, ["| figure | value |", "|---|---|", *rows])
    server = found["server_mb_grown_since_the_tour"]
    grown = found["heap_mb_at_the_end"] - found["heap_mb_after_the_tour"]
    total = found["server_mb_at_the_end"]
    errors = len(found["errors"])
    print(f"server {server:+.0f} to {total:.0f} MB, heap {grown:+.0f} MB, {errors} errors")
    return int(server > MOST or grown > MOST or bool(found["errors"]))


if __name__ == "__main__":
    sys.exit(main())
