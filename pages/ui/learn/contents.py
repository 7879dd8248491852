"""The steps of the lecture, in order; imports nothing that would delay the first page."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STEPS", "Step"]


@dataclass(frozen=True)
class Step:
    """One page of the lecture.

    Args:
        file: in `pages/`; its stem is the page's address.
        title: of the page.
        icon: a Material icon's name.
        about: what it shows, in one sentence.
    """

    file: str
    title: str
    icon: str
    about: str


STEPS = (
    Step(
        "learn_autoencoder.py",
        "Autoencoder or variational?",
        "compare",
        "The same network with and without noise: gaps, continuity, samples.",
    ),
    Step(
        "learn_elbo.py",
        "The ELBO is a bound",
        "vertical_align_bottom",
        "Below the evidence by exactly the distance between q and the true posterior.",
    ),
    Step(
        "learn_terms.py",
        "Two terms pulling",
        "swap_horiz",
        "Reconstruction against KL, and what beta does to the latent space.",
    ),
    Step(
        "learn_likelihoods.py",
        "What the decoder says",
        "blur_on",
        "Three likelihoods for one pixel, why pictures blur, and why sums are of logs.",
    ),
    Step(
        "learn_reparameterisation.py",
        "Reparameterisation",
        "conversion_path",
        "How a gradient gets through a random draw.",
    ),
    Step(
        "learn_amortised.py",
        "Amortised inference",
        "bolt",
        "One network guesses every posterior: how fast, and how far off.",
    ),
    Step(
        "learn_arithmetic.py",
        "Latent arithmetic",
        "calculate",
        "With glasses minus without: a direction, and how good it is.",
    ),
)
