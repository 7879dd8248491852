"""The steps of the lecture, in order; imports nothing that would delay the first page."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui.learn import texts

__all__ = ["STEPS", "Step"]


@dataclass(frozen=True)
class Step:
    """One page of the lecture.

    Args:
        name: name of the lesson and of the file of its texts.
        icon: a Material icon's name.
    """

    name: str
    icon: str

    @property
    def file(self) -> str:
        """The page's file in `pages/`; its stem is the page's address."""
        return f"learn_{self.name}.py"

    @property
    def title(self) -> str:
        """The title in the visitor's language."""
        return texts.lesson(self.name)("title")

    @property
    def about(self) -> str:
        """What the page shows, in one sentence."""
        return texts.lesson(self.name)("about")


STEPS = (
    Step("autoencoder", "compare"),
    Step("elbo", "vertical_align_bottom"),
    Step("terms", "swap_horiz"),
    Step("likelihoods", "blur_on"),
    Step("reparameterisation", "conversion_path"),
    Step("amortised", "bolt"),
    Step("arithmetic", "calculate"),
    Step("codes", "blur_circular"),
    Step("plane", "draw"),
    Step("conclusion", "flag"),
)
