"""The options of `train`: one for each field of a network and of its training."""

from __future__ import annotations

import argparse
import inspect
import re
from dataclasses import fields
from typing import Any

from ..config import LIKELIHOODS, Fields, VAEConfig
from ..runs.presets import PRESETS
from ..training.config import PRECISIONS, TrainingConfig
from .options import add, add_device

__all__ = ["add_train"]

_EXAMPLES = {
    "latent_dim": "2",
    "likelihood": "gaussian",
    "channels": "24,48,96",
    "hidden": "256,64",
    "blocks": "1",
    "prior_components": "100",
    "sigma_floor": "0.03",
    "sigma": "0.2",
    "epochs": "50",
    "batch_size": "64",
    "learning_rate": "2e-3",
    "beta": "4",
    "beta_warmup": "5",
    "free_bits": "0.1",
    "sigma_warmup_epochs": "2",
    "variance_weighting": "1",
    "augmentation": "0.3",
    "augmented_share": "0.8",
    "patience": "10",
    "precision": "float32",
    "seed": "1",
}


def add_train(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `train`.

    Args:
        parser: parser of the command.
    """
    add(
        parser,
        "config",
        "A JSON file of settings, - for stdin, a run whose settings to use, or the name of a "
        f"preset ({', '.join(preset.key for preset in PRESETS)}); flags override single settings",
        "train digits-plane --beta 4 --out runs/digits",
        nargs="?",
        metavar="CONFIG",
    )
    add(parser, "--out", "The folder of the run", "data/runs/my-digits", metavar="FOLDER")
    add(
        parser,
        "--resume",
        "Resume the run in --out",
        "--out data/runs/my-digits",
        action="store_true",
    )
    add(
        parser,
        "--estimate",
        "Only estimate how long training takes",
        "--dataset faces",
        action="store_true",
    )
    add(
        parser,
        "--save-config",
        "Only write the settings to a file, for use as CONFIG",
        "settings.json",
        metavar="FILE",
    )
    add(parser, "--json", "Print one JSON object at the end", action="store_true")
    add_device(parser)
    add(parser, "--queue", "Wait in the queue of the app's runs", action="store_true")
    add(
        parser,
        "--no-tsne",
        "Skip the t-SNE map at the end, which takes a minute for thousands of codes",
        dest="tsne",
        action="store_false",
    )
    add(
        parser,
        "--no-fit-codes",
        "Do not learn where the codes lie at the end, which takes up to a fifth of the time",
        dest="fit_codes",
        action="store_false",
        default=None,
    )
    data = parser.add_argument_group("data")
    add(
        data,
        "--dataset",
        "The dataset to train on: a name such as digits or faces, or a folder or zip of images",
        "~/photographs",
    )
    add(
        data,
        "--from",
        "Start from the network and the weights of a checkpoint",
        "faces",
        dest="start",
        metavar="CHECKPOINT",
    )
    add(
        data,
        "--threads",
        "The number of processor threads (default: half of the cores)",
        "4",
        type=int,
        metavar="N",
    )
    network = parser.add_argument_group("network")
    _add_fields(network, VAEConfig, leave_out=("image_shape", "variational"))
    add(
        network,
        "--variational",
        "Train a variational autoencoder (default)",
        action="store_true",
        default=None,
    )
    add(
        network,
        "--autoencoder",
        "Train a standard autoencoder: no noise, no KL, codes are points",
        dest="variational",
        action="store_false",
        default=None,
    )
    _add_fields(parser.add_argument_group("training"), TrainingConfig)


def _add_fields(
    group: argparse._ArgumentGroup, config: type[Fields], leave_out: tuple[str, ...] = ()
) -> None:
    """Adds a flag for each field, with its description in the docstring of the class."""
    described = inspect.cleandoc(config.__doc__ or "").partition("Args:")[2].partition("\n\n")[0]
    descriptions = dict(re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", described, re.MULTILINE))
    for field in fields(config):
        if field.name in leave_out:
            continue
        about = " ".join(descriptions.get(field.name, "").split()).rstrip(".")
        kind = str(field.type)
        widths = kind.startswith("tuple")
        default: Any = field.default
        text = ",".join(map(str, default)) if widths else default
        add(
            group,
            f"--{field.name.replace('_', '-')}",
            f"{_capitalised(about)}{'; `none` for none' if widths else ''} (default: {text})",
            _EXAMPLES[field.name],
            type=_widths if widths else {"int": int, "float": float, "str": str}[kind],
            choices={"likelihood": LIKELIHOODS, "precision": PRECISIONS}.get(field.name),
            metavar={"int": "N", "float": "X", "str": None}.get(kind, "N,N"),
        )


def _capitalised(text: str) -> str:
    word = re.match(r"[a-z]{2,}", text)  # not the p of p(x|z)
    return text[:1].upper() + text[1:] if word else text


def _widths(text: str) -> list[int]:
    if text in ("", "none", "0"):
        return []
    return [int(part) for part in text.split(",")]
