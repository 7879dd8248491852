import json
from functools import partial

import numpy as np
import pytest
import torch

from vae import (
    VAE,
    VAEConfig,
    elbo,
    evaluation,
    load_checkpoint,
    load_dataset,
    save_checkpoint,
)
from vae.checkpoint import load_card, load_codes, save_codes
from vae.code_distribution import save_code_distribution
from vae.code_fitting import fit_codes
from vae.codes import encode
from vae.evaluation import EVIDENCE, evaluate, psnr
from vae.realism import WAYS, measure_realism

RNG = np.random.default_rng(0)
KEYS = {
    "elbo",
    "reconstruction",
    "kl",
    "log_evidence",
    "active_units",
    "psnr",
    "attribute_survival",
    "sample_precision",
    "sample_recall",
    "n",
}


def test_evaluation_of_a_shipped_model_is_what_its_parts_say():
    report = evaluate("checkpoints/digits", images=300, evidence_images=3, evidence_samples=50)
    assert report.keys() >= KEYS and report["n"] == 300
    model, x = load_checkpoint("checkpoints/digits"), load_dataset("digits").images[:300]
    assert report["kl"] == pytest.approx(elbo(model, x).kl.mean().item(), rel=1e-4)
    assert report["elbo"] == pytest.approx(report["reconstruction"] - report["kl"])
    codes = load_codes("checkpoints/digits")
    assert (codes["elbo_error"][:300] >= 0).all()
    off = report["elbo"] - codes["elbo"][:300].mean()
    assert abs(off) < 4 * report["elbo_error"] < 1
    off = report["log_evidence"] - codes["log_evidence"][:3].mean()
    assert abs(off) < 4 * report["log_evidence_error"] < 1
    seen = model.observe(x)
    expected = psnr(seen, model.decoder(model.encoder(seen).mean).mean).mean().item()
    assert report["psnr"] == pytest.approx(expected, rel=1e-4)
    assert report["active_units"] == 2
    assert report["evidence_images"] == 3 and not report["log_evidence_is_bound"]
    low, high = report["log_evidence_interval"]
    assert high - low < 1 and low < report["log_evidence"] < high
    assert 10 <= report["log_evidence_ess"] < 500
    same = codes["elbo"][:3].mean()
    assert abs(report["evidence_elbo"] - same) < 4 * report["evidence_elbo_error"]
    for measure in ("precision", "recall", "density", "coverage"):
        for source, (low, high) in report[f"{measure}_interval"].items():
            assert low <= report[measure][source] <= high
    assert 0 <= report["sample_precision"] <= 1 and 0 <= report["sample_recall"] <= 1
    assert report["precision"]["held_out"] > 0.5
    json.dumps(report, allow_nan=False)
    again = evaluate("checkpoints/digits", images=300, evidence_images=0)
    assert again == report | dict.fromkeys(EVIDENCE)


def test_an_autoencoder_has_null_where_a_figure_means_nothing(tmp_path):
    model = VAE(VAEConfig((1, 28, 28), 2, variational=False))
    save_checkpoint(model, tmp_path, {"dataset": "digits"})
    report = evaluate(tmp_path, images=260, save=True)
    nulls = (
        "elbo",
        "elbo_error",
        "reconstruction",
        "kl",
        *EVIDENCE,
        "sample_precision",
        "sample_recall",
    )
    assert all(report[name] is None for name in nulls)
    assert report["psnr"] > 0 and load_card(tmp_path)["metrics"] == report


def test_realism_is_measured_on_demand_and_announced(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "measure_realism", partial(measure_realism, steps=2))
    model = VAE(VAEConfig((1, 28, 28), 2, channels=(), hidden=(8,)))
    save_checkpoint(model, tmp_path, {"dataset": "digits"})
    data = load_dataset("digits")
    encoded = encode(model, data.images, limit=260)
    save_codes(tmp_path, encoded)
    save_code_distribution(tmp_path, fit_codes(encoded["mean"][:150]))  # a Gaussian: quick
    said: list[str] = []
    how = {"images": 260, "evidence_images": 0, "realism": True, "save": True}
    report = evaluate(tmp_path, **how, log=said.append)
    assert any("three discriminators: about" in sentence for sentence in said)
    assert set(report["realism"]) == {*WAYS, "crossfades"} and len(report["shared_kept"]) == 3
    assert {"mixture", "learned"} <= report["precision"].keys() & report["recall"].keys()
    assert load_card(tmp_path)["metrics"] == report


def test_a_card_without_a_dataset_says_what_to_pass(tmp_path):
    save_checkpoint(VAE(VAEConfig((1, 28, 28), 2)), tmp_path, {})
    with pytest.raises(ValueError, match="--dataset"):
        evaluate(tmp_path)


def test_psnr_is_its_formula():
    x = torch.rand(3, 3, 8, 8)
    torch.testing.assert_close(psnr(x, x + 0.1), torch.full((3,), 20.0))
    assert torch.isfinite(psnr(x, x)).all()
