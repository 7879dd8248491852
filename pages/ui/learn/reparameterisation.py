"""What the Learn pages on gradients and on amortised inference compute, and their diagrams."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from pages.ui.components.noise_pad import REACH
from pages.ui.components.plotly_chart import chart
from pages.ui.learn.texts import lesson, numbers
from pages.ui.shared import cache, links, scatter
from pages.ui.shared.formatting import figure_of
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.plot_style import TERMS
from vae.theory.amortisation import OptimisedPosterior, optimise_posterior
from vae.theory.gradients import (
    ESTIMATORS,
    PathwiseGradient,
    estimate_gradients,
    gradient_norms,
    pathwise_gradient,
)

__all__ = [
    "compare_estimators",
    "compare_graphs",
    "pad_words",
    "posterior_of",
    "pull_at",
    "show_gradients",
    "take_noise",
    "visible_widening",
]

_TONES = {
    "reparameterised": "mean",
    "score_function": "deviation",
    "score_function_baseline": "evidence",
}
_NOISE = ("e1", "e2")  # keys of the fields for ε


def posterior_of(space: LatentSpace, row: int) -> tuple[np.ndarray, np.ndarray]:
    """μ and σ `(D,)` that the encoder gives for a real image."""
    return space.mean[row].astype(np.float64), np.sqrt(space.variance[row].astype(np.float64))


def visible_widening(space: LatentSpace) -> int:
    """How many times q must be widened to be seen among the codes."""
    axes = list(scatter.first_axes(space))
    sigma, spread = np.sqrt(space.variance[:, axes]).mean(), space.deviation[axes].mean()
    widenings = numbers("reparameterisation")["widenings"]
    return next((w for w in widenings if w * sigma >= 0.25 * spread), widenings[-1])


def choose_noise(axes: tuple[int, int]) -> list[float]:
    """Fields for ε in the two dimensions that are shown."""
    first = numbers("reparameterisation")["noise"]
    return [
        st.number_input(
            f"ε{d + 1}",
            -REACH,
            REACH,
            step=0.1,
            width=130,
            **links.number(key, start, -REACH, REACH),
        )
        for d, start, key in zip(axes, first, _NOISE, strict=True)
    ]


def take_noise(dragged: list[float]) -> None:
    """What was dragged becomes the state of the two fields, and so of the address."""
    for key, value in zip(_NOISE, dragged, strict=True):
        st.session_state[key] = round(float(value), 2)


def pad_words() -> dict[str, str]:
    """What the noise pad writes, in the visitor's language."""
    text = lesson("reparameterisation")
    return {
        "space": text("pad.space"),
        "codes": text("pad.codes"),
        "picture": text("pad.picture"),
        "space_alt": text("pad.space_alt"),
        "codes_alt": text("pad.codes_alt"),
        "picture_alt": text("pad.picture_alt"),
    }


def pull_at(
    space: LatentSpace,
    row: int,
    mean: np.ndarray,
    sigma: np.ndarray,
    noise: np.ndarray,
    axes: tuple,
) -> PathwiseGradient:
    """The gradients of log p(x|z) for one real image and one ε, once for all visitors."""
    numbers = (torch.from_numpy(v) for v in (mean, sigma, noise))
    return pathwise_gradient(space.model, space.image(row), *numbers, dimensions=axes)


def show_gradients(gradient: PathwiseGradient, noise: np.ndarray) -> None:
    """Compares the gradients of one draw: by formula, autograd and finite differences."""
    text = lesson("reparameterisation")

    def row(name: str, way: str, values: object) -> list[str]:
        return [name, way, *(f"{float(v):+,.4f}".replace("-", "−") for v in values)]

    k = list(gradient.dimensions)
    rows = [
        row("∂L/∂z", text("gradients.leaf"), gradient.wrt_z[k]),
        row("∂L/∂μ", text("gradients.through"), gradient.wrt_mean[k]),
        row("∂L/∂μ", text("gradients.finite"), gradient.finite_mean),
        row("∂L/∂z · ε", text("gradients.product"), gradient.wrt_z.numpy()[k] * noise[k]),
        row("∂L/∂σ", text("gradients.through"), gradient.wrt_sigma[k]),
        row("∂L/∂σ", text("gradients.finite"), gradient.finite_sigma),
    ]
    value = f"{gradient.reconstruction:,.2f}".replace("-", "−")
    dimensions = [text("gradients.dimension", number=d + 1) for d in k]
    names = (text("gradients.derivative"), text("gradients.method"), *dimensions)
    with st.container(border=True):
        st.markdown(text("gradients.title", value=value))
        st.table(dict(zip(names, zip(*rows, strict=True), strict=True)), hide_index=True)
        st.caption(text("gradients.caption", disagreement=f"{gradient.disagreement:.1e}"))


# Many draws ---------------------------------------------------------------------------------


@cache.shared(64)
def _estimates(
    space: LatentSpace, row: int, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Draws `(N,)` of one derivative of the first image, and variances, by estimator."""
    images = numbers("reparameterisation")["images"]
    draws = 128 if max(space.shape[1:]) <= 32 else 32
    d = int(space.order[0])
    rows = [(row + k) % len(space) for k in range(images)]
    x = torch.stack([space.image(r) for r in rows])
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(draws, images, space.mean.shape[1], generator=generator)
    estimates = {name: estimate_gradients(space.model, x, noise, name) for name in ESTIMATORS}
    first_dimension = {name: g.mean[:, 0, d].numpy() for name, g in estimates.items()}
    return first_dimension, {name: g.variance().mean().item() for name, g in estimates.items()}


def widest(space: LatentSpace, row: int, seed: int) -> tuple[int, dict[str, str]]:
    """Which estimator varies most, in the order of `ESTIMATORS`, and how much more as text."""
    _, variance = _estimates(space, row, seed)
    most = max(ESTIMATORS, key=variance.__getitem__)
    times = figure_of(variance[most] / variance["reparameterised"])
    return ESTIMATORS.index(most), {"times": times}


def compare_estimators(space: LatentSpace, row: int, seed: int) -> None:
    """Shows three estimators of one gradient on the same images and the same draws."""
    text = lesson("reparameterisation")
    with st.spinner(text("estimators.drawing"), show_time=True):
        estimates, variance = _estimates(space, row, seed)
    draws, d = len(next(iter(estimates.values()))), int(space.order[0])
    count = np.arange(1, draws + 1)
    figure = go.Figure()
    for name in reversed(ESTIMATORS):
        figure.add_scatter(
            x=count,
            y=np.cumsum(estimates[name]) / count,
            name=text(f"estimators.{name}"),
            line={"color": TERMS[_TONES[name]], "width": 2},
        )
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "reversed"},
        xaxis_title=text("estimators.x"),
        yaxis_title=text("estimators.y", number=d + 1),
    )
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with left:
        chart(figure, key="running-means", alt=text("estimators.alt"))
    least = variance["reparameterised"]
    rows = {
        text("estimators.name"): [text(f"estimators.{e}") for e in ESTIMATORS],
        text("estimators.variance"): [figure_of(variance[e]) for e in ESTIMATORS],
        text("estimators.draws"): [figure_of(variance[e] / least) for e in ESTIMATORS],
    }
    right.table(rows, hide_index=True)
    images = text.number("images")
    right.caption(text("estimators.caption", images=images, row=row, draws=draws))


@cache.shared(64)
def _graphs(
    space: LatentSpace, row: int, seed: int
) -> tuple[dict[tuple[str, str], float], dict[str, list[OptimisedPosterior]]]:
    """Norms of gradients, and q as it is optimised with the draw in the graph and cut out."""
    images, steps = (numbers("reparameterisation")[key] for key in ("images", "steps"))
    x = torch.stack([space.image((row + k) % len(space)) for k in range(images)])
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(images, space.mean.shape[1], generator=generator)
    options = {"start": "encoder", "samples": 4, "draws": 32, "every": 10, "seed": seed}
    runs = {
        name: list(optimise_posterior(space.model, x[:1], steps, detached=cut, **options))
        for name, cut in (("kept", False), ("cut", True))
    }
    return gradient_norms(space.model, x, noise), runs


def compare_graphs(space: LatentSpace, row: int, seed: int) -> None:
    """Shows which gradients are left when the draw is detached from the graph."""
    text = lesson("reparameterisation")
    with st.spinner(text("detached.steps"), show_time=True):
        norms, runs = _graphs(space, row, seed)
    figure = go.Figure()
    for (name, run), colour in zip(runs.items(), (TERMS["elbo"], TERMS["gap"]), strict=True):
        figure.add_scatter(
            x=[r.step for r in run],
            y=[r.elbo.item() for r in run],
            name=text(f"detached.{name}"),
            line={"color": colour, "width": 2},
        )
    figure.update_layout(
        height=280,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis_title=text("detached.x"),
        yaxis_title=text("detached.y"),
    )
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with left:
        chart(figure, key="detached-curves", alt=text("detached.alt"))
    names = {
        "reconstruction": text("detached.reconstruction"),
        "reconstruction, detached": text("detached.reconstruction_detached"),
        "kl": text("detached.kl"),
    }
    right.table(
        {
            text("detached.term"): list(names.values()),
            text("detached.gradient"): [figure_of(norms[k, "encoder"]) for k in names],
        },
        hide_index=True,
    )
    last = runs["cut"][-1]
    right.caption(
        text(
            "detached.caption",
            images=text.number("images"),
            steps=text.number("steps"),
            mean=f"{last.mean.norm().item():.2f}",
            sigma=f"{last.sigma.mean().item():.2f}",
        )
    )
