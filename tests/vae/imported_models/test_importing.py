"""Imported models: folders that the whole library opens like any other."""

from __future__ import annotations

import json

import numpy as np
import onnx_models
import pytest
import torch
from onnx import numpy_helper

from vae import list_checkpoints, load_checkpoint, load_dataset
from vae.__main__ import main
from vae.checkpoint import CheckpointError, load_card, load_codes
from vae.codes import decode
from vae.concepts.files import fingerprint
from vae.evaluation import evaluate
from vae.exchange import export_model, import_model, new_checkpoint
from vae.imported_models.importing import import_networks


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))


@pytest.fixture
def files(tmp_path):
    decoder = onnx_models.decoder((2, 4), scale=0.3)
    return onnx_models.write(tmp_path, decoder=decoder, encoder=onnx_models.encoder((2, 4)))


def test_encoder_and_decoder_become_a_checkpoint(tmp_path, files, capsys):
    command = ["import-model", "--decoder", str(files["decoder"]), "--dataset", "digits"]
    command += ["--encoder", str(files["encoder"]), "--likelihood", "bernoulli"]
    command += ["--name", "mine", "--limit", "60", "--json", "--quiet", "--no-tsne"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "mine"
    assert "mine" in {checkpoint.name for checkpoint in list_checkpoints()}
    model, codes = load_checkpoint("mine"), load_codes("mine")
    assert model.config.latent_shape == (2, 4) and model.config.variational
    x = load_dataset("digits", "test").images[:60]
    assert np.allclose(model.encoder(x).mean.numpy(), codes["mean"], atol=1e-5)
    assert (codes["variance"] > 0).all() and (codes["kl"] > 0).all()
    report = evaluate("mine", images=40, evidence_images=0)
    assert np.isfinite(report["elbo"]) and report["psnr"] > 0
    other = load_checkpoint("digits")
    assert fingerprint(model) != fingerprint(other)

    exported = export_model("mine", tmp_path / "mine.zip")
    again = import_model(exported, "again")
    moved = load_checkpoint(again.folder)
    z = torch.randn(3, 8)
    assert torch.equal(moved.decoder(z).mean, model.decoder(z).mean)
    assert fingerprint(moved) == fingerprint(model)


def test_networks_that_tell_nothing_apart_are_pointed_out(tmp_path):
    flat = onnx_models.decoder(scale=1e-6)
    blind = onnx_models.encoder()
    for initial in blind.graph.initializer:
        if initial.name == "w":
            initial.CopyFrom(numpy_helper.from_array(np.zeros((784, 4), "f4"), "w"))
    good = {"d": onnx_models.decoder(), "e": onnx_models.encoder()}
    files = onnx_models.write(tmp_path, flat=flat, blind=blind, **good)
    known = {"dataset": "digits", "tsne": False, "limit": 30}
    for decoder, encoder, says in [
        ("flat", "e", {"same picture"}), ("d", "blind", {"codes are the same"}), ("d", "e", set())
    ]:  # fmt: skip
        name = f"{decoder}-{encoder}"
        made = import_networks(files[decoder], files[encoder], name=name, **known)
        told = " ".join(made.told)
        assert {s for s in ("same picture", "codes are the same") if s in told} == says, told


def test_it_is_not_trained_and_a_changed_file_is_noticed(tmp_path, files, capsys):
    made = import_networks(files["decoder"], name="mine", image_shape=(1, 28, 28), tsne=False)
    command = ["train", "--dataset", "digits", "--from", "mine", "--out", str(tmp_path / "run")]
    assert main([*command, "--quiet"]) != 0
    assert "not trained here" in capsys.readouterr().err
    (made.folder / "decoder.onnx").write_bytes(onnx_models.decoder((2, 4)).SerializeToString())
    with pytest.raises(CheckpointError, match="not the file that was imported"):
        load_checkpoint("mine")
    (made.folder / "decoder.onnx").unlink()
    with pytest.raises(CheckpointError, match="import the model again"):
        load_checkpoint("mine")


def test_a_decoder_alone_is_shown_with_its_samples(files):
    made = import_networks(files["decoder"], name="alone", tsne=False)
    assert any("no nats" in line for line in made.told)
    codes, card = load_codes("alone"), load_card("alone")
    shown = load_dataset(card["dataset"], card["split"]).images
    model = load_checkpoint("alone")
    difference = decode(model, codes["mean"]) - shown[:]
    assert difference.abs().max() < 0.6 / 255
    with pytest.raises(CheckpointError, match="no encoder"):
        model.encoder(shown[:1])


@pytest.mark.parametrize("image", [(1, 90, 70), (3, 30, 35)])
def test_the_samples_of_a_decoder_have_its_shape_whatever_it_is(tmp_path, image):
    decoder = onnx_models.decoder(image=image, scale=0.3)
    if image[0] == 3:  # pictures without colour
        weights = {i.name: i for i in decoder.graph.initializer}
        for name in "wb":
            array = numpy_helper.to_array(weights[name])
            grey = np.tile(array[..., : array.shape[-1] // 3], 3)
            weights[name].CopyFrom(numpy_helper.from_array(grey, name))
    files = onnx_models.write(tmp_path, d=decoder)
    import_networks(files["d"], name="odd", image_shape=image, tsne=False)
    card = load_card("odd")
    assert load_dataset(card["dataset"], card["split"]).images.shape[1:] == image
    assert load_checkpoint("odd").image_shape == image


def test_codes_of_a_file_take_the_place_of_an_encoder(tmp_path, files):
    z = np.random.default_rng(0).standard_normal((50, 8)).astype("f4")
    np.savez(tmp_path / "codes.npz", mean=z, index=np.arange(50)[::-1])
    kept = {"codes": tmp_path / "codes.npz", "dataset": "digits", "tsne": False}
    import_networks(files["decoder"], name="both", **kept)
    assert np.array_equal(load_codes("both")["mean"], z)
    made = import_networks(None, name="images", **kept)
    assert "nearest" in made.told[0]
    model, x = load_checkpoint("images"), load_dataset("digits", "test").images
    near = torch.from_numpy(z + 0.01)
    wanted = x[torch.arange(50).flip(0)]
    assert torch.equal(model.decoder(near).mean, wanted)
    assert not model.config.has_prior and "no decoder" in model.config.no_density


def test_what_cannot_be_imported_leaves_nothing(tmp_path, files):
    np.savez(tmp_path / "few.npz", mean=np.zeros((4, 3), "f4"))
    np.savez(tmp_path / "odd.npz", mean=np.full((4, 8), np.nan, "f4"))
    decoder, encoder = files["decoder"], files["encoder"]
    for how, words in [
        ({"decoder": None}, "neither a decoder nor"),
        ({"decoder": decoder, "encoder": encoder}, "Name the dataset"),
        ({"decoder": decoder, "dataset": "faces", "encoder": encoder}, "Choose the dataset"),
        ({"decoder": decoder, "dataset": "digits", "codes": tmp_path / "few.npz"}, "dimensions"),
        ({"decoder": decoder, "dataset": "digits", "codes": tmp_path / "odd.npz"}, "finite"),
        ({"decoder": decoder, "dataset": "digits", "codes": decoder}, "is no .npz"),
        ({"decoder": decoder, "limit": 0}, "--limit 1 or more"),
        ({"decoder": encoder}, "image_shape"),
        ({"decoder": decoder, "name": "digits"}, "already"),
        ({"decoder": decoder, "name": "../x"}, "cannot be a name"),
    ]:
        with pytest.raises(ValueError, match=words):
            import_networks(**({"name": "mine", "tsne": False} | how))
        place = tmp_path / "data" / "checkpoints"
        assert not place.exists() or not list(place.iterdir())


def test_who_comes_second_is_told_that_the_name_is_taken(tmp_path, monkeypatch):
    place = tmp_path / "data" / "checkpoints"
    killed = place / f".mine.{'0' * 32}.importing"
    killed.mkdir(parents=True)
    with (
        pytest.raises(CheckpointError, match="There is a model named mine already"),
        new_checkpoint("mine") as (folder, kept),
    ):
        assert not killed.exists()  # what a killed import has left
        (folder / "x").touch()
        (kept / "other").mkdir(parents=True)  # by somebody who was faster
    assert [path.name for path in place.iterdir()] == ["mine"]


@pytest.mark.parametrize("option", ["--latent-shape=99999999999999999999", "--image-shape=x,y",
                                    "--pixel-range=1", "--pixel-range=0,nan"])  # fmt: skip
def test_options_that_make_no_sense_are_a_sentence(files, capsys, option):
    with pytest.raises(SystemExit):
        main(["import-model", "--decoder", str(files["decoder"]), "--name", "mine", option])
    assert "expected" in capsys.readouterr().err


def test_without_the_packages_the_command_is_named(files, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(CheckpointError, match=r"pip install .*onnx"):
        import_networks(files["decoder"], name="mine")
