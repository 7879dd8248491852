"""A run in a real Chromium: watched, steered, stopped, resumed, replayed."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from train_browser import keyed, press, start, until

from vae.runs.control import control, read_changes
from vae.runs.folder import is_alive
from vae.runs.metrics import read_metrics
from vae.runs.snapshots import list_snapshots
from vae.runs.status import read_status

COUNT = """() => {
    window.lost = []
    const charts = [...document.querySelectorAll(".chart")]
    charts.forEach((chart) => { chart.mine = true })
    new MutationObserver((changes) => {
        for (const { removedNodes } of changes) {
            for (const node of removedNodes) {
                const chart = node.mine ? node : node.querySelector?.(".chart")
                if (chart) window.lost.push([chart.ariaLabel, document.body.innerText])
            }
        }
    }).observe(document.body, { childList: true, subtree: true })
    return charts.map((chart) => Number(chart.dataset.drawn))
}"""
DRAWN = "() => [...document.querySelectorAll('.chart')].map(c => [c.mine, +c.dataset.drawn])"


# The held-out points that the curves of a term have, and the events marked on them.
CURVE = """term => {
    const chart = document.querySelector(`.st-key-curve-${term} .chart`)
    if (!chart?.data) return null
    const heldout = chart.data.at(-1)
    return [Array.from(heldout.x ?? []), (chart.layout.annotations ?? []).map((a) => a.text)]
}"""
POINTS = (
    "() => JSON.stringify(document.querySelector('.st-key-codes .chart').data.map((t) => t.x))"
)


@pytest.fixture
def runs(data):
    """The runs' folder; what a test leaves at work there is stopped."""
    folder = data / "runs"
    yield folder
    for run in folder.iterdir():
        if is_alive(run):
            with contextlib.suppress(ValueError):
                control(run, "stop")
    until(lambda: not any(is_alive(run) for run in folder.iterdir()))


@pytest.mark.soak
def test_watches_a_run_without_flicker(page, app, runs):
    failed = []
    page.on(
        "response", lambda r: failed.append(r.url) if "/media/" in r.url and not r.ok else None
    )
    run = start(page, app, runs, epochs=30)
    page.wait_for_function(
        "() => document.querySelectorAll('.chart[data-drawn]').length === 6"
        " && document.querySelectorAll('.live-part img').length === 2"
    )
    before = page.evaluate(COUNT)
    keyed(page, "open").wait_for()
    keyed(page, "replay").wait_for()
    after = page.evaluate(DRAWN)
    assert page.evaluate("window.lost") == []
    assert all(mine for mine, _ in after)
    assert after[0][1] > before[0] + 2  # the curves were redrawn all along
    assert not failed
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    press(page, "open")
    page.wait_for_selector(".latent-map[data-ready]")
    assert keyed(page, "model").locator("input").input_value() == run.name
    page.get_by_role("link", name="Concepts", exact=True).click()
    page.wait_for_url(lambda url: "/concepts?" in url and f"model={run.name}" in url)


def test_a_run_is_steered_stopped_resumed_and_replayed(page, app, runs):
    run = start(page, app, runs, epochs=100)

    # The held-out curve grows while it trains, one point an epoch.
    page.wait_for_function(f"() => ({CURVE})('elbo')?.[0].length >= 2")
    shown = page.evaluate(CURVE, "elbo")[0]
    assert shown == list(range(1, len(shown) + 1))

    # A pause holds it where it is; one step is one step.
    press(page, "pause")
    until(lambda: read_status(run).state == "paused")
    keyed(page, "one-step").wait_for()
    step = read_status(run).step
    press(page, "one-step")
    until(lambda: read_status(run).step == step + 1)
    assert read_status(run).state == "paused"

    # Beta is moved while it stands still, and takes effect at the next step.
    beta = keyed(page, "beta-").get_by_role("slider")
    assert float(beta.input_value()) == 1
    beta.focus()
    page.keyboard.press("ArrowRight")
    until(lambda: [c["beta"] for c in read_changes(run)] == [1.1])
    assert read_changes(run)[0]["step"] == step + 1
    press(page, "go-on")
    page.wait_for_function(f"() => ({CURVE})('kl')?.[1].some((text) => text.includes('1.1'))")
    until(lambda: read_metrics(run)[0][-1]["step"] > step + 2)
    betas = {row["step"]: row["beta"] for row in read_metrics(run)[0]}
    assert {b for s, b in betas.items() if s <= step} == {1}
    assert betas[max(betas)] == 1.1

    # Stopped, it can be resumed where it was saved, with the beta that was set.
    press(page, "stop")
    keyed(page, "resume").wait_for()
    assert read_status(run).state == "stopped"
    kept = read_status(run).step
    press(page, "resume")
    keyed(page, "pause").wait_for()
    until(lambda: read_status(run).step > kept)
    assert float(keyed(page, "beta-").get_by_role("slider").input_value()) == 1.1
    until(lambda: len(list_snapshots(run)) >= 4)
    press(page, "stop")
    keyed(page, "replay").wait_for()
    until(lambda: read_status(run).state == "stopped" and not is_alive(run))
    newest = str(list_snapshots(run)[-1])
    page.wait_for_function(
        """newest => document.querySelector(
            "[data-testid=stApp][data-test-script-state=notRunning]"
        ) && document.querySelector("[class*=st-key-replay]").innerText.includes(newest)""",
        arg=newest,
    )

    # The replay shows the codes of each epoch, the first one's before anything was learned.
    replay = keyed(page, "replay").get_by_role("slider")
    last = page.evaluate(POINTS)
    pictures = page.locator(".live-part img")
    samples = pictures.last.get_attribute("src")
    replay.focus()
    page.keyboard.press("Home")
    page.wait_for_function(f"last => ({POINTS})() !== last", arg=last)
    page.wait_for_function(
        "([image, before]) => image.src !== before",
        arg=[pictures.last.element_handle(), samples],
    )
    page.keyboard.press("End")
    page.wait_for_function(f"last => ({POINTS})() === last", arg=last)

    # It is a model like any other: the map opens it and makes its codes.
    press(page, "open")
    page.wait_for_selector(".latent-map[data-ready]")
    assert keyed(page, "model").locator("input").input_value() == run.name
    assert re.search(rf"model={run.name}", page.url)


@pytest.mark.soak
def test_the_page_of_a_run_fits_a_phone(browser, app, runs):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    try:
        page = context.new_page()
        run = start(page, app, runs, epochs=5_000)
        page.wait_for_function(
            "() => document.querySelectorAll('.chart[data-drawn]').length === 6"
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        keyed(page, "pause").get_by_role("button").tap()
        until(lambda: read_status(run).state == "paused")
        keyed(page, "go-on").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        context.close()
