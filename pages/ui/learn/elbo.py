"""The lesson on the ELBO as a bound: truth by quadrature, what samples say, what q misses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from pages.ui.components.latent_planes import Ellipse, Field, Panel
from pages.ui.components.plotly_chart import chart
from pages.ui.learn import layout
from pages.ui.learn.texts import lesson, numbers
from pages.ui.shared import cache, estimates, formatting, links, plot_style
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.progress import with_progress
from vae import log_evidence
from vae.theory.exact import (
    DecodedGrid,
    TruePosterior,
    decode_grid,
    log_posterior,
    posterior_gap,
    true_posterior,
    uncovered_posterior_mass,
)
from vae.theory.importance import expected_bound, log_weights, running_bound
from vae.theory.linear_gaussian import LinearGaussian

__all__ = [
    "Bound",
    "bound",
    "bound_figure",
    "cost_of_the_integral",
    "curve",
    "derivation",
    "grid",
    "linear_gaussian",
    "missed",
    "posterior_panel",
    "truth",
    "warm",
]

MIXTURE = 500  # samples of the mixture proposal
_SAMPLES = 5_000  # samples of the importance-weighted bound
_DIMENSIONS = (1, 2, 3, 4, 6, 16, 40)  # of latent spaces whose integral is priced
_DECODED = 1e6  # codes a second: more than any machine that runs this program


@dataclass(frozen=True)
class Bound:
    """What is known of one image, in nats.

    Args:
        evidence: log p(x) by quadrature.
        elbo: ELBO as shown on the map.
        error: standard error of the ELBO.
        gap: KL(q ‖ p(z|x)), computed by itself.
        mixture: log p(x) estimated from the mixture proposal.
    """

    evidence: float
    elbo: float
    error: float
    gap: float
    mixture: float


@cache.shared(4)
def grid(space: LatentSpace) -> DecodedGrid:
    """The lattice of a 2-D model, decoded once."""
    return with_progress(
        lesson("elbo")("bound.decoding"),
        lambda tell: decode_grid(space.model, progress=tell),
    )


def warm() -> None:
    """Computes for all visitors what the page opens with, so that none waits for it."""
    space, row = cache.latent_space(numbers("elbo")["model"]), numbers("elbo")["image"]
    bound(space, row)
    curve(space, row, 0)


@cache.shared(128)
def truth(space: LatentSpace, row: int) -> TruePosterior:
    """The true posterior of one reference image."""
    return true_posterior(grid(space), space.image(row))


@cache.shared(8)
def missed(space: LatentSpace) -> np.ndarray:
    """For the first reference images, the part of the true posterior that q misses."""
    lattice = grid(space)
    rows = torch.from_numpy(space.index[:500])
    parts = [
        uncovered_posterior_mass(lattice, space.dataset.images[part]) for part in rows.split(50)
    ]
    return torch.cat(parts).numpy()


@cache.shared(128)
def curve(
    space: LatentSpace, row: int, seed: int
) -> tuple[np.ndarray, np.ndarray, dict[int, tuple[float, float]]]:
    """The importance-weighted bound of one image as its samples grow.

    Args:
        space: a variational model.
        row: row of a reference image.
        seed: seed of the draws.

    Returns:
        K of one run, thinned; its value; and the expected bound with its standard error by K.
    """
    weights = with_progress(
        lesson("elbo")("bound.drawing", count=f"{_SAMPLES:,}"),
        lambda progress: log_weights(
            space.model, space.image(row), _SAMPLES, torch.Generator().manual_seed(seed), progress
        ),
    )
    running = running_bound(weights).numpy()
    ks = np.unique(np.geomspace(1, _SAMPLES, 160).astype(int))
    sizes = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
    return ks, running[ks - 1], {k: expected_bound(weights, k) for k in sizes}


@cache.shared(128)
def bound(space: LatentSpace, row: int) -> Bound:
    """All about one reference image that needs no choice."""
    evidence = truth(space, row).log_evidence
    x = space.image(row)
    mean, sigma = (
        torch.from_numpy(space.mean[row]),
        torch.from_numpy(space.variance[row]).sqrt(),
    )
    known = estimates.elbo_of(space, x, row)
    gap = posterior_gap(space.model, x, mean, sigma, evidence)
    generator = torch.Generator().manual_seed(0)
    estimate = log_evidence(space.model, x[None], samples=MIXTURE, generator=generator)
    return Bound(evidence, known.elbo.value, known.elbo.error, gap, estimate.item())


@cache.shared(128)
def _window(
    space: LatentSpace, row: int, bounds: tuple[float, float, float, float], evidence: float
) -> torch.Tensor:
    return log_posterior(space.model, space.image(row), bounds, evidence)


def posterior_panel(space: LatentSpace, row: int) -> Panel:
    """The true posterior of an image, as near as it needs, with q's ellipse on it."""
    posterior = truth(space, row)
    mean, sigma = space.mean[row], np.sqrt(space.variance[row])
    lattice = grid(space)
    heavy = lattice.codes.numpy()[posterior.mass > 2e-3]
    corners = np.concatenate([heavy, mean + 4 * sigma * [[1, 1], [-1, -1]]])
    low, high = corners.min(0), corners.max(0)
    half = max(0.55 * (high - low).max() + lattice.step, 0.3)
    (x, y) = (low + high) / 2
    bounds = (float(x - half), float(x + half), float(y - half), float(y + half))
    values = _window(space, row, bounds, posterior.log_evidence)
    top = float(values.max())
    tint = Field(values, "log p(z|x)", plot_style.TERMS["evidence"], top - 12, top, 1)
    q = [Ellipse(mean, sigma, plot_style.TERMS["posterior"], radius) for radius in (1.0, 2.0)]
    title = lesson("elbo")("bound.posterior")
    return Panel(title, bounds, space.name, field=tint, ellipses=q)


def bound_figure(bound: Bound, run: tuple, row: int) -> go.Figure:
    """The bound against the number of samples.

    Args:
        bound: the evidence and the bounds of the image.
        run: output of `curve`.
        row: keeps the view while the image stays.
    """
    text = lesson("elbo")
    ks, values, expected = run
    sizes = list(expected)
    figure = go.Figure()
    colour = plot_style.TERMS["deviation"]
    figure.add_scatter(
        x=ks,
        y=values,
        mode="lines",
        name=text("bound.one_run"),
        line={"color": colour, "width": 1.5},
    )
    figure.add_scatter(
        x=sizes,
        y=[expected[k][0] for k in sizes],
        error_y={"array": [expected[k][1] for k in sizes], "thickness": 1.2},
        mode="markers",
        name=text("bound.expected"),
        marker={"color": colour, "size": 9},
    )
    for level, name, tone, dash in (
        (bound.evidence, text("bound.quadrature"), plot_style.TERMS["evidence"], "solid"),
        (bound.mixture, text("bound.mixture", count=MIXTURE), plot_style.TERMS["noise"], "dot"),
        (bound.elbo, "ELBO", plot_style.TERMS["elbo"], "dash"),
    ):
        figure.add_scatter(
            x=[1, int(ks[-1])],
            y=[level, level],
            mode="lines",
            name=name,
            line={"color": tone, "dash": dash, "width": 2},
        )
    low = min(bound.elbo, *(value for value, _ in expected.values()))
    high = max(bound.evidence, bound.mixture, *values[ks >= 10])
    room = 0.1 * (high - low) + 0.05
    figure.update_layout(
        height=430,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"type": "log", "dtick": 1, "title": text("bound.samples")},
        yaxis={"title": text("bound.nats"), "range": [low - room, high + room]},
        legend={"orientation": "h", "y": -0.22},
        uirevision=str(row),
    )
    return figure


def derivation(space: LatentSpace, row: int, bound: Bound) -> None:
    """Shows how the ELBO becomes reconstruction and KL, with the numbers of an image."""
    text, digits = lesson("elbo"), 2 if bound.error <= 0.005 else 1
    mean, variance = (values[row].astype(np.float64) for values in (space.mean, space.variance))
    constant = 0.5 * len(mean) * math.log(2 * math.pi)
    prior = -0.5 * (mean**2 + variance).sum() - constant
    entropy = 0.5 * (1 + np.log(variance)).sum() + constant
    reconstruction = bound.elbo - prior - entropy
    expected = r"\mathbb{E}_q[\log p(x \mid z)]"
    whole = ("elbo", r"\text{ELBO}", bound.elbo)
    st.markdown(text("derivation.weights"))
    layout.balance(
        ("evidence", r"\log \mathbb{E}_q[w]", bound.evidence),
        ("elbo", r"\mathbb{E}_q[\log w]", bound.elbo),
        ("gap", r"\mathrm{KL}(q \,\|\, p(z|x))", bound.gap),
        digits=digits,
    )
    st.markdown(text("derivation.split"))
    layout.balance(
        whole,
        ("reconstruction", expected, reconstruction),
        ("prior", r"\mathbb{E}_q[\log p(z)]", prior),
        ("posterior", r"-\mathbb{E}_q[\log q(z|x)]", entropy),
        digits=digits,
        rounded=0,
    )
    st.markdown(text("derivation.terms"))
    layout.balance(
        whole,
        ("reconstruction", expected, reconstruction),
        ("kl", r"-\mathrm{KL}(q \,\|\, p(z))", prior + entropy),
        digits=digits,
        rounded=0,
    )


def cost_of_the_integral(space: LatentSpace) -> None:
    """Shows how many points a lattice has in more dimensions, and how long they would take."""
    text, side = lesson("elbo"), len(grid(space).side)
    st.markdown(text("integral.text", side=side))
    rows = []
    for dimensions in _DIMENSIONS:
        points = side**dimensions
        rows.append(
            {
                text("integral.dimensions"): str(dimensions),
                text("integral.points"): _rounded(points),
                text("integral.seconds"): _rounded(points / _DECODED),
            }
        )
    st.table(rows, hide_index=True)
    st.caption(text("integral.caption"))


def _rounded(number: float) -> str:
    """Two figures of a number, and the power of ten where it is large or small."""
    exponent = math.floor(math.log10(number))
    if -3 < exponent < 6:
        return f"{float(f'{number:.2g}'):,g}"
    return f"{number / 10**exponent:.1f} · {formatting.power_of_ten(exponent)}"


def linear_gaussian() -> None:
    """The model in which all is exact, with a q to be set by hand."""
    text = lesson("elbo")
    st.markdown(text("linear.text"))
    left, right = st.columns([1, 2], gap="medium")
    with left:
        slope, noise, x, mean, sigma = (
            st.slider(
                text(f"linear.slider.{key}"),
                low,
                high,
                **links.number(key, value, low, high),
            )
            for key, (low, high, value) in text.number("sliders").items()
        )
    model = LinearGaussian(slope, noise)
    true = model.posterior(x)
    reconstruction, kl = model.elbo(x, mean, sigma)
    z = np.linspace(-4, 4, 401)
    figure = go.Figure()
    for name, (m, s), tone in (
        (text("linear.prior"), (0, 1), "prior"),
        (text("linear.posterior"), true, "evidence"),
        ("q(z)", (mean, sigma), "posterior"),
    ):
        density = np.exp(-0.5 * ((z - m) / s) ** 2) / (s * np.sqrt(2 * np.pi))
        colour = plot_style.TERMS[tone]
        figure.add_scatter(x=z, y=density, name=name, mode="lines", line={"color": colour})
    figure.update_layout(
        height=260, margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title="z", uirevision="lg"
    )
    with right:
        chart(figure, key="linear", alt=text("linear.alt"))
        layout.balance(
            ("evidence", r"\log p(x)", model.log_evidence(x)),
            ("elbo", r"\mathrm{ELBO}", reconstruction - kl),
            ("gap", r"\mathrm{KL}(q \| p(z|x))", model.gap(x, mean, sigma)),
            digits=4,
        )
        mean, sigma = (f"{value:.3f}" for value in true)
        st.caption(text("linear.caption", mean=mean, sigma=sigma))
