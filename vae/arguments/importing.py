"""The options of what brings data and models of one's own: `import` and its neighbours."""

from __future__ import annotations

import argparse
import math
import re

from .options import add

__all__ = ["add_classifier", "add_datasets", "add_import", "add_import_model"]


def add_import(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `import`.

    Args:
        parser: parser of the command.
    """
    parser.description = (
        "Imports pictures into the data folder, at the model's size; they never change there. A "
        "source that has changed since becomes a new version. Reads folders, zip and tar of "
        "pictures, .npy, .npz, IDX, HDF5, Parquet and .mat, and tables beside the pictures."
    )
    parser.set_defaults(interrupted="Interrupted: nothing was kept.")
    add(
        parser,
        "source",
        "A folder, an archive, or a file of arrays",
        "import ~/photographs --name photographs",
        metavar="SOURCE",
    )
    add(parser, "--name", "The name of the dataset (default: that of the source)", "photographs")
    add(
        parser,
        "--image-size",
        "The side of an image, 8 to 256 (default: the pictures' own up to 64, else 64)",
        "32",
        type=int,
        metavar="N",
    )
    colour = parser.add_mutually_exclusive_group()
    for name, about in (("grey", "one channel"), ("colour", "three channels")):
        add(
            colour,
            f"--{name}",
            f"Import {about} (default: three where there is colour, else one)",
            dest="colour",
            action="store_const",
            const=name,
        )
    add(
        parser,
        "--fit",
        "What is done with other aspect ratios (default: crop)",
        "pad",
        choices=("crop", "pad", "stretch"),
        default="crop",
    )
    add(
        parser,
        "--labels",
        "A table that describes the pictures, with a column of their names",
        "labels.csv",
        metavar="TABLE",
    )
    add(
        parser,
        "--skip-broken",
        "Leave out pictures that cannot be read, instead of stopping",
        action="store_true",
    )
    add(
        parser,
        "--look",
        "Only print what would be read and left out, and import nothing",
        action="store_true",
    )
    add(parser, "--json", "Print one JSON object at the end", action="store_true")


def add_datasets(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `datasets`.

    Args:
        parser: parser of the command.
    """
    add(parser, "--json", "Print one JSON object", action="store_true")


def add_classifier(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `classifier`.

    Args:
        parser: parser of the command.
    """
    parser.description = (
        "Trains the classifier of an import on its real pictures, which tells whether an edit "
        "worked. It is refused where it would not be trustworthy on held-out pictures."
    )
    parser.set_defaults(interrupted="Interrupted: nothing was kept.")
    add(parser, "dataset", "The name of an import", "classifier photographs", metavar="NAME")
    add(parser, "--epochs", "The passes over the pictures (default: by their number)", "20",
         type=int, metavar="N")  # fmt: skip
    add(parser, "--json", "Print one JSON object at the end", action="store_true")


def add_import_model(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `import-model`.

    Args:
        parser: parser of the command.
    """
    parser.description = (
        "Imports a model made with any framework, as ONNX files: a decoder with an encoder, a "
        "decoder alone, or codes with the images that they are of. What the networks take and "
        "give is found out, or asked for. The model then opens on every page and in every "
        "command. Needs the packages onnx and onnxruntime."
    )
    parser.set_defaults(interrupted="Interrupted: nothing was kept.")
    # argparse takes -1,1 for an option otherwise, unlike -1.
    parser._negative_number_matcher = re.compile(r"-[\d.]+(,-?[\d.]+)*")
    add(parser, "--decoder", "The decoder, codes to images", "decoder.onnx", metavar="FILE")
    add(parser, "--encoder", "The encoder, images to codes", "encoder.onnx", metavar="FILE")
    add(
        parser,
        "--dataset",
        "The images that the model is shown with; without them, samples of the decoder",
        "photographs",
        metavar="NAME",
    )
    add(
        parser,
        "--codes",
        "Codes of the held-out images, instead of an encoder: an .npz with mean (N, D), and "
        "perhaps variance (N, D) and index (N,)",
        "codes.npz",
        metavar="FILE",
    )
    add(parser, "--name", "The name of the model (default: that of the file)", "my-model")
    add(
        parser,
        "--likelihood",
        "The likelihood of the pixels; without one there are no nats (default: none)",
        "bernoulli",
        choices=("bernoulli", "gaussian_fixed", "gaussian", "none"),
        default="none",
    )
    add(
        parser,
        "--output",
        "What the decoder returns (default: found out)",
        "logits",
        choices=("probabilities", "logits", "mean"),
    )
    add(
        parser,
        "--encoder-output",
        "What the encoder returns: a mean alone, beside a log-variance or a deviation, or a "
        "point (default: found out)",
        "log_variance",
        choices=("mean", "log_variance", "deviation", "point"),
    )
    add(
        parser,
        "--spread",
        "What the decoder returns beside the mean, with gaussian (default: found out)",
        "deviation",
        choices=("log_variance", "deviation"),
    )
    add(
        parser,
        "--latent-shape",
        "The shape of a code (default: found out)",
        "4,8,8",
        type=_shape,
        metavar="SIZES",
    )
    add(
        parser,
        "--image-shape",
        "Channels, height and width of an image (default: found out)",
        "1,28,28",
        type=_shape,
        metavar="SIZES",
    )
    add(
        parser,
        "--pixel-range",
        "The values of black and white in the networks (default: 0,1)",
        "-1,1",
        type=_range,
        metavar="LOW,HIGH",
    )
    add(
        parser,
        "--sigma",
        "The standard deviation of gaussian_fixed, for pixels from 0 to 1 (default: 0.1)",
        "0.2",
        type=float,
        default=0.1,
        metavar="N",
    )
    add(
        parser,
        "--limit",
        "The largest number of images that are encoded (default: 5000)",
        "1000",
        type=int,
        default=5_000,
        metavar="N",
    )
    add(
        parser,
        "--no-tsne",
        "Leave out the t-SNE map, which takes a minute for thousands of codes",
        dest="tsne",
        action="store_false",
    )
    add(parser, "--json", "Print one JSON object at the end", action="store_true")


def _shape(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not (1 <= len(sizes) <= 3 and all(1 <= size <= 1_000_000 for size in sizes)):
        raise argparse.ArgumentTypeError(
            f"{text[:80]!r} is no shape; expected one to three sizes with commas between, such "
            "as 4,8,8"
        )
    return sizes


def _range(text: str) -> tuple[float, ...]:
    try:
        ends = tuple(float(part) for part in text.split(","))
    except ValueError:
        ends = ()
    if len(ends) != 2 or not all(map(math.isfinite, ends)) or ends[0] == ends[1]:
        raise argparse.ArgumentTypeError(
            f"{text[:80]!r} is no range; expected the values of black and white with a comma "
            "between, such as -1,1"
        )
    return ends
