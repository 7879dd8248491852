"""The Learn pages on gradients, amortised inference and arithmetic, without a browser."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image, ImageDraw
from soak import always
from streamlit.testing.v1 import AppTest

from pages.ui.components import digit_canvas, schema
from pages.ui.components.messages import lessons as messages
from pages.ui.learn import amortised, arithmetic
from pages.ui.learn.texts import numbers
from pages.ui.shared import cache, formatting
from vae import load_dataset

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints")
        yield data / "checkpoints"
    torch.set_num_threads(threads)


def visit(page: str, model: str = "tiny-plane", **state) -> AppTest:
    """Opens a page by its place among the others, as the router does."""
    at = AppTest.from_file(ROOT / "pages/router.py", default_timeout=60).switch_page(page)
    at.session_state["model"] = model
    at.query_params["answers"] = "shown"
    for key, value in state.items():
        at.session_state[key] = value
    return at.run()


def cells(at: AppTest, table: int) -> list[list[str]]:
    return at.table[table].value.astype(str).to_numpy().tolist()


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


# Reparameterisation ---


@pytest.mark.parametrize("model", ["tiny-plane", "tiny-gaussian"])
def test_the_gradients_of_the_draw_agree_on_the_page(model):
    at = visit("learn_reparameterisation.py", model, e1=0.5, e2=-1.5, widen=2)
    assert not at.exception and not at.error
    by_z, by_mean, finite_mean, product, by_sigma, finite_sigma = cells(at, 0)
    assert by_z[2:] == by_mean[2:]
    assert product[2:] == by_sigma[2:]
    for k, noise in ((2, 0.5), (3, -1.5)):
        assert number(by_sigma[k]) == pytest.approx(noise * number(by_z[k]), abs=2e-4, rel=1e-4)
        assert number(finite_mean[k]) == pytest.approx(number(by_mean[k]), abs=1e-3, rel=1e-3)
        assert number(finite_sigma[k]) == pytest.approx(number(by_sigma[k]), abs=1e-3, rel=1e-3)


def test_another_noise_is_another_gradient():
    at = visit("learn_reparameterisation.py", e1=0.5, e2=-1.5)
    before = cells(at, 0)
    at.number_input(key="e1").set_value(2.0).run()
    assert not at.exception
    assert cells(at, 0) != before


def test_what_was_dragged_is_taken_if_it_makes_sense():
    for sent, taken in (
        ([1.25, -3], [1.25, -3]),
        ([1.0, 99.0], None),
        ([1.0], None),
        (["1", "2"], None),
        ([float("nan"), 0.0], None),
        (None, None),
    ):
        assert schema.heard(messages.Noise, {"value": sent, "count": 1}, "noise").value == taken


def test_detaching_is_shown_to_leave_the_kl():
    at = visit("learn_reparameterisation.py", view="What detaching breaks")
    assert not at.exception
    gradients = {row[0]: number(row[1]) for row in cells(at, -1)}
    assert gradients["Reconstruction, z detached"] == 0
    assert gradients["Reconstruction, z in the graph"] > 0 < gradients["KL"]


def test_the_batch_is_compared_on_the_same_draws():
    at = visit("learn_reparameterisation.py", view="Against the score function")
    assert not at.exception
    needed = [number(row[2]) for row in cells(at, -1)]
    assert needed[0] == 1 < needed[1]


def test_a_standard_autoencoder_gets_a_sentence():
    for page in ("learn_reparameterisation.py", "learn_amortised.py"):
        at = visit(page, "tiny-autoencoder")
        assert not at.exception and not at.table
        assert "variational" in at.info[0].value


def test_figures_are_readable():
    said = [formatting.figure_of(v) for v in (1.6e8, 5963, 11.7, 0.00123, -249.2, 0)]
    assert said == ["160,000,000", "5,960", "11.7", "0.00123", "−249", "0"]


# Amortised inference ---


def stroke(x0: int, y0: int, x1: int, y1: int, side: int = 252) -> Image.Image:
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 255))
    ImageDraw.Draw(picture).line((x0, y0, x1, y1), fill="white", width=20)
    return picture


def as_sent(picture: Image.Image) -> dict:
    out = io.BytesIO()
    picture.save(out, "PNG")
    url = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    return {"drawing": {"raw": {"objects": []}, "data": url}}


@pytest.mark.parametrize("place", [(20, 20, 40, 120), (200, 100, 230, 240), (10, 200, 240, 200)])
def test_a_drawing_lies_as_mnist_digits_do(place):
    grey = np.asarray(stroke(*place).convert("L"), dtype=np.float32) / 255
    x = digit_canvas.as_digit(grey, (1, 28, 28))
    assert x.shape == (1, 28, 28) and x.max() == 1 and x.min() == 0
    rows, columns = torch.nonzero(x[0] > 0.1, as_tuple=True)
    sides = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
    assert max(sides) in (19, 20, 21)
    for axis in (0, 1):
        weights = x[0].sum(1 - axis)
        middle = (weights * (torch.arange(28) + 0.5)).sum() / weights.sum()
        assert abs(middle - 14) <= 0.75


def test_real_digits_keep_their_place():
    x = load_dataset("digits", "test").images[:20]
    for image in x:
        moved = digit_canvas.as_digit(image[0].numpy(), (1, 28, 28))
        assert (moved - image).abs().mean() < 0.12


def test_nothing_drawn_is_nothing():
    assert digit_canvas.as_digit(np.zeros((252, 252), np.float32), (1, 28, 28)) is None


def test_a_drawing_is_encoded_and_searched():
    at = visit("learn_amortised.py", canvas=as_sent(stroke(60, 40, 190, 210)), steps=50)
    assert not at.exception and not at.error
    assert not [c for c in at.caption if c.value.startswith("Until you draw")]
    plain = visit("learn_amortised.py", steps=50)
    assert [c for c in plain.caption if c.value.startswith("Until you draw")]
    code = {m.label: m.value for m in at.metric}["Code, μ ± σ"]
    assert code != {m.label: m.value for m in plain.metric}["Code, μ ± σ"]


@pytest.mark.parametrize("sent", ["data:image/png;base64,AAAA", "nonsense;base64,AAAA", "x"])
def test_what_is_no_picture_is_no_drawing(sent):
    at = visit("learn_amortised.py", canvas={"drawing": {"raw": {}, "data": sent}}, steps=50)
    assert not at.exception
    assert [c for c in at.caption if c.value.startswith("Until you draw")]


@always("steps", [50, 100, 200, 400], [100])
def test_the_page_opens_with_an_image_that_the_encoder_misses_and_a_search_finds(steps):
    space = cache.latent_space("digits")
    row = amortised.furthest_off(space)
    gap = space.estimates["log_evidence"][row] - space.elbo[row]
    assert gap > 50
    found = amortised.search(space, space.image(row), row, steps, 0)
    assert found.gaps[found.best].nats > 0.8 * gap


def test_the_image_that_the_page_opens_with_is_in_no_address():
    at = visit("learn_amortised.py", "digits", **{"from": "real"})
    row = at.number_input(key="image").value
    assert row == amortised.furthest_off(cache.latent_space("digits"))
    assert "image" not in at.query_params
    untold = visit("learn_amortised.py")
    assert amortised.furthest_off(cache.latent_space("tiny-plane")) is None
    said = [c.value for c in untold.caption if c.value.startswith("Until you draw")]
    assert said and "furthest" not in said[0]


def test_the_gap_is_the_better_search_less_the_encoder():
    space = cache.latent_space("tiny-plane")
    found = amortised.search(space, space.image(3), 3, 50, 0)
    gaps = found.gaps
    assert gaps[found.best].optimised == max(g.optimised for g in gaps.values())
    assert torch.equal(gaps["prior"].encoder, gaps["encoder"].encoder), "the same draws"
    assert gaps["encoder"].nats > 0, "an untrained encoder can be improved on"
    assert amortised.search(space, space.image(3), 3, 50, 0) is found, "kept"


def test_durations_are_readable():
    said = [formatting.milliseconds(s) for s in (0.0003217, 0.25, 4.04, 900)]
    assert said == ["0.322 ms", "250 ms", "4.0 s", "15 min"]


# Latent arithmetic ---


@pytest.fixture
def only(monkeypatch):
    """A function that leaves the page these pairs of models alone."""

    def leave(*pairs):
        monkeypatch.setitem(numbers("arithmetic"), "models", pairs)

    return leave


@pytest.mark.parametrize("stage", list(arithmetic.STAGES))
def test_every_step_of_the_arithmetic_opens(only, stage):
    only(("absent", "absent"), ("tiny-plane", "tiny-autoencoder"))
    at = visit("learn_arithmetic.py", stage=stage)
    assert not at.exception and not at.error
    assert "“absent” is not available" in at.info[0].value


def test_a_missing_twin_gets_a_sentence(only):
    only(("tiny-plane", "absent"))
    at = visit("learn_arithmetic.py", stage="models")
    assert not at.exception
    assert "not available" in at.info[0].value


def test_without_any_model_the_page_says_what_it_needs(only):
    only(("absent", "absent"), ("gone", "gone"))
    at = visit("learn_arithmetic.py")
    assert not at.exception
    assert "absent" in at.info[0].value and "gone" in at.info[0].value


def test_the_verdict_falls_either_way_and_knows_a_draw():
    def outcome(success, leakage=0.05):
        return {1.0: arithmetic.Outcome(200, success, leakage, "hat")}

    assert "variational model does better" in arithmetic._verdict(outcome(0.9), outcome(0.5))
    assert "standard autoencoder does better" in arithmetic._verdict(outcome(0.5), outcome(0.9))
    assert "equally well" in arithmetic._verdict(outcome(0.9), outcome(0.91))
