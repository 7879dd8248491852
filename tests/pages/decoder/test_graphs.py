"""Decoders from ONNX in the browser, against onnxruntime."""

from __future__ import annotations

import base64
import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from decoding import BASE, EXACT
from random_graphs import BLOCKS, random_decoder

from vae import wrap_model
from vae.decoder_export import program_bytes
from vae.decoder_graph import DecoderGraph, OutputRule, graph_of_onnx
from vae.imported_models.exporting import export_networks
from vae.imported_models.onnx_file import read_onnx_model

onnxruntime = pytest.importorskip("onnxruntime", reason="Needs onnxruntime.")

RUN = """async ([base, files]) => {
    const { load } = await import(`${base}/live/program.js`);
    const kernel = await WebAssembly.compile(
        await (await fetch(`${base}/live/kernel.wasm`)).arrayBuffer());
    const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
    const results = [];
    for (const [text, code, [channels, pixels]] of files) {
        const bytes = bytesOf(text);
        const length = Number(new DataView(bytes).getBigUint64(0, true));
        const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
        const info = JSON.parse(header.__metadata__.decoder);
        const { exports } = await WebAssembly.instantiate(kernel, {});
        const file = { header, bytes, start: 8 + length, info };
        const { programs: [program] } = load(exports, [file]);
        program.run(code.map((v) => v + 1)); // what one run leaves must not touch the next
        program.run(code);
        const { at, channel, pixel } = info.output;
        results.push(Array.from({ length: channels * pixels }, (_, i) =>
            program.floats[at + Math.floor(i / pixels) * channel + (i % pixels) * pixel]));
    }
    return results;
}"""


def in_browser(page, graphs: list[DecoderGraph], codes: list[np.ndarray]) -> list[np.ndarray]:
    files = []
    for graph, code in zip(graphs, codes, strict=True):
        c, h, w = graph.output_shape
        content = base64.b64encode(program_bytes(graph)).decode()
        files.append([content, code.ravel().tolist(), [c, h * w]])
    found = page.evaluate(RUN, [BASE, files])
    return [
        np.array(values, np.float32).reshape(1, *graph.output_shape)
        for values, graph in zip(found, graphs, strict=True)
    ]


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, as a part of full scale."""
    return float(np.abs(one - other).max() / max(1, np.abs(other).max()))


def compare(page, seeds: range) -> None:
    graphs, codes, wanted = [], [], []
    for seed in seeds:
        model = random_decoder(seed, first=BLOCKS[seed % len(BLOCKS)])
        graph = graph_of_onnx(model)
        code = np.random.default_rng(seed).standard_normal((1, *graph.latent_shape), "f4")
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        graphs.append(graph)
        codes.append(code)
        wanted.append(session.run(None, {"z": code})[0])
    found = in_browser(page, graphs, codes)
    apart = {
        seed: difference(one, other) for seed, one, other in zip(seeds, found, wanted, strict=True)
    }
    assert max(apart.values()) < EXACT, apart


def test_random_graphs_equal_onnxruntime(page, live):
    page.goto(live[0])
    compare(page, range(2 * len(BLOCKS)))


RECIPES = {
    "fully_connected": {},
    "convolutional": {"latent_shape": (16,)},
    "residual": {"latent_shape": (8, 7, 7)},
    "disentangling": {"latent_shape": (10,)},
    "keras_layout": {},
}


def decoder_of(name: str, folder) -> onnx.ModelProto:
    """The decoder of a recipe, untrained, as its export writes it."""
    file = Path(__file__).parents[3] / "examples" / "models" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if name == "keras_layout":
        return read_onnx_model(module.write(folder)[0])
    torch.manual_seed(0)
    how = {"image_shape": (1, 28, 28), "encoder_output": "log_variance", "output": "logits"}
    model = wrap_model(*module.build(), **how, **RECIPES[name])
    return read_onnx_model(export_networks(model, folder)[0])


def test_recipes_equal_onnxruntime(page, live, tmp_path, monkeypatch):
    """With weights as they are, and rounded to 16 bits, as they are sent."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "examples" / "models"))
    page.goto(live[0])
    graphs, codes, wanted = [], [], []
    for name in RECIPES:
        folder = tmp_path / name
        folder.mkdir()
        model = decoder_of(name, folder)
        layout = "HWC" if name == "keras_layout" else "CHW"
        rule = OutputRule((1, 28, 28), "probabilities", layout=layout)
        exact = graph_of_onnx(model, RECIPES[name].get("latent_shape"), rule)
        code = np.random.default_rng(0).standard_normal((1, *exact.latent_shape), "f4")
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (given,) = session.get_inputs()
        answer = session.run(None, {given.name: code})[0].reshape(1, 1, 28, 28)
        rounded = exact.rounded()
        graphs += [exact, rounded]
        codes += [code, code]
        wanted += [answer, rounded.run(torch.from_numpy(code)).numpy()]
        assert difference(wanted[-1], answer) < 1 / 255, name
    found = in_browser(page, graphs, codes)
    apart = [difference(one, other) for one, other in zip(found, wanted, strict=True)]
    assert max(apart) < EXACT, dict(zip(RECIPES, apart[::2], strict=True))


@pytest.mark.soak
@pytest.mark.parametrize("start", range(0, 600, 60))
def test_many_random_graphs_equal_onnxruntime(page, live, start):
    page.goto(live[0])
    compare(page, range(start, start + 60))


def test_a_wrong_weight_is_noticed(page, live):
    page.goto(live[0])
    graph = graph_of_onnx(random_decoder(1, blocks=2))
    code = np.random.default_rng(0).standard_normal((1, *graph.latent_shape), "f4")
    wrong = []
    for name, array in graph.weights.items():
        changed = array.copy()
        changed.flat[array.size // 2] += 0.5
        wrong.append(replace(graph, weights={**graph.weights, name: changed}))
    found = in_browser(page, wrong, [code] * len(wrong))
    right, *computed = (g.run(torch.from_numpy(code)).numpy() for g in (graph, *wrong))
    matters = [i for i, other in enumerate(computed) if difference(other, right) > 1e-3]
    assert len(matters) > 8, "some weights may meet a number that is 0"
    assert all(difference(found[i], right) > EXACT for i in matters)
