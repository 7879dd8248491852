"""The plane of a map coloured by what the classifier sees: names, colours, and whether it is."""

from __future__ import annotations

from collections.abc import Sequence

from pages.ui.components import release
from pages.ui.components.messages.latent_map import MapRegions
from pages.ui.shared import links, visitor
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.formatting import words
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.plot_style import COLOURS, GREY

__all__ = ["follow", "regions"]


def regions(space: LatentSpace, colour: str, key: str) -> MapRegions | None:
    """What the browser needs to colour the plane; None where there is no classifier.

    Args:
        space: the model.
        colour: a key of `figures.colours`: an attribute that the classifier knows is shown.
        key: key of the map.
    """
    classifier = space.classifier
    if classifier is None:
        return None
    names = [plain(words(name).lower(), "text") for name in classifier.names]
    if classifier.exclusive:
        attribute, shown = None, names
        colours = [COLOURS[k % len(COLOURS)] for k in range(len(names))]
    else:
        kind, _, name = colour.partition(":")
        known = kind == "attribute" and name in classifier.names
        attribute = classifier.names.index(name) if known else 0
        shown = [f"without {names[attribute]}", f"with {names[attribute]}"]
        colours = [GREY, COLOURS[4]]
    linked = links.take("regions", {"true": True, "false": False}.get, "true or false", False)
    state = visitor.current()
    state.regions = state.regions if linked is None else linked
    return {
        "shown": release.heard(_key(key)).answer([float(state.regions)]),
        "title": "The classifier sees, the paler the less sure:",
        "colours": [
            {"name": name, "colour": colour} for name, colour in zip(shown, colours, strict=True)
        ],
        "attribute": attribute,
    }


def follow(space: LatentSpace, key: str) -> None:
    """Hears whether the plane is coloured, and writes it into the address."""
    if space.classifier is None:
        return

    def keep(values: Sequence[float]) -> None:
        visitor.current().regions = bool(values and values[0])

    links.put("regions", lambda: "true" if visitor.current().regions else None)
    release.hear(_key(key), keep)


def _key(key: str) -> str:
    return f"{key}-regions"
