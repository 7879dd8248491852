"""The interpolation page as a visitor's session runs it, and what it says about paths."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.ui.interpolate import endpoints, path, traversals, ways
from pages.ui.interpolate.as_python import path_as_python
from pages.ui.shared import cache, concepts, images
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, real_pin
from pages.ui.shared.visitor import PathsState, Visitor
from vae.checkpoint import load_codes
from vae.classifier import Classifier
from vae.code_distribution import CodeDistribution, save_code_distribution
from vae.codes import FittedGaussian, decode
from vae.flow import VelocityField
from vae.latent import lerp, neighbours, slerp
from vae.likely_codes import blend

ROOT = Path(__file__).resolve().parents[3]
VIEWS = ("path", "corners", "traversals")


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints")
        yield data / "checkpoints"


def visit(model: str = "tiny-gaussian", query: dict[str, str] | None = None, **state) -> AppTest:
    at = AppTest.from_file(ROOT / "pages/router.py", default_timeout=60)
    at.switch_page("interpolate.py")
    for key, value in (query or {}).items():
        at.query_params[key] = value
    for key, value in {"model": model, **state}.items():
        at.session_state[key] = value
    at.run()
    assert not at.exception and not at.error
    return at


def chosen(at: AppTest, model: str = "tiny-gaussian") -> dict[str, Pin]:
    return at.session_state["visitor"].paths.ends[model]


def address(at: AppTest) -> dict[str, str]:
    return at.session_state["visitor"].address.written


def press(at: AppTest, label: str) -> AppTest:
    next(b for b in at.button if b.label == label).click().run()
    assert not at.exception
    return at


@pytest.mark.parametrize("model", tiny.CONFIGS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_model_opens_in_every_view(model, view):
    at = visit(model, walk=view)
    assert {b.label for b in at.button} >= {"Shuffle", "Pin this point"}


def test_a_page_for_another_model_has_that_models_codes():
    at = visit("tiny-gaussian")
    at.selectbox(key="model").set_value("tiny-autoencoder").run()
    assert not at.exception
    assert chosen(at, "tiny-autoencoder")["A"].z.shape == (3,)


def test_swap_exchanges_the_ends_and_shuffle_brings_other_classes():
    at = visit()
    before = chosen(at)
    after = chosen(press(at, "Swap"))
    assert (after["A"].row, after["B"].row) == (before["B"].row, before["A"].row)
    space = cache.latent_space("tiny-gaussian")
    seen = set()
    for _ in range(4):
        now = chosen(press(at, "Shuffle"))
        seen.add(now["A"].row)
        assert space.class_of[now["A"].row] != space.class_of[now["B"].row]
    assert len(seen) > 1


def test_a_pin_is_kept_where_the_slider_stands():
    at = press(visit(query={"a": "3", "b": "8", "at": "0.25"}), "Pin this point")
    space = cache.latent_space("tiny-gaussian")
    (pin,) = at.session_state["visitor"].pins
    rows = [int(np.flatnonzero(space.index == i)[0]) for i in (3, 8)]
    np.testing.assert_allclose(pin.z, lerp(*space.mean[rows], np.array([0.25]))[0], atol=1e-6)


def test_where_averages_resemble_nobody_the_path_is_an_arc(monkeypatch):
    deep = property(lambda space: space.name == "tiny-gaussian")
    monkeypatch.setattr(LatentSpace, "high_dimensional", deep)
    at = visit()
    assert at.radio(key="way").value == "slerp"
    for model, way in (("tiny-autoencoder", "lerp"), ("tiny-gaussian", "slerp")):
        at.selectbox(key="model").set_value(model).run()
        assert not at.exception and at.radio(key="way").value == way
    at.radio(key="way").set_value("lerp").run()
    assert at.radio(key="way").value == "lerp", "the visitor's choice stays"
    assert visit(query={"way": "Straight line"}).radio(key="way").value == "lerp"
    assert visit("tiny-plane").radio(key="way").value == "lerp"


# The address -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", tiny.CONFIGS)
def test_the_address_keeps_every_kind_of_picture(model):
    space = cache.latent_space(model)
    real = real_pin(space, 7)
    assert endpoints.from_text(space, endpoints.as_text(space, real)).row == 7
    z = np.random.default_rng(0).standard_normal(space.mean.shape[1]).astype("f4")
    for kind in ("generated", "sample", "upload"):
        text = endpoints.as_text(space, Pin(model, kind, z, "mine"))
        found = endpoints.from_text(space, text)
        assert found.kind == kind and found.row == -1
        np.testing.assert_allclose(found.z, z, atol=np.abs(z).max() * 2**-15)
        assert text.isascii() and not set(text) & set("+/=&? ")


@pytest.mark.parametrize(
    "text",
    ["", "999999999", "-1", "g", "gAAAA", "g????", "x" * 10_000, "1e3", "ü", "9" * 40]
    + ["g" + t for t in ("____" * 7, "AADAfwAAwH8AAMB_AADAfwAAwH8")],  # nan
)
def test_nonsense_in_the_address_is_passed_over(text):
    space = cache.latent_space("tiny-gaussian")
    assert endpoints.from_text(space, text) is None
    at = visit(query={"a": text, "at": text})
    assert chosen(at)["A"].kind == "real"


def test_a_link_restores_pictures_and_sliders():
    at = visit(query={"a": "3", "b": "8"})
    assert address(at)["a"] == "3" and address(at)["at"] == "0.5"
    settings = {"a": "17", "b": "3", "c": "1", "d": "2", "at": "0.25,0.75"}
    again = visit(query=settings, walk="corners")
    assert {k: v for k, v in address(again).items() if k in settings} == settings
    pins = chosen(again)
    space = cache.latent_space("tiny-gaussian")
    assert [int(space.index[pins[n].row]) for n in endpoints.NAMES] == [17, 3, 1, 2]


# What lies along a path --------------------------------------------------------------------------


def a_classifier(monkeypatch, exclusive: bool) -> Classifier:
    torch.manual_seed(0)
    names = tuple("0123456789") if exclusive else ("hat", "scarf")
    classifier = Classifier((1, 28, 28), names, exclusive).eval()
    monkeypatch.setattr(LatentSpace, "classifier", property(lambda space: classifier))
    path.facts.clear()  # what another classifier said
    return classifier


@pytest.mark.parametrize("way", ["lerp", "slerp"])
@pytest.mark.parametrize("exclusive", [True, False])
def test_facts_are_those_of_the_codes_on_the_path(monkeypatch, way, exclusive):
    classifier = a_classifier(monkeypatch, exclusive)
    space = cache.latent_space("tiny-gaussian")
    a, b = space.mean[3], space.mean[40]
    found = path.facts(space, a, b, ways.Path(way), 0.5)
    assert (found.at[0], found.at[-1]) == (-0.5, 1.5)
    z = (lerp if way == "lerp" else slerp)(a, b, found.at)
    np.testing.assert_allclose(found.norms, np.linalg.norm(z, axis=1), rtol=1e-5)
    rows, distances = neighbours(space.mean, z, 1)
    np.testing.assert_array_equal(found.nearest, rows[:, 0])
    # Beyond the reach of the nearest code, and only there, the path has left the data.
    outside = distances[:, 0] > found.reach
    np.testing.assert_array_equal(found.counts == 0, outside)
    marked = [any(s <= t <= e for s, e in found.outside) for t in found.at]
    np.testing.assert_array_equal(marked, outside)
    said = classifier.probabilities(decode(space.model, z)).numpy()
    for name, values in found.predicted.items():
        np.testing.assert_allclose(values, said[:, classifier.names.index(name)], atol=1e-5)
    assert found.predicted and found.exclusive == exclusive


def test_facts_are_symmetric_under_swap():
    space = cache.latent_space("tiny-gaussian")
    a, b = space.mean[3], space.mean[40]
    for way in ("lerp", "slerp"):
        there, back = (path.facts(space, *pair, ways.Path(way), 0.5) for pair in ((a, b), (b, a)))
        np.testing.assert_array_equal(there.counts, back.counts[::-1])
        np.testing.assert_array_equal(there.nearest, back.nearest[::-1])
        np.testing.assert_allclose(there.norms, back.norms[::-1], rtol=1e-4)


@pytest.fixture(scope="module")
def with_distribution(models) -> LatentSpace:
    """A model whose codes' distribution is learned; a random one, for none is fitted here."""
    folder = models / "tiny-learned"
    shutil.copytree(models / "tiny-gaussian", folder)
    torch.manual_seed(2)
    flow = VelocityField(5, width=16, blocks=1)
    torch.nn.init.normal_(flow.outward.weight, std=0.1)
    codes = load_codes(folder)
    gaussian = FittedGaussian.fit(codes["mean"], codes["variance"])
    root = np.linalg.cholesky(gaussian.covariance).astype(np.float32)
    learned = CodeDistribution(gaussian.mean, root, flow)
    held_out = np.sort(learned.log_density(codes["mean"][:100]))
    save_code_distribution(folder, replace(learned, held_out=held_out))
    return cache.latent_space("tiny-learned")


@pytest.mark.parametrize("level", [0.2, 1.0])
def test_a_learned_path_is_that_of_the_distribution(with_distribution, level):
    space = with_distribution
    a, b = space.mean[3], space.mean[40]
    at = np.linspace(0, 1, 7)
    z = ways.Path("learned", level).along(space, a, b, at)
    np.testing.assert_array_equal(z, space.distribution.path(a, b, at, level))
    np.testing.assert_array_equal(z[[0, -1]], [a, b])
    assert not np.allclose(z, lerp(a, b, at), atol=0.05)
    found = path.facts(space, a, b, ways.Path("learned", level), 0.0)
    ends = space.distribution.log_density(np.stack([a, b]))
    less = (space.distribution.held_out[:, None] < ends).mean(0)
    assert found.likely[[0, -1]] == pytest.approx(less, abs=0.011)


def test_the_page_offers_a_learned_path_where_there_is_a_distribution(with_distribution):
    at = visit("tiny-learned")
    assert at.radio(key="way").options == [*ways.WAYS.values()]
    at.radio(key="way").set_value("learned").run()
    assert not at.exception
    at.select_slider(key="level").set_value(1.0).run()
    assert not at.exception and at.session_state["level"] == 1.0
    assert ways.WAYS["learned"] not in visit("tiny-gaussian").radio(key="way").options


@pytest.mark.parametrize("walk", ["corners", "traversals"])
def test_corners_and_directions_go_through_the_learned_distribution(with_distribution, walk):
    space = with_distribution
    at = visit("tiny-learned", {"walk": walk, "blend": "learned"})
    assert not at.exception and address(at)["blend"] == "learned"
    pin = next(b for b in at.button if b.label == "Pin this point")
    pin.click().run()
    z = at.session_state["visitor"].pins[-1].z
    ends = [p.z for p in chosen(at, "tiny-learned").values()]
    if walk == "corners":
        expected = blend(space.distribution, np.stack(ends), np.full(4, 0.25))[0]
        assert not np.allclose(z, np.mean(ends, 0), atol=0.01), "the average of the codes"
    else:  # the sliders stand at 0
        expected = ends[0]
    np.testing.assert_allclose(z, expected, atol=2e-3)
    assert "blend" not in visit("tiny-gaussian", {"walk": walk}).session_state


def test_a_damaged_distribution_costs_only_itself(with_distribution, models):
    file = models / "tiny-plane" / "code-distribution.safetensors"
    file.write_bytes(b"damaged")
    at = visit("tiny-plane")
    assert "distribution" in " ".join(w.value for w in at.warning)
    assert ways.WAYS["learned"] not in at.radio(key="way").options
    file.unlink()


@pytest.mark.parametrize("model", ["tiny-gaussian", "tiny-learned"])
def test_a_path_far_from_the_data_is_said_to_have_left_them(monkeypatch, with_distribution, model):
    monkeypatch.setattr(LatentSpace, "classifier", property(lambda space: None))
    space = cache.latent_space(model)
    far = space.mean[3] + 100
    texts = {}
    for name, b in (("stays", space.mean[3]), ("leaves", far)):
        pins = {n: Pin(space.name, "generated", space.mean[3], n) for n in endpoints.NAMES}
        pins["B"] = Pin(space.name, "generated", b, "B")
        at = visit(model, visitor=Visitor(paths=PathsState(ends={space.name: pins})))
        texts[name] = " ".join(c.value for c in at.caption)
    assert "stays inside the data" in texts["stays"]
    assert "leaves the data" in texts["leaves"]
    assert ("held-out codes" in texts["leaves"]) == (model == "tiny-learned")


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_page_shows_what_a_classifier_sees(monkeypatch, exclusive):
    a_classifier(monkeypatch, exclusive)
    space = cache.latent_space("tiny-gaussian")
    found = path.facts(space, space.mean[3], space.mean[40], ways.Path("lerp"), 0.0)
    tracks = path._tracks(space, found)
    assert len(tracks) == 3
    for track in tracks:
        for curve in track.curves:
            assert len(curve.values) == len(track.at)
            assert track.low <= np.min(curve.values) and np.max(curve.values) <= track.high
        json.dumps(track.as_data())


# Files -------------------------------------------------------------------------------------------


def test_a_path_file_holds_codes_positions_and_settings():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 5)).astype("f4")
    at = np.linspace(0, 1, 7)
    content = path.path_file(
        None, a, b, at, ways.Path("slerp"), {"model": "mine", "overshoot": 0.0}
    )
    with np.load(io.BytesIO(content)) as file:
        np.testing.assert_array_equal(file["z"], slerp(a, b, at))
        np.testing.assert_array_equal(file["z"][[0, -1]], [a, b])
        np.testing.assert_array_equal(file["t"], at)
        assert json.loads(str(file["settings"])) == {
            "way": "slerp", "model": "mine", "overshoot": 0.0,
        }  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 48)])
def test_an_animation_shows_every_picture_in_turn(shape):
    brightness = torch.tensor([0.0, 0.3, 0.6, 1.0])
    x = brightness[:, None, None, None].expand(4, *shape)
    with Image.open(io.BytesIO(images.gif(x, 2 * shape[1], 0.05))) as film:
        assert film.n_frames == 4 and film.size == (2 * shape[2], 2 * shape[1])
        assert film.info["loop"] == 0 and film.info["duration"] == 50
        for k, value in enumerate(brightness.tolist()):
            film.seek(k)
            assert np.abs(np.asarray(film.convert("L")) / 255 - value).max() < 0.02


def test_a_film_strip_is_as_wide_as_its_frames():
    space = cache.latent_space("tiny-gaussian")
    at = np.linspace(0, 1, 5)
    strip = path._strip(space, space.mean[3], space.mean[40], ways.Path("lerp"), at)
    picture = np.asarray(Image.open(io.BytesIO(strip))).astype(float) / 255
    side = picture.shape[0]
    assert picture.shape == (side, 5 * side)
    wanted = decode(space.model, lerp(space.mean[3], space.mean[40], at)[2:3])[0, 0].numpy()
    step = side // space.shape[1]
    assert np.abs(picture[::step, 2 * side : 3 * side : step] - wanted).max() < 0.01


# Squares and directions --------------------------------------------------------------------------


def test_an_analogy_is_a_parallelogram():
    space = cache.latent_space("tiny-gaussian")

    def script(model):
        import streamlit as st

        from pages.ui.interpolate import corners
        from pages.ui.shared import cache, concepts

        space = cache.latent_space(model)
        st.session_state["made"] = corners.analogy(space, concepts.concepts(space))

    at = AppTest.from_function(script, args=(space.name,), default_timeout=60).run()
    assert not at.exception
    a, right, down, both = at.session_state["made"]
    np.testing.assert_allclose(right - a, both - down, atol=1e-5)
    vectors = [concept.vector for concept in concepts.concepts(space).values()]
    np.testing.assert_allclose(right - a, vectors[0], atol=1e-5)
    np.testing.assert_allclose(down - a, vectors[1], atol=1e-5)


@pytest.mark.parametrize("model", tiny.CONFIGS)
def test_directions_are_as_long_as_the_codes_spread_along_them(model):
    space = cache.latent_space(model)
    for kind in ("axes", "principal"):
        names, vectors, weights = traversals.directions(space, kind, space.mean[0])
        d = space.mean.shape[1]
        assert len(names) == d and vectors.shape == (d, d)
        assert (np.diff(weights) <= 1e-7).all()
        lengths = np.linalg.norm(vectors, axis=1)
        spread = (space.mean @ (vectors / lengths[:, None]).T).std(0)
        np.testing.assert_allclose(lengths, spread, rtol=0.01)
        np.testing.assert_allclose(vectors @ vectors.T, np.diag(lengths**2), atol=1e-4)
    assert weights.sum() == pytest.approx(1)


def test_local_directions_are_those_in_which_the_codes_around_a_picture_vary(monkeypatch):
    space = cache.latent_space("tiny-gaussian")
    monkeypatch.setattr(traversals, "_NEARBY", 12)
    for row in (3, 40):
        _, vectors, weights = traversals.directions(space, "local", space.mean[row])
        rows, _ = neighbours(space.mean, space.mean[row], 12)
        covariance = np.cov(space.mean[rows].T)
        lengths = np.linalg.norm(vectors, axis=1)
        for vector, length in zip(vectors[:3], lengths, strict=False):
            np.testing.assert_allclose(covariance @ vector, length**2 * vector, atol=1e-4)
        assert weights.sum() == pytest.approx(1) and (np.diff(weights) <= 1e-7).all()
    at = visit("tiny-gaussian", walk="traversals", directions="local")
    assert not at.exception
    assert any("codes nearest to A" in c.value for c in at.caption)


def test_traversals_show_few_axes_at_a_time():
    at = visit("tiny-gaussian", walk="traversals")
    (page,) = at.number_input
    assert page.max == 2
    page.set_value(2).run()
    assert not at.exception
    assert address(at)["at"] == "0", "one axis is left for the second page"


def test_the_shortest_way_is_compared_with_all_others():
    space = cache.latent_space("tiny-gaussian")
    a, b = space.mean[3], space.mean[40]
    rows = {row["Way"]: row for row in ways.compare(space, a, b, 0.4)}
    assert list(rows) == [ways.WAYS[way] for way in ways.ways_of(space)]
    short = rows[ways.WAYS["shortest"]]["Length"]
    assert short == min(row["Length"] for row in rows.values()) < rows["Linear"]["Length"]
    at = np.linspace(0, 1, 25)
    pictures = decode(space.model, ways.Path("lerp").along(space, a, b, at)).flatten(1)
    alone = (pictures[1:] - pictures[:-1]).norm(dim=1).sum().item()
    assert rows["Linear"]["Length"] >= alone, "deviations count as well"
    at = visit("tiny-gaussian", way="shortest", compare=True)
    assert not at.exception
    assert "follow(shortest_curve(" in path_as_python(
        space, real_pin(space, 3), real_pin(space, 40), "shortest", 0.4, np.linspace(0, 1, 9)
    )
