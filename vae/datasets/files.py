"""Reading shipped arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .base import DatasetError

__all__ = ["read_arrays"]


def read_arrays(file: Path, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Reads named uint8 arrays of known shapes from an `.npz` file.

    Args:
        file: path of an `.npz` file.
        **shapes: expected shapes by name, such as `images=(5000, 28, 28)`.

    Returns:
        The arrays by name, each `(…)` of its expected shape.

    Raises:
        DatasetError: if the file is missing, damaged, or has other contents.
    """
    repair = f"Fetch {file.name} again, e.g. by `git checkout -- {file.name}` in its folder."
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in shapes}
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing. {repair}") from None
    except Exception as error:  # zipfile, zlib and numpy raise errors of many types
        raise DatasetError(f"{file} is damaged ({error}). {repair}") from error
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape or array.dtype != np.uint8:
            raise DatasetError(
                f"{file}: {name} is {array.shape} {array.dtype}; expected {shape} uint8. {repair}"
            )
    return arrays
