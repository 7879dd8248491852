"""How a model is trained; nothing here needs torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..config import ConfigError

__all__ = ["TrainingConfig"]


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Args:
        epochs: passes over the images.
        batch_size: images in each step.
        learning_rate: of Adam, at its highest; it falls to 0 along a half cosine.
        beta: weight of the KL in the objective.
        beta_warmup: epochs over which beta rises from 0.
        free_bits: nats of each dimension's KL that cost nothing.
        shared_sigma: epochs in which `gaussian` keeps one σ for every pixel, before it frees it.
        detail: see `objective`; 0 is the likelihood itself.
        seed: of the weights, the order of the images and all noise.

    Raises:
        ConfigError: names the field, what was found and what was expected.

    References:
        Warm-up: Ladder variational autoencoders (Sønderby et al., 2016); decay: SGDR (Loshchilov
        and Hutter, 2016).
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-3
    beta: float = 1.0
    beta_warmup: float = 0.0
    free_bits: float = 0.0
    shared_sigma: float = 0.0  # a freed σ chases edges before the mean has found them
    detail: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("batch_size", 1, 65_536),
            ("learning_rate", 1e-8, 1),
            ("beta", 0, 1_000),
            ("beta_warmup", 0, 100_000),
            ("free_bits", 0, 100),
            ("shared_sigma", 0, 100_000),
            ("detail", 0, 1),
            ("seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            kind = self.__dataclass_fields__[name].type
            allowed = int if kind == "int" else int | float
            if (
                isinstance(value, bool)
                or not isinstance(value, allowed)
                or not low <= value <= high
            ):
                what = "a whole number" if kind == "int" else "a number"
                raise ConfigError(f"{name} is {value!r}; expected {what} from {low} to {high}.")

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)
