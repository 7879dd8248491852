"""The moving parts of the Learn pages in a real Chromium: planes, a Gaussian, a curve, pixels."""

from __future__ import annotations

import pytest
import soak

PICTURES = """() => Array.from(document.querySelectorAll("[data-testid='stMain'] *"))
    .flatMap((e) => e.shadowRoot ? Array.from(e.shadowRoot.querySelectorAll(SELECTOR)) : [])
    .map((c) => Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data)
        .reduce((sum, v, i) => (sum * 31 + v * (i % 97)) % 1e9, 7))"""


def pictures(page, selector: str) -> list[int]:
    """A number for what each canvas shows."""
    return page.evaluate(PICTURES.replace("SELECTOR", f"'{selector}'"))


def open_planes(page, app: str, path: str):
    page.set_default_timeout(120_000)
    page.goto(f"{app}/{path}{'&' if '?' in path else '?'}answers=shown")
    page.wait_for_selector(".planes[data-ready]")
    page.wait_for_selector(".planes[data-exact='true']")
    page.locator(".plane-stage").first.scroll_into_view_if_needed()
    return page


def stage(page, k: int, x: float, y: float) -> tuple[float, float]:
    box = page.locator(".plane-stage").nth(k).bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def settle(page, k: int, before: str | None) -> str:
    """Waits until a plane shows the picture of its mark, which is elsewhere than before."""
    view = page.locator(".plane-stage").nth(k)
    page.wait_for_function(
        "([stage, before]) => stage.dataset.decoded && stage.dataset.decoded !== before",
        arg=[view.element_handle(), before],
    )
    return view.get_attribute("data-decoded")


def test_one_pointer_moves_both_planes_without_the_server(page, app):
    open_planes(page, app, "learn_autoencoder")
    settle(page, 1, None)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    first = pictures(page, ".plane-screen canvas")
    page.mouse.move(*stage(page, 0, 0.31, 0.42))
    places = [settle(page, k, None) for k in (0, 1)]
    page.mouse.move(*stage(page, 0, 0.62, 0.55))
    moved = [settle(page, k, place) for k, place in enumerate(places)]
    second = pictures(page, ".plane-screen canvas")
    assert len(first) == len(second) == 2
    assert all(a != b for a, b in zip(first, second, strict=True)), "both decode the new place"
    # The same relative place: the second pointer is moved by moving over the first plane alone.
    assert moved[0] != moved[1]
    assert not [url for url in requests if "/live/" in url]
    page.mouse.move(*stage(page, 1, 0.62, 0.55))
    near = [[float(v) for v in settle(page, k, None).split(",")] for k in (0, 1)]
    for place, again in zip(moved, near, strict=True):
        then = [float(v) for v in place.split(",")]
        assert again == pytest.approx(then, abs=0.02 * (1 + max(map(abs, then))))


@pytest.mark.soak
def test_arrow_keys_move_the_pointer(page, app):
    open_planes(page, app, "learn_autoencoder")
    before = settle(page, 1, None)
    page.locator(".plane-stage").first.focus()
    page.keyboard.press("ArrowRight")
    after = settle(page, 1, before)
    assert float(after.split(",")[0]) > float(before.split(",")[0])
    assert after.split(",")[1] == before.split(",")[1]


def test_n_leads_to_the_next_step_and_p_back(page, app):
    open_planes(page, app, "learn_autoencoder")
    page.keyboard.press("n")
    page.get_by_role("heading", name="2 · The ELBO is a bound").wait_for()
    assert page.url.split("?")[0].endswith("/learn_elbo")
    page.get_by_text("What to try").wait_for()
    page.keyboard.press("p")
    page.get_by_role("heading", name="1 · Autoencoder or variational?").wait_for()


def test_dragging_the_weights_together_closes_jensens_gap(page, app):
    open_planes(page, app, "learn_elbo?image=3")
    page.wait_for_selector(".jensen[data-gap]")
    gap = float(page.locator(".jensen").get_attribute("data-gap"))
    assert gap > 0.1
    canvas = page.locator(".jensen canvas")
    canvas.scroll_into_view_if_needed()
    canvas.focus()
    page.keyboard.press("ArrowUp")  # from the first point to the last: it is chosen by keys
    page.keyboard.press("ArrowUp")
    for _ in range(44):
        page.keyboard.press("ArrowLeft")
    closer = float(page.locator(".jensen").get_attribute("data-gap"))
    assert 0 < closer < gap
    box = canvas.bounding_box()
    width = box["width"] - 28

    def x(w: float) -> float:
        return box["x"] + 14 + w / (4 * 1.03) * width

    page.mouse.move(x(0.15), box["y"] + 0.7 * box["height"])
    page.mouse.down()
    page.mouse.move(x(0.95), box["y"] + 0.4 * box["height"], steps=5)
    page.mouse.up()
    assert float(page.locator(".jensen").get_attribute("data-gap")) < closer


def test_the_posterior_is_decoded_under_the_pointer(page, app):
    open_planes(page, app, "learn_elbo?image=3")
    place = settle(page, 0, None)
    before = pictures(page, ".plane-screen canvas")
    page.locator(".plane-stage").scroll_into_view_if_needed()
    page.mouse.move(*stage(page, 0, 0.15, 0.2))
    settle(page, 0, place)
    assert pictures(page, ".plane-screen canvas") != before
    assert page.locator(".plane-screen figcaption").inner_text().count("log p(z|x)") == 1


def test_q_is_dragged_and_widened_and_python_answers(page, app):
    open_planes(page, app, "learn_terms?image=3")
    page.wait_for_selector(".plane-draws[data-decoded]")
    first = pictures(page, ".plane-draws canvas")
    assert len(first) == 8
    all_formulas = (
        "Array.from(document.querySelectorAll('.katex-html'), (e) => e.innerText).join()"
    )
    numbers = page.evaluate(all_formulas)
    before = settle(page, 0, None)
    page.locator(".plane-stage").first.scroll_into_view_if_needed()
    page.mouse.move(*stage(page, 0, 0.3, 0.3))
    page.mouse.down()
    page.mouse.move(*stage(page, 0, 0.35, 0.4), steps=4)
    settle(page, 0, before)
    page.wait_for_selector(".plane-draws[data-decoded]")
    assert pictures(page, ".plane-draws canvas") != first, "draws follow while q is dragged"
    page.mouse.up()
    page.wait_for_function(f"before => {all_formulas} !== before", arg=numbers)
    page.wait_for_function(
        "() => location.search.includes('q=')"
    )  # the place is part of the address


@pytest.mark.soak
def test_a_pixel_is_read_in_all_pictures(page, app):
    page.set_default_timeout(120_000)
    page.goto(f"{app}/learn_likelihoods?image=0&answers=shown")
    page.wait_for_selector(".pixels[data-at]")
    before = page.locator(".pixels .lines").all_inner_texts()
    assert len(before) == 3 and all("log p(x | z) =" in text for text in before)
    box = page.locator(".pixels canvas").first.bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    assert page.locator(".pixels").get_attribute("data-at") == "0,0"
    after = page.locator(".pixels .lines").all_inner_texts()
    assert after != before
    page.locator(".pixels").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".pixels").get_attribute("data-at") == "1,0"
    assert "pixel=" not in page.url, "reading tells the server nothing"
    page.keyboard.press("Enter")
    page.wait_for_url("**pixel=1*")


@soak.always("file", ["autoencoder", "elbo", "terms", "likelihoods"], ["likelihoods"])
def test_nothing_is_wider_than_a_phone(browser, app, file):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    try:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{app}/learn_{file}?answers=shown")
        page.get_by_text("What to try").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        context.close()


@pytest.mark.soak
def test_the_next_step_opens_with_an_image_in_the_address(page, app):
    page.set_default_timeout(120_000)
    page.goto(f"{app}/learn_terms?image=5&answers=shown")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("heading", name="4 · What the decoder predicts").wait_for()
    assert page.get_by_text("encountered an error").count() == 0
