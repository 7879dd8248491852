"""The lesson in which a VAE is trained in the browser: it starts, learns, pauses, and is drawn."""

from __future__ import annotations

LESSON = ".plane-vae"


def told(page, name: str) -> float:
    return float(page.locator(LESSON).get_attribute(f"data-{name}"))


def beyond(page, steps: float) -> None:
    root = page.locator(LESSON).element_handle()
    page.wait_for_function(
        "([root, steps]) => Number(root.dataset.steps) > steps", arg=[root, steps]
    )


def test_a_vae_trains_at_once_and_its_bound_stays_below_log_p(page, app):
    page.set_default_timeout(60_000)
    page.emulate_media(reduced_motion="no-preference")
    page.goto(f"{app}/learn_plane?points=moons")
    page.wait_for_selector(f"{LESSON}[data-running=true]")
    page.wait_for_selector(f"{LESSON}[data-steps]")
    begun, first = told(page, "steps"), told(page, "elbo")
    beta = page.locator(f"{LESSON} input").first
    assert beta.is_disabled(), "first it is asked what it does"
    beyond(page, begun + 250)
    page.get_by_role("button", name="Pause").click()
    assert page.locator(LESSON).get_attribute("data-running") == "false"
    steps = told(page, "steps")
    assert first < told(page, "elbo") < told(page, "evidence")
    assert abs(told(page, "elbo") - (told(page, "reconstruction") - told(page, "kl"))) < 1e-9
    page.get_by_role("button", name="One step").click()
    beyond(page, steps)
    assert told(page, "steps") == steps + 1

    page.get_by_role("radio", name="they shrink to points").click()
    card = page.locator("[class*='st-key-predict-plane']")
    card.filter(has_text="raise β to 4").wait_for()
    before = told(page, "kl")
    beta.fill("10")  # posterior collapse: it trains on by itself
    page.wait_for_function(
        "([root, kl]) => Number(root.dataset.kl) < kl",
        arg=[page.locator(LESSON).element_handle(), before / 2],
    )
    card.filter(has_text="It is they swell until they are the prior. Their mean σ went").wait_for()
    page.locator(".lesson-steps li[data-done][aria-current]").wait_for()  # it was seen to happen


def test_one_can_draw_points_with_a_pointer_or_with_keys(page, app):
    page.set_default_timeout(60_000)
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{app}/learn_plane")
    page.wait_for_selector(f"{LESSON}[data-running=false]")  # nothing moves by itself
    page.get_by_role("button", name="Clear and draw").click()
    status = page.locator(".plane-vae-status")
    assert "Draw points" in status.inner_text()
    plane = page.locator(".plane-vae-data")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    for k in range(6):
        page.mouse.move(box["x"] + 60 + 30 * k, box["y"] + 60 + 10 * k)
    page.mouse.up()
    assert status.inner_text() == ""
    plane.focus()
    for key in ("ArrowLeft", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Train").click()
    beyond(page, 20)
    drawn = told(page, "points")
    assert 12 <= drawn < 100
    page.reload()
    page.wait_for_selector(f"{LESSON}[data-evidence]")
    assert told(page, "points") == drawn, "the tab keeps them"
