"""Drawn faces: people whose every factor is known and who can be drawn again with one changed."""

from .canvas import SIZE
from .draw import draw
from .load import SPLITS, VERSION, cache_folder, load_faces, person
from .person import (
    ATTRIBUTES,
    EXCLUSIVE,
    Person,
    attributes,
    counterfactual,
    sample_people,
    sample_person,
)

__all__ = [
    "ATTRIBUTES",
    "EXCLUSIVE",
    "SIZE",
    "SPLITS",
    "VERSION",
    "Person",
    "attributes",
    "cache_folder",
    "counterfactual",
    "draw",
    "load_faces",
    "person",
    "sample_people",
    "sample_person",
]
