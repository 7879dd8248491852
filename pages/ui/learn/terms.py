"""The lesson on the two terms: a q moved by hand, beta from 0 to collapse, gradients by term."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from pages.ui.components.latent_planes import Ellipse, Panel, live_gaussian, live_planes
from pages.ui.components.plotly_chart import chart
from pages.ui.learn import autoencoder, layout
from pages.ui.learn.as_python import terms_as_python
from pages.ui.learn.texts import lesson, numbers
from pages.ui.shared import cache, estimates, images, links, plot_style, share, visitor
from pages.ui.shared.latent_space import LatentSpace
from vae.codes import decode
from vae.latent import evenly
from vae.theory.exact import exact_elbo
from vae.theory.gradients import gradient_norms

__all__ = ["gradients", "guess_panel", "is_near", "move_posterior", "rate_distortion", "sweep"]

_ELLIPSES = 110  # posteriors that are drawn, spread evenly over the images
_BATCH = 128  # images whose gradients are averaged


def guess_panel(space: LatentSpace) -> Panel:
    """The plane on which a visitor predicts where the encoder puts an image."""
    half = float(np.abs(space.mean).max()) * 1.05
    bounds = (-half, half, -half, half)
    return Panel("", bounds, None, space.mean, space.class_of, rings=True, marked=True)


def is_near(place: tuple[float, float] | None, mean: np.ndarray) -> bool:
    """Whether a place lies within a standard deviation of the prior of a mean `(2,)`."""
    return place is not None and float(np.hypot(*(np.array(place) - mean))) <= 1


def move_posterior(space: LatentSpace, row: int, seed: int) -> None:
    """Lets the visitor move and widen q for one image, and shows both terms."""
    text = lesson("terms")
    x, mean, sigma = space.image(row), space.mean[row], np.sqrt(space.variance[row])
    known = visitor.current()
    tries = known.posterior_tries
    # A link leads to a q once: another image, or the way back, starts at the encoder's.
    linked = links.read_numbers("q", 4, -100, 100)
    if known.posterior_start is None or linked is not None:
        known.posterior_start = row, linked
    start = known.posterior_start[1] if known.posterior_start[0] == row and tries == 0 else None
    start = start or (*mean.tolist(), *sigma.tolist())
    noise = np.random.default_rng(seed).standard_normal((8, 2))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        half = float(np.abs(space.mean).max()) * 1.05
        centre, width = live_gaussian(
            Panel(
                text("q.title"),
                (-half, half, -half, half),
                space.name,
                space.mean,
                space.class_of,
                rings=True,
            ),
            start[:2],
            np.clip(start[2:], 0.005, 10),
            key=f"q-{row}-{tries}",
            noise=noise,
            words=layout.plane_words(gaussian=True),
            colour=plot_style.TERMS["posterior"],
        )
    own_q = (np.array(centre), np.array(width))
    moved = not np.allclose([*centre, *width], [*mean, *sigma], atol=2e-3)
    if moved:
        layout.did(text)
    links.put("q", links.numbers_text([*centre, *width]) if moved else None)
    bounds = estimates.elbo_of(space, x, row)
    own = (bounds.elbo.value + bounds.kl, bounds.kl)
    now = own
    if moved:
        q = (torch.tensor(v, dtype=torch.float32) for v in (centre, width))
        now = exact_elbo(space.model, x, *q)
    share.python(lambda: terms_as_python(space, row, own_q if moved else None))
    with right:
        layout.balance(
            ("elbo", r"\mathrm{ELBO}", now[0] - now[1]),
            ("reconstruction", r"\mathbb{E}_q[\log p(x|z)]", now[0]),
            ("kl", r"-\,\mathrm{KL}(q\|p(z))", -now[1]),
            digits=1,
            rounded=0,
        )
        chart(
            _terms(own, now),
            key="terms",
            alt=text("q.alt"),
        )
        st.button(
            text("q.reset"),
            icon=":material/undo:",
            key="again",
            on_click=_put_back,
            disabled=not moved,
        )


def _put_back() -> None:
    visitor.current().posterior_tries += 1


def _terms(own: tuple[float, float], now: tuple[float, float]) -> go.Figure:
    """What each q loses, in nats: the two bars add up to −ELBO."""
    text, figure = lesson("terms"), go.Figure()
    names = [text("q.yours"), text("q.encoder")]
    for term, k, sign in (("reconstruction", 0, -1), ("kl", 1, 1)):
        values = [sign * pair[k] for pair in (now, own)]
        figure.add_bar(
            y=names,
            x=values,
            orientation="h",
            name=text(f"q.{term}"),
            marker_color=plot_style.TERMS[term],
            text=[f"{v:.1f}" for v in values],
            textposition="auto",
            cliponaxis=False,
        )
    figure.update_layout(
        barmode="stack",
        height=230,
        margin={"l": 10, "r": 40, "t": 10, "b": 10},  # for the number of a narrow bar
        xaxis={"title": text("q.nats"), "rangemode": "tozero"},
        yaxis={"autorange": "reversed"},
        legend={"orientation": "h", "y": 1.2},
    )
    return figure


def _models() -> dict[str, LatentSpace]:
    name, betas = (numbers("terms")[key] for key in ("swept", "betas"))
    return {beta: autoencoder.open_model(name.replace("{beta}", beta)) for beta in betas}


def sweep(row: int, seed: int) -> None:
    """Shows the aggregate posterior for each beta, and one image reconstructed by each model.

    Args:
        row: row of the image in the reference model.
        seed: seed of the draws.
    """
    text, panels = lesson("terms"), []
    models = _models()
    for beta, space in models.items():
        some = evenly(np.arange(len(space)), _ELLIPSES)
        sigma = np.sqrt(space.variance)
        ellipses = [
            Ellipse(space.mean[k], sigma[k], plot_style.COLOURS[space.class_of[k] % 10])
            for k in some
        ]
        half = max(3.2, float(np.abs(space.mean).max()) * 1.08)
        panels.append(
            Panel(
                f"β = {beta}",
                (-half, half, -half, half),
                points=space.mean[some],
                classes=space.class_of[some],
                ellipses=ellipses,
                rings=True,
                note=text(
                    "sweep.note",
                    kl=f"{space.kl.mean():.1f}",
                    reconstruction=f"{(space.elbo + space.kl).mean():.0f}".replace("-", "−"),
                ),
            )
        )
    words = layout.plane_words()
    live_planes(panels, key="sweep", words=words, legend=next(iter(models.values())).classes)
    x = autoencoder.open_model("digits").image(row)
    reconstructed = torch.cat(
        [decode(space.model, space.model.encoder(x[None]).mean) for space in models.values()]
    )
    z = torch.randn((8, 2), generator=torch.Generator().manual_seed(seed))
    drawn = {beta: decode(space.model, z) for beta, space in models.items()}
    for column, beta, back in zip(st.columns(len(models)), models, reconstructed, strict=True):
        sheet = images.sheet(torch.cat([x[None], back[None], drawn[beta]]), 5)
        column.image(
            images.data_url(sheet, 112),
            caption=text("sweep.caption", beta=beta),
            alt=text("sweep.alt", beta=beta),
        )


def rate_distortion() -> go.Figure:
    """Nats spent on the code against nats lost in the image, one point for each beta."""
    text, models = lesson("terms"), _models()
    rate = [float(space.kl.mean()) for space in models.values()]
    distortion = [float(-(space.elbo + space.kl).mean()) for space in models.values()]
    figure = go.Figure()
    figure.add_scatter(
        x=rate,
        y=distortion,
        mode="lines+markers+text",
        text=[f"β = {beta}" for beta in models],
        textposition="top right",
        marker={"size": 11, "color": plot_style.TERMS["elbo"]},
        line={"color": plot_style.TERMS["prior"], "dash": "dot"},
        cliponaxis=False,
    )
    figure.update_layout(
        height=330,
        margin={"l": 10, "r": 70, "t": 30, "b": 10},
        xaxis={"title": text("rate.x"), "rangemode": "tozero"},
        yaxis={"title": text("rate.y")},
        showlegend=False,
    )
    return figure


@cache.shared(64)
def _norms(space: LatentSpace, seed: int) -> dict[tuple[str, str], float]:
    x = space.dataset.images[torch.from_numpy(space.index[:_BATCH])]
    noise = torch.randn(
        (len(x), space.model.latent_dim), generator=torch.Generator().manual_seed(seed)
    )
    return gradient_norms(space.model, x, noise)


def gradients(space: LatentSpace, seed: int) -> go.Figure:
    """Norms of the gradients that each term sends to each network."""
    text, norms = lesson("terms"), _norms(space, seed)
    figure = go.Figure()
    networks = ("encoder", "decoder")
    for term in ("reconstruction", "kl"):
        values = [norms[term, network] for network in networks]
        figure.add_bar(
            x=[text(f"gradients.{network}") for network in networks],
            y=values,
            name=text(f"gradients.{term}"),
            marker_color=plot_style.TERMS[term],
            text=[text("gradients.zero") if v == 0 else f"{v:.3g}" for v in values],
            textposition="outside",
            cliponaxis=False,
        )
    figure.update_layout(
        barmode="group",
        height=330,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        yaxis={"title": text("gradients.y")},
        legend={"orientation": "h", "y": 1.15},
    )
    return figure
