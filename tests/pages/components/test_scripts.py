"""The scripts that need no page around them, run in the browser and held against Python."""

from __future__ import annotations

import numpy as np
import pytest

from vae.latent import slerp

T = [-0.25, 0.0, 0.1, 0.5, 0.77, 1.0, 1.25]


def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Ends of arcs, easy ones and those at which a formula can lose its digits."""
    rng = np.random.default_rng(3)
    a = rng.standard_normal(40)
    other = rng.standard_normal(40)
    other -= a * (a @ other) / (a @ a)  # at a right angle to a
    other *= np.linalg.norm(a) / np.linalg.norm(other)

    def turned(angle: float, length: float = 1.0) -> np.ndarray:
        return length * (np.cos(angle) * a + np.sin(angle) * other)

    return {
        "random": (a, rng.standard_normal(40)),
        "two dimensions": (np.array([1.2, -0.4]), np.array([-2.0, 0.3])),
        "unequal norms": (a, turned(2.0, 9.0)),
        "unequal and nearly opposite": (a, turned(np.radians(176), 3.0)),
        "right angle": (a, other),
        "nearly parallel": (a, turned(1e-4)),
        "very nearly parallel": (a, turned(3e-6)),
        "parallel": (a, 2 * a),
        "within rounding of parallel": (a, turned(1e-8)),
        "nearly opposite": (a, turned(np.pi - 1e-4)),
        "very nearly opposite": (a, turned(np.pi - 3e-6)),
        "opposite": (a, -a),
        "the same": (a, a),
        "zero start": (0 * a, a),
        "zero end": (a, 0 * a),
        "both zero": (0 * a, 0 * a),
        "tiny": (1e-30 * a, 1e-30 * turned(1.0)),
    }


@pytest.mark.parametrize("name", pairs())
def test_the_arc_is_that_of_python(run, name):
    a, b = pairs()[name]
    found = run(
        "sliders/weightings.js", "ts.map((t) => arc(a, b, t))", a=a.tolist(), b=b.tolist(), ts=T
    )
    expected = slerp(a, b, np.array(T))
    scale = max(1.0, np.abs(expected).max())
    assert np.abs(np.array(found) - expected).max() <= 1e-6 * scale
    assert np.array_equal(np.float32(found[1]), np.float32(a)), "the ends are exact"
    assert np.array_equal(np.float32(found[5]), np.float32(b))
