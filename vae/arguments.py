"""The options of the command line, each with a description and an example."""

from __future__ import annotations

import argparse
import inspect
import math
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
    "patience": "10",
    "precision": "float32",
    "seed": "1",
}


def build_parser(
    train: Command,
    encode: Command,
    bounds: Command,
    fit_codes: Command,
    evaluate: Command,
    import_data: Command,
    datasets: Command,
    classifier: Command,
    import_model: Command,
) -> argparse.ArgumentParser:
    """Creates the parser, whose result has the function of the command as `command`.

    Args:
        train: function of the command `train`.
        encode: function of the command `encode`.
        bounds: function of the command `bounds`.
        fit_codes: function of the command `fit-codes`.
        evaluate: function of the command `evaluate`.
        import_data: function of the command `import`.
        datasets: function of the command `datasets`.
        classifier: function of the command `classifier`.
        import_model: function of the command `import-model`.
    """
    parser = argparse.ArgumentParser(
        prog="python -m vae",
        description="Trains variational autoencoders, encodes images, and measures models.",
        epilog="python -m vae COMMAND --help describes the options of a command.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, about, add in (
        ("train", train, "Trains a model, or resumes training.", _add_train),
        ("encode", encode, "Computes the codes of a dataset's images.", _add_encode),
        ("bounds", bounds, "Estimates ELBO and log p(x) of each image.", _add_bounds),
        ("fit-codes", fit_codes, "Fits a distribution to the codes of a model.", _add_fit_codes),
        ("evaluate", evaluate, "Evaluates a checkpoint on held-out images.", _add_evaluate),
        ("import", import_data, "Imports pictures of your own.", _add_import),
        ("datasets", datasets, "Lists the imported datasets.", _add_datasets),
        ("classifier", classifier, "Trains the classifier of an import.", _add_classifier),
        ("import-model", import_model, "Imports a model of your own.", _add_import_model),
    ):
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(command=command, interrupted="Interrupted: nothing was written.")
        add(added)
        _add(added, "--quiet", "Show only the result and errors", action="store_true")
    return parser


def _add(
    group: argparse._ActionsContainer, name: str, description: str, example: str = "", **how: Any
) -> None:
    """Adds an option; the example of a positional argument is a whole command."""
    usage = f"{name} {example}".rstrip() if name.startswith("-") else example
    text = f"{description}; for example: {usage}".replace("%", "%%")
    group.add_argument(name, help=text, **how)


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add(
        parser,
        "config",
        "A JSON file of settings, - for stdin, a run whose settings to use, or the name of a "
        f"preset ({', '.join(preset.key for preset in PRESETS)}); flags override single settings",
        "train digits-plane --beta 4 --out runs/digits",
        nargs="?",
        metavar="CONFIG",
    )
    _add(parser, "--out", "The folder of the run", "data/runs/my-digits", metavar="FOLDER")
    _add(
        parser,
        "--resume",
        "Resume the run in --out",
        "--out data/runs/my-digits",
        action="store_true",
    )
    _add(
        parser,
        "--estimate",
        "Only estimate how long training takes",
        "--dataset faces",
        action="store_true",
    )
    _add(
        parser,
        "--save-config",
        "Only write the settings to a file, for use as CONFIG",
        "settings.json",
        metavar="FILE",
    )
    _add(parser, "--json", "Print one JSON object at the end", action="store_true")
    _add_device(parser)
    _add(parser, "--queue", "Wait in the queue of the app's runs", action="store_true")
    _add(
        parser,
        "--no-tsne",
        "Skip the t-SNE map at the end, which takes a minute for thousands of codes",
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
        "The dataset to train on: a name such as digits or faces, or a folder or zip of images",
        "~/photographs",
    )
    _add(
        data,
        "--from",
        "Start from the network and the weights of a checkpoint",
        "faces",
        dest="start",
        metavar="CHECKPOINT",
    )
    _add(
        data,
        "--threads",
        "The number of processor threads (default: half of the cores)",
        "4",
        type=int,
        metavar="N",
    )
    network = parser.add_argument_group("network")
    _add_fields(network, VAEConfig, leave_out=("image_shape", "variational"))
    _add(
        network,
        "--variational",
        "Train a variational autoencoder (default)",
        action="store_true",
        default=None,
    )
    _add(
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
        _add(
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


def _add_device(parser: argparse.ArgumentParser) -> None:
    _add(
        parser,
        "--device",
        "The device to compute on; auto uses a GPU if there is one",
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
        "The images to encode: the name of a dataset, or a folder or zip of images",
        "faces",
        required=True,
    )
    _add(parser, "--split", "The split to encode, train or test (default: test)", "train",
         default="test")  # fmt: skip
    _add(
        parser,
        "--out",
        "The file to write",
        "codes.safetensors",
        required=True,
        metavar="FILE.safetensors",
    )
    _add_device(parser)


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(
        interrupted="Interrupted: the estimates are saved, and the same command continues."
    )
    parser.description = (
        "Estimates ELBO and log p(x) of a checkpoint's reference images so precisely that all "
        "digits that the app prints are correct, and stores them with the codes. Continues where "
        "an earlier call ended."
    )
    _add_folder(parser, "bounds digits-16")
    _add(parser, "--images", "Use only the first N images", "100", type=int, metavar="N")
    _add(
        parser,
        "--decodes",
        "The largest number of codes that each estimate decodes (default: 2000)",
        "500",
        type=int,
        default=2_000,
        metavar="N",
    )
    _add(
        parser,
        "--elbo-only",
        "Estimate the ELBO alone, which takes at most a tenth of the time",
        action="store_true",
    )
    _add(
        parser,
        "--quadrature",
        "Compute log p(x) by quadrature, for models with two latent dimensions",
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
        "The largest number of training images whose codes are used (default: 16000)",
        "4000",
        type=int,
        default=16_000,
        metavar="N",
    )
    _add(
        parser,
        "--steps",
        "The largest number of training steps (default: 9000)",
        "2000",
        type=int,
        default=9_000,
        metavar="N",
    )
    _add(
        parser,
        "--seed",
        "The seed of weights and noise (default: 0)",
        "1",
        type=int,
        default=0,
        metavar="N",
    )


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser, "evaluate digits --json")
    _add(parser, "--concepts", "Evaluate its concept vectors instead", action="store_true")
    _add(
        parser,
        "--dataset",
        "The dataset for the evaluation, by default the one that the card names",
        "digits",
    )
    _add(
        parser,
        "--images",
        "Use only the first N held-out images",
        "500",
        type=int,
        metavar="N",
    )
    _add(
        parser,
        "--realism",
        "Also train three discriminators to tell reconstructions from cross-fades, for minutes",
        action="store_true",
    )
    _add(parser, "--save", "Also write the metrics into the card", action="store_true")
    _add(parser, "--json", "Print only one JSON object", action="store_true")


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Imports pictures into the data folder, at the model's size; they never change there. A "
        "source that has changed since becomes a new version. Reads folders, zip and tar of "
        "pictures, .npy, .npz, IDX, HDF5, Parquet and .mat, and tables beside the pictures."
    )
    parser.set_defaults(interrupted="Interrupted: nothing was kept.")
    _add(
        parser,
        "source",
        "A folder, an archive, or a file of arrays",
        "import ~/photographs --name photographs",
        metavar="SOURCE",
    )
    _add(parser, "--name", "The name of the dataset (default: that of the source)", "photographs")
    _add(
        parser,
        "--image-size",
        "The side of an image, 8 to 256 (default: the pictures' own up to 64, else 64)",
        "32",
        type=int,
        metavar="N",
    )
    colour = parser.add_mutually_exclusive_group()
    for name, about in (("grey", "one channel"), ("colour", "three channels")):
        _add(
            colour,
            f"--{name}",
            f"Import {about} (default: three where there is colour, else one)",
            dest="colour",
            action="store_const",
            const=name,
        )
    _add(
        parser,
        "--fit",
        "What is done with other aspect ratios (default: crop)",
        "pad",
        choices=("crop", "pad", "stretch"),
        default="crop",
    )
    _add(
        parser,
        "--labels",
        "A table that describes the pictures, with a column of their names",
        "labels.csv",
        metavar="TABLE",
    )
    _add(
        parser,
        "--skip-broken",
        "Leave out pictures that cannot be read, instead of stopping",
        action="store_true",
    )
    _add(
        parser,
        "--look",
        "Only print what would be read and left out, and import nothing",
        action="store_true",
    )
    _add(parser, "--json", "Print one JSON object at the end", action="store_true")


def _add_datasets(parser: argparse.ArgumentParser) -> None:
    _add(parser, "--json", "Print one JSON object", action="store_true")


def _add_classifier(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Trains the classifier of an import on its real pictures, which tells whether an edit "
        "worked. It is refused where it would not be trustworthy on held-out pictures."
    )
    parser.set_defaults(interrupted="Interrupted: nothing was kept.")
    _add(parser, "dataset", "The name of an import", "classifier photographs", metavar="NAME")
    _add(parser, "--epochs", "The passes over the pictures (default: by their number)", "20",
         type=int, metavar="N")  # fmt: skip
    _add(parser, "--json", "Print one JSON object at the end", action="store_true")


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


def _add_import_model(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Imports a model made with any framework, as ONNX files: a decoder with an encoder, a "
        "decoder alone, or codes with the images that they are of. What the networks take and "
        "give is found out, or asked for. The model then opens on every page and in every "
        "command. Needs the packages onnx and onnxruntime."
    )
    parser.set_defaults(interrupted="Interrupted: nothing was kept.")
    # argparse takes -1,1 for an option otherwise, unlike -1.
    parser._negative_number_matcher = re.compile(r"-[\d.]+(,-?[\d.]+)*")
    _add(parser, "--decoder", "The decoder, codes to images", "decoder.onnx", metavar="FILE")
    _add(parser, "--encoder", "The encoder, images to codes", "encoder.onnx", metavar="FILE")
    _add(
        parser,
        "--dataset",
        "The images that the model is shown with; without them, samples of the decoder",
        "photographs",
        metavar="NAME",
    )
    _add(
        parser,
        "--codes",
        "Codes of the held-out images, instead of an encoder: an .npz with mean (N, D), and "
        "perhaps variance (N, D) and index (N,)",
        "codes.npz",
        metavar="FILE",
    )
    _add(parser, "--name", "The name of the model (default: that of the file)", "my-model")
    _add(
        parser,
        "--likelihood",
        "The likelihood of the pixels; without one there are no nats (default: none)",
        "bernoulli",
        choices=("bernoulli", "gaussian_fixed", "gaussian", "none"),
        default="none",
    )
    _add(
        parser,
        "--output",
        "What the decoder returns (default: found out)",
        "logits",
        choices=("probabilities", "logits", "mean"),
    )
    _add(
        parser,
        "--encoder-output",
        "What the encoder returns: a mean alone, beside a log-variance or a deviation, or a "
        "point (default: found out)",
        "log_variance",
        choices=("mean", "log_variance", "deviation", "point"),
    )
    _add(
        parser,
        "--spread",
        "What the decoder returns beside the mean, with gaussian (default: found out)",
        "deviation",
        choices=("log_variance", "deviation"),
    )
    _add(
        parser,
        "--latent-shape",
        "The shape of a code (default: found out)",
        "4,8,8",
        type=_shape,
        metavar="SIZES",
    )
    _add(
        parser,
        "--image-shape",
        "Channels, height and width of an image (default: found out)",
        "1,28,28",
        type=_shape,
        metavar="SIZES",
    )
    _add(
        parser,
        "--pixel-range",
        "The values of black and white in the networks (default: 0,1)",
        "-1,1",
        type=_range,
        metavar="LOW,HIGH",
    )
    _add(
        parser,
        "--sigma",
        "The standard deviation of gaussian_fixed, for pixels from 0 to 1 (default: 0.1)",
        "0.2",
        type=float,
        default=0.1,
        metavar="N",
    )
    _add(
        parser,
        "--limit",
        "The largest number of images that are encoded (default: 5000)",
        "1000",
        type=int,
        default=5_000,
        metavar="N",
    )
    _add(
        parser,
        "--no-tsne",
        "Leave out the t-SNE map, which takes a minute for thousands of codes",
        dest="tsne",
        action="store_false",
    )
    _add(parser, "--json", "Print one JSON object at the end", action="store_true")
