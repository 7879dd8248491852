"""A run watched in a real Chromium: what changes is redrawn in its place."""

from __future__ import annotations

import json

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


def test_watches_a_run_without_flicker(page, app, data):
    page.set_default_timeout(120_000)
    failed = []
    page.on(
        "response", lambda r: failed.append(r.url) if "/media/" in r.url and not r.ok else None
    )
    page.goto(f"{app}/?model=digits")
    page.get_by_role("link", name="Train").click()
    page.get_by_text("New run").first.or_(page.get_by_text("What to train")).first.wait_for()
    if page.get_by_text("What to train").count() == 0:
        page.get_by_text("New run").click()
    page.get_by_text("Digits in 30 seconds").click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_function(
        "document.querySelectorAll('.chart[data-drawn]').length === 6"
        " && document.querySelectorAll('[data-testid=stImage] img').length === 2"
    )
    before = page.evaluate(COUNT)
    page.get_by_text("Finished.").wait_for()
    page.get_by_text("Replay epoch").wait_for()
    after = page.evaluate(DRAWN)
    assert page.evaluate("window.lost") == []
    assert all(mine for mine, _ in after)
    assert after[0][1] > before[0] + 2  # the curves were redrawn all along
    assert not failed
    (run,) = [d for d in (data / "runs").iterdir() if d.name.startswith("digits-")]
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    page.get_by_role("button", name="Open in the map").click()
    page.wait_for_selector(".latent-map[data-ready]")
    assert page.locator("[data-testid=stSelectbox] input").first.input_value() == run.name
    page.get_by_role("link", name="Concepts", exact=True).click()
    page.wait_for_url(lambda url: "/concepts?" in url and f"model={run.name}" in url)
