"""The decoder in the browser, in a real Chromium: whole images against torch."""

from __future__ import annotations

import importlib.util
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from decoding import EXACT, NETWORKS, codes, expected, pictures, random_network, worst
from soak import product

from pages.ui.decoder import build
from vae.checkpoint import load_checkpoint
from vae.config import VAEConfig
from vae.decoder_export import DEVIATION_WHITE, decoder_bytes
from vae.locations import list_checkpoints
from vae.model import VAE


@product(4, name=list(NETWORKS))
def test_random_networks_equal_torch(page, opened, name):
    model = random_network(NETWORKS[name])
    found = opened(name, model)
    assert found["exact"], found["reason"]
    assert found["latentDim"] == model.latent_dim
    assert found["shape"] == list(model.config.image_shape)
    zs = codes(model)
    assert expected(model, zs)[:, : model.config.image_shape[0]].std() > 0.03  # something is seen
    assert worst(page, model, zs) < EXACT


def test_every_likelihood_and_kind_of_network_was_compared():
    assert {c.likelihood for c in NETWORKS.values()} == {
        "bernoulli",
        "continuous_bernoulli",
        "gaussian",
        "gaussian_fixed",
    }
    assert {(bool(c.channels), c.image_shape[0]) for c in NETWORKS.values()} == {
        (False, 1),
        (False, 3),
        (True, 1),
        (True, 3),
    }


@pytest.mark.parametrize("name", [c.name for c in list_checkpoints() if c.shipped])
def test_shipped_checkpoints_equal_torch(page, opened, name):
    model = load_checkpoint(next(c.folder for c in list_checkpoints() if c.name == name))
    found = opened(name)
    assert found["exact"], found["reason"]
    assert worst(page, model, codes(model, 4)) < EXACT


def test_weights_that_need_32_bits_are_sent_so(page, opened):
    model = random_network(NETWORKS["odd-channels"], half=False)
    opened("unrounded", model)
    assert worst(page, model, codes(model)) < EXACT


@product(2, tensor=[n for n, _ in VAE(NETWORKS["odd-channels"]).decoder.named_parameters()])
def test_one_wrong_weight_is_noticed(page, opened, tensor):
    model = random_network(NETWORKS["odd-channels"])
    wrong = random_network(NETWORKS["odd-channels"])
    parameter = wrong.decoder.get_parameter(tensor)
    parameter.view(-1)[parameter.numel() // 2] += 0.5
    opened("wrong-" + tensor.replace(".", "-"), wrong)
    assert worst(page, model, codes(model, 8)) > EXACT


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli", "gaussian"])
def test_extreme_codes_stay_exact_and_finite(page, opened, likelihood):
    config = VAEConfig((1, 8, 8), latent_dim=1, likelihood=likelihood, channels=(), hidden=())
    model = random_network(config)
    opened(f"extreme-{likelihood}", model)
    zs = torch.tensor(
        [-1e6, -300, -40, -1, -0.5, -0.05, -1e-6, 0, 1e-6, 0.05, 0.5, 1, 40, 300, 1e6]
    )
    assert worst(page, model, zs[:, None]) < EXACT


@pytest.mark.parametrize("name", ["conv-grey", "mlp-rgb-gaussian"])
def test_pictures_are_the_numbers_in_256_steps(page, opened, name):
    model = random_network(NETWORKS[name])
    opened(name, model)
    zs = codes(model, 3)
    channels, height, width = model.config.image_shape
    want = expected(model, zs)
    _, means, deviations = pictures(page, zs)
    planes = [(want[:, :channels], means)]
    if model.config.likelihood == "gaussian":
        planes.append((want[:, channels:] / DEVIATION_WHITE, deviations))
    else:
        assert deviations == [None] * 3
    for values, found in planes:
        rgba = np.array(found).reshape(-1, height, width, 4)
        assert (rgba[..., 3] == 255).all()
        grey = np.broadcast_to(values.transpose(0, 2, 3, 1), (3, height, width, 3))
        assert np.abs(rgba[..., :3] - grey.clip(0, 1) * 255).max() <= 0.5 + 255 * EXACT


def test_same_model_same_bytes_and_the_header_describes_it():
    model = random_network(NETWORKS["odd-channels"])
    content = decoder_bytes(model)
    assert content == decoder_bytes(random_network(NETWORKS["odd-channels"]))
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    info = json.loads(header["__metadata__"]["decoder"])
    assert info["likelihood"] == "continuous_bernoulli" and info["latent_dim"] == 17
    kinds = {name: entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    assert kinds == {"halves": "F16", "floats": "F32", "steps": "I32"}
    assert header["floats"]["shape"] == [0], "weights in 16 bits are sent in 16 bits"


@pytest.mark.parametrize("name", build.MODULES)
def test_the_committed_modules_are_the_compiled_source(name):
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("Needs the ziglang package to compile the kernel.")
    committed = (Path(build.__file__).parent / name).read_bytes()
    assert build.compile_kernel(name) == committed, "run `make kernel` after a change of kernel.c"


def test_a_browser_is_given_the_instructions_that_it_has(page, opened, live):
    model = random_network(NETWORKS["odd-channels"])
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    opened("relaxed", model)
    assert "kernel-relaxed.wasm" in asked and "kernel.wasm" not in asked
    page.add_init_script(
        "const all = WebAssembly.validate; WebAssembly.validate = (b) => b.length < 40 && all(b)"
    )
    page.goto(live[0])
    opened("relaxed", model)
    assert "kernel.wasm" in asked
    assert worst(page, model, codes(model)) < EXACT
