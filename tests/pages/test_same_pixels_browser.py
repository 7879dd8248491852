"""What a page decodes is the same after a reload and in a second browser, to one grey level."""

from __future__ import annotations

import numpy as np
from soak import always

# All decoded pictures of a page that stand still: canvases of components, in their order.
PIXELS = """selector => {
    const found = []
    const search = (root) => {
        for (const canvas of root.querySelectorAll(selector)) {
            const { width, height } = canvas
            if (width < 8) return
            found.push(Array.from(canvas.getContext("2d").getImageData(0, 0, width, height).data))
        }
        for (const e of root.querySelectorAll("*")) if (e.shadowRoot) search(e.shadowRoot)
    }
    search(document)
    return found
}"""
READY = "[data-testid=stApp][data-test-script-state=notRunning]"
LIVE = ".live-decoder[data-ready][data-decoded]"
CASES = {
    "map": ("?model=tiny-plane&pins=7", ".latent-map[data-exact=true]", ".live-mean"),
    "interpolate": (
        "interpolate?model=tiny-gaussian&a=3&b=8&at=0.35", LIVE, ".live-now canvas",
    ),
    "concepts": (
        "concepts?model=tiny-plane&person=9&concepts=7&strengths=0.6", LIVE,
        ".live-screens canvas",
    ),
    "learn_terms": (
        "learn_terms?answers=shown&image=5&q=0.4,-0.3,0.2,0.3", ".planes", ".plane-screen canvas",
    ),
    "learn_reparameterisation": (
        "learn_reparameterisation?model=tiny-plane&e1=0.7&e2=-0.4", ".noise-pad",
        ".noise-picture canvas",
    ),
}  # fmt: skip


def decoded(page, case: str) -> list[np.ndarray]:
    _, ready, selector = CASES[case]
    page.wait_for_selector(ready)
    page.wait_for_selector(READY)
    if case == "map":  # the probe begins at the last pin
        page.wait_for_function("() => document.querySelector('.live-mean')?.width > 8")
    page.wait_for_function(
        f"selector => {{ const f = ({PIXELS})(selector); return f.length > 0"
        " && f.every((p) => p.some((v, i) => i % 4 < 3 && v)) }",
        arg=selector,
    )
    return [np.array(p, int) for p in page.evaluate(PIXELS, selector)]


@always("case", list(CASES), ["map"])
def test_a_reload_and_a_second_browser_show_the_same_pixels(page, browser, app, case):
    page.goto(f"{app}/{CASES[case][0]}")
    first = decoded(page, case)
    address = page.url
    page.reload()
    again = decoded(page, case)
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    try:
        other = context.new_page()
        other.set_default_timeout(120_000)
        other.goto(address)
        elsewhere = decoded(other, case)
    finally:
        context.close()
    for seen in (again, elsewhere):
        assert len(seen) == len(first)
        for a, b in zip(first, seen, strict=True):
            assert a.shape == b.shape and np.abs(a - b).max() <= 1


def test_another_page_shows_the_same_picture_of_the_same_pin(page, app):
    """The map's pin, as the start of an edit that adds nothing."""
    page.goto(f"{app}/?model=tiny-plane&pins=7")
    on_map = decoded(page, "map")[0]
    page.goto(f"{app}/concepts?model=tiny-plane&person=7&concepts=7&strengths=0")
    for picture in decoded(page, "concepts"):
        assert np.abs(picture - on_map).max() <= 1
