"""The ways from one code to another, and how they compare: in pixels, and by their likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from pages.ui.shared import cache, visitor
from pages.ui.shared.grid import show_table
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin
from pages.ui.shared.waiting_line import EVIDENCE, BusyError
from vae.code_distribution import LEVEL
from vae.geodesics import curve_length, follow, pictures_of, shortest_curve
from vae.latent import lerp, neighbours, slerp

__all__ = ["WAYS", "Path", "compare", "offer_comparison", "possible", "shortest", "ways_of"]

WAYS = {
    "lerp": "Linear",
    "slerp": "Spherical (slerp)",
    "learned": "Learned distribution",
    "shortest": "Shortest in pixels",
}
_MEASURED = 25  # positions at which ways are compared
_SPARSE = 4  # every so many of them a log density is computed


def ways_of(space: LatentSpace) -> tuple[str, ...]:
    """Keys of the ways that a model offers, the one that suits it first."""
    ways = ("slerp", "lerp") if space.high_dimensional else ("lerp", "slerp")
    if space.distribution is not None and space.distribution.learned:
        ways = ("learned", *ways) if space.high_dimensional else (*ways, "learned")
    return (*ways, "shortest") if space.differentiable and space.decodes else ways


@cache.shared(64)
def shortest(space: LatentSpace, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Codes `(M, D)` of a curve that is short under the decoder's own metric.

    Raises:
        BusyError: if too many wait for such a computation.
    """

    def waits(ahead: int) -> None:
        visitor.current()  # where Streamlit ends a run that is out of date

    with EVIDENCE.turn(visitor.current().token, waits):
        return shortest_curve(pictures_of(space.model), a, b)


@dataclass(frozen=True)
class Path:
    """A path between two codes.

    Args:
        way: a key of `WAYS`: "lerp" straight, "slerp" along an arc, "learned" through the learned
            distribution, "shortest" under the decoder's own metric.
        level: noise level of a learned path, see `CodeDistribution.path`.
    """

    way: str
    level: float = LEVEL

    def along(
        self, space: LatentSpace, a: np.ndarray, b: np.ndarray, at: np.ndarray
    ) -> np.ndarray:
        """Codes `(M, D)` at positions `(M,)` from `a` (0) to `b` (1), both `(D,)`."""
        a, b = np.asarray(a), np.asarray(b)
        if self.way == "learned" and space.distribution is not None:
            return space.distribution.path(a, b, at, self.level)
        if self.way == "shortest":
            return follow(shortest(space, a, b), at)
        return (lerp if self.way == "lerp" else slerp)(a, b, at)


@cache.shared(64)
@torch.no_grad()
def compare(
    space: LatentSpace, a: np.ndarray, b: np.ndarray, level: float
) -> list[dict[str, str | float]]:
    """Measures all ways between two codes.

    Args:
        space: the model.
        a: code `(D,)`.
        b: code `(D,)`.
        level: level of the learned path.

    Returns:
        For each way its name; its length in pixels, a Euclidean distance of pictures with values
        in 0…1; and the least likely place on it: the share of held-out codes that are less likely,
        or without a learned distribution the largest distance from a code.

    Raises:
        BusyError: if too many wait for such a computation.
    """
    at = np.linspace(0, 1, _MEASURED)
    surface, rows = pictures_of(space.model), []
    for way in ways_of(space):
        z = Path(way, level).along(space, a, b, at)
        row: dict[str, str | float] = {"Way": WAYS[way], "Length": curve_length(surface, z)}
        likely = space.likelihood_percentiles(z[::_SPARSE])
        if likely is None:
            row["Largest distance from a code"] = float(neighbours(space.mean, z, 1)[1].max())
        else:
            row["Lowest likelihood percentile"] = float(likely.min())
        rows.append(row)
    return rows


def possible(space: LatentSpace, a: Pin, b: Pin, path: Path) -> Path:
    """The path, or the straight one where too many wait for the shortest."""
    try:
        if path.way == "shortest":
            shortest(space, a.z, b.z)
    except BusyError as error:
        st.info(f"{error} This is the straight line.")
        return Path("lerp")
    return path


def offer_comparison(space: LatentSpace, a: Pin, b: Pin, level: float) -> None:
    """Compares all ways between A and B, once somebody wants to know."""
    with st.expander("Compare the ways", key="compare", on_change="rerun") as shown:
        if not shown.open:
            return
        try:
            rows = compare(space, a.z, b.z, level)
        except BusyError as error:
            st.info(str(error))
            return
        formats = {"Length": "%.2f", "Largest distance from a code": "%.2f"}
        config = {
            name: st.column_config.NumberColumn(format=formats.get(name, "percent"))
            for name in rows[0]
            if name != "Way"
        }
        show_table(rows, height=38 + 35 * len(rows), column_config=config)
        st.caption(
            "Length: how much the picture changes on the way, a Euclidean distance of pixels in "
            "0…1, with their standard deviations where the decoder gives these. The shortest way "
            "under that metric need not be likely, nor a likely one short."
        )
