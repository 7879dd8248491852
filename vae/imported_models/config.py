"""What is known of a model of one's own: what its networks take and give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..config import ConfigError, VAEConfig

__all__ = [
    "ENCODERS",
    "LAYOUTS",
    "LIKELIHOODS",
    "OUTPUTS",
    "SPREADS",
    "ImportedConfig",
]

LIKELIHOODS = ("bernoulli", "gaussian_fixed", "gaussian", "none")
OUTPUTS = ("probabilities", "logits", "mean")
ENCODERS = ("none", "point", "mean", "log_variance", "deviation")
SPREADS = ("log_variance", "deviation")
LAYOUTS = ("CHW", "HWC", "flat")
DECODERS = ("network", "nearest_image")
_LARGEST_LATENT = 1_024


@dataclass(frozen=True)
class ImportedConfig(VAEConfig):
    """What the networks of a model of one's own take and give.

    Args:
        image_shape: (channels, height, width): 1 or 3 channels, 8 to 256 pixels a side.
        latent_dim: number of latent dimensions D, the product of `latent_shape`.
        likelihood: `"bernoulli"`, `"gaussian_fixed"`, `"gaussian"`, or `"none"`, without which
            there is no density and there are no nats.
        variational: whether ELBO and KL are defined: the encoder gives a variance, and there is a
            likelihood. Follows from the other fields.
        channels: unused; empty.
        hidden: unused; empty.
        sigma_floor: smallest standard deviation of `gaussian`.
        sigma: standard deviation of `gaussian_fixed`, for pixels in [0, 1].
        latent_shape: shape of a code as the decoder takes it, such as (16,) or (4, 8, 8).
        encoder: what the encoder returns: `"mean"`, `"log_variance"` or `"deviation"` beside the
            mean, or `"point"` of a standard autoencoder; `"none"` without an encoder.
        decoder: `"network"`, or `"nearest_image"` where the image of the nearest code takes the
            place of a decoder.
        output: what the decoder returns: `"probabilities"` in [0, 1], `"logits"` of them, or the
            `"mean"` in `pixel_range`.
        spread: what the decoder returns for `gaussian` beside the mean: `"log_variance"` or
            `"deviation"`, in `pixel_range`.
        pixel_range: values of black and white in the encoder's input and the decoder's mean.
        input_layout: order of the axes of the encoder's input, one of `LAYOUTS`.
        output_layout: order of the axes of the decoder's output, likewise.

    Raises:
        ConfigError: if a value is invalid; the message names the field, what was found and what
            was expected.
    """

    channels: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()
    likelihood: str = "none"
    latent_shape: tuple[int, ...] = ()
    encoder: str = "log_variance"
    decoder: str = "network"
    output: str = "mean"
    spread: str = "log_variance"
    pixel_range: tuple[float, float] = (0.0, 1.0)
    input_layout: str = "CHW"
    output_layout: str = "CHW"

    def __post_init__(self) -> None:
        for name, choices in (
            ("likelihood", LIKELIHOODS),
            ("encoder", ENCODERS),
            ("decoder", DECODERS),
            ("output", OUTPUTS),
            ("spread", SPREADS),
            ("input_layout", LAYOUTS),
            ("output_layout", LAYOUTS),
        ):
            self._choice(name, choices)
        self._check_image_shape()
        shape = self.latent_shape
        if not isinstance(shape, list | tuple) or any(type(v) is not int or v < 1 for v in shape):
            raise ConfigError(f"latent_shape is {shape!r}; expected sizes such as 16 or 4,8,8.")
        shape = tuple(shape) or (self.latent_dim,)
        object.__setattr__(self, "latent_shape", shape)
        if len(shape) > 3 or math.prod(shape) != self.latent_dim:
            raise ConfigError(
                f"latent_shape is {shape}; expected at most three sizes, {self.latent_dim} codes "
                "in all."
            )
        self._number("latent_dim", 1, _LARGEST_LATENT, whole=True)
        low_high = self.pixel_range
        if (
            not isinstance(low_high, list | tuple)
            or len(low_high) != 2
            or not all(isinstance(v, int | float) and abs(v) <= 1e6 for v in low_high)
            or not low_high[0] < low_high[1]
        ):
            raise ConfigError(
                f"pixel_range is {low_high!r}; expected the values of black and white, such as "
                "0,1 or -1,1."
            )
        object.__setattr__(self, "pixel_range", (float(low_high[0]), float(low_high[1])))
        for name in ("sigma_floor", "sigma"):
            self._number(name, 1e-30, 1, whole=False)
        known = self.encoder in SPREADS and self.likelihood != "none"
        object.__setattr__(self, "variational", known)

    @property
    def has_prior(self) -> bool:
        """Whether N(0, I) is a distribution of codes: not where the encoder returns points."""
        return self.encoder != "point" and self.decoder == "network"

    @property
    def differentiable(self) -> bool:
        """Whether its networks compute in 64 bits with gradients: a file's do not."""
        return False

    @property
    def decodes(self) -> bool:
        """Whether there is a decoder: else the image of the nearest code takes its place."""
        return self.decoder == "network"

    @property
    def encodes(self) -> bool:
        """Whether there is an encoder."""
        return self.encoder != "none"

    @property
    def no_density(self) -> str:
        """Why there are no nats; "" where there are."""
        if self.variational:
            return ""
        if self.decoder == "nearest_image":
            return "this model has no decoder, and so no likelihood of pixels"
        if self.likelihood == "none":
            return "no likelihood was named when this model was imported"
        if self.encoder == "none":
            return "this model has no encoder, and so no posterior"
        return "the encoder of this model returns no variance"

    @property
    def limits(self) -> tuple[str, ...]:
        """What cannot be had of this model, a sentence each."""
        told = []
        if self.decoder == "nearest_image":
            told.append("There is no decoder: the image of the nearest code takes its place.")
        if not self.encodes:
            told.append("There is no encoder: no picture of your own can be placed.")
        if self.no_density:
            told.append(f"There are no nats: {self.no_density}.")
        return tuple(told)

    @property
    def kind(self) -> str:
        """What the model is, for a person."""
        if self.decoder == "nearest_image":
            return "Codes without a decoder: the nearest image is shown"
        if self.encoder == "none":
            return "Imported decoder without an encoder"
        return f"Imported {'autoencoder' if self.encoder == 'point' else 'VAE'}"

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in super().to_dict().items()
        }
