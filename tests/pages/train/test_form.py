"""The form of the training page: presets, details, names, and a full queue."""

from __future__ import annotations

import torch
from train_page import texts, visit

from pages.ui.train import form
from vae.runs import manager
from vae.runs.manager import list_runs
from vae.runs.presets import PRESETS
from vae.runs.queue import ESTIMATE, TRAIN, take_ticket
from vae.runs.status import Status

torch.set_num_threads(1)


def test_begins_with_presets_where_nothing_was_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    at = visit()
    assert not at.exception and not at.error
    assert list(at.radio(key="preset").options) == [preset.title for preset in PRESETS]


def test_every_preset_starts_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    for preset in PRESETS:
        started = []
        monkeypatch.setattr(
            form, "start_run", lambda config, name, kept=started: kept.append(config)
        )
        at = visit(preset=preset.title)
        at.button(key="start").click().run()
        assert started == [preset.config]


def test_details_change_what_is_started(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    started = []
    monkeypatch.setattr(form, "start_run", lambda config, name: started.append(config))
    at = visit()
    key = PRESETS[0].key
    at.number_input(key=f"{key}-beta").set_value(4.0)
    at.number_input(key=f"{key}-latent").set_value(5)
    at.selectbox(key=f"{key}-likelihood").set_value("gaussian_fixed")
    at.toggle(key=f"{key}-fit-codes").set_value(False)
    at.run().button(key="start").click().run()
    (config,) = started
    assert config.training.beta == 4 and config.preset is None and not config.fit_codes
    assert config.model["latent_dim"] == 5 and config.model["likelihood"] == "gaussian_fixed"


def test_residual_blocks_and_a_learned_prior_are_for_networks_that_can_have_them(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    started = []
    monkeypatch.setattr(form, "start_run", lambda config, name: started.append(config))
    key = PRESETS[0].key
    at = visit()
    at.selectbox(key=f"{key}-size").set_value("medium").run()
    at.number_input(key=f"{key}-blocks").set_value(2)
    at.selectbox(key=f"{key}-prior").set_value(50).run()
    for size, autoencoder in (("medium", False), ("small", True)):
        at.selectbox(key=f"{key}-size").set_value(size)
        at.toggle(key=f"{key}-autoencoder").set_value(autoencoder)
        at.session_state["train-view"] = "new"
        at.run()
        assert at.number_input(key=f"{key}-blocks").disabled == (size == "small")
        at.button(key="start").click().run()
    able, unable = (config.model for config in started)
    assert (able["blocks"], able["prior_components"]) == (2, 50)
    assert not {"blocks", "prior_components"} & unable.keys()


def test_a_second_click_goes_to_the_run_that_the_first_has_started(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setattr(manager, "_launch", lambda folder, ticket: None)
    monkeypatch.setattr(form, "read_status", lambda folder: Status("running"))
    at = visit()
    at.button(key="start").click().run()
    (first,) = list_runs()
    at.session_state["train-view"] = "new"  # as the browser of one who clicks twice still shows it
    at.run().button(key="start").click().run()
    assert list_runs() == [first] and at.session_state["run"] == first.name
    assert "already been started" in at.toast[0].value
    at.session_state["train-view"] = "new"
    at.run().number_input(key=f"{PRESETS[0].key}-seed").set_value(1).run()
    at.button(key="start").click().run()
    assert len(list_runs()) == 2  # another seed is another run
    monkeypatch.setattr(form, "read_status", lambda folder: Status("finished"))
    at.session_state["train-view"] = "new"
    at.run().button(key="start").click().run()
    assert len(list_runs()) == 3  # and so is the same one, once it has ended


def test_a_run_has_the_name_that_it_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setattr(manager, "_launch", lambda folder, ticket: None)
    at = visit()
    at.text_input(key="run-name").set_value("no/name").run()
    at.button(key="start").click().run()
    assert "cannot be a name" in at.error[0].value and not list_runs()
    at.text_input(key="run-name").set_value("two  words").run()
    at.button(key="start").click().run()
    assert [run.name for run in list_runs()] == ["two-words"]


def test_a_full_queue_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    tickets = [take_ticket(TRAIN) for _ in range(5)]
    tickets += [take_ticket(ESTIMATE)]
    at = visit()
    at.button(key="start").click().run()
    assert not at.exception and "queue is full" in at.error[0].value and not list_runs()
    at.button(key="estimate").click().run()
    assert not at.exception and "queue is full" in texts(at)
    for ticket in tickets:
        ticket.close()


def test_an_estimate_has_its_turn(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    at = visit()
    at.button(key="estimate").click().run(timeout=240)
    assert not at.exception and "images a second" in texts(at)


def test_an_estimate_that_takes_too_long_says_so_to_the_end(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setattr(form, "_LONGEST", -1.0)
    at = visit()
    at.button(key="estimate").click().run()
    assert not at.exception and "took more than five minutes." in texts(at)
