"""The training page as a visitor's session runs it, without a browser."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from small_run import train
from streamlit.testing.v1 import AppTest
from train_page import CONFIG, MODEL, PAGE, texts, visit

from pages.ui.shared.foreign_text import plain
from pages.ui.shared.visitor import TrainState, Visitor
from pages.ui.train import form, plots, view, warnings
from vae.datasets import load_dataset
from vae.runs.control import read_control
from vae.runs.folder import write_json
from vae.runs.manager import Run, list_runs
from vae.runs.metrics import read_metrics
from vae.runs.presets import PRESETS, read_band
from vae.runs.snapshots import Snapshots, snapshot_file

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Data folders with two finished runs that may be compared and one that may not."""
    data = tmp_path_factory.mktemp("data")
    for name, fields in (
        ("gaussian", {"model": MODEL | {"likelihood": "gaussian_fixed"}}),
        ("points", {"model": MODEL | {"variational": False}}),
        ("other-seed", {"training": replace(CONFIG.training, seed=1)}),
        ("plain", {}),
    ):
        assert train(data / "runs" / name, replace(CONFIG, **fields)).state == "finished"
    return data


@pytest.fixture
def data(trained, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(trained))
    return trained


def test_watches_a_finished_run(data):
    at = visit(run="plain")
    assert not at.exception and not at.error
    shown = texts(at)
    assert "Finished" in shown and "of 3 active" in shown
    at.select_slider(key="replay-plain").set_value(0).run()
    assert not at.exception and "epoch 0" in texts(at)


def test_codes_without_classes_are_coloured_by_an_attribute(data):
    shared = snapshot_file(data / "runs" / "plain", None)
    before = shared.read_bytes()
    digits = load_dataset("digits")
    told = {"glasses": digits.labels == 8, "long_hair": digits.labels == 1}
    try:
        Snapshots(
            data / "runs" / "plain", replace(digits, labels=None, attributes=told), CONFIG.training
        )
        at = visit(run="plain")
        assert not at.exception and "plane of largest variance" in texts(at)
        assert at.selectbox(key="colour-plain").options == ["Glasses", "Long hair"]
        at.selectbox(key="colour-plain").set_value("long_hair").run()
        assert not at.exception
    finally:
        shared.write_bytes(before)


def test_an_autoencoder_has_no_nats(data):
    at = visit(run="points")
    assert not at.exception and "neither KL nor ELBO" in texts(at)
    assert "active" not in texts(at)


@pytest.fixture
def live(data, monkeypatch):
    """The plain run as if a process were at work on it."""
    folder = data / "runs" / "plain"
    before = {name: (folder / name).read_text() for name in ("status.json", "config.json")}
    monkeypatch.setattr("vae.runs.status.is_alive", lambda folder: True)
    write_json(folder / "status.json", json.loads(before["status.json"]) | {"state": "running"})
    yield folder
    for name, text in before.items():
        (folder / name).write_text(text)
    (folder / "control.json").unlink(missing_ok=True)


def test_controls_reach_the_run(live):
    at = visit(run="plain")
    at.slider(key="beta-plain").set_value(2.5).run()
    at.select_slider(key="rate-plain").set_value(0.002).run()
    at.button(key="pause").click().run()
    wanted = read_control(live)
    assert (wanted.action, wanted.beta, wanted.learning_rate) == ("pause", 2.5, 0.002)
    at.button(key="one-step").click().run()
    assert read_control(live).single == 1
    at.button(key="go-on").click().run()
    assert read_control(live).action == "run"
    at.button(key="stop").click().run()
    assert read_control(live).action == "stop"
    assert not at.exception


def test_the_fit_of_the_codes_is_shown_and_can_be_stopped(live):
    status = json.loads((live / "status.json").read_text())
    told = {"state": "fitting", "message": "Fitting a distribution.", "fitted": 0.4}
    write_json(live / "status.json", status | told | {"seconds_left": 20})
    at = visit(run="plain")
    assert not at.exception and "about 20 seconds left" in texts(at)
    assert at.button(key="pause").disabled and not at.button(key="stop").disabled
    at.button(key="stop").click().run()
    assert read_control(live).action == "stop"


def test_a_run_that_somebody_has_deleted_is_named_when_it_is_told_something(live):
    at = visit(run="plain")
    config = (live / "config.json").read_bytes()
    lock = (live / "run.lock").read_bytes()
    try:
        (live / "config.json").unlink()
        (live / "run.lock").unlink()
        at.button(key="pause").click().run()
        assert not at.exception and "holds no run" in at.toast[0].value
    finally:
        (live / "config.json").write_bytes(config)
        (live / "run.lock").write_bytes(lock)


def test_watching_changes_nothing(live):
    """Not even a beta that is higher than sliders usually go."""
    config = replace(CONFIG, training=replace(CONFIG.training, beta=30.0))
    write_json(live / "config.json", config.to_dict())
    at = visit(run="plain")
    assert at.slider(key="beta-plain").value == 30
    at.button(key="pause").click().run()
    assert read_control(live).beta is None and read_control(live).learning_rate is None


def test_what_was_moved_is_marked(live):
    (live / "changes.jsonl").write_text('{"step": 12, "beta": 2.5, "learning_rate": null}\n')
    try:
        rows = read_metrics(live)[0]
        (moved,) = view.moved(Run("plain", live), rows)
        assert moved == (pytest.approx(12 / 8), "beta 2.5")
        figure = plots.curve_figure(rows, "kl", None, 3, [moved])
        assert figure.layout.annotations[0].text == "beta 2.5"
        at = visit(**{"train-view": "compare"})
        at.multiselect[0].set_value(["plain", "other-seed"]).run()
        table = at.dataframe[0].value
        assert dict(zip(table["run"], table["beta"], strict=True))["plain"] == "1 → 2.5"
    finally:
        (live / "changes.jsonl").unlink()


def test_a_visitor_sees_what_another_one_set(live):
    one, other = visit(run="plain"), visit(run="plain")
    one.slider(key="beta-plain").set_value(2.5).run()
    other.run()
    assert other.slider(key="beta-plain").value == 2.5
    other.button(key="pause").click().run()
    assert read_control(live).beta == 2.5
    assert not one.exception and not other.exception


@pytest.mark.parametrize("state", ["finished", "stopped"])
def test_a_run_that_ended_is_opened_in_the_map(data, state, monkeypatch):
    """A stopped one has no codes yet: the map makes them."""
    folder = data / "runs" / "plain"
    kept = {name: (folder / name).read_bytes() for name in ("status.json", "codes.safetensors")}
    try:
        if state == "stopped":
            (folder / "codes.safetensors").unlink()
        write_json(folder / "status.json", json.loads(kept["status.json"]) | {"state": state})
        went = []
        monkeypatch.setattr("streamlit.switch_page", lambda page, **how: went.append((page, how)))
        at = visit(run="plain")
        at.button(key="open").click().run()
        assert went == [("map.py", {"query_params": {"model": "plain"}})]
        shown = AppTest.from_file(PAGE.with_name("map.py"), default_timeout=60)
        shown.session_state["model"] = "plain"
        shown.run()
        assert not shown.exception and not shown.error
        assert shown.selectbox(key="model").value == "plain"
    finally:
        for name, content in kept.items():
            (folder / name).write_bytes(content)


def test_compares_only_what_may_be_compared(data):
    at = visit(**{"train-view": "compare"})
    assert not at.exception and not at.error
    assert at.selectbox(key="kind").options == ["digits"]
    assert set(at.dataframe[0].value["run"]) == {"plain", "other-seed"}, "the same likelihood"
    assert "ELBO" in at.dataframe[0].value
    at.multiselect[0].set_value(["plain", "gaussian", "points"]).run()
    assert not at.exception and not at.error
    table = at.dataframe[0].value
    assert "ELBO" not in table and "reconstruction" not in table, "other nats"
    assert table["squared error"].notna().all()
    assert "different likelihoods" in texts(at)
    strips = [caption for image in at.image for caption in image.captions]
    assert len(strips) == 4 and strips[0] == plain("Held-out images"), (
        "and what each makes of them"
    )


def test_a_run_is_trained_again_with_changes(data, monkeypatch):
    started = []
    monkeypatch.setattr(form, "start_run", lambda config, name: started.append(config))
    at = visit(run="other-seed")
    at.button(key="again").click().run()
    assert not at.exception and at.session_state["train-view"] == "new"
    assert at.number_input(key="again-other-seed-seed").value == 1
    at.number_input(key="again-other-seed-beta").set_value(4.0)
    at.number_input(key="again-other-seed-augmentation").set_value(0.4)
    at.number_input(key="again-other-seed-patience").set_value(5).run()
    at.button(key="start").click().run()
    first = replace(CONFIG.training, seed=1)
    (config,) = started
    precision = config.training.precision  # as this machine settled it
    assert config.training == replace(
        first, beta=4.0, patience=5, augmentation=0.4, precision=precision
    )
    assert config.dataset == "digits" and config.model["hidden"] == MODEL["hidden"]


def test_a_dataset_to_train_on_opens_the_form_though_there_are_runs(data):
    at = visit(visitor=Visitor(train=TrainState(dataset="digits")))
    assert not at.exception and at.session_state["train-view"] == "new"


def test_a_note_says_what_a_run_was_for(data):
    at = visit(run="plain")
    at.text_area(key="note-plain").set_value("for *the* lecture").run()
    at.button(key="keep-note").click().run()
    assert not at.exception and plain("for *the* lecture") in texts(at)
    at = visit(**{"train-view": "compare"})
    assert "for *the* lecture" in set(at.dataframe[0].value["note"])
    (data / "runs" / "plain" / "note.txt").unlink()


def test_the_replay_plays_all_panels_to_the_last_epoch(data):
    at = visit(run="plain")
    at.button(key="play").click().run()
    seen = [at.select_slider(key="replay-plain").value]
    for _ in range(8):
        if at.session_state["visitor"].train.playing is None:
            break
        at.run()
        seen.append(at.select_slider(key="replay-plain").value)
    assert not at.exception
    assert list(dict.fromkeys(seen)) == [1, 2, 3]
    assert at.session_state["visitor"].train.playing is None


@pytest.mark.parametrize("fall", [0.2, 8.0])
def test_it_is_said_when_held_out_images_fall_away(fall):
    def row(epoch: int, value: float) -> dict:
        return {"epoch": epoch, "beta": 1.0, "heldout_reconstruction": value, "heldout_kl": 0.0}

    rows = [row(k, -100.0 - abs(k - 6) * (fall / 14 if k > 6 else 5.0)) for k in range(1, 21)]
    said = warnings._fallen(rows, CONFIG)
    assert said is None if fall < 1 else said == (6, pytest.approx(fall))


def test_a_damaged_run_gets_a_sentence(data):
    folder = data / "runs" / "broken"
    folder.mkdir()
    try:
        (folder / "config.json").write_text("{")
        at = visit(run="broken")
        assert not at.exception
        assert "cannot be read" in " ".join(error.value for error in at.error)
    finally:
        (folder / "config.json").unlink()
        folder.rmdir()


def test_deleting_asks_first(data):
    config = data / "runs" / "spare" / "config.json"
    write_json(config, CONFIG.to_dict())
    write_json(config.parent / "status.json", {"state": "stopped"})
    (config.parent / "notes.txt").write_text("mine")
    at = visit(run="spare")
    assert "spare" in at.button(key="delete").label
    at.button(key="delete").click().run()
    assert not at.exception and not config.exists()
    assert at.session_state["run"] in [run.name for run in list_runs()]
    assert "spare is deleted" in at.toast[0].value and plain("notes.txt") in at.toast[0].value
    (config.parent / "notes.txt").unlink()
    config.parent.rmdir()
    assert "spare" not in [run.name for run in list_runs()]


@pytest.mark.parametrize(("kl", "collapsed"), [(0.01, True), (5.0, False)])
def test_a_collapse_is_named(data, kl, collapsed):
    folder = data / "runs" / "plain"
    rows = read_metrics(folder)[0]
    metrics = (folder / "metrics.jsonl").read_text()
    try:
        for row in rows:
            if "heldout_kl" in row:
                row |= {"heldout_kl": kl, "active_units": 0 if collapsed else 3}
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        shown = texts(visit(run="plain"))
        assert ("posterior collapse" in shown) == ("KL stays low" in shown) == collapsed
        assert ("KL rises at first" in shown) != collapsed
    finally:
        (folder / "metrics.jsonl").write_text(metrics)


def test_curves_keep_what_was_measured_and_thin_what_is_too_much():
    rows = [
        {"step": i, "epoch": i / 10, "reconstruction": -i, "kl": 0.1 * i, "elbo": -1.1 * i}
        for i in range(1, 3001)
    ]
    terms = plots.terms_of(rows)
    assert terms == ["reconstruction", "kl", "elbo"]
    curves = [plots.curve_figure(rows, term, None, 300).data[0] for term in terms]
    for trace in curves:
        assert len(trace.x) <= 500 and trace.x[-1] == 300
        assert len(set(trace.x)) == len(trace.x)
    assert curves[0].y[-1] - curves[1].y[-1] == pytest.approx(curves[2].y[-1])


def test_bands_span_runs_of_their_preset():
    found = [preset for preset in PRESETS if read_band(preset)]
    assert found
    for preset in found:
        for curve in read_band(preset).values():
            assert len(curve["epoch"]) == len(curve["low"]) == len(curve["high"]) > 1
            assert max(curve["epoch"]) <= preset.config.training.epochs
            assert all(a <= b for a, b in zip(curve["low"], curve["high"], strict=True))


def test_a_link_shows_the_epoch_that_is_replayed(data):
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.query_params["run"], at.query_params["epoch"] = "plain", "1"
    at.run()
    assert not at.exception and at.select_slider(key="replay-plain").value == 1
    assert "after epoch 1" in texts(at)


def test_all_who_watch_a_step_share_its_figures(data, monkeypatch):
    made = []
    draw = plots.curve_figure
    monkeypatch.setattr(plots, "curve_figure", lambda *a: made.append(a) or draw(*a))
    sheets = []
    sheet = view.images.sheet
    monkeypatch.setattr(view.images, "sheet", lambda *a: sheets.append(a) or sheet(*a))
    view._drawn.clear()
    view._sheet_url.clear()
    first = visit(run="plain")
    counts = len(made), len(sheets)
    second = visit(run="plain")
    assert counts == (3, 2) == (len(made), len(sheets))
    for at in (first, second):
        assert not at.exception and len(at.get("bidi_component")) > 3


def test_the_feed_of_a_run_has_every_part_that_its_page_shows(live):
    """And its frame changes with what the page must be drawn anew for, not with each step."""
    at = visit(run="plain")
    sent = [
        json.loads(element.proto.json or element.proto.mixed.json)[0]
        for element in at.get("bidi_component")
    ]
    shown = {data["part"]: data["now"] for data in sent if data.get("feed")}
    (frame,) = {data["frame"] for data in sent if data.get("frame")}
    run = Run("plain", live)
    parts = {name: json.loads(content) for name, content in view._parts(run).items()}
    assert len(shown) == 11 and parts.pop("frame") == frame
    assert parts == shown
    status = json.loads((live / "status.json").read_text())
    write_json(live / "status.json", status | {"step": status["step"] + 1})
    after = {name: json.loads(content) for name, content in view._parts(run).items()}
    assert after.pop("frame") == frame and after != parts
    write_json(live / "control.json", {"action": "pause"})
    write_json(live / "status.json", status | {"state": "paused"})
    assert view.frame_of(run) != frame
