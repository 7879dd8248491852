"""The options of the command line, each with a description and an example."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from .importing import add_classifier, add_datasets, add_import, add_import_model
from .measuring import add_bounds, add_encode, add_evaluate, add_fit_codes
from .options import add
from .training import add_train

__all__ = ["Command", "build_parser"]

Command = Callable[[argparse.Namespace], int]


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
    for name, command, about, add_options in (
        ("train", train, "Trains a model, or resumes training.", add_train),
        ("encode", encode, "Computes the codes of a dataset's images.", add_encode),
        ("bounds", bounds, "Estimates ELBO and log p(x) of each image.", add_bounds),
        ("fit-codes", fit_codes, "Fits a distribution to the codes of a model.", add_fit_codes),
        ("evaluate", evaluate, "Evaluates a checkpoint on held-out images.", add_evaluate),
        ("import", import_data, "Imports pictures of your own.", add_import),
        ("datasets", datasets, "Lists the imported datasets.", add_datasets),
        ("classifier", classifier, "Trains the classifier of an import.", add_classifier),
        ("import-model", import_model, "Imports a model of your own.", add_import_model),
    ):
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(command=command, interrupted="Interrupted: nothing was written.")
        add_options(added)
        add(added, "--quiet", "Show only the result and errors", action="store_true")
    return parser
