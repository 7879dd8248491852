"""The views that can be written as files, and what each of them says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["VIEWS", "View"]


@dataclass(frozen=True)
class View:
    """A view.

    Args:
        page: file of the page that has it.
        title: heading, with `{model}` for the model's name.
        about: a sentence on what to do.
        only: what takes the full app, a sentence each.
        query: what the page's address has to say to show it.
    """

    page: str
    title: str
    about: str
    only: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)


_OTHERS = "Other pictures and other models, your own among them."
VIEWS = {
    "map": View(
        "map.py",
        "Map of {model}",
        "Move the pointer: every place is decoded in this browser. Click to pin one.",
        (
            "Another plane or other colours.",
            "KL and ELBO of a place, log p(x), and the original of an image in full size.",
            "Pictures of your own on the map, and groups that become concept vectors.",
        ),
    ),
    "path": View(
        "interpolate.py",
        "A path through {model}",
        "Drag the slider, or press Play: every step is decoded in this browser.",
        (_OTHERS, "Another form of the path, and its export."),
        {"walk": "path"},
    ),
    "corners": View(
        "interpolate.py",
        "Between four pictures of {model}",
        "Drag the mark over the square: it is decoded in this browser.",
        (_OTHERS,),
        {"walk": "corners"},
    ),
    "traversals": View(
        "interpolate.py",
        "One direction at a time through {model}",
        "Drag a slider: each follows one direction of the latent space.",
        (_OTHERS,),
        {"walk": "traversals"},
    ),
    "concepts": View(
        "concepts.py",
        "Concepts of {model}",
        "Drag a slider to add a concept, or to take it away: this browser decodes the picture, "
        "and an independent classifier judges it.",
        (
            "The same edit on many images, the ground truth, and whether the code is likely.",
            "Concepts of your own, other starting pictures and other models.",
        ),
    ),
}
