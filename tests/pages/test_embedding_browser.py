"""A page in a frame of another site: the live part, fewer controls, and uploads or a word."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from soak import always
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from pages.ui.shared.link_table import CONTROLS

NO_STORAGE = """() => {
    for (const name of ["sessionStorage", "localStorage"]) {
        Object.defineProperty(window, name, {
            get() { throw new DOMException("Access is denied.", "SecurityError") },
        })
    }
}"""


@pytest.fixture(scope="module")
def course(serve) -> str:
    """The address of a page with a frame, whose address stands behind `?`."""

    async def page(request):
        source = request.url.query
        style = "margin-left: 440px; width: 980px; height: 700px"
        frame = f'<iframe src="{source}" style="{style}"></iframe>'
        return HTMLResponse(f"<!doctype html><link rel=icon href=data:,><h1>Week 3</h1>{frame}")

    return serve(Starlette(routes=[Route("/", page)]))


def framed(page, course: str, source: str, *, elsewhere: bool = True):
    """Opens a page with a frame, of another site or of the same, and gives the frame."""
    page.goto(f"{course.replace('127.0.0.1', 'localhost') if elsewhere else course}/?{source}")
    return page.frame_locator("iframe")


@always("site", ["another", "the same"], ["another"])
def test_a_map_in_a_frame_is_the_map_alone(app, course, page, site):
    page.add_init_script(f"({NO_STORAGE})()")
    source = f"{app}/?model=tiny-plane&embed=true&hide=tools,legend"
    frame = framed(page, course, source, elsewhere=site == "another")
    frame.locator(".latent-map[data-ready]").wait_for()
    for gone in ("h1", ".map-tools", ".map-legend", "[data-testid='stHeader']", ".stSelectbox"):
        assert not any(one.is_visible() for one in frame.locator(gone).all()), gone
    stage = frame.locator(".map-stage")
    assert frame.locator(".live-picture").is_visible()
    box = stage.bounding_box()
    assert box["height"] > 480, "it takes the room that the page's head had"
    stage.hover()
    frame.locator(".live-words", has_text="Decoded at").wait_for()
    stage.click()
    frame.locator(".map-status", has_text="Pinned").wait_for()


@always(
    "address, there, gone",
    [
        ("interpolate?model=tiny-gaussian&hide=frames,curves", ".live-row input", ".live-strip"),
        ("learn_likelihoods?hide=formula", ".pixels", ".st-key-formula"),
    ],
    ["interpolate?model=tiny-gaussian&hide=frames,curves"],
)
def test_controls_are_taken_away(app, page, address, there, gone):
    page.goto(f"{app}/{address}&embed=true")
    page.locator(there).first.wait_for()
    assert not any(one.is_visible() for one in page.locator(gone).all())
    assert not page.locator("h1").is_visible()


@pytest.mark.soak
def test_every_control_is_there_to_be_taken_away(app, page):
    """Else a selector would hide nothing, and nobody would notice."""
    found = {}
    pages = ("map?model=tiny-plane", "interpolate?model=tiny-gaussian", "learn_likelihoods")
    for address in pages:
        name = address.partition("?")[0]
        page.goto(f"{app}/{address}")
        page.locator(".st-key-head").wait_for()
        for control in CONTROLS:
            if name in control.pages and control.selector:
                page.locator(control.selector).first.wait_for(state="attached")
                found[control.name] = True
    assert set(found) == {control.name for control in CONTROLS if control.selector}


def test_a_name_that_is_no_control_is_named(app, page):
    page.goto(f"{app}/?model=tiny-plane&hide=tools,everything")
    page.locator(".stToast", has_text="names among navigation, head, tools").wait_for()


def test_share_writes_the_frame(app, page):
    page.goto(f"{app}/?model=tiny-plane")
    page.wait_for_selector(".latent-map[data-ready]")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Tools of the map").click()
    page.get_by_text("Live part alone").click()
    code = page.locator(".stCode", has_text="<iframe").filter(has_text="hide=tools")
    code.filter(has_text="embed=true").filter(has_text="model=tiny-plane").wait_for()


def test_uploads_work_where_cookies_do_and_else_a_sentence_says_what_to_open(app, course, page):
    source = f"{app}/learn_amortised?model=tiny-plane&from=upload"
    frame = framed(page, course, source)
    sentence = frame.get_by_text("Open the app itself")
    sentence.wait_for()
    frame = framed(page, course, source, elsewhere=False)
    frame.locator("input[type=file]").wait_for(state="attached")
    assert not sentence.is_visible()
    out = io.BytesIO()
    Image.new("L", (28, 28), 40).save(out, "PNG")
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()}
    frame.locator("input[type=file]").set_input_files(file)
    frame.get_by_text("mine.png").first.wait_for()
    assert not frame.get_by_text("403").is_visible()
