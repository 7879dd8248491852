"""The pages as a visitor's session runs them, without a browser."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.ui.components import gallery
from pages.ui.map import placing
from pages.ui.shared import images, scatter, session
from pages.ui.shared.latent_space import Reference
from vae import DatasetError, elbo

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


def click(ref: Reference, **value) -> None:
    placing.pin_clicked(ref, {"model": ref.name, **value})


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


def test_an_autoencoder_has_no_nats():
    ref = session.reference("tiny-autoencoder")
    at = visit(ref.name, pins=[gallery.real_pin(ref, 3)])
    assert not at.exception
    assert not metrics(at)
    assert not {"KL (nats)", "ELBO (nats)"} & set(at.selectbox(key="colour").options)
    assert {"KL (nats)", "ELBO (nats)"} <= set(visit().selectbox(key="colour").options)


def test_a_pinned_image_shows_its_nats():
    ref = session.reference("tiny-plane")
    at = visit(ref.name, pins=[gallery.real_pin(ref, 3)])
    assert not at.exception
    shown = metrics(at)
    kl = elbo(ref.model, ref.image(3)[None]).kl.item()
    assert shown["KL"] == f"{kl:.1f}"
    number = {k: float(v.replace("−", "-").replace(",", "")) for k, v in shown.items()}
    evidence, bound = number["Log evidence"], number["ELBO"]
    assert evidence > bound - 1, "the ELBO, of one draw, is a lower bound of the evidence"


def test_a_generated_place_has_no_evidence():
    pin = session.Pin("tiny-plane", "generated", np.zeros(2, np.float32), "a place")
    at = visit(pins=[pin])
    assert not at.exception and not metrics(at)
    assert any("nearest code" in c.value for c in at.caption)


def test_a_deviation_is_shown_with_its_floor():
    ref = session.reference("tiny-gaussian")
    at = visit(ref.name, pins=[gallery.real_pin(ref, 0)])
    floor = f"{ref.model.config.sigma_floor:.3f}"
    assert any(floor in c.value for c in at.caption)


def test_pins_are_the_visitors_own():
    ref = session.reference("tiny-plane")
    first = visit(ref.name, pins=[gallery.real_pin(ref, 3)])
    assert metrics(first)
    assert not metrics(visit(ref.name))


def test_a_choice_of_model_changes_the_map():
    at = visit("tiny-plane")
    at.selectbox(key="model").set_value("tiny-gaussian").run()
    assert not at.exception and not at.error
    assert any("3 dimensions" in s.label for s in at.selectbox)


def test_a_link_to_a_model_that_is_gone_says_so():
    at = AppTest.from_file(ROOT / MAP, default_timeout=60)
    at.query_params["model"] = "my [run](http://bad)"
    at.run()
    assert not at.exception and at.selectbox(key="model").value in at.toast[0].value
    assert "“my runhttpbad”, which is not here" in at.toast[0].value
    assert not at.run().toast
    assert not visit("tiny-plane").toast


def test_a_damaged_model_gets_a_sentence(models):
    folder = models / "broken"
    folder.mkdir()
    whole = (models / "tiny-plane" / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])
    try:
        at = visit("broken")
        assert not at.exception
        assert "cannot be shown" in at.error[0].value and "truncated" in at.error[0].value
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
        {"model": "another", "kind": "real", "row": 1},
        {},
    ],
)
def test_nonsense_from_a_browser_pins_nothing(monkeypatch, value):
    kept = []
    monkeypatch.setattr(session, "add_pin", kept.append)
    click(session.reference("tiny-plane"), **value)
    assert not kept


def test_clicks_become_pins(monkeypatch):
    kept = []
    monkeypatch.setattr(session, "add_pin", kept.append)
    ref = session.reference("tiny-plane")
    click(ref, kind="real", row=7, z=[9, 9])
    click(ref, kind="generated", row=-1, z=[0.5, -1], approximate=True)
    assert kept[0].row == 7 and np.array_equal(kept[0].z, ref.mean[7])
    assert kept[1].row == -1 and kept[1].approximate and kept[1].z.tolist() == [0.5, -1]


def test_pins_are_bounded_and_an_image_is_kept_once():
    def script():
        from pages.ui.components import gallery
        from pages.ui.shared import session

        ref = session.reference("tiny-plane")
        for row in range(20):
            session.add_pin(gallery.real_pin(ref, row))
        session.add_pin(gallery.real_pin(ref, 15))
        session.set_group(ref, "A", [1, 1, 2, 10**9, -1, "3"])

    at = AppTest.from_function(script, default_timeout=30).run()
    assert not at.exception
    rows = [p.row for p in at.session_state["pins"]]
    assert len(rows) == session.MOST_PINS and rows[-1] == 15 and rows.count(15) == 1
    assert len({p.number for p in at.session_state["pins"]}) == len(rows)
    assert at.session_state["groups"]["tiny-plane", "A"] == [1, 2]


def test_the_table_of_points_names_every_image():
    ref = session.reference("tiny-plane")
    rows = list(csv.DictReader(io.StringIO(placing.points_csv(ref, "latent", (0, 1)).decode())))
    assert [int(r["id"]) for r in rows] == ref.index.tolist()
    assert np.allclose([float(r["y"]) for r in rows], ref.mean[:, 1], atol=1e-5)
    assert {r["class"] for r in rows} <= set(ref.classes)


@pytest.mark.parametrize("model", tiny.CONFIGS)
@pytest.mark.parametrize("projection", ["latent", "pca"])
def test_a_plane_shows_codes_where_the_figure_does(model, projection):
    ref = session.reference(model)
    axes = scatter.first_axes(ref)
    plane = scatter.plane(ref, projection, axes)
    origin, u, v = (np.array(plane[k]) for k in ("origin", "u", "v"))
    assert np.allclose([u @ u, u @ v, v @ v], [1, 0, 1], atol=1e-6)
    at = scatter.positions(ref, projection, axes)
    offset = ref.mean - origin
    assert np.allclose(np.stack([offset @ u, offset @ v], 1), at, atol=1e-4)
    rebuilt = origin + at[:, :1] * u + at[:, 1:] * v
    if ref.mean.shape[1] == 2:
        assert np.allclose(rebuilt, ref.mean, atol=1e-4)


@pytest.mark.parametrize("colour", ["class", "kl", "elbo"])
def test_every_image_is_drawn_once(colour):
    ref = session.reference("tiny-gaussian")
    figure = scatter.map_figure(ref, "pca", (0, 1), colour)
    rows = np.concatenate([trace.customdata for trace in figure.data])
    assert sorted(rows.tolist()) == list(range(len(ref)))
    assert json.loads(session.map_figure(ref, "pca", (0, 1), colour))["data"]


def test_samples_of_the_fitted_gaussian_have_its_moments():
    ref = session.reference("tiny-gaussian")
    mean, covariance = ref.fitted
    drawn = gallery.draw_samples(ref, "fitted", 20_000, 0)
    spread = np.sqrt(np.diag(covariance))
    assert np.allclose(drawn.mean(0), mean, atol=0.05 * spread.max())
    assert np.allclose(np.cov(drawn.T), covariance, atol=0.06 * spread.max() ** 2)
    prior = gallery.draw_samples(ref, "prior", 20_000, 0)
    assert np.allclose(np.cov(prior.T), np.eye(5), atol=0.06)


class Upload(io.BytesIO):
    def __init__(self, content: bytes, name: str = "mine.png"):
        super().__init__(content)
        self.name, self.size = name, len(content)


def picture(mode: str, size=(90, 60)) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
def test_uploads_of_every_kind_fit_the_model(mode, shape):
    x = images.read_upload(Upload(picture(mode)), shape)
    assert tuple(x.shape) == shape and 0 <= x.min() <= x.max() <= 1


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a nonsense", picture("RGB")[:60]], ids=["empty", "foreign", "cut"]
)
def test_a_bad_upload_is_named_in_a_sentence(content):
    with pytest.raises(DatasetError, match=r"mine\.png"):
        images.read_upload(Upload(content), (1, 28, 28))


def test_a_picture_unlike_the_data_is_called_so():
    ref = session.reference("tiny-plane")
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.random((1, 28, 28), dtype=np.float32))
    assert ref.is_foreign(noise) and not ref.is_foreign(ref.image(5))
    unseen = ref.dataset.images[tiny.COUNT : tiny.COUNT + 100]
    assert sum(ref.is_foreign(x) for x in unseen) < 10
    for x, warned in ((noise, True), (ref.image(5), False)):
        pin = session.Pin(ref.name, "upload", np.zeros(2, np.float32), "mine.png", image=x)
        assert bool(visit(pins=[pin]).warning) == warned


def test_the_atlas_shows_each_image_at_its_place():
    ref = session.reference("tiny-plane")
    tile, columns = images.atlas_layout(len(ref), ref.shape[1])
    whole = np.asarray(Image.open(io.BytesIO(session.atlas(ref)))).astype(float) / 255
    for row in (0, 17, len(ref) - 1):
        j, i = divmod(row, columns)
        found = whole[j * tile : (j + 1) * tile, i * tile : (i + 1) * tile]
        assert np.abs(found - ref.image(row)[0].numpy()).mean() < 0.03
        assert np.abs(found - ref.image((row + 1) % len(ref))[0].numpy()).mean() > 0.05


def test_the_block_of_codes_holds_codes_ids_and_classes():
    ref = session.reference("tiny-gaussian")
    block = session.codes_block(ref)
    n, d = ref.mean.shape
    assert np.array_equal(np.frombuffer(block, "<f4", n * d).reshape(n, d), ref.mean)
    rest = np.frombuffer(block, "<i4", offset=4 * n * d)
    assert np.array_equal(rest[:n], ref.index) and np.array_equal(rest[n:], ref.class_of)


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
