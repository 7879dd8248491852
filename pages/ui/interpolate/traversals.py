"""Single directions of the latent space: its own axes, or those in which the codes vary most."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui.components.plotly_chart import chart
from pages.ui.components.sliders import Slider, live_sliders, tells
from pages.ui.interpolate import endpoints
from pages.ui.shared import cache, export, links, plot_style, scatter, share
from pages.ui.shared.disentanglement import axes_in_words
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.programs import code_as_python
from vae.latent import evenly, neighbours
from vae.likely_codes import blend, directions_in_noise, traverse
from vae.projection import PCA, fit_pca

__all__ = ["directions", "traversal_view"]

_AXES = 4  # sliders at a time
_NEARBY = 200  # codes whose variance has local directions
_AVERAGED = 500  # codes at most, through the learned distribution


def traversal_view(space: LatentSpace) -> None:
    """Single directions of the latent space, a slider and a film strip each, few at a time."""
    left, right = st.columns([3, 1], gap="medium")
    with right:
        kinds = {
            "axes": "Latent axes",
            "principal": "Principal",
            "local": "Around A",
        }
        kind = st.segmented_control(
            "Directions",
            list(kinds),
            required=True,
            format_func=kinds.get,
            **links.choice("directions", kinds, "axes", labels=kinds.get),
            help="The model's own axes, the most informative first; or the principal components "
            "of the codes, by variance: of all of them, or of those nearest to A.",
        )
        names, vectors, weights = directions(space, kind, endpoints.ends(space)["A"].z)
        pages = -(-len(names) // _AXES)
        page = 1
        if pages > 1:
            page = int(
                st.number_input(
                    f"Directions, {_AXES} per page: page of {pages}", 1, pages,
                    **links.number("directions-page", 1, 1, pages, whole=True),
                )
            )  # fmt: skip
        here = slice((page - 1) * _AXES, page * _AXES)
        if pages > 1:
            _chart(kind, space, weights, here)
        origins = {"A": "The picture A"}
        if kind != "local":
            origins["mean"] = "The mean of all codes"
        origin = st.segmented_control(
            "Start from", list(origins), required=True, format_func=origins.get,
            **links.choice("origin", origins, "A", text=str.lower, labels=origins.get),
        )  # fmt: skip
        level = endpoints.choose_blend(space, "Followed along")
        base, title = _mean(space, level), "Mean code"
        if origin == "A":
            (a,) = endpoints.choose_ends(space, ("A",))
            base, title = a.z, f"A, {a.title}"
        take = st.container(horizontal=True, gap="small")
    sliders = [Slider(name, -3, 3, 0, 0.05, "σ") for name in names[here]]
    view = f"{kind}-{page}"
    with left:
        at = np.clip(endpoints.stand(space, view, [0.0] * len(sliders)), -3, 3).tolist()
        shown, added = base, vectors[here]
        if level is not None:
            shown = space.distribution.to_noise(base, level)[0]
            added = directions_in_noise(space.distribution, added, level)
        values = live_sliders(
            space,
            [(title, shown)],
            added,
            sliders,
            key=f"traverse-{space.name}-{view}{'' if level is None else '-learned'}",
            level=level,
            strip=9,
            before=True,
            at=at,
            size=200,
            tells=tells(space),
            on_release=lambda values: endpoints.keep_stand(space, view, values),
        )
        st.caption(
            f"σ is the standard deviation of {_whose(space, kind)} along that direction. "
            "Double-click a slider to reset it to 0."
        )
        shown_axes = [int(vector.argmax()) for vector in vectors[here]] if kind == "axes" else []
        if words := axes_in_words(space.card, shown_axes):
            st.caption(words)

    def code() -> np.ndarray:
        """The code at which the sliders stand by then, `(D,)`."""
        now = endpoints.stand(space, view, at)
        return _codes(space, base, vectors[here], np.atleast_2d(now), level)[0]

    share.python(lambda: code_as_python(space, code()))
    endpoints.keep_stand(space, view, values)
    endpoints.write_address(space, ("A",) if origin == "A" else ())
    with take:
        st.button(
            "Pin this point",
            icon=":material/push_pin:",
            on_click=lambda: endpoints.own_pin(space, code(), "point on a traversal"),
        )
        steps = np.linspace(-3, 3, 9)

        def along() -> np.ndarray:
            ways = [_codes(space, base, v[None], steps[:, None], level) for v in vectors[here]]
            return np.concatenate(ways)

        about = {
            "model": space.name,
            "directions": names[here],
            "sigma": steps.tolist(),
            "level": level,
        }
        endpoints.export_files({
            "Film strips, PNG": (
                f"{space.name}-axes.png", lambda: endpoints.sheet(space, along(), len(steps)),
            ),
            "Codes, NPZ": (
                f"{space.name}-axes.npz",
                lambda: export.arrays(about, z=along(), vectors=vectors[here]),
            ),
        })  # fmt: skip


@cache.shared(16)
def _mean(space: LatentSpace, level: float | None) -> np.ndarray:
    """The mean of the codes `(D,)`, through their learned distribution if there is a level."""
    if level is None:
        return space.mean.mean(0)
    some = evenly(space.mean, _AVERAGED)
    return blend(space.distribution, some, np.full(len(some), 1 / len(some)), level)[0]


@cache.shared(256)
def _codes(
    space: LatentSpace,
    base: np.ndarray,
    vectors: np.ndarray,
    steps: np.ndarray,
    level: float | None,
) -> np.ndarray:
    """Codes `(N, D)` at so many steps `(N, K)` along vectors `(K, D)`."""
    if level is None:
        return (base + steps @ vectors).astype(np.float32)
    return traverse(space.distribution, base, vectors, steps, level)


def _whose(space: LatentSpace, kind: str) -> str:
    count = min(_NEARBY, len(space))
    return f"the {count} codes nearest to A" if kind == "local" else "the codes"


def directions(
    space: LatentSpace, kind: str, z: np.ndarray
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Directions of the latent space, the most informative first.

    Args:
        space: the model.
        kind: "axes", sorted by KL (by variance for a standard autoencoder); "principal" of all
            codes, or "local" of those nearest to a place.
        z: the place, a code `(D,)`.

    Returns:
        K names, vectors `(K, D)` as long as one standard deviation of the codes along them, and
        weights `(K,)`: nats or variance for axes, share of the variance for principal directions.
    """
    if kind == "axes":
        order = space.order
        names = [scatter.axis_name(space, int(k)) for k in order]
        vectors = np.diag(space.deviation)[order]
        return names, vectors, space.information[order]
    pca, what = space.pca, "the variance"
    if kind == "local":
        pca, what = _nearby(space, z), "the variance nearby"
    names = [f"Direction {k + 1} · {s:.1%} of {what}" for k, s in enumerate(pca.shares)]
    return names, pca.components * pca.deviations[:, None], pca.shares


@cache.shared(64)
def _nearby(space: LatentSpace, z: np.ndarray) -> PCA:
    """The principal directions of the codes nearest to a code `(D,)`."""
    rows, _ = neighbours(space.mean, z, _NEARBY)
    return fit_pca(space.mean[rows], space.mean.shape[1])


def _chart(kind: str, space: LatentSpace, weights: np.ndarray, here: slice) -> None:
    import plotly.graph_objects as go

    unit = (
        "share of variance"
        if kind != "axes"
        else "nats"
        if space.has_nats_by_dimension
        else "variance"
    )
    chosen = np.zeros(len(weights), dtype=bool)
    chosen[here] = True
    figure = go.Figure()
    figure.add_bar(
        x=np.arange(1, len(weights) + 1),
        y=weights,
        marker={"color": np.where(chosen, plot_style.COLOURS[0], plot_style.GREY)},
        hovertemplate="%{y:.2f} " + unit + "<extra></extra>",
    )
    figure.update_layout(
        height=130,
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        xaxis={"visible": False},
        yaxis={"title": unit, "nticks": 3},
    )
    chart(
        figure,
        key="weights",
        alt="Information or variance of each direction",
    )
