"""Numbers that are not finite never reach a browser, and it copes with what stands for them."""

from __future__ import annotations

import json
import math

import numpy as np
from streamlit.testing.v1 import AppTest

from pages.ui.components.messages import paths as messages
from pages.ui.components.sliders import Curve, Track
from vae.schema import convert


def test_nothing_is_sent_with_a_number_that_is_not_finite_and_the_page_says_so(caplog):
    def script():
        from pages.ui.components.jensen import jensen

        words = dict.fromkeys(("function", "mean", "above", "below", "gap", "alt"), "")
        words |= {"functions": {"log": "log w"}}
        jensen([0.5, 1.0], above="red", below="blue", gap="grey", words=words, key="good")
        jensen([0.5, float("inf")], above="red", below="blue", gap="grey", words=words, key="bad")

    at = AppTest.from_function(script).run()
    assert not at.exception
    (sent,) = json.loads(at.main[0].proto.json)
    assert sent["weights"] == [0.5, 1.0]
    assert len(at.main) == 2 and at.main[1] == at.error[0]
    assert "cannot be drawn" in at.error[0].value
    assert any(
        "jensen: weights[1]: inf is not finite" in record.message for record in caplog.records
    )


def test_a_curve_is_sent_without_what_is_not_finite():
    values = np.array([0.5, math.nan, -math.inf])
    track = Track("label", np.arange(3), [Curve("name", values, "red")], 0, 1).as_data()
    assert track["curves"][0]["values"] == [0.5, None, None]
    convert(track, messages.TrackCurves)


def test_a_curve_leaves_out_what_is_missing(run):
    found = run(
        "sliders/tracks.js",
        """
        const parent = document.createElement("div")
        const tracks = new Tracks(parent, () => {})
        const curve = (values) => ({ name: "", values, colour: "red", unit: "", digits: 1 })
        tracks.build({ low: 0, high: 1, tracks: [{ kind: "curves", label: "", at: [0, 0.5, 1],
            low: 0, high: 1, ends: ["", ""], bands: [], shaded: [], empty: "",
            curves: [curve([0, null, 1]), curve([null, null, null])] }] })
        tracks.move(0.5)
        const paths = [...parent.querySelectorAll(".track-curve")].map((p) => p.getAttribute("d"))
        return [...paths, ...[...parent.querySelectorAll(".track-read")].map((e) => e.textContent)]
        """,
    )
    assert found == ["M0.0,97.00L1000.0,3.00", "", "–", "–"]
