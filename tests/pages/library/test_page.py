"""The library as a visitor's session runs it, without a browser."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import TWENTY, pack
from streamlit.testing.v1 import AppTest

from pages.ui.library import drawing, importing, source
from pages.ui.library.shipped import ABOUT
from pages.ui.shared import incoming, jobs
from pages.ui.shared.visitor import LibraryState, TrainState, Visitor
from vae import load_dataset
from vae.classifier import load_classifier
from vae.datasets import dataset_names
from vae.datasets.faces import SPLITS
from vae.imports import classifying, export_dataset, import_images, list_datasets
from vae.runs import manager
from vae.runs.config import RunConfig
from vae.runs.folder import write_json
from vae.runs.proposal import propose

PAGES = Path(__file__).resolve().parents[3] / "pages"


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    return tmp_path


def visit(page: str = "library.py", **state) -> AppTest:
    at = AppTest.from_file(PAGES / page, default_timeout=60)
    for key, value in state.items():
        at.session_state[key] = value
    return fine(at.run())


def fine(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def texts(at: AppTest) -> str:
    parts = [at.markdown, at.caption, at.info, at.warning, at.error, at.success]
    return " ".join(element.value for part in parts for element in part)


def wait(kind: str) -> None:
    """Waits until all jobs of a kind have ended."""
    for thread in threading.enumerate():
        if thread.name.startswith(kind):
            thread.join(60)


def grey(count: int = 40, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side), np.uint8)


def test_says_that_nothing_is_imported_yet_and_shows_what_is_shipped():
    at = visit()
    shown = texts(at)
    assert "Nothing is imported yet" in shown
    assert "28×28, grey · 10 classes" in shown
    assert "64×64, colour · 12 attributes" in shown
    assert {f"open-{name}" for name in ABOUT} <= {button.key for button in at.button}


def test_what_is_said_of_shipped_datasets_is_so():
    assert set(ABOUT) < set(dataset_names())
    digits = sum(len(load_dataset("digits", split).images) for split in ("train", "test"))
    assert ABOUT["digits"].startswith(f"{digits:,} ")
    glyphs = sum(len(load_dataset("glyphs", split).images) for split in ("train", "test"))
    assert ABOUT["glyphs"].startswith(f"{glyphs:,} ")
    assert ABOUT["fashion"].startswith(f"{len(load_dataset('fashion', 'test').images):,} ")
    faces = sum(count for count, _ in SPLITS.values())
    assert ABOUT["faces"].startswith(f"{faces:,} ")


def test_an_upload_is_looked_at_before_it_is_imported(data):
    token = incoming.new_token()
    incoming.folder_of(token).mkdir(parents=True)
    pack(incoming.folder_of(token) / "mine.zip", {**TWENTY, "note.doc": b"x", "bad.png": b"x"})
    state = Visitor(library=LibraryState(token=token))
    at = visit(shelf="import", visitor=state)
    wait("inspect-")
    fine(at.run())
    shown = texts(at)
    assert "20 pictures" in shown and "18 to train on, 2 held out" in shown
    assert str(data) not in shown
    assert [label.label for label in at.expander] == ["Cannot be read: 1", "Left out: 1"]
    assert at.button(key="import").disabled
    skip = next(t for t in at.toggle if t.key.startswith("skip-"))
    fine(skip.set_value(True).run())
    wait("inspect-")
    fine(at.run())
    assert list_datasets() == []  # nothing is kept before it is asked for
    fine(at.button(key="import").click().run())
    wait("import-")
    fine(at.run())
    assert "mine is imported" in texts(at)
    assert [d.name for d in list_datasets()] == ["mine"]
    assert incoming.files_in(token) == []


def test_what_cannot_be_read_says_so_without_naming_the_place(data):
    token = incoming.new_token()
    incoming.folder_of(token).mkdir(parents=True)
    (incoming.folder_of(token) / "mine.zip").write_bytes(b"no archive")
    at = visit(shelf="import", visitor=Visitor(library=LibraryState(token=token)))
    wait("inspect-")
    fine(at.run())
    assert "mine\\.zip" in texts(at) and "incoming" not in texts(at)


def test_an_exported_dataset_is_shown_before_it_is_imported(data):
    token = incoming.new_token()
    import_images(grey(6), "mine", labels=np.arange(6) % 2, classes=("a", "b"))
    export_dataset("mine", incoming.folder_of(token) / "packed.zip")
    at = visit(shelf="import", visitor=Visitor(library=LibraryState(token=token)))
    wait("inspect-")
    shown = texts(fine(at.run()))
    assert "As the model will see them" in shown and "2 classes: a (3), b (3)" in shown
    assert not at.toggle  # it is imported as it is
    fine(at.button(key="import").click().run())
    wait("import-")
    fine(at.run())
    assert [d.name for d in list_datasets()] == ["mine", "packed"]


def test_paths_are_for_whoever_runs_the_app_alone(data, monkeypatch):
    pack(data / "own.zip", TWENTY)
    state = {"visitor": Visitor(library=LibraryState(path=str(data / "own.zip")))}
    monkeypatch.setattr(source, "at_this_machine", lambda: False)
    at = visit(shelf="import", **state)
    assert not at.text_input and "own" not in texts(at)
    monkeypatch.setattr(source, "at_this_machine", lambda: True)
    (data / "own.zip").rename(data / "own .zip ")
    for named in ("own .zip ", "own.zip "):  # a name that ends in a space; a space after a name
        at = visit(shelf="import", visitor=Visitor())
        at.text_input[0].set_value(str(data / named))
        fine(at.button[-1].click().run())
        wait("inspect-")
        assert "18 to train on" in texts(fine(at.run()))
        pack(data / "own.zip", TWENTY)


@pytest.mark.parametrize(("mode", "here"), [("single-user", True), ("room", False)])
def test_who_sits_at_this_machine(monkeypatch, mode, here):
    monkeypatch.setenv("LATENT_MODE", mode)
    assert source.at_this_machine() == here


def test_datasets_are_renamed_and_deleted_after_saying_who_needs_them(data):
    import_images(grey(), "mine", labels=np.arange(40) % 2, classes=("a", "b"))
    write_json(data / "runs" / "some-run" / "config.json", RunConfig("mine@1").to_dict())
    at = visit()
    shown = texts(at)
    assert "40 pictures of 16×16, grey" in shown and "2 classes" in shown
    at.text_input(key="new-mine").set_value("digits")
    fine(at.button(key="do-rename-mine").click().run())
    assert "comes with the program" in texts(at)
    at.text_input(key="new-mine").set_value("other")
    fine(at.button(key="do-rename-mine").click().run())
    assert [d.name for d in list_datasets()] == ["other"]
    at = visit(**{"ask-other": True})
    assert "1 models or runs need its pictures" in texts(at) and "some\\-run" in texts(at)
    fine(at.button(key="delete-other").click().run())
    assert list_datasets() == []


def test_the_training_form_proposes_what_suits_an_imported_set(data, monkeypatch):
    import_images(grey(), "mine")
    started = []

    def start(config: RunConfig, name: str | None) -> manager.Run:
        started.append(config)
        return manager.Run("mine-run", data / "runs" / "mine-run")

    monkeypatch.setattr("pages.ui.train.form.start_run", start)
    at = visit("train.py", visitor=Visitor(train=TrainState(dataset="mine")))
    assert "continuous Bernoulli likelihood" in texts(at)
    at.button(key="start").click().run()
    (config,) = started
    assert config == propose(list_datasets()[0]) and config.dataset == "mine"


@pytest.mark.parametrize(
    ("shape", "likelihood", "levels"),
    [
        ((40, 28, 28), "continuous_bernoulli", 2),
        ((40, 64, 64, 3), "gaussian", 4),
        ((40, 12, 20), "continuous_bernoulli", 0),
        ((40, 32, 48, 3), "gaussian", 3),
    ],
)
def test_proposals_fit_the_pictures(shape, likelihood, levels):
    from vae import VAE, VAEConfig

    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    dataset = import_images(pixels, "mine")
    config = propose(dataset)
    assert config.model["likelihood"] == likelihood
    assert len(config.model["channels"]) == levels
    VAE(VAEConfig(dataset.shape[1:], **config.model))  # the network fits the sides
    black = np.where(pixels > 127, 255, 0).astype(np.uint8)
    if len(shape) == 3:
        assert propose(import_images(black, "black")).model["likelihood"] == "bernoulli"


def test_an_import_that_is_stopped_keeps_nothing(data):
    begun, goes_on = threading.Event(), threading.Event()

    def work(job: jobs.Job) -> object:
        tell = job.tell

        def slowly(fraction: float, words: str) -> None:
            begun.set()
            goes_on.wait(20)
            tell(fraction, words)

        job.tell = slowly
        chosen = source.Chosen(data / "own.zip", None, "own.zip")
        options = {"image_size": None, "colour": None, "fit": "crop", "skip_broken": False}
        return importing._import(chosen, options, "own", job)

    pack(data / "own.zip", TWENTY)
    job = jobs.start("stopped-import", "Importing", work)
    assert begun.wait(20)
    job.stop()
    goes_on.set()
    wait("stopped-import")
    assert job.state == "stopped" and list_datasets() == []


def test_an_import_that_the_end_of_the_app_interrupted_is_told(data):
    token = incoming.new_token()
    incoming.folder_of(token).mkdir(parents=True)
    file = pack(incoming.folder_of(token) / "mine.zip", TWENTY)
    key = f"import-{source.Chosen(file, None, 'mine.zip').key}"
    reader, writer = os.pipe()
    process = os.fork()
    if not process:  # the app, which ends while a job is at work

        def work(job: jobs.Job) -> None:
            os.write(writer, b"begun")
            threading.Event().wait(60)

        jobs.start(key, "Importing", work)
        threading.Event().wait(60)
    assert os.read(reader, 5) == b"begun"
    assert jobs.find(key) is None  # the other process is at work
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    at = visit(shelf="import", visitor=Visitor(library=LibraryState(token=token)))
    assert "The app was restarted in the middle" in texts(at)
    wait("inspect-")
    fine(at.run())
    fine(at.button(key="import").click().run())
    wait("import-")
    assert "mine is imported" in texts(fine(at.run())) and jobs.find(key) is None
    os.close(reader)
    os.close(writer)


def test_drawings_are_kept_undone_and_become_a_dataset(data, monkeypatch):
    drawn = torch.zeros(1, 28, 28)
    monkeypatch.setattr(drawing, "draw_digit", lambda shape, key: drawn)
    at = visit(shelf="draw")
    token = at.session_state["visitor"].library.drawings
    for k in range(4):
        drawn = torch.zeros(1, 28, 28)
        drawn[0, :, 5 * k : 5 * k + 3] = 1
        fine(at.selectbox(key="drawing-label").set_value(str(k % 2)).run())
        fine(at.button(key="drawing-keep").click().run())
    assert [f.parent.name for f in drawing.drawings_in(token)] == ["0", "1", "0", "1"]
    fine(at.button(key="drawing-undo").click().run())
    assert "3 drawings" in texts(at) and "0: 2 · 1: 1" in texts(at)
    fine(at.button(key="drawing-make").click().run())
    wait("drawings-")
    assert "handwriting is a dataset now" in texts(fine(at.run()))
    (dataset,) = list_datasets()
    assert dataset.shape == (3, 1, 28, 28) and dataset.card["classes"] == ["0", "1"]
    train = load_dataset("handwriting", "train")
    columns = {int(x[0].any(0).nonzero()[0]) // 5 for x in train.images[:]}
    assert columns < {0, 1, 2}


def test_a_classifier_is_trained_by_a_button_or_refused_in_a_sentence(data, monkeypatch):
    splits = ["test"] * 10 + ["train"] * 30
    import_images(grey(40, 8), "mine", labels=np.arange(40) % 2, classes=("a", "b"), splits=splits)
    monkeypatch.setattr(classifying, "_STEPS", 1)
    at = visit()
    fine(at.button(key="do-classifier-mine@1").click().run())
    wait("classifier-")
    assert "could not be trusted" in texts(fine(at.run()))  # too few are held out
    assert load_classifier("mine@1") is None
    monkeypatch.setattr(classifying, "FEWEST", 1)
    monkeypatch.setattr(classifying, "TRUSTED", 0.0)
    fine(at.button(key="do-classifier-mine@1").click().run())
    wait("classifier-")
    assert "Accuracy on held-out images: class" in texts(fine(at.run()))
    assert load_classifier("mine@1").names == ("a", "b")
