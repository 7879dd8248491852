"""At its end a run fits the distribution of its codes, in a part of the time that it took."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise

import pytest
from pictures import fill, png
from small_run import CONFIG, MODEL, train

from vae import code_fitting
from vae.code_distribution import FILE, load_code_distribution
from vae.code_fitting import plan_fit
from vae.runs.config import RunConfig, read_config
from vae.runs.control import Control
from vae.runs.folder import write_json
from vae.runs.status import Status, read_status

FITTED = replace(CONFIG, fit_codes=True)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(code_fitting, "_LEAST", 20)


def test_a_run_ends_with_a_distribution_of_its_codes(data_folder, short):
    seen: list[Status] = []
    status = train(data_folder / "runs" / "one", FITTED, watch=seen.append)
    assert (status.state, status.message) == ("finished", "Finished.")
    learned = load_code_distribution(data_folder / "runs" / "one")
    assert learned.learned and learned.about["codes"] == 9_000
    fitting = [s for s in seen if s.state == "fitting"]
    assert any("about" in s.message and "second" in s.message for s in fitting)
    shares = [s.fitted for s in fitting]
    assert shares[-1] == 1 and all(a <= b for a, b in pairwise(shares))


def test_a_run_that_is_stopped_there_is_finished_and_says_how_to_fit(data_folder, short):
    folder, shares = data_folder / "runs" / "one", [0.0]

    def control(step: int) -> Control:
        return Control("stop" if shares[-1] > 0.3 else "run")

    status = train(folder, FITTED, watch=lambda s: shares.append(s.fitted), control=control)
    assert status.state == "finished" and 0.3 < status.fitted < 1
    assert not (folder / FILE).exists()
    assert "python -m vae fit-codes one fits it" in status.message


def test_so_is_one_whose_process_is_gone(finished):
    write_json(finished / "status.json", asdict(Status("fitting", "Fitting.", fitted=0.4)))
    status = read_status(finished)
    assert status.state == "finished" and "python -m vae fit-codes one" in status.message


def test_it_can_be_switched_off_and_for_a_run_that_goes_on(data_folder, short):
    folder = data_folder / "runs" / "one"
    stop = lambda step: Control("stop" if step > 2 else "run")  # noqa: E731
    assert train(folder, FITTED, control=stop).state == "stopped"
    assert train(folder, CONFIG, resume=True).state == "finished"
    assert not (folder / FILE).exists() and not read_config(folder).fit_codes


def test_few_codes_are_described_by_a_gaussian(tmp_path):
    fill(tmp_path / "mine", {f"{i}.png": png(12 * i) for i in range(20)})
    seen: list[Status] = []
    config = RunConfig(str(tmp_path / "mine"), MODEL, CONFIG.training, threads=1)
    assert train(tmp_path / "one", config, watch=seen.append).state == "finished"
    assert not load_code_distribution(tmp_path / "one").learned
    assert any("too few for more, 200 are needed" in s.message for s in seen)


def test_what_fails_there_does_not_fail_the_run(data_folder, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ValueError("Some codes are not finite.")

    monkeypatch.setattr(code_fitting, "fit_codes", broken)
    status = train(data_folder / "runs" / "one", FITTED)
    assert status.state == "finished" and "fit-codes one" in status.message


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (None, (8_600, 384)),
        (1e6, (8_600, 384)),
        (100, (2_500, 384)),
        (30, (7_500, 128)),
        (0, (1_000, 128)),
    ],
)
def test_the_time_decides_on_steps_and_width(monkeypatch, budget, expected):
    paces = {384: 0.04, 128: 0.004}
    monkeypatch.setattr(code_fitting, "measure_step", lambda dim, width=384: paces[width])
    plan = plan_fit(4_000, 8, budget=budget)
    assert (plan.steps, plan.width) == expected
    assert budget is None or budget == 0 or plan.seconds <= budget
