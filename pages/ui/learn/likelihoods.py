"""The lesson on likelihoods: one pixel's numbers, what a variance costs, products that vanish."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
import torch.nn.functional as F
from torch import Tensor

from pages.ui.components.pixel_inspector import Reading, live_pixels
from pages.ui.components.plotly_chart import chart
from pages.ui.learn import autoencoder, layout
from pages.ui.learn.texts import lesson
from pages.ui.shared import cache, images, links, plot_style
from pages.ui.shared.latent_space import LatentSpace
from vae.codes import decode
from vae.latent import neighbours
from vae.theory.underflow import average_likelihood, running_products

__all__ = [
    "KINDS",
    "averaging",
    "blur",
    "evaluate_pixels",
    "models",
    "read_pixels",
    "spread_figure",
    "underflow",
]

KINDS = ("bernoulli", "continuous_bernoulli", "gaussian")
PRECISIONS = {"float16": np.float16, "float32": np.float32, "float64": np.float64}
_TONES = {"float16": "gap", "float32": "kl", "float64": "elbo"}


@dataclass(frozen=True, eq=False)
class PixelLikelihood:
    """The likelihood of an image, decoded at the mean of its posterior, pixel by pixel.

    Args:
        x: the image as the likelihood sees it, `(H, W)`.
        mean: `(H, W)`.
        deviation: `(H, W)`.
        log_p: log probability or density of each pixel, `(H, W)` in nats.
        raw: the decoder's last layer, `(P, H, W)`.
    """

    x: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    log_p: np.ndarray
    raw: np.ndarray


def model(kind: str) -> LatentSpace:
    """The small model with a likelihood."""
    return autoencoder.open_model(f"lab/digits-{kind.replace('_', '-')}")


def models() -> list[LatentSpace]:
    """The three, in the order of `KINDS`."""
    return [model(kind) for kind in KINDS]


@torch.no_grad()
def evaluate_pixels(space: LatentSpace, x: Tensor) -> PixelLikelihood:
    """Encodes one image `(C, H, W)`, decodes it, and reads the likelihood pixel by pixel."""
    own = space.model
    z = own.encoder(x[None]).mean
    pixels = own.decoder(z).base_dist
    observed = own.observe(x[None])
    maps = (observed, pixels.mean, pixels.stddev, pixels.log_prob(observed))
    observed, mean, deviation, log_p = (v[0, 0].numpy() for v in maps)
    return PixelLikelihood(observed, mean, deviation, log_p, own.decoder.network(z)[0].numpy())


def read_pixels(x: Tensor) -> tuple[int, int]:
    """Shows the three likelihoods under one pointer, and returns the pixel last clicked."""
    text = lesson("likelihoods")
    white = text.number("white")
    tones = {"m": plot_style.TERMS["mean"], "s": plot_style.TERMS["deviation"]}
    readings = []
    for kind in KINDS:
        s = evaluate_pixels(model(kind), x)
        values = {"x": s.x, "m": s.mean, "s": s.deviation, "p": s.log_p}
        pictures = [(text("pixel.input"), s.x), (text("pixel.mean"), s.mean)]
        pictures.append((text("pixel.deviation", white=white), s.deviation / white))
        if kind == "bernoulli":
            values |= {"q": 1 - s.mean, "y": 1 - s.x}
        elif kind == "continuous_bernoulli":
            logit = torch.from_numpy(s.raw[0])
            softplus = F.softplus(logit).numpy()
            values |= {"l": s.raw[0], "f": softplus, "c": s.log_p - s.x * s.raw[0] + softplus}
        else:
            values |= {
                "e": -0.5 * ((s.x - s.mean) / s.deviation) ** 2,
                "w": -np.log(s.deviation),
                "t": np.full_like(s.x, 0.5 * math.log(2 * math.pi)),
            }
        lines = list(text.all(f"pixel.{kind}"))
        unit = "probability" if kind == "bernoulli" else "density"
        total = text(f"pixel.{unit}", count=s.x.size, total=f"{s.log_p.sum():.1f}")
        readings.append(Reading(text(f"kind.{kind}"), pictures, lines, values, tones, total))
    worst = np.abs(s.x - s.mean).argmax()  # where the Gaussian errs most there is most to see
    usual = tuple(int(k) for k in np.unravel_index(worst, s.x.shape))
    first = links.read_start("pixel", 2, 0, 1_000) or usual
    start = (int(first[0]), int(first[1]))
    at = live_pixels(readings, key="pixels", start=start, alt=text("pixel.alt"))
    links.put("pixel", links.numbers_text(at) if at != usual else None)
    if at != usual:
        layout.did(text)
    return at


def spread_figure(x: Tensor, pixel: tuple[int, int]) -> go.Figure:
    """The Gaussian's log density of one pixel against its standard deviation."""
    text = lesson("likelihoods")
    s = evaluate_pixels(model("gaussian"), x)
    own = model("gaussian").model.config
    error = abs(float(s.x[pixel] - s.mean[pixel]))
    chosen = float(s.deviation[pixel])
    sigma = np.geomspace(own.sigma_floor, 1, 200)
    figure = go.Figure()
    parts = (
        (text("spread.error"), -0.5 * (error / sigma) ** 2, "mean", "dot"),
        (text("spread.width"), -np.log(sigma * math.sqrt(2 * math.pi)),
         "deviation", "dot"),
        (text("spread.sum"),
         -0.5 * (error / sigma) ** 2 - np.log(sigma * math.sqrt(2 * math.pi)), "elbo", "solid"),
    )  # fmt: skip
    for name, values, tone, dash in parts:
        line = {"color": plot_style.TERMS[tone], "dash": dash}
        figure.add_scatter(x=sigma, y=values, name=name, mode="lines", line=line)
    best = max(error, own.sigma_floor)
    for at, name, symbol in (
        (chosen, text("spread.chosen"), "circle"),
        (best, text("spread.best"), "star"),
    ):
        level = -0.5 * (error / at) ** 2 - math.log(at * math.sqrt(2 * math.pi))
        marker = {"size": 12, "symbol": symbol, "color": plot_style.TERMS["evidence"]}
        figure.add_scatter(x=[at], y=[level], name=name, mode="markers", marker=marker)
    figure.update_layout(
        height=360,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={
            "type": "log",
            "dtick": "D2",
            "tickformat": "~g",
            "title": text("spread.x"),
        },
        yaxis={"title": text("spread.y"), "range": [-8, 4.5]},
        legend={"orientation": "h", "y": -0.25},
    )
    return figure


@torch.no_grad()
def blur(space: LatentSpace, row: int) -> None:
    """Shows that a decoder predicts the mean of the images that share a code.

    Args:
        space: a model with few latent dimensions.
        row: row of the image.
    """
    text = lesson("likelihoods")
    count = text.number("neighbours")
    rows, _ = neighbours(space.mean, space.mean[row], count)
    near = torch.stack([space.image(int(k)) for k in rows])
    decoded = decode(space.model, space.mean[row][None])[0]
    shown = (
        (text("blur.image"), space.image(row)),
        (text("blur.mean", count=count), near.mean(0)),
        (text("blur.decoded"), decoded),
    )
    st.image(
        [images.data_url(picture, 252) for _, picture in shown],
        caption=[words for words, _ in shown],
        width=128,
        alt=[words for words, _ in shown],
    )
    st.image(
        images.data_url(images.sheet(near[:12], 6), 112),
        caption=text("blur.some"),
        alt=text("blur.some"),
    )


def _tiled(log_p: np.ndarray) -> np.ndarray:
    return np.tile(log_p.ravel(), 20)


def _ends(products: np.ndarray) -> tuple[str, int] | None:
    """Whether and where a running product has become 0 or infinite."""
    gone = (products == 0) | ~np.isfinite(products)
    if not gone.any():
        return None
    first = int(gone.argmax())
    return ("zero" if products[first] == 0 else "infinite"), first + 1


@cache.shared(16)
@torch.no_grad()
def shares(space: LatentSpace, count: int = 500) -> dict[str, tuple[int, int]]:
    """Of how many images the product of all pixels is 0, and infinite, by precision."""
    x = space.model.observe(space.dataset.images[torch.from_numpy(space.index[:count])])
    log_p = space.model.decoder(space.model.encoder(x).mean).base_dist.log_prob(x).flatten(1)
    last = {
        name: np.array([running_products(row, dtype)[-1] for row in log_p.numpy()])
        for name, dtype in PRECISIONS.items()
    }
    return {k: (int((v == 0).sum()), int((~np.isfinite(v)).sum())) for k, v in last.items()}


def product_in_halves(space: LatentSpace, x: Tensor) -> tuple[int, dict[str, str]]:
    """What the product of all pixels' probabilities is in float16: 0 small, 1 zero, 2 infinite.

    Args:
        space: a Bernoulli model.
        x: one image `(C, H, W)`.

    Returns:
        The answer, and its logarithms as text.
    """
    log_p = evaluate_pixels(space, x).log_p.ravel()
    end = _ends(running_products(log_p, np.float16))
    logs = float(log_p.astype(np.float64).sum())
    texts = {"logs": f"{logs:.1f}", "power": f"{logs / math.log(10):.0f}"}
    answer = 0 if end is None else {"zero": 1, "infinite": 2}[end[0]]
    return answer, {name: text.replace("-", "−") for name, text in texts.items()}


def underflow(space: LatentSpace, x: Tensor) -> None:
    """Multiplies the probabilities of an image's pixels one by one, in three precisions.

    Args:
        space: a Bernoulli model.
        x: one image `(C, H, W)`.
    """
    text = lesson("likelihoods")
    count = text.number("counted")
    names = {k: text(f"kind.{k}") for k in KINDS if k != "continuous_bernoulli"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            text("product.choose"), list(names), format_func=names.get, required=True,
            **links.choice("multiply", names, "bernoulli", labels=names.get),
        )  # fmt: skip
        pixels = int(
            st.slider(text("product.pixels"), 1, 784,
                      **links.number("pixels-so-far", 784, 1, 784, whole=True))
        )  # fmt: skip
    space = space if kind == "bernoulli" else model(kind)
    log_p = evaluate_pixels(space, x).log_p
    order = _tiled(log_p)
    figure = go.Figure()
    for column, (name, dtype) in zip(st.columns(3), PRECISIONS.items(), strict=True):
        products = running_products(order, dtype)
        end = _ends(products)
        size = log_p.size
        with np.errstate(divide="ignore"):
            heights = np.log10(products[:size].astype(np.float64))
        alive = np.isfinite(heights)
        figure.add_scatter(
            x=np.arange(1, size + 1)[alive], y=heights[alive], mode="lines", name=name,
            line={"color": plot_style.TERMS[_TONES[name]], "width": 3},
        )  # fmt: skip
        if end and end[1] <= size:
            figure.add_scatter(
                x=[end[1]], y=[heights[alive][-1] if alive.any() else 0], mode="markers+text",
                text=[text("product.mark", precision=name, end=text(f"product.{end[0]}"))],
                textposition="middle right", showlegend=False,
                marker={"symbol": "x", "size": 11, "color": plot_style.TERMS[_TONES[name]]},
                cliponaxis=False,
            )  # fmt: skip
        value = float(products[pixels - 1])
        column.metric(name, text("product.zero") if value == 0 else f"{value:.3g}")
        if end:
            key = "product.after_pictures" if end[1] > size else "product.after"
            values = {"pixels": f"{end[1]:,}", "pictures": f"{end[1] / size:.1f}"}
            column.caption(text(key, end=text(f"product.{end[0]}"), **values))
        zero, infinite = shares(space, count)[name]
        column.caption(text("product.shares", zero=zero, infinite=infinite, count=count))
    sums = np.cumsum(log_p.ravel().astype(np.float64)) / math.log(10)
    figure.add_scatter(
        x=np.arange(1, log_p.size + 1), y=sums, mode="lines", name=text("product.sum"),
        line={"color": plot_style.TERMS["prior"], "dash": "dash"},
    )  # fmt: skip
    figure.add_vline(x=pixels, line={"color": plot_style.TERMS["prior"], "width": 1})
    figure.update_layout(
        height=360,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": text("product.x")},
        yaxis={"title": text("product.y")},
        legend={"orientation": "h", "y": -0.22},
    )
    chart(figure, key="products", alt=text("product.alt"))
    logs = float(log_p.ravel()[:pixels].sum())
    dimensions = space.mean.shape[1]
    st.caption(text("product.caption", pixels=pixels, logs=f"{logs:.2f}", dimensions=dimensions))


@torch.no_grad()
def averaging(space: LatentSpace, x: Tensor, seed: int) -> None:
    """Averages likelihoods of one image over draws of q, as written and by log-sum-exp."""
    text, own = lesson("likelihoods"), space.model
    count = text.number("draws")
    posterior = own.encoder(x[None])
    noise = torch.randn((count, own.latent_dim), generator=torch.Generator().manual_seed(seed))
    z = posterior.mean + posterior.base_dist.scale * noise
    log_p = own.decoder(z).log_prob(own.observe(x[None])[0]).numpy()
    rows = []
    for name, dtype in PRECISIONS.items():
        naive, stable = average_likelihood(log_p, dtype)
        rows.append(
            {
                text("average.precision"): name,
                text("average.naive"): f"{naive:.3f}".replace("-inf", "−∞"),
                text("average.stable"): f"{stable:.3f}",
            }
        )
    st.table(rows)
    low, high = (f"{value:.1f}".replace("-", "−") for value in (log_p.min(), log_p.max()))
    st.caption(text("average.caption", count=count, low=low, high=high))
