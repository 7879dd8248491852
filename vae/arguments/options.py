"""What the options of several commands are made of."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add", "add_device", "add_folder"]


def add(
    group: argparse._ActionsContainer, name: str, description: str, example: str = "", **how: Any
) -> None:
    """Adds an option, with its example.

    Args:
        group: parser or group that gets it.
        name: option, or name of a positional argument.
        description: what it does, without a full stop.
        example: its value in the example; of a positional argument, the whole command.
        how: as for `add_argument`.
    """
    usage = f"{name} {example}".rstrip() if name.startswith("-") else example
    text = f"{description}; for example: {usage}".replace("%", "%%")
    group.add_argument(name, help=text, **how)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Adds the device to compute on.

    Args:
        parser: parser of the command.
    """
    add(
        parser,
        "--device",
        "The device to compute on; auto uses a GPU if there is one",
        "cpu",
        choices=("auto", "cpu", "cuda"),
        default="auto",
    )


def add_folder(parser: argparse.ArgumentParser, example: str) -> None:
    """Adds the checkpoint that a command reads.

    Args:
        parser: parser of the command.
        example: the whole command.
    """
    add(parser, "folder", "A checkpoint's folder or name", example)
