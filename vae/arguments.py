"""The options of the command line, each with a sentence and an example."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from .config import LIKELIHOODS, Fields, VAEConfig
from .runs.presets import PRESETS
from .training.config import PRECISIONS, TrainingConfig

__all__ = ["Command", "build_parser"]

Command = Callable[[argparse.Namespace], int]

_EXAMPLES = {
    "latent_dim": "2",
    "likelihood": "gaussian",
    "channels": "24,48,96",
    "hidden": "256,64",
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
    "precision": "float32",
    "seed": "1",
}


def build_parser(
    train: Command, encode: Command, bounds: Command, fit_codes: Command, evaluate: Command
) -> argparse.ArgumentParser:
    """Makes the parser; what it returns has the command of the arguments as `command`.

    Args:
        train: carries `train` out.
        encode: carries `encode` out.
        bounds: carries `bounds` out.
        fit_codes: carries `fit-codes` out.
        evaluate: carries `evaluate` out.
    """
    parser = argparse.ArgumentParser(
        prog="python -m vae",
        description="Trains variational autoencoders, encodes images, and measures models.",
        epilog="python -m vae COMMAND --help says what a command takes.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, about, add in (
        ("train", train, "Trains a model, or goes on with one.", _add_train),
        ("encode", encode, "Computes the codes of a dataset's images.", _add_encode),
        ("bounds", bounds, "Estimates ELBO and log p(x) of each image.", _add_bounds),
        ("fit-codes", fit_codes, "Learns where a model's codes lie.", _add_fit_codes),
        ("evaluate", evaluate, "Measures a checkpoint on held-out images.", _add_evaluate),
    ):
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(command=command, interrupted="Interrupted: nothing was written.")
        add(added)
        _add(added, "--quiet", "Show nothing but the result and errors", action="store_true")
    return parser


def _add(
    group: argparse._ActionsContainer, name: str, sentence: str, example: str = "", **how: Any
) -> None:
    """Adds an option; a positional one's example is a whole command."""
    usage = f"{name} {example}".rstrip() if name.startswith("-") else example
    text = f"{sentence}; for example: {usage}".replace("%", "%%")
    group.add_argument(name, help=text, **how)


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add(
        parser,
        "config",
        "A JSON file of settings, - for stdin, a run whose settings to take, or the name of a "
        f"preset ({', '.join(preset.key for preset in PRESETS)}), in which flags change single "
        "settings",
        "train digits-plane --beta 4 --out runs/digits",
        nargs="?",
        metavar="CONFIG",
    )
    _add(parser, "--out", "Where the run is kept", "data/runs/my-digits", metavar="FOLDER")
    _add(
        parser,
        "--resume",
        "Go on with the run in --out",
        "--out data/runs/my-digits",
        action="store_true",
    )
    _add(
        parser,
        "--estimate",
        "Only measure how long it takes",
        "--dataset faces",
        action="store_true",
    )
    _add(
        parser,
        "--save-config",
        "Only write the settings to a file, for CONFIG",
        "settings.json",
        metavar="FILE",
    )
    _add(parser, "--json", "Print one JSON object at the end", action="store_true")
    _add_device(parser)
    _add(parser, "--queue", "Wait until the app has room for it", action="store_true")
    _add(
        parser,
        "--no-tsne",
        "Fit no t-SNE map at the end, which takes a minute for thousands of codes",
        dest="tsne",
        action="store_false",
    )
    _add(
        parser,
        "--no-fit-codes",
        "Do not learn where the codes lie at the end, which takes up to a fifth of the time",
        dest="fit_codes",
        action="store_false",
        default=None,
    )
    data = parser.add_argument_group("data")
    _add(
        data,
        "--dataset",
        "What to train on: digits, faces and others by name, or a folder or zip of images",
        "~/photographs",
    )
    _add(
        data,
        "--from",
        "Start from a checkpoint's network and weights instead of random ones",
        "faces",
        dest="start",
        metavar="CHECKPOINT",
    )
    _add(
        data,
        "--threads",
        "How many processor threads to use (default: half of the cores)",
        "4",
        type=int,
        metavar="N",
    )
    network = parser.add_argument_group("network")
    _add_fields(network, VAEConfig, leave_out=("image_shape", "variational"))
    _add(
        network,
        "--variational",
        "Train a variational autoencoder, as by default",
        action="store_true",
        default=None,
    )
    _add(
        network,
        "--autoencoder",
        "Train a standard autoencoder: no noise, no KL, points as codes",
        dest="variational",
        action="store_false",
        default=None,
    )
    _add_fields(parser.add_argument_group("training"), TrainingConfig)


def _add_fields(
    group: argparse._ArgumentGroup, config: type[Fields], leave_out: tuple[str, ...] = ()
) -> None:
    """Adds a flag for each field; the class's docstring has the sentence that explains it."""
    described = inspect.cleandoc(config.__doc__ or "").partition("Args:")[2].partition("\n\n")[0]
    about = dict(re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", described, re.MULTILINE))
    for field in fields(config):
        if field.name in leave_out:
            continue
        sentence = " ".join(about.get(field.name, "").split()).rstrip(".")
        kind = str(field.type)
        widths = kind.startswith("tuple")
        default: Any = field.default
        text = ",".join(map(str, default)) if widths else default
        _add(
            group,
            f"--{field.name.replace('_', '-')}",
            f"{_capitalised(sentence)}{'; `none` for none' if widths else ''} (default: {text})",
            _EXAMPLES[field.name],
            type=_widths if widths else {"int": int, "float": float, "str": str}[kind],
            choices={"likelihood": LIKELIHOODS, "precision": PRECISIONS}.get(field.name),
            metavar={"int": "N", "float": "X", "str": None}.get(kind, "N,N"),
        )


def _capitalised(sentence: str) -> str:
    word = re.match(r"[a-z]{2,}", sentence)  # not the p of p(x|z)
    return sentence[:1].upper() + sentence[1:] if word else sentence


def _widths(text: str) -> list[int]:
    if text in ("", "none", "0"):
        return []
    return [int(part) for part in text.split(",")]


def _add_device(parser: argparse.ArgumentParser) -> None:
    _add(
        parser,
        "--device",
        "Where to compute; auto takes a GPU where there is one",
        "cpu",
        choices=("auto", "cpu", "cuda"),
        default="auto",
    )


def _add_folder(parser: argparse.ArgumentParser, example: str) -> None:
    _add(parser, "folder", "A checkpoint's folder or name", example)


def _add_encode(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser, "encode faces --dataset ~/photographs --out codes.safetensors")
    _add(
        parser,
        "--dataset",
        "What to encode: a dataset's name, or a folder or zip of images",
        "faces",
        required=True,
    )
    _add(parser, "--split", "Which part of it, train or test (default: test)", "train",
         default="test")  # fmt: skip
    _add(
        parser,
        "--out",
        "Where the codes are kept",
        "codes.safetensors",
        required=True,
        metavar="FILE.safetensors",
    )
    _add_device(parser)


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(
        interrupted="Interrupted: what was estimated is kept, and the same command goes on."
    )
    parser.description = (
        "Estimates ELBO and log p(x) of a checkpoint's reference images so well that what the app "
        "prints of them is true to the last digit, and keeps them with the codes. Goes on where "
        "it ended the last time."
    )
    _add_folder(parser, "bounds digits-16")
    _add(parser, "--images", "Only the first so many images", "100", type=int, metavar="N")
    _add(
        parser,
        "--decodes",
        "How many codes each estimate decodes at most (default: 2000)",
        "500",
        type=int,
        default=2_000,
        metavar="N",
    )
    _add(
        parser,
        "--elbo-only",
        "Leave log p(x) until it is asked for, which takes a tenth of the time or less",
        action="store_true",
    )
    _add(
        parser,
        "--quadrature",
        "Compute log p(x) by adding up over the plane, for models of two dimensions",
        action="store_true",
    )


def _add_fit_codes(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fits a distribution to the codes of a checkpoint's training images and keeps it with the "
        "checkpoint: draws, paths and how usual a code is come from it. About four minutes on two "
        "cores."
    )
    _add_folder(parser, "fit-codes faces")
    _add(
        parser,
        "--images",
        "How many training images' codes it is fitted to at most (default: 16000)",
        "4000",
        type=int,
        default=16_000,
        metavar="N",
    )
    _add(
        parser,
        "--steps",
        "How many steps to take at most (default: 9000)",
        "2000",
        type=int,
        default=9_000,
        metavar="N",
    )
    _add(
        parser,
        "--seed",
        "What weights and noise follow from (default: 0)",
        "1",
        type=int,
        default=0,
        metavar="N",
    )


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser, "evaluate digits --json")
    _add(parser, "--concepts", "Measure its concept vectors instead", action="store_true")
    _add(
        parser,
        "--dataset",
        "What to measure it on, by default the dataset that the card names",
        "digits",
    )
    _add(
        parser,
        "--images",
        "Only the first so many held-out images",
        "500",
        type=int,
        metavar="N",
    )
    _add(parser, "--save", "Write the figures into the card, too", action="store_true")
    _add(parser, "--json", "Print one JSON object, and nothing else", action="store_true")
