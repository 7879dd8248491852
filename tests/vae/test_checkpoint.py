import json
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
import safetensors.torch
import torch

from vae import VAE, CheckpointError, VAEConfig, list_checkpoints, load_checkpoint, save_checkpoint
from vae.checkpoint import load_card, load_codes, save_codes
from vae.config import LIKELIHOODS


def make(folder, **fields):
    model = VAE(VAEConfig((1, 8, 8), 3, **{"channels": (4,), "hidden": (6,)} | fields)).eval()
    save_checkpoint(model, folder, {"dataset": "digits"})
    return model


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("variational", [True, False])
def test_what_is_loaded_is_what_was_saved(tmp_path, likelihood, variational):
    model = make(tmp_path / "m", likelihood=likelihood, variational=variational)
    loaded = load_checkpoint(tmp_path / "m")
    x, z = torch.rand(2, 1, 8, 8), torch.randn(2, 3)
    assert loaded.config == model.config and not loaded.training
    assert torch.equal(loaded.encoder(x).mean, model.encoder(x).mean)
    assert torch.equal(loaded.decoder(z).mean, model.decoder(z).mean)
    assert torch.equal(loaded.decoder(z).variance, model.decoder(z).variance)
    assert load_card(tmp_path / "m") == {"dataset": "digits"}
    assert sorted(f.name for f in (tmp_path / "m").iterdir()) == ["card.json", "model.safetensors"]


def test_half_precision_rounds_the_weights_once(tmp_path):
    model = make(tmp_path / "m")
    save_checkpoint(model, tmp_path / "h", half=True)
    once = load_checkpoint(tmp_path / "h")
    save_checkpoint(once, tmp_path / "h", half=True, overwrite=True)
    for a, b in zip(once.parameters(), load_checkpoint(tmp_path / "h").parameters(), strict=True):
        assert torch.equal(a, b) and torch.equal(a, a.half().float())


def test_codes_survive(tmp_path):
    codes = {"mean": np.random.rand(5, 3).astype("f4"), "index": np.arange(5)}
    save_codes(tmp_path, codes)
    for name, array in load_codes(tmp_path).items():
        np.testing.assert_array_equal(array, codes[name])


def parts(file):
    raw = file.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def pack(file, header, body):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + body)


def rewrite(change):
    """A damage that edits the tensors and writes a well-formed file."""

    def damage(file):
        tensors = safetensors.torch.load_file(file)
        metadata = parts(file)[0]["__metadata__"]
        change(tensors)
        tensors = {k: v.contiguous() for k, v in tensors.items()}
        safetensors.torch.save_file(tensors, file, metadata=metadata)

    return damage


def edit(change):
    """A damage that edits the header alone."""

    def damage(file):
        header, body = parts(file)
        change(header)
        pack(file, header, body)

    return damage


def config(**fields):
    def change(header):
        old = json.loads(header["__metadata__"]["config"])
        header["__metadata__"]["config"] = json.dumps(old | fields)

    return edit(change)


W = "decoder.network.0.weight"
WHOLE = "expected a safetensors file, whole and unchanged"
DAMAGES = {
    "missing file": (lambda f: f.unlink(), "no such file"),
    "empty": (lambda f: f.write_bytes(b""), WHOLE),
    "truncated": (lambda f: f.write_bytes(f.read_bytes()[:-40]), WHOLE),
    "longer": (lambda f: f.write_bytes(f.read_bytes() + b"x"), WHOLE),
    "foreign": (lambda f: f.write_bytes(b"PK\x03\x04" + b"zip" * 500), "header claims"),
    "pickle": (lambda f: f.write_bytes(b"\x80\x04cos\nsystem\n." * 50), "header claims"),
    "gigantic header": (
        lambda f: f.write_bytes(struct.pack("<Q", 2**60) + b"{}"),
        "header claims",
    ),
    "long header": (edit(lambda h: h["__metadata__"].update(note="x" * 2**20)), "header claims"),
    "truncated header": (lambda f: f.write_bytes(f.read_bytes()[:100]), WHOLE),
    "not json": (lambda f: pack(f, b"{" * 90_000, b""), WHOLE),
    "empty header": (lambda f: pack(f, {}, b""), "format"),
    "list": (lambda f: pack(f, b"[1, 2]", b""), WHOLE),
    "other program": (edit(lambda h: h["__metadata__"].update(format="pt")), "format is 'pt'"),
    "no config": (edit(lambda h: h["__metadata__"].pop("config")), "config"),
    "config is a list": (edit(lambda h: h["__metadata__"].update(config="[]")), "config"),
    "other layers": (config(hidden=[7]), "expects"),
    "other likelihood": (config(likelihood="cauchy"), "likelihood"),
    "unknown field": (config(code="import os"), "unknown fields"),
    "gigantic network": (config(hidden=[4096] * 6, latent_dim=512), "parameters"),
    "gigantic number": (config(hidden=[10**30]), "hidden"),
    "missing tensor": (rewrite(lambda t: t.pop(W)), f"{W} is missing"),
    "extra tensor": (rewrite(lambda t: t.update(spy=torch.ones(2))), "spy was not expected"),
    "transposed": (rewrite(lambda t: t.update({W: t[W].T})), "shape .* expects"),
    "wrong shape": (rewrite(lambda t: t.update({W: t[W][:2]})), "shape .* expects"),
    "not a number": (rewrite(lambda t: t[W].view(-1)[:1].fill_(torch.nan)), "not finite"),
    "infinite": (rewrite(lambda t: t[W].view(-1)[:1].fill_(torch.inf)), "not finite"),
    "other type": (rewrite(lambda t: t.update({W: t[W].double()})), "F64"),
    "whole numbers": (rewrite(lambda t: t.update({W: t[W].long()})), "I64"),
    "lying shape": (edit(lambda h: h[W].update(shape=[2**20, 2**19])), WHOLE),
    "lying offsets": (edit(lambda h: h[W].update(data_offsets=[0, 2**39])), WHOLE),
    "negative": (edit(lambda h: h[W].update(shape=[-6, -3])), WHOLE),
    "overlap": (edit(lambda h: h[W].update(data_offsets=[4, 76])), WHOLE),
    "not an entry": (edit(lambda h: h.update({W: 7})), WHOLE),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_has_its_error_in_time(tmp_path, damage):
    make(tmp_path)
    file = tmp_path / "model.safetensors"
    spoil, words = DAMAGES[damage]
    spoil(file)
    start = time.process_time()
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(tmp_path)
    assert time.process_time() - start < 2
    assert "model.safetensors" in str(caught.value)


def test_weights_that_are_not_finite_are_not_saved_and_leave_the_old_file(tmp_path):
    model = make(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    next(model.parameters()).data.fill_(1e6)
    with pytest.raises(CheckpointError, match="not finite"):
        save_checkpoint(model, tmp_path, half=True)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_a_damaged_card_is_named(tmp_path):
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"card\.json"):
        load_card(tmp_path)


def test_shipped_checkpoints_come_first_and_all_load(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    make(tmp_path / "checkpoints" / "mine")
    make(tmp_path / "checkpoints" / ".hidden")
    listed = list_checkpoints()
    assert listed[-1].name == "mine" and not listed[-1].shipped
    assert {"digits", "digits-16", "digits-autoencoder"} <= {c.name for c in listed if c.shipped}
    for checkpoint in listed:
        load_checkpoint(checkpoint.folder)
        assert ".hidden" not in checkpoint.name


def test_opening_a_checkpoint_does_not_wait_for_torchs_compiler():
    code = (
        "import sys; from vae import load_checkpoint;"
        "from vae.decoder_export import decoder_bytes, flow_bytes;"
        "from vae.code_distribution import load_code_distribution;"
        "decoder_bytes(load_checkpoint('checkpoints/digits'));"
        "flow_bytes(load_code_distribution('checkpoints/digits'));"
        "sys.exit(not {'torch._dynamo', 'sympy'}.isdisjoint(sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
