"""Foreign names in a real Chromium: no page fetches anything from elsewhere, and all is read."""

from __future__ import annotations

import shutil
from urllib.parse import quote, urlsplit

import foreign
import pytest

from pages.ui.shared import formatting
from pages.ui.shared.foreign_text import plain
from vae import load_checkpoint


@pytest.fixture
def visit(page, app, data, monkeypatch):
    """A function that opens a page and waits for what it must show; nothing may leave the host."""
    monkeypatch.setenv("LATENT_DATA", str(data))
    foreign.make(data)
    asked = set()
    page.on("request", lambda request: asked.add(request.url))
    page.set_default_timeout(120_000)

    def open_page(path: str, selector: str):
        page.goto(f"{app}/{path}")
        page.wait_for_selector(selector)
        return page

    yield open_page
    hosts = {urlsplit(url).hostname for url in asked if url.startswith("http")}
    assert hosts == {"127.0.0.1"}
    assert page.evaluate("window.stolen") is None
    forget(data)


def forget(data) -> None:
    for folder in ("checkpoints/" + foreign.MODEL, "runs/" + foreign.MODEL + "-run"):
        shutil.rmtree(data / folder)
    shutil.rmtree(data / "runs" / foreign.FAILED)
    shutil.rmtree(data / "pictures")


def waits_for(page, text: str) -> None:
    """Until a text is on the page character by character, joiners without width left out."""
    page.wait_for_function(
        "text => document.body.textContent.replaceAll('\\u2060', '').includes(text)", arg=text
    )


def no_markup(page) -> None:
    """Nothing that came from a foreign text has become an element of the page."""
    assert page.locator(f"[href*='{foreign.HOST}'], [src*='{foreign.HOST}']").count() == 0
    assert page.locator(".katex, .stMarkdownColoredText").count() == 0


def test_no_page_fetches_what_a_name_asks_for(visit, data, tmp_path):
    nasty = quote(foreign.NASTY[0])
    page = visit(f"?model={nasty}", "[data-testid=stToast]")
    waits_for(page, f"“{foreign.NASTY[0][:40]}")
    no_markup(page)

    for colour in ("Class", formatting.option(foreign.NASTY[0])):
        page = visit(f"?model={foreign.MODEL}&colour={quote(colour)}", ".latent-map[data-ready]")
        page.wait_for_selector(".map-entry")
    waits_for(page, "without ![pic](http://")
    page.locator(".st-key-card").get_by_role("button").click()
    waits_for(page, f"{foreign.NASTY[0][:60]}")
    page.keyboard.press("Escape")
    page.locator(".st-key-place").get_by_role("button").click()
    page.get_by_text("A real image", exact=True).click()
    page.locator(".gallery button", has_text="#0 ·").click()
    waits_for(page, "#0 · ![pic](http:")
    no_markup(page)

    page = visit(f"interpolate?model={foreign.MODEL}", ".live-decoder[data-ready]")
    waits_for(page, "![pic](http:")
    no_markup(page)

    page = visit(f"concepts?model={foreign.MODEL}", ".live-decoder[data-ready]")
    page.get_by_text("Make, combine, import or export concepts").click()
    page.get_by_text("Export and import").click()
    vectors = tmp_path / "vectors.safetensors"
    model = load_checkpoint(data / "checkpoints" / foreign.MODEL)
    vectors.write_bytes(foreign.vectors(model, 1))
    page.locator("input[type=file]").set_input_files(vectors)
    page.get_by_role("button", name="Use ![pic]").click()
    waits_for(page, f"Remove {foreign.NASTY[2][:50]}")
    page.get_by_text("On the map", exact=True).click()
    page.wait_for_selector(".chart[data-drawn] .xtitle")
    no_markup(page)

    page = visit(f"train?run={foreign.MODEL}-run", ".chart[data-drawn] .legendtext")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.legendtext')]"
        ".some(e => e.textContent.includes('![pic]'))"
    )
    no_markup(page)
    page = visit(f"train?run={foreign.FAILED}", ".chart[data-drawn]")
    waits_for(page, f"Failed. {foreign.NASTY[0]}")
    no_markup(page)


EVERYWHERE = (
    f"?model={foreign.MODEL}&colour=class",
    *(f"interpolate?model={foreign.MODEL}&walk={walk}" for walk in ("path", "corners")),
    *(f"concepts?model={foreign.MODEL}&concept-view={view}" for view in ("after", "grid", "map")),
    *(f"train?run={run}" for run in (f"{foreign.MODEL}-run", foreign.FAILED)),
    *(f"library?shelf={shelf}" for shelf in ("datasets", "models", "runs")),
    f"learn_arithmetic?model={foreign.MODEL}",
)
TRIPLES = [foreign.HOSTILE[k : k + 3] for k in range(0, len(foreign.HOSTILE) - 2, 3)]
LONG = ("W" * 5_000, "\u0e33" * 900, "a " * 3_000)  # without a place to break, stacked, endless


@pytest.mark.soak
@pytest.mark.parametrize("names", [*TRIPLES, LONG], ids=lambda names: ascii(names)[:40])
def test_no_text_moves_a_page_or_fetches_anything(visit, data, names):
    """Every page in a browser, with names that each try one trick."""
    forget(data)
    foreign.make(data, [f"{name} {k}" for k, name in enumerate(names)])
    for path in (*EVERYWHERE, f"?model={quote(names[0])}&colour={quote(names[1])}"):
        page = visit(path, "[data-testid=stApp][data-test-script-state=notRunning]")
        page.wait_for_selector("[data-testid=stMain] [data-testid=stVerticalBlock]")
        if "learn" not in path:  # whose own formulas are elements
            no_markup(page)
        assert page.locator("[data-testid=stException]").count() == 0, path
        wide, tall, seen = page.evaluate(
            "() => [document.documentElement.scrollWidth, document.body.scrollHeight, innerWidth]"
        )
        assert wide <= seen and tall < 12_000, (path, wide, tall)
    page = visit(f"train?run={foreign.FAILED}", "[data-testid=stAlert]")
    waits_for(page, plain(f"{names[0]} 0", "text", longest=600)[:80])
