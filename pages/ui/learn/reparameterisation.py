"""What the Learn pages on gradients and on amortised inference compute, and their diagrams."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from pages.ui.components.noise_pad import REACH
from pages.ui.components.plotly_chart import chart
from pages.ui.learn import layout
from pages.ui.shared import cache, plot_style, scatter, url_state
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
    "ABOUT_GRADIENTS",
    "WIDENINGS",
    "compare_estimators",
    "compare_graphs",
    "posterior_of",
    "pull_at",
    "reparameterisation_formula",
    "show_slopes",
    "visible_widening",
]

ABOUT_GRADIENTS = r"""
The gradient that training needs is that of an average, $\nabla\,\mathbb E_{q(z|x)}[L(z)]$, by the
numbers μ and σ that q itself depends on.

- **Reparameterised.** $\mathbb E_{q}[L(z)] = \mathbb E_{\varepsilon}[L(\mu + \sigma\varepsilon)]$:
  the average is now over noise that depends on nothing, so the gradient moves inside, and the
  decoder's own slope $\partial L/\partial z$ says which way to go.
- **Score function.** $\mathbb E_{q}[L(z)\,\nabla\log q(z)]$, with $\nabla_\mu\log q =
  \varepsilon/\sigma$ and $\nabla_\sigma\log q = (\varepsilon^2 - 1)/\sigma$. It needs the value
  of L alone, so it works where L has no slope; but it has to find the slope by trial and error.
  A baseline, here the mean of the other draws, takes away what all values have in common.
- **Finite differences.** L is computed again with μ, or σ, a millionth larger and smaller, ε
  unchanged.
- **Detached.** `z.detach()` is the same number with its history cut off: the decoder still
  learns, the encoder hears of the KL alone.

References: Auto-encoding variational Bayes (Kingma and Welling, 2013); Simple statistical
gradient-following algorithms for connectionist reinforcement learning (Williams, 1992).
"""

NAMES = {
    "reparameterised": ("Reparameterised", TERMS["mean"]),
    "score_function": ("Score function", TERMS["deviation"]),
    "score_function_baseline": ("Score function less a baseline", TERMS["evidence"]),
}
WIDENINGS = (1, 2, 4, 8, 16)
IMAGES = 8  # in the batch that the estimators are compared on
_STEPS = 100  # of the gradient, by which q is optimised with and without the graph


def posterior_of(space: LatentSpace, row: int) -> tuple[np.ndarray, np.ndarray]:
    """μ and σ `(D,)` that the encoder gives for a real image."""
    return space.mean[row].astype(np.float64), np.sqrt(space.variance[row].astype(np.float64))


def visible_widening(space: LatentSpace) -> int:
    """How many times q must be widened to be seen among the codes."""
    axes = list(scatter.first_axes(space))
    sigma, spread = np.sqrt(space.variance[:, axes]).mean(), space.deviation[axes].mean()
    return next((w for w in WIDENINGS if w * sigma >= 0.25 * spread), WIDENINGS[-1])


def choose_noise(axes: tuple[int, int]) -> list[float]:
    """Fields for ε in the two dimensions that are shown."""
    return [
        st.number_input(
            f"ε{d + 1}",
            -REACH,
            REACH,
            start,
            0.1,
            key=key,
            width=130,
            bind=url_state.bind_number(key, -REACH, REACH),
        )
        for d, start, key in zip(axes, (1.2, -0.8), ("e1", "e2"), strict=True)
    ]


@cache.shared(256)
def pull_at(
    space: LatentSpace,
    row: int,
    mean: np.ndarray,
    sigma: np.ndarray,
    noise: np.ndarray,
    axes: tuple,
) -> PathwiseGradient:
    """The slopes of log p(x|z) for one real image and one ε, once for all visitors."""
    numbers = (torch.from_numpy(v) for v in (mean, sigma, noise))
    return pathwise_gradient(space.model, space.image(row), *numbers, dimensions=axes)


def show_slopes(found: PathwiseGradient, noise: np.ndarray) -> None:
    """Puts the identities of one draw side by side: written, by autograd, by differences."""

    def row(name: str, way: str, values: object) -> list[str]:
        return [name, way, *(f"{float(v):+,.4f}".replace("-", "−") for v in values)]

    k = list(found.dimensions)
    rows = [
        row("∂L/∂z", "autograd, z as a number of its own", found.wrt_z[k]),
        row("∂L/∂μ", "autograd through the draw", found.wrt_mean[k]),
        row("∂L/∂μ", "finite differences", found.finite_mean),
        row("∂L/∂z · ε", "multiplied out", found.wrt_z.numpy()[k] * noise[k]),
        row("∂L/∂σ", "autograd through the draw", found.wrt_sigma[k]),
        row("∂L/∂σ", "finite differences", found.finite_sigma),
    ]
    level = f"{found.reconstruction:,.2f}".replace("-", "−")
    names = ("Slope", "How", *(f"dimension {d + 1}" for d in k))
    with st.container(border=True):
        st.markdown(
            f"**L = log p(x|z) = {level} nats at this z.** Its slopes are in nats per unit. "
            "The arrows from z and from μ, of one length, both point along ∂L/∂z."
        )
        st.table(dict(zip(names, zip(*rows, strict=True), strict=True)), hide_index=True)
        st.caption(
            f"Largest disagreement of autograd and finite differences: {found.disagreement:.1e} "
            "of the largest slope. Computed in float64 each time you let go."
        )


def reparameterisation_formula() -> None:
    """The draw and its two slopes, coloured."""
    mu, sigma = plot_style.term("mean", r"\mu"), plot_style.term("deviation", r"\sigma")
    epsilon = plot_style.term("noise", r"\varepsilon")
    layout.formula(
        rf"z = {mu} + {sigma}\cdot{epsilon}, \quad {epsilon} \sim N(0, I) \qquad "
        rf"\frac{{\partial L}}{{\partial {mu}}} = \frac{{\partial L}}{{\partial z}} \qquad "
        rf"\frac{{\partial L}}{{\partial {sigma}}} = "
        rf"\frac{{\partial L}}{{\partial z}}\cdot{epsilon}",
        ("mean", r"\mu", "where the encoder puts the image"),
        ("deviation", r"\sigma", "how unsure it is"),
        ("noise", r"\varepsilon", "the noise, which depends on neither"),
    )


# Many draws ---------------------------------------------------------------------------------


@cache.shared(64)
def _estimates(
    space: LatentSpace, row: int, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Draws `(N,)` of the most telling slope of the first image, and variances, by estimator."""
    draws = 128 if max(space.shape[1:]) <= 32 else 32
    d = int(space.order[0])
    rows = [(row + k) % len(space) for k in range(IMAGES)]
    x = torch.stack([space.image(r) for r in rows])
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(draws, IMAGES, space.mean.shape[1], generator=generator)
    found = {name: estimate_gradients(space.model, x, noise, name) for name in ESTIMATORS}
    one = {name: g.mean[:, 0, d].numpy() for name, g in found.items()}
    return one, {name: g.variance().mean().item() for name, g in found.items()}


def compare_estimators(space: LatentSpace, row: int, seed: int) -> None:
    """Shows three estimators of one gradient on the same images and the same draws."""
    with st.spinner("Drawing, decoding and differentiating…", show_time=True):
        one, variance = _estimates(space, row, seed)
    draws, d = len(next(iter(one.values()))), int(space.order[0])
    count = np.arange(1, draws + 1)
    figure = go.Figure()
    for name in reversed(ESTIMATORS):
        label, colour = NAMES[name]
        figure.add_scatter(
            x=count, y=np.cumsum(one[name]) / count, name=label, line={"color": colour, "width": 2}
        )
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "reversed"},
        xaxis_title="draws averaged so far",
        yaxis_title=f"estimate of ∂L/∂μ{d + 1}, nats per unit",
    )
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with left:
        alt = "Running means of the estimators over the same draws"
        chart(figure, key="running-means", alt=alt)
    least = variance["reparameterised"]
    rows = {
        "Estimator": [NAMES[e][0] for e in ESTIMATORS],
        "Variance of one draw": [figure_of(variance[e]) for e in ESTIMATORS],
        "Draws for the same error": [figure_of(variance[e] / least) for e in ESTIMATORS],
    }
    right.table(rows, hide_index=True)
    right.caption(
        f"Summed over μ and σ, averaged over a batch of {IMAGES} real images from #{row} on, "
        f"{draws} draws each, the same ε for all three. The line is the first image."
    )


@cache.shared(64)
def _graphs(
    space: LatentSpace, row: int, seed: int
) -> tuple[dict[tuple[str, str], float], dict[str, list[OptimisedPosterior]]]:
    """Norms of gradients, and q as it is optimised with the draw in the graph and cut out."""
    x = torch.stack([space.image((row + k) % len(space)) for k in range(IMAGES)])
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(IMAGES, space.mean.shape[1], generator=generator)
    options = {"start": "encoder", "samples": 4, "draws": 32, "every": 10, "seed": seed}
    runs = {
        name: list(optimise_posterior(space.model, x[:1], _STEPS, detached=cut, **options))
        for name, cut in (("z in the graph", False), ("z detached", True))
    }
    return gradient_norms(space.model, x, noise), runs


def compare_graphs(space: LatentSpace, row: int, seed: int) -> None:
    """Shows what is left of learning when the draw is cut out of the graph."""
    with st.spinner("Taking gradient steps…", show_time=True):
        norms, runs = _graphs(space, row, seed)
    figure = go.Figure()
    for (name, run), colour in zip(runs.items(), (TERMS["elbo"], TERMS["gap"]), strict=True):
        figure.add_scatter(
            x=[r.step for r in run],
            y=[r.elbo.item() for r in run],
            name=name,
            line={"color": colour, "width": 2},
        )
    figure.update_layout(
        height=280,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis_title="gradient steps on μ and σ of this image, from the encoder's answer",
        yaxis_title="ELBO, nats",
    )
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with left:
        alt = "ELBO while q is optimised with and without the graph"
        chart(figure, key="detached-curves", alt=alt)
    names = {
        "reconstruction": "Reconstruction, z in the graph",
        "reconstruction, detached": "Reconstruction, z detached",
        "kl": "KL",
    }
    right.table(
        {
            "Term": list(names.values()),
            "Gradient at the encoder": [figure_of(norms[k, "encoder"]) for k in names],
        },
        hide_index=True,
    )
    last = runs["z detached"][-1]
    right.caption(
        f"Norms over all of the encoder's weights, {IMAGES} images. Detached, the reconstruction "
        "term reaches the encoder with exactly nothing. The KL is all that is left, and it pulls "
        f"every q to the prior: after {_STEPS} steps |μ| is {last.mean.norm().item():.2f} and "
        f"the mean σ is {last.sigma.mean().item():.2f}."
    )
