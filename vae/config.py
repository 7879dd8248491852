"""The configuration of a network, and the validation of every configuration, without torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from dataclasses import fields as fields_of
from itertools import pairwise
from typing import Any, Self

__all__ = ["LIKELIHOODS", "ConfigError", "Fields", "VAEConfig", "parameters_per_pixel"]

LIKELIHOODS = ("bernoulli", "continuous_bernoulli", "gaussian", "gaussian_fixed")
_LATER = ("blocks", "prior_components")  # fields that came later, 0 where there are none
_LARGEST = 50_000_000  # parameters; a larger network is refused before memory is allocated


class ConfigError(ValueError):
    """An invalid configuration; the message names the field, what was found and expected."""


@dataclass(frozen=True)
class Fields:
    """The base class of configurations, which are frozen dataclasses.

    Their `__post_init__` validates every value, so that every instance is valid.
    """

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: object) -> Self:
        """Creates a configuration from the output of `to_dict`; missing fields have defaults.

        Raises:
            ConfigError: if `fields` is not an object with known fields and valid values.
        """
        if not isinstance(fields, dict):
            raise ConfigError(f"config is {type(fields).__name__}; expected an object.")
        known = {field.name for field in fields_of(cls)}
        if unknown := sorted(map(str, set(fields) - known)):
            raise ConfigError(f"config has unknown fields {unknown}; expected {sorted(known)}.")
        try:
            return cls(**fields)
        except TypeError as error:  # a field without a default
            raise ConfigError(f"config is incomplete: {error}.") from error

    def _number(self, name: str, low: float, high: float, *, whole: bool) -> None:
        value = getattr(self, name)
        kinds = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            expected = "a whole number" if whole else "a number"
            raise ConfigError(f"{name} is {value!r}; expected {expected} from {low} to {high:,}.")

    def _choice(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise ConfigError(
                f"{name} is {getattr(self, name)!r}; expected one of {', '.join(choices)}."
            )


@dataclass(frozen=True)
class VAEConfig(Fields):
    """The architecture of a VAE.

    Args:
        image_shape: (channels, height, width): 1 or 3 channels, 8 to 256 pixels a side.
        latent_dim: number of latent dimensions D, 1 to 512.
        likelihood: likelihood p(x|z), one of `LIKELIHOODS`.
        variational: False for a standard autoencoder, whose q(z|x) is a point.
        channels: widths of the convolutions, finest first; each level halves the image. Without
            convolutions the network is fully connected.
        hidden: widths of the fully connected layers, from the image towards the code.
        blocks: residual blocks at each level, 0 to 4. With any, images are normalised between
            convolutions, and the decoder enlarges them by repeating pixels; with none, the
            network is plain convolutions.
        prior_components: components of a learned prior, a mixture of the posteriors of images
            that are learned, 2 to 1,000; 0 for the prior N(0, I).
        sigma_floor: smallest standard deviation that `gaussian` may predict, for pixels in [0, 1].
        sigma: standard deviation of `gaussian_fixed`.

    Raises:
        ConfigError: if a value is invalid; the message names the field, what was found and what
            was expected.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int = 16  # enough for most small images; 2 makes the map the latent space
    likelihood: str = "bernoulli"
    variational: bool = True
    channels: tuple[int, ...] = (32, 64)  # two halvings: 28 → 14 → 7
    hidden: tuple[int, ...] = (256,)
    blocks: int = 0
    prior_components: int = 0
    sigma_floor: float = 1 / 64  # four grey levels: quantisation is invisible below it
    sigma: float = 0.1

    def __post_init__(self) -> None:
        for name in ("image_shape", "channels", "hidden"):
            self._whole_numbers(name)
        self._check_image_shape()
        self._number("latent_dim", 1, 512, whole=True)
        self._choice("likelihood", LIKELIHOODS)
        if not isinstance(self.variational, bool):
            raise ConfigError(f"variational is {self.variational!r}; expected true or false.")
        for name in ("channels", "hidden"):
            value = getattr(self, name)
            if len(value) > 6 or not all(1 <= width <= 4096 for width in value):
                raise ConfigError(f"{name} is {value}; expected at most 6 widths from 1 to 4096.")
        halvings = 2 ** len(self.channels)
        if any(side % halvings for side in self.image_shape[1:]):
            raise ConfigError(
                f"channels has {len(self.channels)} levels, each of which halves the image, but "
                f"{self.image_shape[1]}×{self.image_shape[2]} is not divisible by {halvings}; "
                "use fewer levels, or channels=() for a fully connected network."
            )
        self._number("blocks", 0, 4, whole=True)
        if self.blocks and not self.channels:
            raise ConfigError(
                f"blocks is {self.blocks}, but channels is empty; expected widths of convolutions "
                "beside residual blocks, or blocks=0."
            )
        self._number("prior_components", 0, 1000, whole=True)
        if self.prior_components == 1 or (self.prior_components and not self.variational):
            raise ConfigError(
                f"prior_components is {self.prior_components}; expected 0, or 2 to 1,000 in a "
                "variational model."
            )
        for name in ("sigma_floor", "sigma"):
            self._number(name, 1e-30, 1, whole=False)
        if (size := self.parameter_count()) > _LARGEST:
            raise ConfigError(
                f"channels, hidden and latent_dim give {size:,} parameters; expected at most "
                f"{_LARGEST:,}. Choose a smaller network."
            )

    def _whole_numbers(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, list | tuple) or any(type(v) is not int for v in value):
            raise ConfigError(f"{name} is {value!r}; expected a list of whole numbers.")
        object.__setattr__(self, name, tuple(value))

    def _check_image_shape(self) -> None:
        self._whole_numbers("image_shape")
        if (
            len(self.image_shape) != 3
            or self.image_shape[0] not in (1, 3)
            or not all(8 <= side <= 256 for side in self.image_shape[1:])
        ):
            raise ConfigError(
                f"image_shape is {self.image_shape}; expected (channels, height, width) with 1 or "
                "3 channels and 8 to 256 pixels a side."
            )

    @property
    def has_prior(self) -> bool:
        """Whether N(0, I) is a distribution of codes."""
        return self.variational and not self.prior_components

    @property
    def differentiable(self) -> bool:
        """Whether its networks compute in 64 bits with gradients, as a lesson needs them."""
        return True

    @property
    def decodes(self) -> bool:
        """Whether there is a decoder."""
        return True

    @property
    def encodes(self) -> bool:
        """Whether there is an encoder."""
        return True

    @property
    def no_density(self) -> str:
        """Why there are no nats; "" where there are."""
        return (
            ""
            if self.variational
            else "the encoder of a standard autoencoder returns a point, not a distribution"
        )

    @property
    def limits(self) -> tuple[str, ...]:
        """What cannot be had of an imported model, a sentence each; nothing for our own."""
        return ()

    @property
    def kind(self) -> str:
        """What the model is, for a person."""
        return f"{'Variational' if self.variational else 'Standard'} autoencoder"

    @property
    def coarse_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) between the convolutions and the linear layers."""
        c, h, w = self.image_shape
        scale = 2 ** len(self.channels)
        return (self.channels[-1] if self.channels else c, h // scale, w // scale)

    @property
    def full_width(self) -> int:
        """Channels that the decoder keeps at full resolution, before its last convolution."""
        return max(self.channels[0] // 2, 8)

    def parameter_count(self) -> int:
        """Parameters of encoder and decoder, computed without building them."""
        c = self.image_shape[0]
        p = parameters_per_pixel(self.likelihood)
        flat = math.prod(self.coarse_shape)
        outward = [flat, *self.hidden]
        count = sum(a * b + b for a, b in pairwise(outward))
        count += (outward[-1] + 1) * self.latent_dim * (2 if self.variational else 1)
        inward = [self.latent_dim, *reversed(self.hidden), flat if self.channels else flat * p]
        count += sum(a * b + b for a, b in pairwise(inward))
        finest = [c, *self.channels]
        count += sum(16 * a * b + b for a, b in pairwise(finest))
        if self.channels:
            up = [*reversed(self.channels), self.full_width]
            kernel = 9 if self.blocks else 16
            count += sum(kernel * a * b + b for a, b in pairwise(up))
            count += (9 * self.full_width + 1) * c * p
        if self.blocks:
            block = sum(2 * (9 * w * w + w) + 4 * w for w in self.channels)
            count += 2 * self.blocks * block
            count += 2 * (self.channels[-1] + self.full_width)
        return count + self.prior_components * math.prod(self.image_shape)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them, without later ones that say nothing new.

        So the dictionary of a network that earlier versions knew is the same as theirs, and with
        it the fingerprint by which vectors know their model.
        """
        fields = super().to_dict()
        for name in _LATER:
            if not fields[name]:
                del fields[name]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def parameters_per_pixel(name: str) -> int:
    """The number of decoder outputs for each pixel: 2 for `gaussian`, else 1."""
    return 2 if name == "gaussian" else 1
