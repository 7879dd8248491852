"""Pictures and tables of one's own that change while the app runs."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import fill
from PIL import Image
from small_run import train
from streamlit.testing.v1 import AppTest

from pages.ui.interpolate import endpoints
from pages.ui.shared import cache, model_picker, visitor
from pages.ui.shared.pins import original, real_pin
from pages.ui.shared.visitor import PathsState, Visitor
from vae import VAE, DatasetError, VAEConfig
from vae.checkpoint import load_codes, save_card, save_checkpoint, save_codes
from vae.codes import write_reference
from vae.datasets import load_dataset, source_stamp
from vae.imports import find_import, import_source
from vae.runs.config import RunConfig
from vae.training.loop import TrainingConfig

PAGES = Path(__file__).resolve().parents[2] / "pages"
SHOWING = ("map", "interpolate", "concepts", "learn_amortised", "learn_reparameterisation")
SIZE = (3, 64, 64)


def picture(seed: int) -> bytes:
    """Noise, another for each seed, so that no picture resembles another."""
    pixels = np.random.default_rng(seed).integers(256, size=(64, 64, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


SIXTY = {f"{i:03}.png": picture(i) for i in range(60)}
ALL = SIXTY | {f"{i:03}.png": picture(i) for i in range(500, 520)}


def table(of) -> dict[str, str]:
    return {"attributes.csv": "file,hat\n" + "".join(f"{n},{int(h)}\n" for n, h in of.items())}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder of sixty pictures, and a model that was trained on them."""
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setattr(cache, "_REST", 0)
    folder = fill(tmp_path / "mine", SIXTY)
    torch.manual_seed(0)
    model = VAE(VAEConfig(SIZE, latent_dim=3, channels=(), hidden=(8,)))
    data = load_dataset(folder, "test")
    card = {"dataset": str(folder), "split": "test", "fingerprint": data.fingerprint}
    card["images"] = len(load_dataset(folder, "train"))
    checkpoint = save_checkpoint(model, tmp_path / "checkpoints" / "model", card)
    write_reference(model, checkpoint, data, tsne=False)
    return folder


def show(page: str, **state) -> AppTest:
    at = AppTest.from_file(PAGES / "router.py", default_timeout=60)
    at.query_params["model"] = "model"
    if page != "map":
        at.run()
        at.switch_page(f"{page}.py")
    for key, value in state.items():
        at.session_state[key] = value
    return at.run()


def warnings(at: AppTest) -> str:
    return " ".join(w.value.replace("\\", "") for w in at.warning)


def pictures(space) -> torch.Tensor:
    return torch.stack([space.image(row) for row in range(len(space))])


def test_a_corrected_table_counts_at_once(mine):
    fill(mine, table(dict.fromkeys(SIXTY, False)))
    before = cache.latent_space("model")
    figure = cache.map_figure(before, "pca", (0, 1), "attribute:hat")
    assert not before.columns["hat"].values.any()
    fill(mine, table(dict.fromkeys(SIXTY, True)))
    after = cache.latent_space("model")
    assert after.columns["hat"].values.all() and after.stamp != before.stamp
    assert cache.map_figure(after, "pca", (0, 1), "attribute:hat") != figure
    assert after.notices == ()
    at = show("map", colour="attribute:hat")
    assert not at.exception and not at.warning


def test_each_point_shows_the_picture_that_was_encoded_after_others_were_added(mine):
    before = cache.latent_space("model")
    shown, atlas = pictures(before), cache.atlas(before)
    fill(mine, ALL)
    after = cache.latent_space("model")
    assert not torch.equal(load_dataset(mine, "test").images[: len(shown)], shown)
    assert torch.equal(pictures(after), shown) and cache.atlas(after) == atlas
    np.testing.assert_array_equal(after.index, before.index)
    np.testing.assert_array_equal(after.mean, before.mean)


def test_every_page_that_shows_the_model_says_that_its_pictures_changed(mine):
    fill(mine, ALL)
    for page in SHOWING:
        at = show(page)
        assert not at.exception and not at.error
        assert "have changed since this model was trained" in warnings(at), page


def test_pictures_that_are_gone_are_left_out_with_what_the_visitor_kept_of_them(mine, monkeypatch):
    before = cache.latent_space("model")
    pins = [replace(real_pin(before, row), number=row + 1) for row in range(len(before))]
    ends = dict(zip(endpoints.NAMES, pins, strict=False))
    groups = {("model", "A"): before.index[:3].tolist()}
    shown = pictures(before)
    for name, content in SIXTY.items():
        if torch.equal(as_encoded(content), shown[0]):
            (mine / name).unlink()
        elif torch.equal(as_encoded(content), shown[2]):
            (mine / name).write_bytes(picture(1_000))  # the same name, another picture
    after = cache.latent_space("model")
    kept = [1, *range(3, len(before))]
    assert after.index.tolist() == kept and torch.equal(pictures(after), shown[kept])
    assert "2 of the 6 that it encoded are gone" in after.notices[0]
    at = show(
        "map", visitor=Visitor(pins=pins, groups=groups, paths=PathsState(ends={"model": ends}))
    )
    assert not at.exception and "are gone" in warnings(at)
    with monkeypatch.context() as patch:
        patch.setattr("streamlit.session_state", {"visitor": Visitor(pins=pins, groups=groups)})
        left, group = visitor.pins(after), visitor.group(after, "A")
    for pin in left:
        row = int(after.index[pin.row])
        assert torch.equal(original(after, pin), shown[row])
        np.testing.assert_array_equal(pin.z, before.mean[row])
    assert [pin.number for pin in left] == [2, 4, 5, 6]
    assert group.tolist() == [0]
    at = show("interpolate", visitor=Visitor(paths=PathsState(ends={"model": ends})))
    assert not at.exception
    for pin in at.session_state["visitor"].paths.ends["model"].values():
        np.testing.assert_array_equal(pin.z, after.mean[pin.row])


def as_encoded(content: bytes) -> torch.Tensor:
    pixels = np.array(Image.open(io.BytesIO(content)))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def test_a_model_whose_pictures_are_all_gone_says_so(mine):
    for name in SIXTY:
        (mine / name).write_bytes(picture(int(name[:3]) + 500))
    with pytest.raises(DatasetError, match="None of the 6"):
        cache.latent_space("model")
    at = show("map")
    assert not at.exception and "None of the 6" in at.error[0].value


def test_a_fragment_draws_the_page_again_when_pictures_changed(mine, monkeypatch):
    """It would go on with what the page was drawn with."""
    again = []
    monkeypatch.setattr("streamlit.rerun", lambda: again.append(True))
    space = cache.latent_space("model")
    model_picker.rerun_if_changed(space)
    assert not again
    fill(mine, ALL)
    model_picker.rerun_if_changed(space)
    assert len(again) == 1
    for name in ALL:
        (mine / name).unlink()
    model_picker.rerun_if_changed(space)
    assert len(again) == 2


def test_files_are_looked_at_for_a_small_part_of_the_time(mine, monkeypatch):
    looked = []

    def look(name):
        looked.append(name)
        now[0] += 1.0
        return str(len(looked))

    now = [100.0]
    monkeypatch.setattr(cache, "_REST", 20)
    monkeypatch.setattr(cache, "_checked", {})
    monkeypatch.setattr(cache, "source_stamp", look)
    monkeypatch.setattr(cache.time, "monotonic", lambda: now[0])
    assert [cache.stamp_of("a") for _ in range(5)] == ["1"] * 5
    now[0] += 21
    assert cache.stamp_of("a") == "2" and cache.stamp_of("b") == "3" and len(looked) == 3


def test_nobody_waits_for_a_look_at_many_files_who_can_go_on_without_it(mine, monkeypatch):
    import_source(mine, "kept")
    content = find_import("kept").card["content"]
    looking, seen, looked = threading.Event(), threading.Event(), source_stamp

    def slow(name):
        looking.set()
        assert seen.wait(60)
        return looked(name)

    monkeypatch.setattr(cache, "source_stamp", slow)
    monkeypatch.setattr(cache, "_REST", 0)
    fill(mine, {"other.png": picture(4_000)})
    assert cache.stamp_of("kept") == content and looking.is_set()  # an import stays as it was
    look, _ = cache._looks["kept"]
    seen.set()
    assert "has changed since it was imported" in look.result(60)
    assert "has changed since it was imported" in cache.stamp_of("kept")
    looking.clear()
    seen.clear()
    assert "has changed since it was imported" in cache.stamp_of("kept")  # as it was last seen
    assert looking.wait(60)
    seen.set()


def test_codes_of_an_earlier_version_open_and_say_when_numbers_disagree(mine, tmp_path):
    checkpoint = tmp_path / "checkpoints" / "model"
    codes = load_codes(checkpoint)
    del codes["checksum"]
    save_codes(checkpoint, codes)
    save_card(checkpoint, {"dataset": str(mine), "split": "test", "images": 54})
    assert not show("map").warning
    fill(mine, ALL)
    at = show("map")
    assert not at.exception and "An earlier version did not note which" in warnings(at)


def test_the_training_page_says_that_pictures_changed_and_what_was_left_out(mine, tmp_path):
    fill(mine / "..", {f"split/{s}/{n}": c for s in ("Train", "Val") for n, c in SIXTY.items()})
    fill(tmp_path / "split", {"cover.png": picture(2_000)})
    config = RunConfig(
        str(tmp_path / "split"),
        {"latent_dim": 3, "channels": [], "hidden": [8]},
        TrainingConfig(epochs=1, batch_size=60),
        threads=1,
        fit_codes=False,
    )
    assert train(tmp_path / "runs" / "one", config).state == "finished"
    at = show("train", run="one")
    assert not at.exception and not at.warning
    told = " ".join(c.value.replace("\\", "") for c in at.caption)
    assert "cover.png lies beside the splits and is left out" in told
    fill(tmp_path / "split", {"Train/new.png": picture(3_000)})
    at = show("train", run="one")
    assert not at.exception and "has changed since it was imported" in warnings(at)
