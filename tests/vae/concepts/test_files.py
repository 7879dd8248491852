"""Vectors come back as they were sent, and only to the model they belong to."""

import numpy as np
import pytest
import torch

from vae import VAE, VAEConfig, load_checkpoint, save_checkpoint
from vae.concepts.files import Concept, VectorError, fingerprint, pack, read_vectors
from vae.concepts.paired import PairedStep


def tiny(latent_dim=4, seed=0):
    torch.manual_seed(seed)
    config = VAEConfig((1, 8, 8), latent_dim=latent_dim, channels=(), hidden=(8,))
    return VAE(config).eval()


@pytest.fixture
def sent(tmp_path):
    file = tmp_path / "v.safetensors"
    vector = np.arange(4, dtype=np.float32)
    concepts = [Concept("glasses", vector, "one pair", {"n": 1}), Concept("smile", -vector)]
    file.write_bytes(pack(concepts, tiny(), "mine")[0])
    return file


def test_round_trip(sent):
    glasses, smile = read_vectors(sent, tiny())
    assert (glasses.name, glasses.estimator, glasses.about) == ("glasses", "one pair", {"n": 1})
    assert np.array_equal(glasses.vector, -smile.vector)
    assert np.array_equal(glasses.vector, np.arange(4))


def test_a_step_that_depends_on_the_code_comes_back(tmp_path):
    weight, bias = np.arange(16, dtype=np.float32).reshape(4, 4), np.ones(4, np.float32)
    hat = Concept("hat", bias, step=PairedStep(weight, bias))
    file = tmp_path / "v.safetensors"
    file.write_bytes(pack([hat, Concept("smile", -bias)], tiny(), "mine")[0])
    hat, smile = read_vectors(file, tiny())
    z = np.ones((2, 4), np.float32)
    assert np.array_equal(hat.at(z), np.tile(weight.sum(0) + 1, (2, 1)))
    assert np.array_equal(smile.at(z), -bias)
    broken = Concept("hat", bias, step=PairedStep(weight[:3], bias))
    file.write_bytes(pack([broken], tiny(), "mine")[0])
    with pytest.raises(VectorError, match=r"hat: its step has .* \(3, 4\) and \(4,\); expected"):
        read_vectors(file, tiny())


def test_another_dimension_and_another_model_are_told_apart(sent):
    with pytest.raises(VectorError, match="4 dimensions; this model's codes have 5"):
        read_vectors(sent, tiny(5))
    with pytest.raises(VectorError, match="made with another model, 'mine'"):
        read_vectors(sent, tiny(seed=1))


def test_a_vector_beyond_any_code_is_refused(tmp_path):
    file = tmp_path / "v.safetensors"
    file.write_bytes(pack([Concept("far", np.full(4, 1e15, np.float32))], tiny(), "mine")[0])
    with pytest.raises(VectorError, match=r"far has numbers of up to 1e\+15; expected"):
        read_vectors(file, tiny())


def test_what_could_not_be_exported_again_is_refused(tmp_path):
    file = tmp_path / "v.safetensors"
    content = pack([Concept("far", np.ones(4, np.float32), about={"n": 100})], tiny(), "mine")[0]
    file.write_bytes(content.replace(b": 100}", b": NaN}"))
    assert file.read_bytes() != content
    with pytest.raises(VectorError, match=r"v\.safetensors: .* concepts: it is not JSON"):
        read_vectors(file, tiny())


def test_damage_is_refused(sent, tmp_path):
    content = sent.read_bytes()
    for broken in (content[:-3], b"", b"PK\x03\x04" + content, content[:20]):
        file = tmp_path / "broken.safetensors"
        file.write_bytes(broken)
        with pytest.raises(VectorError):
            read_vectors(file, tiny())
    save_checkpoint(tiny(), tmp_path / "model")
    with pytest.raises(VectorError, match="card"):
        read_vectors(tmp_path / "model" / "model.safetensors", tiny())


def test_a_fingerprint_belongs_to_the_weights_and_survives_saving(tmp_path):
    model = tiny()
    save_checkpoint(model, tmp_path, half=True)
    assert fingerprint(load_checkpoint(tmp_path)) == fingerprint(model) == fingerprint(tiny())
    with torch.no_grad():
        next(model.decoder.parameters()).add_(1)
    assert fingerprint(model) != fingerprint(tiny())
