"""What is known of images, as questions that a concept can be about."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..datasets import Dataset

__all__ = ["attribute_table", "constant_attributes", "excluded_by", "number_table"]


def attribute_table(data: Dataset, rows: np.ndarray | slice = slice(None)) -> dict[str, Any]:
    """What images show: yes/no attributes, each category against the rest, and classes.

    A category `red` of `colour` is called `colour=red`; a class has its own name. Numbers are in
    `number_table`.

    Args:
        data: dataset.
        rows: numbers of the images.

    Returns:
        Arrays `(N,)` by name: bool or, where values are missing, float32 with 0, 1 and NaN.
    """
    table: dict[str, Any] = {}
    for name, values in data.attributes.items():
        kind, array = data.kind(name), values.numpy()[rows]
        if kind == "yes/no":
            table[name] = array
        elif kind == "category":
            for k, category in enumerate(data.categories[name]):
                shown = array == k
                if (array < 0).any():
                    shown = np.where(array < 0, np.float32(np.nan), shown.astype(np.float32))
                table[f"{name}={category}"] = shown
    if data.labels is None or _is_repeated(data):
        return table
    labels = data.labels.numpy()[rows]
    names = data.classes or tuple(map(str, range(int(data.labels.max()) + 1)))
    return table | {name: labels == k for k, name in enumerate(names) if name not in table}


def number_table(data: Dataset, rows: np.ndarray | slice = slice(None)) -> dict[str, np.ndarray]:
    """Attributes that are numbers, in units of their standard deviation.

    A vector that is fitted to such an attribute is the effect of one standard deviation.

    Args:
        data: dataset.
        rows: numbers of the images.

    Returns:
        Arrays `(N,)` float32 by name, of mean 0 and standard deviation 1, NaN where missing;
        without those that are constant.
    """
    table = {}
    for name in data.attributes:
        if data.kind(name) == "number":
            values = data.attributes[name].numpy()[rows].astype(np.float64)
            known = values[np.isfinite(values)]
            if len(known) and known.std() > 0:
                table[name] = ((values - known.mean()) / known.std()).astype(np.float32)
    return table


def constant_attributes(data: Dataset, rows: np.ndarray | slice = slice(None)) -> tuple[str, ...]:
    """Attributes that have one value for all images, and so give no concept.

    Args:
        data: dataset.
        rows: numbers of the images, `(n,)`.
    """
    names = []
    for name in data.attributes:
        values = data.attributes[name].numpy()[rows]
        missing = values < 0 if data.kind(name) == "category" else values != values
        if len(np.unique(values[~missing])) < 2:
            names.append(name)
    return tuple(names)


def excluded_by(data: Dataset, name: str) -> tuple[str, ...]:
    """Names in `attribute_table` that no image has together with the given one.

    Args:
        data: dataset.
        name: name in its `attribute_table`.
    """
    if data.name == "faces":
        from ..datasets.faces import EXCLUSIVE

        return tuple(n for pair in EXCLUSIVE if name in pair for n in pair if n != name)
    if name in data.attributes:
        return ()
    table = attribute_table(data, slice(0, 1))
    attribute = next(
        (a for a, known in data.categories.items() if name in {f"{a}={c}" for c in known}), None
    )
    if attribute is not None:
        siblings = {f"{attribute}={category}" for category in data.categories[attribute]}
    else:
        siblings = table.keys() - set(data.attributes)
        siblings -= {f"{a}={c}" for a, known in data.categories.items() for c in known}
    return tuple(n for n in table if n in siblings and n != name)


def _is_repeated(data: Dataset) -> bool:
    """Whether the classes are those of a column that is among the attributes as well."""
    assert data.labels is not None
    return any(
        known == data.classes and data.attributes[name].equal(data.labels)
        for name, known in data.categories.items()
    )
