"""A pointer that crosses a gap between codes: from some of them, far from all, to others."""

from __future__ import annotations

import pytest

CODES = [0.0, 0.0, 0.5, 0.0, 4.0, 0.0]


@pytest.mark.parametrize(
    ("way", "crossed"),
    [
        ([(0, 0), (1.5, 0), (2.5, 0), (4, 0)], True),
        ([(0, 0), (0.4, 0), (0.5, 0)], False),
        ([(0, 0), (2, 0)], False),
        ([(0, 0), (2, 0), (0, 0)], False),
        ([(2, 0), (4, 0)], False),
    ],
    ids=["across", "among codes", "into it", "and back", "out of it"],
)
def test_a_gap_is_crossed_from_codes_to_other_codes(run, way, crossed):
    found = run(
        "latent_planes/gap.js",
        """
        const gap = new Gap({ panel: 0, far: 0.75 })
        return way.map((place) => gap.crossed(place, codes))
        """,
        way=way,
        codes=CODES,
    )
    assert found == [False] * (len(way) - 1) + [crossed]
