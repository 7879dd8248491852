"""Every file that the app reads, damaged in every way: a sentence, and nobody else is affected."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import imported
import numpy as np
import pytest
import torch
from damage import absences, damages
from faults import tree
from small_run import CONFIG, train
from soak import sample, share
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from pages.ui.server.routes import live_routes
from pages.ui.shared import link_store
from vae import import_images
from vae.classifier import Classifier, classifier_file, save_classifier
from vae.code_distribution import CodeDistribution, save_code_distribution
from vae.flow import VelocityField
from vae.runs.config import RunConfig
from vae.runs.manager import save_run
from vae.training.config import TrainingConfig

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]


def visits(model: str, *more: tuple[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Every page that opens a model, its route, and some more."""
    pages = [(page, {"model": model}) for page in ("map.py", "interpolate.py", "concepts.py")]
    return [
        *pages,
        ("map.py", {"model": model, "card": True, "place": True}),
        ("live", {"model": model}),
        *more,
    ]


LIBRARY = {shelf: ("library.py", {"shelf": shelf}) for shelf in ("datasets", "models", "runs")}
NEW, COMPARE = (("train.py", {"train-view": view}) for view in ("new", "compare"))
OF_RUN = visits(
    "sick", ("train.py", {"run": "sick", "train-view": "watch"}), NEW, COMPARE, LIBRARY["runs"]
)
OF_SET = visits(
    "of-pics", ("train.py", {"run": "of-pics", "train-view": "watch"}), NEW, LIBRARY["datasets"]
)
PLACES = {
    "runs/sick": (OF_RUN, (
        "status.json", "config.json", "metrics.jsonl", "changes.jsonl", "control.json",
        "card.json", "model.safetensors", "codes.safetensors", "code-distribution.safetensors",
        "state.safetensors", "best.safetensors", "note.txt", "log.txt", "run.lock",
        "snapshots/shared.safetensors", "snapshots/000002.safetensors",
        "epochs/1/model.safetensors", "epochs/1/card.json",
    )),
    "datasets/pics": (OF_SET, (
        "1/card.json", "1/rows.safetensors", "1/names.json", "1/pixels.npy",
        "1/classifier.safetensors", "former.json",
    )),
    "checkpoints/kept": (visits("kept", LIBRARY["models"]), (
        "model.safetensors", "codes.safetensors", "card.json",
    )),
    "checkpoints/encoded": (visits("encoded", LIBRARY["models"]), (
        "model.safetensors", "decoder.onnx", "encoder.onnx", "codes.safetensors", "card.json",
    )),
    "checkpoints/codes-only": (visits("codes-only", LIBRARY["models"]), ("model.safetensors",)),
    "links": ([("map.py", {"model": "well", "?own": "~LINK"})], ("LINK",)),
}  # fmt: skip
FILES = [(place, name) for place, (_, names) in PLACES.items() for name in names]
ALWAYS = sample([file for file in FILES if not file[0].startswith("checkpoints/")], 7)


@pytest.fixture(scope="module")
def made(tmp_path_factory, request) -> Path:
    """A data folder with one of everything."""
    data = tmp_path_factory.mktemp("made") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        short = replace(CONFIG.training, patience=5)
        run = data / "runs" / "sick"
        assert train(run, replace(CONFIG, training=short)).state == "finished"
        plane = (np.zeros(2, np.float32), np.eye(2, dtype=np.float32))
        save_code_distribution(run, CodeDistribution(*plane, VelocityField(2, 8, 1)))
        (run / "changes.jsonl").write_text('{"step": 9, "beta": 2.5, "learning_rate": null}\n')
        (run / "control.json").write_text('{"action": "run", "single": 0, "beta": 2.5}')
        (run / "note.txt").write_text("a note")
        (run / "log.txt").write_text("a line\n")
        shutil.copytree(run, data / "runs" / "well")
        save_run(run, "kept")
        x = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
        rows = np.arange(60)
        columns = {"size": rows / 7, "kind": ["abc"[k % 3] for k in rows], "top": rows % 2 == 0}
        import_images(x, "pics", labels=rows % 2, classes=("dark", "bright"), attributes=columns)
        (data / "datasets" / "pics" / "former.json").write_text('["pictures"]')
        told = {"dark": 0.9, "bright": 0.95}  # and nothing of the columns
        about = {"dataset": "pics@1", "accuracy": told, "refused": {"top": "it is guessed"}}
        save_classifier(
            Classifier((1, 8, 8), tuple(told), True), classifier_file("pics@1"), about=about
        )
        model = {"latent_dim": 3, "channels": [], "hidden": [8]}
        config = RunConfig("pics@1", model, TrainingConfig(epochs=1), threads=1, fit_codes=False)
        assert train(data / "runs" / "of-pics", config).state == "finished"
        if request.config.getoption("markexpr") == "soak":  # they start processes
            imported.make(tmp_path_factory.mktemp("files"), ("encoded", "codes-only"))
        (data / "links").mkdir()
        (data / "links" / link_store.keep("[]")).rename(data / "links" / "LINK")
    return data


@pytest.fixture
def data(made, tmp_path, monkeypatch) -> Path:
    shutil.copytree(made, tmp_path / "data")
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def visit(page: str, state: dict[str, Any]) -> AppTest:
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=120).switch_page(page)
    for key, value in state.items():
        if key.startswith("?"):
            at.query_params[key[1:]] = value
        else:
            at.session_state[key] = value
    return at.run()


def live(model: str) -> int:
    """The status with which the app answers the browser's question for a decoder."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/live/decoders/{model}",
        "query_string": b"",
        "headers": [],
    }
    answers = []

    async def receive() -> dict:
        return {"type": "http.request"}

    async def send(message: dict) -> None:
        answers.append(message.get("status"))

    app = Starlette(routes=live_routes())
    with ThreadPoolExecutor(1) as thread:  # for a browser's loop may run in this one
        thread.submit(lambda: asyncio.run(app(scope, receive, send))).result()
    return answers[0]


def ways(file: Path, fields: bool) -> Iterator[tuple[str, Any]]:
    yield from absences(file)
    if file.suffix in (".json", ".jsonl", ".safetensors") and file.name != "former.json":
        yield from damages(file, fields)
    else:  # of no fields that could be damaged one by one
        whole, plain = file.read_bytes(), file.with_name("plain.txt")
        plain.write_bytes(whole)
        yield from damages(plain, fields=False)
        plain.unlink()


def cases(data: Path, place: str, name: str, count: int | None) -> list[tuple]:
    file = data / place / name
    many = [
        (way, damage, page)
        for way, damage in ways(file, fields=count != 1)
        for page in (*PLACES[place][0], ("map.py", {"model": "well"}))
    ]
    return sample(many, count, (place, name))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        pytest.param(*file, marks=() if file in ALWAYS else pytest.mark.soak, id="/".join(file))
        for file in FILES
    ],
)
@share("count", 1, 150)  # of some thousands, which would take hours
def test_a_damaged_file_costs_a_sentence_and_nobody_else(
    data, made, place, name, count, record_property
):
    """No page fails; what has nothing to do with it says nothing of it; nothing is overwritten."""
    if name == "LINK":
        (data / "links" / "LINK").rename(data / "links" / ("0" * 16))
        name = "0" * 16
    chosen = cases(data, place, name, count)
    for way, damage, (page, state) in chosen:
        damage(data / place / name)
        before = {k: v for k, v in tree(data).items() if not k.startswith("jobs/")}
        state = {k: "~" + "0" * 16 if v == "~LINK" else v for k, v in state.items()}
        if page == "live":
            assert live(state["model"]) < 500, way
        else:
            at = visit(page, state)
            assert not at.exception, (way, page, state, at.exception[0].message)
            if state.get("model") == "well" and place != "links":
                assert not at.error, (way, at.error[0].value)
        after = {k: v for k, v in tree(data).items() if not k.startswith("jobs/")}
        assert after == before, (way, page, state)
        top = data / place
        shutil.rmtree(top)
        shutil.copytree(made / place, top)
        if place == "links":
            (top / "LINK").rename(top / name)
    record_property("visits", len(chosen))
