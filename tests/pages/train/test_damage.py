"""Damaged runs and checkpoints on the pages: each is named and costs only itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from damage import damages
from small_run import CONFIG, train
from soak import product, sample, share
from streamlit.testing.v1 import AppTest

from pages.ui.server import packed, routes
from pages.ui.shared import cache
from vae.locations import Checkpoint

torch.set_num_threads(1)
PAGES = Path(__file__).resolve().parents[3] / "pages"
WAYS = ("a folder", "empty", "binary", "half", "all fields NaN", "all fields a nested list")
WATCHED = ("config.json", "status.json", "metrics.jsonl", "changes.jsonl", "card.json",
           "model.safetensors", "codes.safetensors", "state.safetensors",
           "snapshots/shared.safetensors", "snapshots/000002.safetensors")  # fmt: skip
QUIET = ("control.json", "log.txt", "run.lock")  # a run does without them
UNSEEN = (("changes.jsonl", "empty"), ("metrics.jsonl", "half"))  # as a run may have left them


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A data folder with one whole run."""
    data = tmp_path_factory.mktemp("data")
    run = data / "runs" / "whole"
    assert train(run, CONFIG).state == "finished"
    (run / "changes.jsonl").write_text('{"step": 9, "beta": 2.5, "learning_rate": null}\n')
    (run / "control.json").write_text("{}")
    (run / "log.txt").write_text("")
    return data


@pytest.fixture
def data(trained, tmp_path, monkeypatch) -> Path:
    shutil.copytree(trained, tmp_path / "data")
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def damaged(data: Path, name: str, way: str) -> Path | None:
    """A copy of the run whose file is damaged so; None where that makes no sense."""
    damage = dict(damages(data / "runs" / "whole" / name, fields=False)).get(way)
    if damage is None:
        return None
    run = data / "runs" / "-".join(f"{Path(name).name} {way}".split()).replace("_", "-")
    shutil.copytree(data / "runs" / "whole", run)
    damage(run / name)
    return run


def visit(page: str, **state: str) -> AppTest:
    at = AppTest.from_file(PAGES / page, default_timeout=120)
    for key, value in state.items():
        at.session_state[key] = value
    return at.run()


def said(at: AppTest) -> str:
    found = [e.value for e in [*at.error, *at.warning, *at.caption, *at.markdown]]
    found += [e.proto.json or e.proto.mixed.json for e in at.get("bidi_component")]
    return " ".join(found).replace("\\", "")


@product(2, name=[*WATCHED, *QUIET])
def test_a_damaged_file_is_named_where_its_run_is_watched(data, name):
    for way in WAYS:
        run = damaged(data, name, way)
        if run is None:
            continue
        at = visit("train.py", run=run.name)
        assert not at.exception, (way, at.exception[0].value)
        assert at.selectbox(key="run").value == run.name
        assert "whole" in at.selectbox(key="run").options
        if name not in QUIET and (name, way) not in UNSEEN:
            assert Path(name).name in said(at), (way, said(at))
        assert at.button(key="delete").label.startswith("Delete")
        shutil.rmtree(run)


PLACES = [("train.py", name) for name in WATCHED] + [
    (page, name)
    for page in ("map.py", "interpolate.py", "concepts.py")
    for name in ("model.safetensors", "codes.safetensors", "card.json")
]


def places_to_cut(content: bytes, name: str) -> list[int]:
    """Every byte; in the numbers that follow a tensor file's header, a few hundred places."""
    if not name.endswith(".safetensors"):
        return list(range(len(content)))
    header = 8 + int.from_bytes(content[:8], "little")
    return [*range(header), *range(header, len(content), -(-len(content) // 300))]


def still_whole(content: bytes, name: str) -> bool:
    """Whether a cut leaves what can be read: lines of their own, or all but white space."""
    if name.endswith(".jsonl"):
        return True
    try:
        return bool(json.loads(content)) and name.endswith(".json")
    except ValueError:
        return False


@pytest.mark.parametrize(("page", "name"), PLACES)
@share("count", 1)
def test_a_file_that_is_cut_anywhere_is_named_on_every_page_that_reads_it(
    data, page, name, count, record_property
):
    shutil.copytree(data / "runs" / "whole", data / "runs" / "cut")
    file = data / "runs" / "cut" / name
    content = file.read_bytes()
    cuts = sample(places_to_cut(content, name), count, (page, name))
    for cut in cuts:
        file.write_bytes(content[:cut])
        at = visit(page, **{"run" if page == "train.py" else "model": "cut"})
        assert not at.exception, (cut, at.exception[0].value)
        if not still_whole(content[:cut], name):
            assert Path(name).name in said(at), (cut, said(at))
        known = at.selectbox(key="run" if page == "train.py" else "model")
        assert "whole" in known.options, cut
    record_property("visits", len(cuts))


def test_damaged_runs_cost_only_themselves(data):
    """All at once: the whole one is watched, compared and offered as ever."""
    runs = [damaged(data, name, way) for name in WATCHED[:4] for way in WAYS]
    at = visit("train.py", run="whole")
    assert not at.exception and not at.error
    assert "Finished" in said(at) and "cannot be read" not in said(at)
    assert len(at.selectbox(key="run").options) == 1 + len([run for run in runs if run])
    at = visit("train.py", **{"train-view": "compare"})
    assert not at.exception and not at.error
    assert "whole" in list(at.dataframe[0].value["run"]) or "whole" in at.multiselect[0].options
    for run in runs:
        if run and run.name.startswith("config.json"):
            assert f"{run.name} is left out" in said(at)
    at.multiselect[0].set_value(at.multiselect[0].options).run()
    assert not at.exception and "whole" in list(at.dataframe[0].value["run"])
    for name in ("metrics.jsonl-a-folder", "changes.jsonl-binary"):
        assert f"{name} is left out" in said(at)
    at = visit("train.py", **{"train-view": "new"})
    assert not at.exception and at.button(key="start")


@pytest.mark.parametrize("name", ["model.safetensors", "codes.safetensors", "card.json"])
def test_a_damaged_model_is_named_and_the_others_open(data, name):
    for way in WAYS:
        run = damaged(data, name, way)
        if run is None:
            continue
        at = visit("map.py", model=run.name)
        assert not at.exception, (way, at.exception[0].value)
        (problem,) = [error.value for error in at.error]
        assert name in problem.replace("\\", ""), (way, problem)
        at.selectbox(key="model").set_value("whole").run()
        assert not at.exception and not at.error
        shutil.rmtree(run)


def test_warming_up_goes_on_after_a_model_that_cannot_be_opened(data, monkeypatch, caplog):
    """Not even one that fails in a way that nobody thought of."""
    warmed = []
    names = ("broken", "strange", "whole")
    known = [Checkpoint(name, data / "runs" / "whole", True) for name in names]
    monkeypatch.setattr(routes, "list_checkpoints", lambda: known)

    def open_(name: str) -> None:
        if name == "broken":
            raise packed.Refusal(404, "It cannot be read.")

    def warm(name: str) -> None:
        if name == "strange":
            raise RuntimeError("nobody thought of this")
        warmed.append(name)

    monkeypatch.setattr(routes, "open_decoder", open_)
    monkeypatch.setattr(cache, "warm", warm)
    monkeypatch.setattr(cache, "keep", lambda: None)
    routes.warm()
    assert warmed == ["broken", "whole"]  # whose codes may well be read
    assert "strange could not be opened" in caplog.text
