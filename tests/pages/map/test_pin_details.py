"""Numbers beside a pinned image: the same everywhere, estimated once for everybody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from streamlit.testing.v1 import AppTest

from pages.ui.shared import cache, estimates
from pages.ui.shared.pins import real_pin
from pages.ui.shared.visitor import Visitor
from vae.checkpoint import load_card, load_codes, save_codes

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints", ("tiny-plane", "tiny-gaussian"))
        yield data / "checkpoints"


def visit(model: str, pin) -> dict[str, str]:
    at = AppTest.from_file(ROOT / "pages" / "map.py", default_timeout=120)
    at.session_state["model"] = model
    at.session_state["visitor"] = Visitor(pins=[pin])
    at.run()
    assert not at.exception
    return {m.label: m.value for m in at.metric}


def number(text: str) -> float:
    return float(text.split("±")[0].replace("−", "-").replace(",", "").strip("≥ "))


def test_what_is_not_with_the_codes_is_estimated_once_for_everybody(monkeypatch):
    calls = []
    estimate = estimates.estimate_evidence
    monkeypatch.setattr(
        estimates, "estimate_evidence", lambda *a, **k: calls.append(a) or estimate(*a, **k)
    )
    space = cache.latent_space("tiny-plane")
    real = real_pin(space, 31)
    mine = replace(real, kind="upload", row=-1, image=space.dataset.images[250])
    for pin in (real, mine):
        shown = visit("tiny-plane", pin)
        assert visit("tiny-plane", pin) == shown
        found = {k: number(v) for k, v in shown.items()}
        assert found["ELBO"] <= found["Log evidence"]
        adds_up = found["Reconstruction"] - found["KL"]
        assert adds_up == pytest.approx(found["ELBO"], abs=1e-6)
    assert len(calls) == 2


def test_codes_with_bounds_need_no_estimate(models, monkeypatch):
    folder = models / "tiny-gaussian"
    codes, count = load_codes(folder), tiny.COUNT
    bounds = {"elbo_error": 0.4, "log_evidence": 5_000, "log_evidence_error": 0.1}
    codes |= {name: np.full(count, value) for name, value in bounds.items()}
    codes["elbo_error"][1] = -1
    save_codes(folder, codes)
    assert load_card(folder)["dataset"] == "digits"
    asked = []
    monkeypatch.setattr(estimates, "estimate", lambda *a: asked.append(a) or space.bounds(0))
    space = cache.latent_space("tiny-gaussian")
    shown = visit("tiny-gaussian", real_pin(space, 0))
    assert shown["Log evidence"] == "5,000" and not asked
    visit("tiny-gaussian", real_pin(space, 1))
    assert len(asked) == 1
