"""How the colours behind the points of a map are computed: places, averages, answers."""

from __future__ import annotations

import pytest

REFINED = """
    const [columns, rows, count] = [31, 25, 3]
    const truth = (i, j) => i + j < 20 ? 0 : j < 11 ? 1 : 2
    const scores = new Float32Array(columns * rows * count)
    const known = new Uint8Array(columns * rows)
    const best = (n) => answerOf(scores, n * count, count, null)[0]
    const corners = (x, y, size) => [[x, y], [x + size, y], [x, y + size], [x + size, y + size]]
        .filter(([i, j]) => i < columns && j < rows).map(([i, j]) => best(j * columns + i))
    const differ = (x, y, size) => new Set(corners(x, y, size)).size > 1
    let [before, asked] = [null, 0]
    for (const step of [6, 3, 1]) {
        for (const n of placesOf(columns, rows, step, before, differ)) {
            scores.fill(0.05, n * count, (n + 1) * count)
            scores[n * count + truth(n % columns, Math.floor(n / columns))] = 0.9
            known[n] = 1
            asked++
        }
        fillBetween(scores, known, columns, rows, count, step)
        known.fill(0)
        for (let j = 0; j < rows; j += step) {
            for (let i = 0; i < columns; i += step) known[j * columns + i] = 1
        }
        before = step
    }
    const wrong = [...known.keys()]
        .filter((n) => best(n) !== truth(n % columns, Math.floor(n / columns)))
    return [asked, wrong.length, columns * rows]
"""


def test_a_lattice_is_refined_where_the_answer_changes_and_nowhere_else(run):
    asked, wrong, places = run("latent_map/regions.js", REFINED)
    assert wrong == 0
    assert asked < 0.6 * places


@pytest.mark.parametrize(
    ("scores", "attribute", "answer"),
    [
        ([0.1, 0.8, 0.1], None, [1, 0.7]),
        ([1 / 3, 1 / 3, 1 / 3], None, [0, 0.0]),
        ([0.9, 0.2], 1, [0, 0.6]),
        ([0.1, 0.75], 1, [1, 0.5]),
    ],
)
def test_the_paler_a_colour_the_less_sure_is_the_classifier(run, scores, attribute, answer):
    found = run(
        "latent_map/regions.js",
        "answerOf(scores, 0, scores.length, attribute)",
        scores=scores,
        attribute=attribute,
    )
    assert found == pytest.approx(answer, abs=1e-6)
