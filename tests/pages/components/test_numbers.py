"""Numbers that are not finite never reach a browser, and it copes with what stands for them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.components.base import finite


def test_all_that_is_not_finite_becomes_null_and_is_named():
    data = {"a": [1, (2.5, math.nan)], "b": {"c": -math.inf, "d": np.float64("inf")}, "e": "nan"}
    with pytest.warns(UserWarning) as named:
        found = finite(data, "map")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found == {"a": [1, [2.5, None]], "b": {"c": None, "d": None}, "e": "nan"}
    assert [str(w.message).split(" is ")[0] for w in named] == ["map.a", "map.b.c", "map.b.d"]


def test_what_is_finite_stays_as_it_is():
    data = {"a": [1, 2.5, None, True, "x"], "b": []}
    assert finite(data, "map") == data


@pytest.mark.filterwarnings("ignore:.* is inf")
def test_a_component_is_sent_null():
    def script():
        from pages.ui.components.jensen import jensen

        jensen([0.5, float("inf")], above="#000", below="#000", gap="#000", key="jensen")

    at = AppTest.from_function(script).run()
    assert not at.exception
    (sent,) = json.loads(at.main[0].proto.json)
    assert sent["weights"] == [0.5, None]


def test_a_curve_leaves_out_what_is_missing(run):
    found = run(
        "sliders/tracks.js",
        """
        const parent = document.createElement("div")
        const tracks = new Tracks(parent, () => {})
        const curve = (values) => ({ name: "", values, color: "red", unit: "", digits: 1 })
        tracks.build({ low: 0, high: 1, tracks: [{ kind: "curves", label: "", at: [0, 0.5, 1],
            low: 0, high: 1, ends: ["", ""], bands: [], shaded: [], empty: "",
            curves: [curve([0, null, 1]), curve([null, null, null])] }] })
        tracks.move(0.5)
        const paths = [...parent.querySelectorAll(".track-curve")].map((p) => p.getAttribute("d"))
        return [...paths, ...[...parent.querySelectorAll(".track-read")].map((e) => e.textContent)]
        """,
    )
    assert found == ["M0.0,97.00L1000.0,3.00", "", "–", "–"]
