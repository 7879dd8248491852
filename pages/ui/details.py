"""What is known of one pinned place: pictures, numbers in nats, neighbours in the latent space."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from pages.ui import images
from pages.ui.reference import Reference
from pages.ui.session import Pin
from vae import elbo, log_evidence
from vae.latent import neighbours

__all__ = ["KIND_BADGES", "show_evidence", "show_pin"]

KIND_BADGES = {  # what it is, colour, icon
    "real": ("Real image", "green", ":material/photo_camera:"),
    "upload": ("Your picture", "orange", ":material/upload:"),
    "sample": ("Generated", "blue", ":material/casino:"),
    "generated": ("Generated", "blue", ":material/auto_awesome:"),
}
_EVIDENCE_SAMPLES, _EVIDENCE_PARTS = 240, 6


@torch.no_grad()
def show_pin(ref: Reference, pin: Pin, width: int = 104) -> None:
    """Shows a pin at once; what takes longer is left to `show_evidence`.

    Args:
        ref: the pin's model.
        pin: what to show.
        width: of each picture, in pixels.
    """
    name, colour, icon = KIND_BADGES[pin.kind]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(name, color=colour, icon=icon)
        st.markdown(f"**{pin.title}**")
    x = original(ref, pin)
    likelihood = ref.model.decoder(torch.from_numpy(pin.z)[None])
    pictures = _pictures(ref, x, likelihood)
    tall = 2 * width if ref.shape[1] > 32 else 4 * ref.shape[1]
    st.image(
        [images.data_url(picture, tall) for _, picture in pictures],
        caption=[words for words, _ in pictures],
        width=width,
        alt=[f"{words}: {pin.title}" for words, _ in pictures],
    )
    _say_what_is_shown(ref, pin)
    if x is not None and ref.variational:
        bound = elbo(ref.model, x[None], generator=torch.Generator().manual_seed(0))
        with st.container(horizontal=True, gap="medium"):
            st.metric("KL", f"{bound.kl.item():.1f} nats", width="content")
            st.metric("Reconstruction", f"{bound.reconstruction.item():.0f} nats", width="content")
            st.metric("ELBO", f"{bound.elbo.item():.0f} nats", width="content")
    _show_neighbours(ref, pin)
    with st.expander("Its code, z", icon=":material/data_array:"):
        st.code(np.array2string(pin.z, precision=3, max_line_width=48), language=None)


def original(ref: Reference, pin: Pin) -> Tensor | None:
    """The image `(C, H, W)` behind a pin, None for one that was generated."""
    return ref.image(pin.row) if pin.row >= 0 else pin.image


def _pictures(ref: Reference, x: Tensor | None, likelihood: object) -> list[tuple[str, Tensor]]:
    found = []
    if x is not None:
        found.append(("original", x))
        if ref.model.config.likelihood == "bernoulli":
            found.append(("binarised", ref.model.observe(x)))
    found.append(("decoded" if x is None else "reconstruction", likelihood.mean[0]))
    if ref.model.config.likelihood == "gaussian":
        found.append(("predicted deviation", images.deviation(likelihood.stddev[0])))
    return found


def _say_what_is_shown(ref: Reference, pin: Pin) -> None:
    config = ref.model.config
    distance, verdict = ref.verdict(pin.z)
    words = []
    if pin.approximate:
        words.append("Decoded from a weighted mean of the nearest codes: approximate.")
    if pin.row < 0:
        usual = ref.spacing["usual"]
        words.append(
            f"Distance to the nearest code {distance:.2f} (usual between neighbours: "
            f"{usual:.2f}): {verdict}."
        )
    if config.likelihood == "bernoulli" and (pin.row >= 0 or pin.image is not None):
        words.append("This model sees pixels as black or white, cut at ½.")
    if config.likelihood == "gaussian":
        words.append(
            f"In the deviation white is {images.DEVIATION_WHITE:.2f} of the pixel range or more; "
            f"its floor is {config.sigma_floor:.3f}."
        )
    if pin.variance is not None:
        words.append("The ellipse on the map is two deviations of its posterior.")
    if words:
        st.caption(" ".join(words))
    if pin.image is not None and ref.is_foreign(pin.image):
        st.warning(
            "This picture is far from the images that the model knows: farther from its nearest "
            "one than 99 % of those are from theirs. Expect a poor reconstruction.",
            icon=":material/warning:",
        )


def _show_neighbours(ref: Reference, pin: Pin, count: int = 6) -> None:
    rows, distances = neighbours(ref.mean, pin.z, count + 1)
    keep = [(r, d) for r, d in zip(rows, distances, strict=True) if r != pin.row][:count]
    st.caption("Nearest real images in the latent space")
    st.image(
        [images.data_url(ref.image(int(r)), 56) for r, _ in keep],
        caption=[f"{ref.title(int(r))}" for r, _ in keep],
        width=56,
        alt=[f"Real image {ref.title(int(r))} at distance {d:.2f}" for r, d in keep],
    )


def show_evidence(ref: Reference, pin: Pin) -> None:
    """Estimates log p(x) in parts, so that the next click need not wait for the last one.

    Args:
        ref: a model; nothing is shown for a standard autoencoder.
        pin: nothing is shown for a generated one, which is no observation.
    """
    x = original(ref, pin)
    if x is None or not ref.variational:
        return
    slot = st.empty()
    generator = torch.Generator().manual_seed(0)
    share = _EVIDENCE_SAMPLES // _EVIDENCE_PARTS
    total = torch.tensor(-math.inf)
    for part in range(1, _EVIDENCE_PARTS + 1):
        slot.caption(f"Log evidence: estimating, {part} of {_EVIDENCE_PARTS}…")
        found = log_evidence(ref.model, x[None], samples=share, generator=generator)[0]
        total = torch.logaddexp(total, found)
    value = total.item() - math.log(_EVIDENCE_PARTS)
    slot.metric(
        "Log evidence, log p(x)",
        f"{value:.1f} nats",
        help=f"Estimated by importance sampling with {_EVIDENCE_SAMPLES} samples from a mixture "
        "around the posterior and the prior. The ELBO is a lower bound of it.",
    )
