"""How a model is trained; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass

from .. import compatibility
from ..config import Fields

__all__ = ["PRECISIONS", "TrainingConfig"]

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class TrainingConfig(Fields):
    """How a model is trained.

    Args:
        epochs: passes over the images.
        batch_size: images in each step.
        learning_rate: peak rate of Adam; it decays to 0 on a cosine schedule.
        beta: weight of the KL in the objective.
        beta_warmup: epochs over which beta rises from 0.
        free_bits: nats of each dimension's KL that cost nothing.
        sigma_warmup_epochs: epochs in which `gaussian` learns one σ for all pixels, before it
            learns a map of them.
        variance_weighting: for `gaussian`, 0 is the likelihood itself; up to 1, each pixel's term
            is weighted by that power of its predicted variance, see `objective`.
        precision: of the network's products: `float32`, `bfloat16` (sums stay in 32 bits), or
            `auto`, which is bfloat16 where the processor has instructions for it.
        seed: determines the initial weights, the order of the images and all noise.

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
    sigma_warmup_epochs: float = 0.0  # a free σ fits edges before the mean has found them
    variance_weighting: float = 0.0
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("batch_size", 1, 65_536),
            ("learning_rate", 1e-8, 1),
            ("beta", 0, 1_000),
            ("beta_warmup", 0, 100_000),
            ("free_bits", 0, 100),
            ("sigma_warmup_epochs", 0, 100_000),
            ("variance_weighting", 0, 1),
            ("seed", 0, 2**31 - 1),
        ):
            self._number(name, low, high, whole=self.__dataclass_fields__[name].type == "int")
        self._choice("precision", PRECISIONS)

    @classmethod
    def from_dict(cls, fields: object) -> TrainingConfig:
        """Reads what `to_dict` wrote, or an earlier version did.

        Raises:
            ConfigError: for anything but an object with known fields and valid values.
        """
        return super().from_dict(compatibility.training_fields(fields))
