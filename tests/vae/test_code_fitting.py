"""Fitting the distribution of codes: of few, of equal ones, and of a checkpoint's."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vae import VAE, CheckpointError, VAEConfig, load_dataset
from vae.__main__ import main
from vae.checkpoint import save_card, save_checkpoint, save_codes
from vae.code_distribution import load_code_distribution
from vae.code_fitting import ENOUGH, fit_checkpoint, fit_codes
from vae.codes import encode


def normal(n: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, 2), dtype=np.float32)


def test_few_codes_give_the_fitted_gaussian():
    codes = normal(ENOUGH // 2)
    found = fit_codes(codes)
    assert not found.learned and found.about["kind"] == "gaussian"
    whole = torch.distributions.MultivariateNormal(
        torch.from_numpy(found.mean).double(), scale_tril=torch.linalg.cholesky(
            torch.from_numpy(found.root @ found.root.T).double()
        )
    )  # fmt: skip
    expected = whole.log_prob(torch.from_numpy(codes).double()).numpy()
    assert np.allclose(found.log_density(codes), expected, atol=1e-3)


def test_variances_of_the_posteriors_count():
    codes, variance = normal(100), np.full((100, 2), 0.5, np.float32)
    plain, spread = fit_codes(codes), fit_codes(codes, variance)
    wider = spread.root @ spread.root.T - plain.root @ plain.root.T
    assert np.allclose(wider, 0.5 * np.eye(2), atol=1e-3)


@pytest.mark.parametrize(
    "mean", [np.full((300, 2), np.nan), np.zeros((0, 2)), np.zeros(3)], ids=["nan", "none", "flat"]
)
def test_codes_that_cannot_be_fitted_are_refused(mean):
    with pytest.raises(ValueError, match=r"codes|shape"):
        fit_codes(mean)


def test_equal_codes_are_no_failure():
    found = fit_codes(np.ones((300, 3), np.float32), steps=5)
    assert (
        np.isfinite(found.sample(10)).all()
        and np.isfinite(found.log_density(np.ones((1, 3)))).all()
    )


def test_the_command_fits_a_checkpoint(tmp_path, capsys):
    torch.manual_seed(1)
    model = VAE(VAEConfig((1, 28, 28), 3, channels=(), hidden=(16,)))
    folder = save_checkpoint(model, tmp_path / "small", {"dataset": "digits", "split": "test"})
    with pytest.raises(CheckpointError, match=r"codes\.safetensors"):
        fit_checkpoint(folder)
    save_codes(folder, encode(model, load_dataset("digits", "test").images, limit=60))
    command = ["fit-codes", str(folder), "--images", "200", "--steps", "20"]
    assert main(command) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["kind"], about["codes"], about["held_out_codes"]) == ("flow", 200, 60)
    learned = load_code_distribution(folder)
    assert learned.learned and learned.sample(5).shape == (5, 3)
    save_card(folder, {})
    assert main(command) == 2
    assert "names no dataset" in capsys.readouterr().err
