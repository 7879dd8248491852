"""The pages as a visitor's session runs them, without a browser."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.ui.components import schema
from pages.ui.shared import cache, clicks, images, samples, scatter, visitor
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin, real_pin
from vae import DatasetError, elbo, load_dataset
from vae.checkpoint import load_card, load_codes, save_card, save_codes
from vae.imports import import_source
from vae.schema import convert

ROOT = Path(__file__).resolve().parents[2]
MAP = "pages/map.py"


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints")
        yield data / "checkpoints"


def visit(model: str = "tiny-plane", page: str = MAP, **state) -> AppTest:
    at = AppTest.from_file(ROOT / page, default_timeout=30)
    at.session_state["model"] = model
    for key, value in state.items():
        at.session_state[key] = value
    return at.run()


def metrics(at: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in at.metric}


def pins_of_click(space: LatentSpace, **value) -> list[Pin]:
    """What a visitor has pinned after a message of a browser's."""
    known = visitor.Visitor()
    sent = {"count": 1, "model": space.name, "row": -1, "z": [], "approximate": False, **value}
    clicked = schema.heard(clicks.Clicks, {"value": [sent], "count": 1}, "map").value
    if clicked is not None:
        clicks.take(known, space, "map", convert(clicked, clicks.Clicks))
    return known.pins


def test_every_page_opens_and_says_no_error():
    at = visit(page="pages/router.py")
    assert not at.exception and not at.error
    assert at.selectbox(key="model").value == "tiny-plane"


@pytest.mark.parametrize("model", tiny.CONFIGS)
@pytest.mark.parametrize("projection", scatter.PROJECTIONS)
def test_every_model_is_drawn_on_every_map(model, projection):
    at = visit(model, projection=projection)
    assert not at.exception and not at.error
    assert at.selectbox(key="projection").value == projection


def test_a_map_without_tsne_says_why(models):
    folder = shutil.copytree(models / "tiny-plane", models / "no-tsne")
    codes = load_codes(folder)
    del codes["tsne"]
    save_codes(folder, codes)
    reason = "There is no t-SNE map: *all* codes are equal."
    save_card(folder, load_card(folder) | {"no_tsne": reason, "notices": ["x.png is left out."]})
    at = visit("no-tsne", card=True)
    shutil.rmtree(folder)
    assert not at.exception and "t-SNE" not in at.selectbox(key="projection").options
    told = [c.value for c in at.caption]
    assert told.count(message(reason)) == 2 and message("x.png is left out.") in told


def test_an_autoencoder_has_no_nats():
    space = cache.latent_space("tiny-autoencoder")
    at = visit(space.name, visitor=visitor.Visitor(pins=[real_pin(space, 3)]))
    assert not at.exception
    assert not metrics(at)
    assert not {"KL (nats)", "ELBO (nats)"} & set(at.selectbox(key="colour").options)
    assert {"KL (nats)", "ELBO (nats)"} <= set(visit().selectbox(key="colour").options)


def test_a_pinned_image_shows_its_nats():
    space = cache.latent_space("tiny-plane")
    at = visit(space.name, visitor=visitor.Visitor(pins=[real_pin(space, 3)]))
    assert not at.exception
    shown = metrics(at)
    kl = elbo(space.model, space.image(3)[None]).kl.item()
    number = {k: float(v.strip("≥ ").split(" ±")[0].replace("−", "-").replace(",", ""))
              for k, v in shown.items()}  # fmt: skip
    assert abs(number["ELBO"]) > 1_000 and shown["KL"] == f"{kl:.0f}", "as few digits as the rest"
    assert number["Reconstruction"] - number["KL"] == number["ELBO"]
    assert number["Log evidence"] >= number["ELBO"]


def test_a_generated_place_has_no_evidence():
    pin = Pin("tiny-plane", "generated", np.zeros(2, np.float32), "a place")
    at = visit(visitor=visitor.Visitor(pins=[pin]))
    assert not at.exception and not metrics(at)
    assert any("nearest code" in c.value for c in at.caption)


def test_a_deviation_is_shown_with_its_floor():
    space = cache.latent_space("tiny-gaussian")
    at = visit(space.name, visitor=visitor.Visitor(pins=[real_pin(space, 0)]))
    floor = f"{space.model.config.sigma_floor:.3f}"
    assert any(floor in c.value for c in at.caption)


def test_pins_are_the_visitors_own():
    space = cache.latent_space("tiny-plane")
    first = visit(space.name, visitor=visitor.Visitor(pins=[real_pin(space, 3)]))
    assert metrics(first)
    assert not metrics(visit(space.name))


def test_a_choice_of_model_changes_the_map():
    at = visit("tiny-plane")
    at.selectbox(key="model").set_value("tiny-gaussian").run()
    assert not at.exception and not at.error
    assert any("3 axes" in s.label for s in at.selectbox)


def test_a_link_to_a_model_that_is_gone_says_so():
    at = AppTest.from_file(ROOT / MAP, default_timeout=60)
    at.query_params["model"] = "my [run](http://bad)"
    at.run()
    assert not at.exception and at.selectbox(key="model").value in at.toast[0].value
    assert f"“{plain('my [run](http://bad)')}”, which does not exist here" in at.toast[0].value
    assert not at.run().toast
    assert not visit("tiny-plane").toast


def test_the_menu_decides_once_a_link_has_been_followed():
    at = AppTest.from_file(ROOT / "pages/router.py", default_timeout=60)
    at.query_params["model"] = "tiny-gaussian"
    at.run()
    assert at.selectbox(key="model").value == "tiny-gaussian"
    at.selectbox(key="model").set_value("tiny-plane").run()
    assert at.selectbox(key="model").value == "tiny-plane"
    assert at.session_state["visitor"].address.written["model"] == "tiny-plane"
    at.query_params["model"] = "tiny-gaussian"  # a request that left before the address changed
    at.run()
    assert at.selectbox(key="model").value == "tiny-plane"


def test_a_damaged_model_gets_a_sentence(models):
    folder = models / "broken"
    folder.mkdir()
    whole = (models / "tiny-plane" / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])
    try:
        at = visit("broken")
        assert not at.exception
        assert (
            "cannot be shown" in at.error[0].value and "whole and unchanged" in at.error[0].value
        )
    finally:
        (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "generated", "z": [0.0]},
        {"kind": "generated", "z": [0.0, float("nan")]},
        {"kind": "generated", "z": [0.0, "1"]},
        {"kind": "generated", "z": None},
        {"kind": "real", "row": 10_000},
        {"kind": "real", "row": -1},
        {"kind": "real", "row": -1, "z": [0.0, 0.0]},
        {"kind": "sample", "z": [0.0, 0.0]},
        {"kind": "generated", "z": [0.0, 1e9]},
        {"kind": "generated", "z": [0.0, 0.0], "more": 1},
        {"model": "another", "kind": "real", "row": 1},
        {},
    ],
)
def test_nonsense_from_a_browser_pins_nothing(value):
    assert not pins_of_click(cache.latent_space("tiny-plane"), **value)


def test_clicks_become_pins():
    space = cache.latent_space("tiny-plane")
    (image,) = pins_of_click(space, kind="real", row=7, z=[9, 9])
    assert image.row == 7 and np.array_equal(image.z, space.mean[7])
    (place,) = pins_of_click(space, kind="generated", row=-1, z=[0.5, -1], approximate=True)
    assert place.row == -1 and place.approximate and place.z.tolist() == [0.5, -1]


def test_pins_are_bounded_and_an_image_is_kept_once():
    def script():
        from pages.ui.shared import cache, visitor
        from pages.ui.shared.pins import real_pin

        space = cache.latent_space("tiny-plane")
        for row in range(20):
            visitor.add_pin(real_pin(space, row))
        visitor.add_pin(real_pin(space, 15))
        visitor.set_group(space, "A", [1, 1, 2, 10**9, -1, "3"])

    at = AppTest.from_function(script, default_timeout=30).run()
    assert not at.exception
    rows = [p.row for p in at.session_state["visitor"].pins]
    assert len(rows) == visitor.MOST_PINS and rows[-1] == 15 and rows.count(15) == 1
    assert len({p.number for p in at.session_state["visitor"].pins}) == len(rows)
    assert at.session_state["visitor"].groups["tiny-plane", "A"] == [1, 2]


@pytest.mark.parametrize("model", tiny.CONFIGS)
@pytest.mark.parametrize("projection", ["latent", "pca"])
def test_a_plane_shows_codes_where_the_figure_does(model, projection):
    space = cache.latent_space(model)
    axes = scatter.first_axes(space)
    plane = scatter.plane(space, projection, axes)
    origin, u, v = (np.array(plane[k]) for k in ("origin", "u", "v"))
    assert np.allclose([u @ u, u @ v, v @ v], [1, 0, 1], atol=1e-6)
    at = scatter.positions(space, projection, axes)
    offset = space.mean - origin
    assert np.allclose(np.stack([offset @ u, offset @ v], 1), at, atol=1e-4)
    rebuilt = origin + at[:, :1] * u + at[:, 1:] * v
    if space.mean.shape[1] == 2:
        assert np.allclose(rebuilt, space.mean, atol=1e-4)


def test_the_principal_plane_is_the_one_that_older_files_stored():
    stored = load_codes(ROOT / "checkpoints" / "digits-16")
    space = cache.latent_space("digits-16")
    assert np.allclose(space.embeddings["pca"], stored["pca"], atol=1e-5)
    assert np.allclose(space.pca.components[:2], stored["pca_components"], atol=1e-5)


@pytest.mark.parametrize("colour", ["class", "kl", "elbo"])
def test_every_image_has_its_place_and_its_colour(colour):
    space = cache.latent_space("tiny-gaussian")
    count = len(space)
    places = np.frombuffer(cache.map_places(space, "pca", (0, 1)), "<f4").reshape(2, count)
    assert np.array_equal(places.T, space.embeddings["pca"].astype(np.float32))
    figure = json.loads(cache.map_figure(space, "pca", (0, 1), colour))
    trace_of, shades = np.frombuffer(cache.map_marks(space, colour), np.uint8).reshape(2, count)
    names = [trace["name"] for trace in figure["data"]]
    if colour == "class":
        assert [names[k] for k in trace_of] == [space.classes[k] for k in space.class_of]
        assert not shades.any() and "meta" not in figure["layout"]
        return
    values, marker = getattr(space, colour), figure["data"][0]["marker"]
    scaled = 255 * (values - marker["cmin"]) / (marker["cmax"] - marker["cmin"])
    assert np.abs(shades - scaled.clip(0, 255)).max() <= 0.51 and shades.max() == 255
    ends = figure["layout"]["meta"]["shades"]
    assert len(ends) == 256 and ends[0] == "rgb(68, 1, 84)"  # Viridis begins in violet


def test_a_map_of_codes_beyond_all_numbers_is_json():
    space = cache.latent_space("tiny-gaussian")
    far = np.full(space.embeddings["pca"].shape, 1.7e308)
    far[::2] *= -1
    odd = replace(space, stamp="far", embeddings={"pca": far})

    def refuse(name: str) -> None:
        raise ValueError(f"no browser reads {name}")

    with np.errstate(all="ignore"):
        text = cache.map_figure(odd, "pca", (0, 1), "class")
    figure = json.loads(text, parse_constant=refuse)
    assert figure["data"] and None in figure["layout"]["xaxis"]["range"]


def test_samples_of_the_fitted_gaussian_have_its_moments():
    space = cache.latent_space("tiny-gaussian")
    mean, covariance = space.aggregate_posterior.mean, space.aggregate_posterior.covariance
    drawn = samples.draw_samples(space, "fitted", 20_000, 0)
    spread = np.sqrt(np.diag(covariance))
    assert np.allclose(drawn.mean(0), mean, atol=0.05 * spread.max())
    assert np.allclose(np.cov(drawn.T), covariance, atol=0.06 * spread.max() ** 2)
    mixed = samples.draw_samples(space, "mixture", 20_000, 0)
    assert np.allclose(mixed.mean(0), mean, atol=0.25 * spread.max())
    assert not np.allclose(mixed[0], drawn[0])
    prior = samples.draw_samples(space, "prior", 20_000, 0)
    assert np.allclose(np.cov(prior.T), np.eye(5), atol=0.06)


class Upload(io.BytesIO):
    def __init__(self, content: bytes, name: str = "mine.png"):
        super().__init__(content)
        self.name, self.size = name, len(content)


def picture(mode: str, size=(90, 60)) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, "PNG")
    return out.getvalue()


def of_shape(shape):
    """As much of a model as an upload is read by."""
    return SimpleNamespace(shape=shape, dataset=SimpleNamespace(name="faces"))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
def test_uploads_of_every_kind_fit_the_model(mode, shape):
    x = images.read_upload(Upload(picture(mode)), of_shape(shape))
    assert tuple(x.shape) == shape and 0 <= x.min() <= x.max() <= 1


def test_an_upload_of_16_bits_is_read_as_its_import_was(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    (tmp_path / "scans").mkdir()
    files = [tmp_path / "scans" / f"{i}.png" for i in range(6)]
    values = np.random.default_rng(0).integers(100, 4_000, (6, 16, 24), np.uint16)
    for file, pixels in zip(files, values, strict=True):
        Image.fromarray(pixels).save(file)
    made = import_source(tmp_path / "scans", "scans", fit="stretch", image_size=16)
    data = load_dataset("scans", "train")
    model = SimpleNamespace(shape=made.shape[1:], dataset=data)
    for row, name in enumerate(data.names):
        x = images.read_upload(Upload((tmp_path / "scans" / name).read_bytes(), name), model)
        assert torch.equal(x, data.images[row]) and x.max() > 0.5
    alone = images.read_upload(Upload(files[0].read_bytes()), of_shape((1, 16, 24)))
    assert alone.min() == 0 and alone.max() == 1


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a nonsense", picture("RGB")[:60]], ids=["empty", "foreign", "cut"]
)
def test_a_bad_upload_is_named_in_a_sentence(content):
    with pytest.raises(DatasetError, match=r"mine\.png"):
        images.read_upload(Upload(content), of_shape((1, 28, 28)))


def test_a_picture_unlike_the_data_is_called_so():
    space = cache.latent_space("tiny-plane")
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.random((1, 28, 28), dtype=np.float32))
    assert space.is_foreign(noise) and not space.is_foreign(space.image(5))
    unseen = space.dataset.images[tiny.COUNT : tiny.COUNT + 100]
    assert sum(space.is_foreign(x) for x in unseen) < 10
    for x, warned in ((noise, True), (space.image(5), False)):
        pin = Pin(space.name, "upload", np.zeros(2, np.float32), "mine.png", image=x)
        assert bool(visit(visitor=visitor.Visitor(pins=[pin])).warning) == warned


def test_the_atlas_shows_each_image_at_its_place():
    space = cache.latent_space("tiny-plane")
    tile, columns = images.atlas_layout(len(space), space.shape[1])
    whole = np.asarray(Image.open(io.BytesIO(cache.atlas(space)))).astype(float) / 255
    for row in (0, 17, len(space) - 1):
        j, i = divmod(row, columns)
        found = whole[j * tile : (j + 1) * tile, i * tile : (i + 1) * tile]
        assert np.abs(found - space.image(row)[0].numpy()).mean() < 0.03
        assert np.abs(found - space.image((row + 1) % len(space))[0].numpy()).mean() > 0.05


def test_the_block_of_codes_holds_ids_classes_and_codes(monkeypatch):
    space = cache.latent_space("tiny-gaussian")
    block = cache.codes_block(space)
    n, d = space.mean.shape
    whole = np.frombuffer(block, "<i4", 2 * n)
    assert np.array_equal(whole[:n], space.index) and np.array_equal(whole[n:], space.class_of)
    codes = np.frombuffer(block, "<f4", offset=8 * n).reshape(n, d)
    assert cache.code_bits(space) == 32 and np.array_equal(codes, space.mean)
    monkeypatch.setattr(cache, "_EXACT", n * d - 1)  # more than a browser gets as they are
    cache.codes_block.clear()
    block = cache.codes_block(space)
    cache.codes_block.clear()
    low, step = np.frombuffer(block, "<f4", 2 * d, 8 * n).reshape(2, d)
    packed = np.frombuffer(block, "<u2", offset=8 * n + 8 * d).reshape(n, d)
    assert cache.code_bits(space) == 16 and len(block) == n * (8 + 2 * d) + 8 * d
    assert np.abs(low + step * packed - space.mean).max() < 1e-4 * np.ptp(space.mean)


@pytest.mark.parametrize("model", ["digits", "digits-autoencoder", "tiny-gaussian"])
def test_the_card_shows_what_was_measured(model):
    at = AppTest.from_file(ROOT / "pages" / "map.py", default_timeout=60)
    at.session_state["model"] = model
    at.session_state["card"] = True
    at.run()
    assert not at.exception
    shown = {m.label for m in at.metric}
    assert ("PSNR" in shown) == (model != "tiny-gaussian")
    assert ("KL" in shown) == (model == "digits")
    nats = {m.label: m.value for m in at.metric if m.label in ("ELBO", "Log evidence")}
    assert len(nats) == 2 * (model == "digits") and not any("≈" in v for v in nats.values())


def test_the_card_compares_maps_and_neighbours_with_the_latent_space():
    at = AppTest.from_file(ROOT / "pages" / "map.py", default_timeout=60)
    at.session_state["model"] = "digits-16"
    at.session_state["card"] = True
    at.run()
    assert not at.exception
    (table,) = (t.value for t in at.dataframe if "Trustworthiness" in t.value)
    shown = table.set_index("Map")
    assert list(shown.index) == ["PCA plane", "t-SNE"]
    assert shown["Trustworthiness"]["t-SNE"] > shown["Trustworthiness"]["PCA plane"] + 0.1
    assert any("codes that agree: class 79% (10% by chance)" in c.value for c in at.caption)
