"""The options of what reads a checkpoint: `encode`, `bounds`, `fit-codes`, `evaluate`."""

from __future__ import annotations

import argparse

from .options import add, add_device, add_folder

__all__ = ["add_bounds", "add_encode", "add_evaluate", "add_fit_codes"]


def add_encode(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `encode`.

    Args:
        parser: parser of the command.
    """
    add_folder(parser, "encode faces --dataset ~/photographs --out codes.safetensors")
    add(
        parser,
        "--dataset",
        "The images to encode: the name of a dataset, or a folder or zip of images",
        "faces",
        required=True,
    )
    add(parser, "--split", "The split to encode, train or test (default: test)", "train",
         default="test")  # fmt: skip
    add(
        parser,
        "--out",
        "The file to write",
        "codes.safetensors",
        required=True,
        metavar="FILE.safetensors",
    )
    add_device(parser)


def add_bounds(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bounds`.

    Args:
        parser: parser of the command.
    """
    parser.set_defaults(
        interrupted="Interrupted: the estimates are saved, and the same command continues."
    )
    parser.description = (
        "Estimates ELBO and log p(x) of a checkpoint's reference images so precisely that all "
        "digits that the app prints are correct, and stores them with the codes. Continues where "
        "an earlier call ended."
    )
    add_folder(parser, "bounds digits-16")
    add(parser, "--images", "Use only the first N images", "100", type=int, metavar="N")
    add(
        parser,
        "--decodes",
        "The largest number of codes that each estimate decodes (default: 2000)",
        "500",
        type=int,
        default=2_000,
        metavar="N",
    )
    add(
        parser,
        "--elbo-only",
        "Estimate the ELBO alone, which takes at most a tenth of the time",
        action="store_true",
    )
    add(
        parser,
        "--quadrature",
        "Compute log p(x) by quadrature, for models with two latent dimensions",
        action="store_true",
    )


def add_fit_codes(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `fit-codes`.

    Args:
        parser: parser of the command.
    """
    parser.description = (
        "Fits a distribution to the codes of a checkpoint's training images and keeps it with the "
        "checkpoint: draws, paths and how usual a code is come from it. About four minutes on two "
        "cores."
    )
    add_folder(parser, "fit-codes faces")
    add(
        parser,
        "--images",
        "The largest number of training images whose codes are used (default: 16000)",
        "4000",
        type=int,
        default=16_000,
        metavar="N",
    )
    add(
        parser,
        "--steps",
        "The largest number of training steps (default: 9000)",
        "2000",
        type=int,
        default=9_000,
        metavar="N",
    )
    add(
        parser,
        "--seed",
        "The seed of weights and noise (default: 0)",
        "1",
        type=int,
        default=0,
        metavar="N",
    )


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `evaluate`.

    Args:
        parser: parser of the command.
    """
    add_folder(parser, "evaluate digits --json")
    add(parser, "--concepts", "Evaluate its concept vectors instead", action="store_true")
    add(
        parser,
        "--dataset",
        "The dataset for the evaluation, by default the one that the card names",
        "digits",
    )
    add(
        parser,
        "--images",
        "Use only the first N held-out images",
        "500",
        type=int,
        metavar="N",
    )
    add(
        parser,
        "--realism",
        "Also train three discriminators to tell reconstructions from cross-fades, for minutes",
        action="store_true",
    )
    add(parser, "--save", "Also write the metrics into the card", action="store_true")
    add(parser, "--json", "Print only one JSON object", action="store_true")
