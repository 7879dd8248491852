"""What a network can be asked to be; nothing here needs torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

__all__ = ["LIKELIHOODS", "ConfigError", "VAEConfig", "parameters_per_pixel"]

LIKELIHOODS = ("bernoulli", "continuous_bernoulli", "gaussian", "gaussian_fixed")
_LARGEST = 50_000_000  # parameters; a file that asks for more is refused before memory is taken


class ConfigError(ValueError):
    """A configuration that no network can be built from."""


@dataclass(frozen=True)
class VAEConfig:
    """What a VAE is made of.

    Args:
        image_shape: (channels, height, width): 1 or 3 channels, 8 to 128 pixels a side.
        latent_dim: D, 1 to 512.
        likelihood: one of `LIKELIHOODS`.
        variational: False gives a standard autoencoder, whose q(z|x) is a point.
        channels: of the convolutions, finest first; each level halves the image. Empty: an MLP.
        hidden: widths of the fully connected layers, from the image towards the code.
        sigma_floor: smallest deviation that `gaussian` may predict, of a pixel range of 1.
        sigma: the deviation of `gaussian_fixed`.

    Raises:
        ConfigError: names the field, what was found and what was expected.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int = 16  # enough for most small images; 2 makes the map the latent space
    likelihood: str = "bernoulli"
    variational: bool = True
    channels: tuple[int, ...] = (32, 64)  # two halvings: 28 → 14 → 7
    hidden: tuple[int, ...] = (256,)
    sigma_floor: float = 1 / 64  # four grey levels: quantisation is invisible below it
    sigma: float = 0.1

    def __post_init__(self) -> None:
        for name in ("image_shape", "channels", "hidden"):
            value = getattr(self, name)
            _expect(
                isinstance(value, list | tuple) and all(_is_int(v) for v in value),
                f"{name} is {value!r}; expected a list of whole numbers.",
            )
            object.__setattr__(self, name, tuple(value))
        _expect(
            len(self.image_shape) == 3
            and self.image_shape[0] in (1, 3)
            and all(8 <= side <= 128 for side in self.image_shape[1:]),
            f"image_shape is {self.image_shape}; expected (channels, height, width) with 1 or 3 "
            "channels and 8 to 128 pixels a side.",
        )
        _expect(
            _is_int(self.latent_dim) and 1 <= self.latent_dim <= 512,
            f"latent_dim is {self.latent_dim!r}; expected a whole number from 1 to 512.",
        )
        _expect(
            self.likelihood in LIKELIHOODS,
            f"likelihood is {self.likelihood!r}; expected one of {', '.join(LIKELIHOODS)}.",
        )
        _expect(
            isinstance(self.variational, bool),
            f"variational is {self.variational!r}; expected true or false.",
        )
        for name, longest in (("channels", 6), ("hidden", 6)):
            value = getattr(self, name)
            _expect(
                len(value) <= longest and all(1 <= width <= 4096 for width in value),
                f"{name} is {value}; expected at most {longest} widths from 1 to 4096.",
            )
        halvings = 2 ** len(self.channels)
        _expect(
            all(side % halvings == 0 for side in self.image_shape[1:]),
            f"channels has {len(self.channels)} levels, each of which halves the image, but "
            f"{self.image_shape[1]}×{self.image_shape[2]} is not divisible by {halvings}; "
            "use fewer levels, or channels=() for a fully connected network.",
        )
        for name in ("sigma_floor", "sigma"):
            value = getattr(self, name)
            _expect(
                isinstance(value, int | float) and math.isfinite(value) and 0 < value <= 1,
                f"{name} is {value!r}; expected a number above 0 and at most 1.",
            )
        size = self.parameter_count()
        _expect(
            size <= _LARGEST,
            f"channels, hidden and latent_dim ask for {size:,} parameters; at most "
            f"{_LARGEST:,} are allowed.",
        )

    @property
    def coarse_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) between the convolutions and the linear layers."""
        c, h, w = self.image_shape
        scale = 2 ** len(self.channels)
        return (self.channels[-1] if self.channels else c, h // scale, w // scale)

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
            count += sum(16 * a * b + b for a, b in pairwise(up))
            count += (9 * self.full_width + 1) * c * p
        return count

    @property
    def full_width(self) -> int:
        """Channels that the decoder keeps at full resolution, before its last convolution."""
        return max(self.channels[0] // 2, 8)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: object) -> VAEConfig:
        """Reads what `to_dict` wrote.

        Raises:
            ConfigError: for anything but an object with known fields and valid values.
        """
        _expect(
            isinstance(fields, dict), f"config is {type(fields).__name__}; expected an object."
        )
        known = set(cls.__dataclass_fields__)
        unknown = sorted(map(str, set(fields) - known))
        _expect(not unknown, f"config has unknown fields {unknown}; expected {sorted(known)}.")
        _expect("image_shape" in fields, "config has no image_shape.")
        return cls(**fields)


def parameters_per_pixel(name: str) -> int:
    """How many numbers the decoder gives for each pixel: 2 for `gaussian`, else 1."""
    return 2 if name == "gaussian" else 1


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _expect(condition: bool, sentence: str) -> None:
    if not condition:
        raise ConfigError(sentence)
