"""The training configuration; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass

from .. import compatibility
from ..config import Fields

__all__ = ["PRECISIONS", "TrainingConfig"]

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class TrainingConfig(Fields):
    """The hyperparameters of training.

    Args:
        epochs: passes over the images.
        batch_size: images in each step.
        learning_rate: peak rate of Adam; it decays to 0 on a cosine schedule.
        beta: weight of the KL in the objective.
        beta_warmup: epochs over which beta rises from 0.
        free_bits: nats of KL per latent dimension that the objective does not penalise.
        sigma_warmup_epochs: epochs in which `gaussian` learns one σ for all pixels, before it
            learns one per pixel.
        variance_weighting: exponent of the predicted variance by which `gaussian` weights the
            term of each pixel, 0 (the likelihood itself) to 1; see `objective`.
        augmentation: largest random distortion of training images, 0 (none) to 1: rotations of
            11.5 degrees, 12 % of the size, shears of 0.2 and shifts of 3.5 % of a side.
        augmented_share: part of the epochs in which images are distorted, 0 to 1; the rest, at
            the end, sees them as they are.
        patience: epochs without a better held-out objective after which training stops; the
            weights of the best epoch are kept. 0 trains all epochs and keeps the last.
        precision: arithmetic of matrix products: `float32`, `bfloat16` (sums stay in 32 bits), or
            `auto`, which is bfloat16 where the processor has instructions for it.
        seed: seed of the initial weights, the order of the images and all noise.

    Raises:
        ConfigError: if a value is invalid; the message names the field, what was found and what
            was expected.

    References:
        Warm-up: Ladder variational autoencoders (Sønderby et al., 2016); decay: SGDR (Loshchilov
        and Hutter, 2016); patience: Early stopping – but when? (Prechelt, 1998).
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 3e-3
    beta: float = 1.0
    beta_warmup: float = 0.0
    free_bits: float = 0.0
    sigma_warmup_epochs: float = 0.0  # a free σ fits edges before the mean has found them
    variance_weighting: float = 0.0
    augmentation: float = 0.0
    augmented_share: float = 0.9
    patience: int = 0
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
            ("augmentation", 0, 1),
            ("augmented_share", 0, 1),
            ("patience", 0, 100_000),
            ("seed", 0, 2**31 - 1),
        ):
            self._number(name, low, high, whole=self.__dataclass_fields__[name].type == "int")
        self._choice("precision", PRECISIONS)

    @classmethod
    def from_dict(cls, fields: object) -> TrainingConfig:
        """Creates a configuration from the output of `to_dict`, of this or an earlier version.

        Raises:
            ConfigError: if `fields` is not an object with known fields and valid values.
        """
        return super().from_dict(compatibility.training_fields(fields))
