"""The points of a map as the browser draws them, and the codes that it gets."""

from __future__ import annotations

import numpy as np
import pytest


def test_codes_of_16_bits_come_back_within_half_a_step(run):
    codes = np.random.default_rng(9).standard_normal((40, 3)).astype(np.float32) * [1, 9, 0]
    low = codes.min(0)
    step = np.maximum((codes.max(0) - low) / 65_535, 1e-30)
    packed = ((codes - low) / step).round()
    found = run(
        "latent_map/geometry.js",
        """const block = new ArrayBuffer(8 + 24 + 240)
        new Float32Array(block, 8, 6).set([...low, ...step])
        new Uint16Array(block, 32).set(packed)
        return unpackedCodes(block, 8, 40, 3, 16)""",
        low=low.tolist(),
        step=step.tolist(),
        packed=packed.ravel().tolist(),
    )
    assert np.abs(np.array(found).reshape(40, 3) - codes).max() < 9 * 4 / 65_535


POINTS = """
    const canvas = Object.assign(document.createElement("canvas"), { width: 120, height: 100 })
    const map = {
        root: { querySelector: () => canvas },
        axes: { ready: true, area: { left: 10, top: 0, width: 110, height: 100 },
            ranges: [[0, 11], [0, 10]], toPixels: (x, y) => [10 + 10 * x, 100 - 10 * y] },
        layers: { fit: () => canvas.getContext("2d") },
    }
    const points = new Points(map)
    map.grid = new Grid(Float32Array.from(x), Float32Array.from(y))
    points.traceOf = Uint8Array.from(traceOf)
    points.shadeOf = Uint8Array.from(traceOf, () => 255)
    const marker = (color, symbol, opacity = 1) => (
        { marker: { size: 9, color, symbol, opacity } })
    const shades = Array(256).fill("rgb(0, 0, 0)").with(255, "rgb(9, 99, 199)")
    points.read([marker("#9aa0a8"), marker("#ff0000"), marker("#0000ff", "square"),
        marker([1], "circle"), marker("#00ff00", "circle-open")], shades)
    const at = (px, py) => canvas.getContext("2d").getImageData(px, py, 1, 1).data
"""


def test_points_are_drawn_where_they_lie_in_their_colours(run):
    # In each place a grey point follows, which lies below all the same.
    x, y = [2, 5, 8, 8, 2, 5, 8, 8, 30], [5, 5, 5, 2, 5, 5, 5, 2, 5]
    given = {"x": x, "y": y, "traceOf": [1, 2, 3, 4, 0, 0, 0, 0, 1]}
    pixels = [(30, 50), (60, 50), (90, 50), (64, 54), (34, 54), (90, 80), (94, 80), (5, 5)]
    found = run(
        "latent_map/points.js",
        f"""const {{ Grid }} = await import("/latent_map/geometry.js")
        {POINTS}
        points.draw()
        return {[list(p) for p in pixels]}.map(([px, py]) => at(px, py))""",
        **given,
    )
    red, blue, scale, corner, no_corner, grey, ring, nothing = map(tuple, found)
    assert red == (255, 0, 0, 255) and blue == corner == (0, 0, 255, 255)
    assert scale == (9, 99, 199, 255) and grey == (154, 160, 168, 255)
    assert no_corner[3] == nothing[3] == 0  # a circle has none, and nothing lies outside
    assert ring[1] > ring[0]  # train images are hollow


def test_points_that_do_not_count_are_faint_and_below(run):
    found = run(
        "latent_map/points.js",
        f"""const {{ Grid }} = await import("/latent_map/geometry.js")
        {POINTS}
        points.style(points.styles.map((_, k) => (k === 1 ? {{ colour: "#ff0000", opacity: 1 }}
            : {{ colour: MISSING, opacity: 0.25 }})))
        return [at(30, 50), at(60, 50)]""",
        x=[2, 2, 5],
        y=[5, 5, 5],
        traceOf=[1, 2, 2],
    )
    assert tuple(found[0]) == (255, 0, 0, 255)
    assert found[1][3] == pytest.approx(64, abs=2)
    assert found[1][:3] == pytest.approx([154, 160, 168], abs=4)


def test_while_the_view_moves_a_part_of_many_points_is_drawn_and_then_all(run):
    count = 100_000
    drawn, moving, still = run(
        "latent_map/points.js",
        f"""const {{ Grid }} = await import("/latent_map/geometry.js")
        const x = Float32Array.from({{ length: {count} }}, () => 11 * Math.random())
        const y = x.map(() => 10 * Math.random())
        const traceOf = new Uint8Array({count}).fill(1)
        {POINTS}
        const small = {{ marker: {{ size: 1, color: "#ff0000", opacity: 0.02 }} }}
        points.read([marker("#9aa0a8"), small])
        const solid = () => canvas.getContext("2d").getImageData(10, 0, 110, 100).data
            .reduce((sum, value, i) => sum + (i % 4 === 3 ? value : 0), 0)
        points.draw()
        const whole = solid()
        points.move()
        const part = solid()
        await new Promise((resolve) => {{
            const draw = points.draw.bind(points)
            points.draw = (...most) => {{ draw(...most); resolve() }}
        }})
        return [whole, part, solid()]""",
    )
    assert 0.2 < moving / drawn < 0.7 and still == drawn


def test_marks_lie_around_their_points_and_of_a_crowd_around_some(run):
    marked, few, crowd = run(
        "latent_map/points.js",
        f"""const {{ Grid }} = await import("/latent_map/geometry.js")
        {POINTS}
        const context = canvas.getContext("2d")
        points.mark(context, [1, 2], "rgb(9, 9, 255)", "square-open", 9)
        const around = [at(64, 50), at(60, 50), at(30, 50)]
        const solid = () => context.getImageData(0, 0, 120, 100).data
            .reduce((sum, value, i) => sum + (i % 4 === 3 && value > 99 ? 1 : 0), 0)
        const few = solid()
        const rows = Array.from({{ length: 3_000 }}, (_, k) => (k % 2 ? 3 : 1)) // a pixel apart
        points.mark(context, rows, "red", "square-open", 9)
        return [around, few, solid()]""",
        x=[2, 5, 8, 5.1],
        y=[5, 5, 5, 5],
        traceOf=[1, 1, 1, 1],
    )
    edge, middle, other = marked
    assert edge[2] > 200 and edge[3] > 200 and middle[3] == other[3] == 0
    assert crowd == few  # of 3,000 rows in almost one place one is marked
