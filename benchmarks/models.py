"""How long imported decoders take in the browser and on the server, and how much they differ.

python benchmarks/models.py [--json] [--pointer NAME ...] [RECIPE ...]

Imports the networks of the recipes in `examples/models/` (untrained: the time is the same) into
a data folder of its own, starts the app, and decodes the same codes in a headless Chromium and by
the app's route. `max_difference` is the largest one between the browser's numbers and those of
onnxruntime, of a pixel range of 1: the browser's weights are rounded to 16 bits. `--pointer`
adds the time from pointer to picture on the map, by the method
of `latency.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import latency
import numpy as np
import torch
from playwright.sync_api import Page, sync_playwright

from vae import load_checkpoint, load_dataset, wrap_model
from vae.decoder_graph import graph_of_onnx
from vae.imported_models.exporting import export_networks
from vae.imported_models.importing import import_networks
from vae.imported_models.onnx_file import read_onnx_model

RECIPES = latency.HERE.parent / "examples" / "models"
NAMES = (
    "fully_connected convolutional residual disentangling pythae_folder keras_layout "
    "latent_diffusion"
).split()
SHOWN = 300  # images that are encoded, for the map
DECODES = 200

MEASURE = """async ([name, codes]) => {
    const base = new URL(".", document.baseURI).href;
    const { openDecoder } = await import(new URL("live/decoder.js", base).href);
    const d = await openDecoder(base, name);
    if (!d.exact) return { reason: d.reason };
    const times = [], raw = [];
    for (let i = 0; i < codes.length + 20; i++) {
        const picture = await d.decode(codes[i % codes.length], { raw: true });
        if (i >= 20) times.push(picture.ms); // the first ones are compiled meanwhile
        if (i < 8) raw.push([...picture.raw]);
    }
    return { times, raw };
}"""

ASK = """async ([name, codes]) => {
    const live = new URL("live/", new URL(".", document.baseURI));
    const { decode } = await (await fetch(new URL(`decoders/${name}`, live))).json();
    const times = [];
    for (const code of codes) {
        const started = performance.now();
        const body = Float32Array.from(code);
        await (await fetch(new URL(decode, live), { method: "POST", body })).arrayBuffer();
        times.push(performance.now() - started);
    }
    return times;
}"""


def recipe(name: str) -> tuple[types.ModuleType, dict[str, Any]]:
    """A recipe's module, and what it says of its networks instead of running them."""
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    said: dict[str, Any] = {}
    if hasattr(module, "run"):
        module.run = lambda *_, **how: said.update(how)
        module.main([])
    return module, said


def import_recipe(name: str, folder: Path) -> None:
    """Writes a recipe's networks and imports them under its name."""
    module, said = recipe(name)
    torch.manual_seed(0)
    if name == "keras_layout":
        decoder, encoder = module.write(folder)
        import_networks(decoder, encoder, name=name, dataset="digits", limit=SHOWN, tsne=False)
        return
    if name == "pythae_folder":
        networks = (module.Decoder((1, 28, 28), 512, 16), module.Encoder(784, 512, 16))
        said = {"likelihood": "bernoulli", "output": "probabilities"}
    else:
        networks = module.build()
    dataset = said.pop("dataset", "digits")
    for key in ("beta", "rate"):
        said.pop(key, None)
    images = load_dataset(dataset, "test").images[:64]
    model = wrap_model(*networks, images=images, **said).eval()
    files = export_networks(model, folder)
    config = model.config
    import_networks(
        *files,
        name=name,
        dataset=dataset,
        likelihood=config.likelihood,
        output=config.output,
        latent_shape=config.latent_shape,
        pixel_range=config.pixel_range,
        encoder_output=said.get("encoder_output"),
        limit=SHOWN,
        tsne=False,
    )


def measure(page: Page, name: str) -> dict[str, Any]:
    """The figures of one imported model."""
    place = Path(os.environ["LATENT_DATA"]) / "checkpoints" / name
    model = load_checkpoint(place)
    codes = torch.randn(DECODES, model.latent_dim, generator=torch.Generator().manual_seed(0))
    asked = page.evaluate(ASK, [name, codes[:60].tolist()])
    figures: dict[str, Any] = {"ms_on_server": round(statistics.median(asked[10:]), 2)}
    found = page.evaluate(MEASURE, [name, codes.tolist()])
    if "reason" in found:
        return figures | {"ms_in_browser": None, "reason": found["reason"]}
    with torch.no_grad():
        wanted = model.decoder(codes[:8]).mean.numpy()
    shown = np.array(found["raw"], np.float32)[:, : wanted[0].size].reshape(wanted.shape)
    graph = graph_of_onnx(read_onnx_model(place / "decoder.onnx"), model.config.latent_shape)
    return figures | {
        "ms_in_browser": round(statistics.fmean(sorted(found["times"])[: DECODES * 9 // 10]), 3),
        "max_difference": float(f"{np.abs(shown - wanted).max():.2g}"),
        "multiply_adds": graph.multiply_adds,
    }


def main() -> None:
    """Measures each recipe and prints a table; with `--json`, one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", default=NAMES)
    parser.add_argument("--pointer", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, latency.CHROMIUM)), None)
    if chromium is None:
        sys.exit("No chromium was found; install it to run this benchmark.")
    sys.path.insert(0, str(RECIPES))
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        os.environ["LATENT_DATA"] = data
        for name in options.recipes:
            folder = Path(data) / f"networks-{name}"
            folder.mkdir()
            try:
                import_recipe(name, folder)
                results[name] = {}
            except SystemExit as missing:  # a package that only this recipe needs
                print(f"{name} is left out. {missing}", file=sys.stderr)
        browser = playwright.chromium.launch(executable_path=chromium, args=latency.QUIET)
        app = latency.streamlit(latency.HERE.parent / "app.py", folder=latency.HERE.parent)
        with app as url:
            page = browser.new_page()
            page.goto(url)
            for name in results:
                results[name] = measure(page, name)
            page.close()
            for name in options.pointer:
                found = latency.ours(browser, url, name)
                results[name]["move_to_paint_ms"] = found["move_to_paint_ms"]
        browser.close()
    columns = ("ms_in_browser", "ms_on_server", "max_difference", "multiply_adds")
    print(f"{'':18}" + "".join(f"{column:>16}" for column in columns))
    for name, found in results.items():
        print(f"{name:18}" + "".join(f"{found.get(column, '–'):>16}" for column in columns))
        if "reason" in found:
            print(f"{'':18}{found['reason']}")
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
