"""The live map: a scatter of codes on which every place is decoded under the pointer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pages.ui.components.base import Component
from pages.ui.components.latent_map.regions import follow, regions
from pages.ui.components.messages import latent_map as messages
from pages.ui.components.messages.latent_map import MapGroup, MapLattice, MapPin
from pages.ui.shared import cache, clicks, images, links, scatter, visitor
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import AUTOMATIC, Pin, as_text
from vae.likely_codes import LEVEL
from vae.schema import convert

__all__ = ["latent_map", "pins_heard"]

_SMALLEST = 24  # pixels of a picture on a sheet of all images
# Without isolated styles: inside a shadow root Plotly's events and lasso break.
_MAP = Component(
    "latent_map",
    Path(__file__).with_name("map.js"),
    messages.MapData,
    {clicks.PINNED: clicks.Clicks, "grouped": MapGroup},
    isolate_styles=False,
    live=True,
)


def latent_map(
    space: LatentSpace,
    projection: str,
    axes: tuple[int, int],
    colour: str,
    *,
    key: str,
    keep: str = "mean",
    pins: Callable[[], Sequence[Pin]],
    linked: str | None = None,
    second: bool = False,
    on_group: Callable[[str, list[int]], None],
) -> None:
    """Draws the map.

    Args:
        space: the model and its codes.
        projection: "latent", "pca" or "tsne".
        axes: dimensions of the latent axes, from 0.
        colour: a key of `figures.colours`.
        key: key of the component, by which its `live_picture` finds it.
        keep: source of the dimensions that a plane does not show: "mean", "pinned" or "likely",
            which completes each position like the last pin. On a t-SNE map, "likely" averages
            the nearest codes through their learned distribution.
        pins: gives what is drawn on the map; the last one is the pinned one.
        linked: key of another map that shows the same image, or else the same place, as this.
        second: whether it is the second of two maps, which has no tools of its own.
        on_group: called with the group, "A" or "B", and the rows of a lasso.
    """
    live = links.live(space.name, space.stamp)
    tile, columns = images.atlas_layout(len(space), space.shape[1])
    whole = tile >= min(space.shape[1], _SMALLEST)
    plane = urlencode({"projection": projection, "x": axes[0], "y": axes[1]})
    coloured = urlencode({"colour": colour})
    scale = space.neighbour_distances
    likely, flat = keep == "likely", projection != "tsne"
    noise = {"url": f"{live}/noise.bin", "level": LEVEL}
    view = f"{space.name}, {scatter.PROJECTIONS[projection]}, coloured by {plain(colour, 'text')}"

    told = _MAP.heard(key, clicks.PINNED)  # first: a request may add a pin meanwhile
    shown, known = pins(), visitor.current()

    def heard_clicks(message: list[dict[str, Any]]) -> None:
        clicks.take(known, space, key, convert(message, clicks.Clicks))

    def heard_group(message: MapGroup) -> None:
        if message["model"] == space.name:
            on_group(message["group"], message["rows"])

    groups = {name: visitor.group(space, name).tolist() for name in "AB"}
    _MAP.show(
        {
            "base": links.base_path(),
            "view": key,
            "linked": linked,
            "second": second,
            "model": space.name,
            "description": f"Map of {len(space)} codes: {view}. Arrow keys move the probe, "
            "Enter pins it, plus and minus zoom.",
            "figure": f"{live}/figure.json?{plane}&{coloured}",
            "places": f"{live}/places.bin?{plane}",
            "marks": f"{live}/marks.bin?{coloured}",
            "family": scatter.plane(space, projection, axes),
            "keep": keep,
            "lattice": _lattice(space, live, projection, axes, shown) if likely and flat else None,
            "noise": noise if likely and not flat else None,
            "codes": {"url": f"{live}/codes.bin", "bits": cache.code_bits(space)},
            "atlas": {
                "url": f"{live}/{'atlas' if whole else 'tiles'}.jpg",
                "whole": whole,
                "tile": tile,
                "columns": columns,
            },
            "nats": None if space.kl is None or space.elbo is None else f"{live}/nats.bin",
            "about": f"{live}/about.json",
            "image": f"{live}/image.png",
            # Where more than the map follows its pins, the component's message asks for a run.
            "tell": "" if linked or (likely and flat) else f"{live}/pins",
            "token": known.token,
            "binary": space.model.config.likelihood == "bernoulli",
            "names": None if space.file_names is None else f"{live}/names.json",
            "first_train": space.first_train,
            "count": len(space),
            "dimensions": space.mean.shape[1],
            "whole_space": space.mean.shape[1] == 2,
            "decodes": space.decodes,
            "shape": list(space.shape),
            "classes": [plain(name, "text") for name in space.classes],
            "usual_distance": scale.usual if scale.judged else None,
            "far": scale.far if scale.judged else None,
            "zones": _zones(space),
            "opacity": scatter.opacity(space),
            "regions": regions(space, colour, key),
            "pins": told.answer([_pin(p) for p in shown], space.stamp),
            "most_pins": visitor.MOST_PINS,
            "groups": _MAP.heard(key, "grouped").answer(groups),
        },
        key=key,
        pinned=heard_clicks,
        grouped=heard_group,
    )
    if not second:
        follow(space, key)


def pins_heard(key: str) -> int:
    """How many changes of its pins a map has told Python of."""
    return _MAP.heard(key, clicks.PINNED).count


def _zones(space: LatentSpace) -> list[tuple[float | None, str]]:
    """What a distance from the nearest code means; nothing where likelihood judges, of pins."""
    zones = [] if space.judges_likelihood else space.neighbour_distances.zones
    return [(end if isfinite(end) else None, zone) for end, zone in zones]


def _lattice(
    space: LatentSpace, live: str, projection: str, axes: tuple[int, int], pins: Sequence[Pin]
) -> MapLattice:
    pin = as_text(space, pins[-1]) if pins else ""
    query = urlencode({"projection": projection, "x": axes[0], "y": axes[1], "pin": pin})
    return {
        "url": f"{live}/likely.bin?{query}",
        "side": scatter.LATTICE,
        "bounds": scatter.lattice_bounds(space, projection, axes),
    }


def _pin(pin: Pin) -> MapPin:
    return {
        "kind": pin.kind,
        "row": pin.row,
        "z": pin.z.tolist(),
        "label": str(pin.number),
        "variance": None if pin.variance is None else pin.variance.tolist(),
        "clicked": pin.clicked,
        "approximate": pin.approximate,
        "automatic": AUTOMATIC if pin.automatic else "",
    }
