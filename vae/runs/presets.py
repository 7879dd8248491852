"""Presets of training runs, and the range of their learning curves over seeds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..training.config import TrainingConfig
from .config import RunConfig
from .metrics import read_metrics

__all__ = ["PRESETS", "Preset", "build_band", "read_band"]

_BANDS = Path(__file__).parent / "bands"
_CURVES = ("reconstruction", "kl", "elbo", "heldout_reconstruction", "heldout_kl", "heldout_elbo")


@dataclass(frozen=True)
class Preset:
    """A preset configuration of a run.

    Args:
        key: name in files and on the command line.
        title: title for visitors.
        about: description for visitors.
        config: configuration of the run.
    """

    key: str
    title: str
    about: str
    config: RunConfig

    def describes(self, config: RunConfig) -> bool:
        """Whether a configuration trains the same as the preset, except for seed and machine."""
        own = self.config.training
        training = replace(config.training, seed=own.seed, precision=own.precision)
        same = replace(
            config,
            training=training,
            preset=self.config.preset,
            threads=self.config.threads,
            fit_codes=self.config.fit_codes,  # comes after all that a band shows
        )
        return same == self.config


def _preset(
    key: str,
    title: str,
    about: str,
    dataset: str,
    model: dict[str, Any],
    training: dict[str, Any],
) -> Preset:
    return Preset(
        key, title, about, RunConfig(dataset, model, TrainingConfig(**training), preset=key)
    )


PRESETS = (
    _preset(
        "digits-30-seconds",
        "Digits in 30 seconds",
        "A small network and 9,000 digits: the classes separate while you watch.",
        "digits",
        {"latent_dim": 8, "likelihood": "bernoulli", "channels": [], "hidden": [400]},
        {"epochs": 14, "batch_size": 64, "learning_rate": 2e-3},
    ),
    _preset(
        "digits-plane",
        "Digits on a plane",
        "Only two latent variables, so the map shows the whole latent space. Half a minute.",
        "digits",
        {"latent_dim": 2, "likelihood": "bernoulli", "channels": [], "hidden": [512, 128]},
        {"epochs": 28, "learning_rate": 2e-3, "beta_warmup": 3.0},
    ),
    _preset(
        "digits-collapse",
        "Posterior collapse, on purpose",
        "With beta at 30 the KL weighs so much that the codes carry no information. Half a "
        "minute.",
        "digits",
        {"latent_dim": 8, "likelihood": "bernoulli", "channels": [], "hidden": [400]},
        {"epochs": 14, "batch_size": 64, "learning_rate": 2e-3, "beta": 30.0},
    ),
    _preset(
        "fashion",
        "Clothes over lunch",
        "60,000 pictures of clothes, which may have to be downloaded. Ten minutes.",
        "fashion",
        {"latent_dim": 24, "likelihood": "gaussian", "channels": [32, 64], "hidden": [256]},
        {
            "epochs": 10,
            "learning_rate": 3e-3,
            "beta": 2.0,
            "sigma_warmup_epochs": 1.0,
            "variance_weighting": 1.0,
        },
    ),
    _preset(
        "faces-overnight",
        "Faces overnight",
        "Drawn faces in colour, with a predicted variance for every pixel. An hour.",
        "faces",
        {
            "latent_dim": 40,
            "likelihood": "gaussian",
            "channels": [24, 48, 96, 128],
            "hidden": [256],
        },
        {
            "epochs": 60,
            "batch_size": 64,
            "learning_rate": 2e-3,
            "beta": 8.0,
            "sigma_warmup_epochs": 2.0,
            "variance_weighting": 1.0,
        },
    ),
)


def read_band(preset: Preset) -> dict[str, Any] | None:
    """Reads the range of the learning curves of a preset over seeds, or None if none is shipped.

    Returns:
        For each curve `{"epoch": […], "low": […], "high": […]}`, in nats per image.
    """
    file = _BANDS / f"{preset.key}.json"
    if not file.exists():
        return None
    band = json.loads(file.read_bytes())
    return {curve: band[curve] for curve in _CURVES}


def build_band(
    preset: Preset,
    folders: list[str | Path],
    points: int = 120,
    *,
    folder: str | Path = _BANDS,
) -> Path:
    """Writes the range of the learning curves of runs of a preset that differ in their seeds.

    It ends where the first run was stopped.

    Args:
        preset: preset of the runs.
        folders: folders of the runs.
        points: largest number of points of each curve.
        folder: folder in which the file is written.

    Returns:
        The file.
    """
    runs = [read_metrics(folder)[0] for folder in folders]
    band: dict[str, Any] = {}
    for curve in _CURVES:
        rows_by_step = [{r["step"]: r for r in rows if r.get(curve) is not None} for rows in runs]
        steps = sorted(set.intersection(*(set(rows) for rows in rows_by_step)))
        steps = steps[:: max(1, len(steps) // points)]
        values = [[rows[step][curve] for rows in rows_by_step] for step in steps]
        band[curve] = {
            "epoch": [round(rows_by_step[0][step]["epoch"], 3) for step in steps],
            "low": [round(min(v), 2) for v in values],
            "high": [round(max(v), 2) for v in values],
        }
    file = Path(folder) / f"{preset.key}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(band) + "\n")
    return file
