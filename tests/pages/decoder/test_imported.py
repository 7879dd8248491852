"""Imported decoders in the browser: the pictures of the server, or its reason."""

from __future__ import annotations

import numpy as np
import onnx_models
import pytest
import torch
from decoding import expected, numbers, pictures
from onnx import helper

from vae.checkpoint import load_checkpoint
from vae.imported_models.importing import import_networks

ROUNDED = 1 / 255  # a grey level: what weights in 16 bits may change


def spread_decoder():
    """Mean and log-variance as two outputs, from a code of 2×2."""
    rng = np.random.default_rng(0)
    weights = {
        "flat": np.array([-1, 4]),
        "w": rng.standard_normal((4, 192)).astype("f4"),
        "v": rng.standard_normal((4, 192)).astype("f4"),
        "low": np.full(192, -3, "f4"),
        "shape": np.array([-1, 3, 8, 8]),
    }
    nodes = [
        helper.make_node("Reshape", ["z", "flat"], ["row"]),
        helper.make_node("Gemm", ["row", "w"], ["raw"]),
        helper.make_node("Tanh", ["raw"], ["bounded"]),
        helper.make_node("Reshape", ["bounded", "shape"], ["mean"]),
        helper.make_node("Gemm", ["row", "v", "low"], ["spread"]),
        helper.make_node("Reshape", ["spread", "shape"], ["log_variance"]),
    ]
    return onnx_models.model(nodes, ("z", (None, 4)), ["mean", "log_variance"], weights)


DECODERS = {
    "channels-last": (onnx_models.decoder((4,), (3, 8, 8), layout="HWC"), {}),
    "logits": (onnx_models.decoder((2, 2), (1, 8, 8), last="Identity"), {"output": "logits"}),
    "spatial-mean": (
        onnx_models.decoder((4, 2, 2), (3, 8, 8), last="Tanh", scale=0.3),
        {"output": "mean", "pixel_range": (-1.0, 1.0)},
    ),
    "spread": (
        spread_decoder(),
        {"output": "mean", "pixel_range": (-1.0, 1.0), "likelihood": "gaussian"},
    ),
}


def import_decoder(folder, name: str, model, **how):
    image = how.pop("image_shape", None)
    file = onnx_models.write(folder, **{name: model})[name]
    import_networks(file, name=name, tsne=False, image_shape=image, **how)


@pytest.mark.parametrize("name", DECODERS)
def test_an_imported_decoder_runs_in_the_browser(page, live, opened, tmp_path, name):
    model, how = DECODERS[name]
    shape = (1, 8, 8) if name == "logits" else (3, 8, 8)
    import_decoder(tmp_path, name, model, image_shape=shape, **how)
    found = opened(name)
    assert found["exact"], found["reason"]
    loaded = load_checkpoint(live[2] / name)
    codes = torch.randn(3, loaded.latent_dim, generator=torch.Generator().manual_seed(0))
    wanted = expected(loaded, codes)
    raw, _, deviations = pictures(page, codes)
    assert np.abs(np.reshape(raw, wanted.shape) - wanted).max() < ROUNDED
    assert wanted[:, : shape[0]].std() > 0.1
    assert (deviations[0] is not None) == (name == "spread")


def test_an_unknown_operator_is_named_and_the_server_decodes(page, live, opened, tmp_path):
    model = onnx_models.decoder((4,), (3, 8, 8))
    weight = next(i for i, node in enumerate(model.graph.node) if node.op_type == "Sigmoid")
    model.graph.node[weight].op_type = "Sin"
    import_decoder(tmp_path, "sine", model, image_shape=(3, 8, 8), output="mean")
    found = opened("sine")
    assert not found["exact"] and found["reason"].startswith(f"Sin in node {weight}: ")
    wanted = expected(load_checkpoint(live[2] / "sine"), torch.ones(1, 4))
    shown = numbers(page.evaluate("d.decode([1, 1, 1, 1]).then((p) => pack(p.mean.data))"), "u1")
    grey = wanted[0].transpose(1, 2, 0).clip(0, 1) * 255
    assert np.abs(shown.reshape(8, 8, 4)[..., :3] - grey).max() < 1
