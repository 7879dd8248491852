"""Every page of models of one's own, each kind of them, saying what cannot be had."""

from __future__ import annotations

import functools
import json
import re
import time
import urllib.request
from pathlib import Path

import imported
import numpy as np
import onnx_models
import pytest
import torch
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from pages.ui.library import models, networks
from pages.ui.library.models import decoded
from pages.ui.map import pin_details
from pages.ui.server.routes import live_routes
from pages.ui.shared import cache, estimates, incoming, jobs
from pages.ui.shared.pins import Pin, real_pin
from pages.ui.shared.visitor import LibraryState, Visitor
from vae import list_checkpoints, load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
LACKS = {
    "encoded": (),
    "no-nats": ("no likelihood was named",),
    "alone": ("none of them is real", "no encoder", "no likelihood was named"),
    "codes-only": ("no encoder", "the image of the nearest code", "no decoder"),
}


@pytest.fixture(autouse=True, scope="module")
def imported_models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        imported.make(tmp_path_factory.mktemp("files"))
        yield


def visit(page: str, model: str, **state) -> str:
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=60).switch_page(page)
    for key, value in {"model": model, **state}.items():
        at.session_state[key.replace("_", "-")] = value
    at.run()
    assert not at.exception, [e.message for e in at.exception]
    assert not any("cannot be shown" in e.value for e in at.error)
    parts = (at.markdown, at.caption, at.warning, at.info)
    said = " ".join(text.value for part in parts for text in part)
    assert not re.search(r"\b(nan|inf|None)\b", said)
    return said.replace("\\", "")


@pytest.mark.parametrize("model", imported.KINDS)
def test_the_map_opens_and_says_what_it_lacks(model):
    space = cache.latent_space(model)
    said = visit("map.py", model, visitor=Visitor(pins=[real_pin(space, 0)]), card=True)
    for words in LACKS[model]:
        assert words in said
    assert ("nats:" in said) == (model != "encoded")
    answer = space.model.decoder(torch.from_numpy(space.mean[:1]))
    captions = [words for words, _ in pin_details._pictures(space, space.image(0), answer)]
    assert captions[-1] == ("nearest image" if model == "codes-only" else "reconstruction")
    place = Pin(model, "generated", space.mean[0] + 0.1, "a place")
    visit("map.py", model, visitor=Visitor(pins=[place]), place=True, place_what="upload")


@pytest.mark.parametrize("model", imported.KINDS)
def test_interpolate_opens(model):
    for view in ("path", *(("corners", "traversals") if model == "alone" else ())):
        assert all(words in visit("interpolate.py", model, walk=view) for words in LACKS[model])


@pytest.mark.parametrize("model", imported.KINDS)
def test_concepts_opens(model):
    said = visit("concepts.py", model, make_open=True, make_how="pairs")
    assert all(words in said for words in LACKS[model])


def test_the_library_says_what_each_is():
    said = {c.name: decoded(c.name, str(c.folder), "")[1] for c in list_checkpoints()[-4:]}
    assert said["encoded"].endswith("Bernoulli likelihood")
    assert said["no-nats"].endswith("imported vae")
    assert said["alone"].endswith("imported decoder without an encoder")
    assert "codes without a decoder" in said["codes-only"]


def test_the_server_decodes_what_the_library_decodes(serve):
    site = f"{serve(Starlette(routes=live_routes()))}/live/"
    for model in imported.KINDS:
        space = cache.latent_space(model)
        with urllib.request.urlopen(f"{site}decoders/{model}", timeout=30) as reply:
            manifest = json.load(reply)
        assert manifest["latent_dim"] == space.mean.shape[1]
        z = space.mean[3].astype("<f4")
        request = urllib.request.Request(site + manifest["decode"], data=z.tobytes())
        with urllib.request.urlopen(request, timeout=30) as reply:
            found = np.frombuffer(reply.read(), np.uint8) / 255
        wanted = space.model.decoder(torch.from_numpy(z)[None]).mean[0].clamp(0, 1)
        assert np.abs(found - wanted.numpy().ravel()).max() < 0.6 / 255


def test_estimates_that_take_minutes_are_not_begun(monkeypatch):
    space = cache.latent_space("encoded")
    monkeypatch.setattr(estimates, "_seconds", lambda space: 600.0)
    monkeypatch.setattr(estimates, "estimated", lambda space, image: [])
    said = visit("map.py", "encoded", visitor=Visitor(pins=[real_pin(space, 1)]))
    assert "python -m vae bounds encoded" in said and "10 min" in said


@pytest.mark.parametrize("lesson", ["learn_amortised.py", "learn_reparameterisation.py"])
def test_lessons_that_follow_gradients_ask_for_another_model(lesson):
    assert "choose another" in visit(lesson, "encoded")


def test_the_library_imports_what_was_uploaded(monkeypatch):
    quick = functools.partial(networks.import_networks, tsne=False)
    monkeypatch.setattr(networks, "import_networks", quick)
    monkeypatch.setattr(models, "list_checkpoints", list)  # drawing them all takes seconds
    token = incoming.new_token()
    folder = incoming.folder_of(token)
    folder.mkdir(parents=True)
    onnx_models.write(folder, decoder=onnx_models.decoder(), encoder=onnx_models.encoder())
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=60)
    at.switch_page("library.py")
    at.session_state["visitor"] = Visitor(library=LibraryState(model_token=token))
    at.session_state["shelf"] = "models"
    at.run()
    assert at.selectbox("network-decoder").value.name == "decoder.onnx"
    assert at.selectbox("network-encoder").value.name == "encoder.onnx"
    at.text_input("network-range").set_value("black").run()
    at.button("do-import-networks").click().run()
    assert any("numbers with commas" in error.value for error in at.error)
    at.text_input("network-range").set_value("")
    at.text_input("network-name").set_value("uploaded")
    at.selectbox("network-images").set_value("digits")
    at.selectbox("network-likelihood").set_value("bernoulli")
    at.button("do-import-networks").click().run()
    job = jobs.find(f"model-{token}")
    while job.live:
        time.sleep(0.02)
    assert job.state == "done", job.problem
    at.run()
    assert not at.exception
    assert load_checkpoint("uploaded").config.variational
    assert not folder.exists()
