"""A path as a Python program."""

from __future__ import annotations

import numpy as np

from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin
from pages.ui.shared.programs import codes_of, opening, program

__all__ = ["path_as_python"]

_NEAREST = (
    'rows, _ = neighbours(codes["mean"], z, 1)\n'
    'print("nearest real images:", *(f"#{number}" for number in codes["index"][rows[:, 0]]))'
)


def path_as_python(
    space: LatentSpace, a: Pin, b: Pin, way: str, level: float, frames: np.ndarray
) -> str:
    """A program that decodes the frames of a path, and finds the real image nearest to each.

    Args:
        space: the model.
        a: code at the start, as a pin.
        b: code at the end, as a pin.
        way: "lerp", "slerp", "learned" or "shortest".
        level: noise level of a learned path.
        frames: positions `(N,)`, at even distances.
    """
    imports, lines = opening(space)
    imports += (
        "\nimport numpy as np\nfrom vae.codes import decode\nfrom vae.latent import neighbours"
    )
    if way == "learned":
        imports += "\nfrom vae.checkpoint import find_checkpoint"
        imports += "\nfrom vae.code_distribution import load_code_distribution"
        path = (
            f"learned = load_code_distribution(find_checkpoint({space.name!r}))\n"
            f"z = learned.path(a, b, t, {level:g})"
        )
    elif way == "shortest":
        imports += "\nfrom vae.geodesics import follow, pictures_of, shortest_curve"
        path = "z = follow(shortest_curve(pictures_of(model), a, b), t)"
    else:
        imports += f"\nfrom vae.latent import {way}"
        path = f"z = {way}(a, b, t)"
    t = f"t = np.linspace({frames[0]:g}, {frames[-1]:g}, {len(frames)})  # 0 is A, 1 is B"
    pictures = "pictures = decode(model, z)  # (N, C, H, W) in 0…1"
    return program(imports, lines, codes_of(space, a=a, b=b), "", t, path, pictures, _NEAREST)
