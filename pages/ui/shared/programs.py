"""Programs that compute with `vae` what a page shows: the parts that all of them begin with."""

from __future__ import annotations

import numpy as np

from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin

__all__ = ["array", "code_as_python", "codes_of", "dataset_of", "image_of", "opening", "program"]


def program(imports: str, *lines: str) -> str:
    """A program from its imports, one on each line, and its parts, with a blank line between.

    Args:
        imports: import lines in any order; those of one module are joined.
        lines: the rest.
    """
    names: dict[str, set[str]] = {}
    plain = set()
    for line in filter(None, map(str.strip, imports.splitlines())):
        if line.startswith("from "):
            module, _, imported = line.removeprefix("from ").partition(" import ")
            names.setdefault(module, set()).update(imported.split(", "))
        else:
            plain.add(line)
    head = sorted(plain)
    head += [""] * bool(head)
    head += [
        f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names)
    ]
    return "\n".join([*head, "", *lines]) + "\n"


def opening(space: LatentSpace) -> tuple[str, str]:
    """Imports and lines that open a model and its codes."""
    name = space.name
    return (
        "from vae import load_checkpoint\nfrom vae.checkpoint import load_codes",
        f"model, codes = load_checkpoint({name!r}), load_codes({name!r})",
    )


def codes_of(space: LatentSpace, **pins: Pin) -> str:
    """Lines that set each name to the code of a pin."""
    lines = []
    for name, pin in pins.items():
        if pin.row >= 0:
            number = int(space.index[pin.row])
            lines.append(f'{name} = codes["mean"][list(codes["index"]).index({number})]')
        else:
            lines.append(f"{name} = {array(pin.z)}")
    return "\n".join(lines)


def array(values: np.ndarray) -> str:
    """An expression for numbers `(D,)`, exact to six figures."""
    return f'np.array([{", ".join(f"{value:.6g}" for value in values)}], dtype="float32")'


def code_as_python(space: LatentSpace, z: np.ndarray) -> str:
    """A program that decodes a code `(D,)` and finds the real image nearest to it."""
    imports, lines = opening(space)
    imports += (
        "\nimport numpy as np\nfrom vae.codes import decode\nfrom vae.latent import neighbours"
    )
    return program(
        imports, lines, f"z = {array(z)}", "",
        "picture = decode(model, z[None])[0]  # (C, H, W) in 0…1",
        'rows, distances = neighbours(codes["mean"], z, 1)',
        'number = codes["index"][rows[0]]',
        'print(f"distance to the nearest code, that of image #{number}: {distances[0]:.2f}")',
    )  # fmt: skip


def dataset_of(space: LatentSpace) -> str:
    """An expression that loads the images of a model; it needs `load_dataset`."""
    return f"load_dataset({space.dataset.name!r}, {space.dataset.split!r})"


def image_of(space: LatentSpace, row: int) -> tuple[str, str]:
    """Imports and lines that set `x` to a reference image and `row` to its row."""
    number = int(space.index[row])
    return (
        "from vae import load_dataset",
        f'row = list(codes["index"]).index({number})\n'
        f"x = {dataset_of(space)}.images[{number}]  # (C, H, W) in 0…1",
    )
