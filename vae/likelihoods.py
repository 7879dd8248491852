"""The likelihoods p(x|z) of pixels, and how each of them observes grey images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal, constraints

__all__ = [
    "STEEPEST",
    "ContinuousBernoulli",
    "likelihood",
    "logits_of_mean",
    "observe",
    "training_target",
]

STEEPEST = 255.0
"""Largest |logit| of a continuous Bernoulli: its standard deviation is then one 8-bit step."""

# Below this |logit| the closed forms suffer from cancellation; a Taylor series is exact there.
_NEAR_HALF = 0.1


class ContinuousBernoulli(Distribution):
    r"""The density on [0, 1] that is proportional to the Bernoulli probability of a grey value.

    .. math::
        \log p(x) = x \lambda - \mathrm{softplus}(\lambda)
        + \log\frac{\lambda}{\tanh(\lambda / 2)}

    All quantities are computed from the logits :math:`\lambda`, so that the mean approaches 0 and
    1 within the resolution of float32; clamped probabilities would turn black into grey.

    References:
        The continuous Bernoulli: fixing a pervasive error in variational autoencoders
        (Loaiza-Ganem and Cunningham, 2019).

    Args:
        logits: logits λ, of any shape.
    """

    arg_constraints = {"logits": constraints.real}  # noqa: RUF012
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, logits: Tensor, validate_args: bool | None = None) -> None:
        self.logits = logits
        super().__init__(logits.shape, validate_args=validate_args)

    def expand(
        self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: object = None
    ) -> ContinuousBernoulli:
        """Broadcasts the logits to `batch_shape`."""
        return ContinuousBernoulli(self.logits.expand(batch_shape), validate_args=False)

    def _split(self) -> tuple[Tensor, Tensor]:
        near = self.logits.abs() < _NEAR_HALF
        return near, torch.where(near, torch.ones_like(self.logits), self.logits)

    @property
    def mean(self) -> Tensor:
        """The mean E[x], which is not the sigmoid of the logits."""
        near, far = self._split()
        series = 0.5 + self.logits / 12 - self.logits**3 / 720
        return torch.where(near, series, -1 / torch.expm1(-far) - 1 / far)

    @property
    def variance(self) -> Tensor:
        """The variance Var[x], 1/12 at logit 0."""
        near, far = self._split()
        series = 1 / 12 - self.logits**2 / 240
        return torch.where(
            near,
            series,
            1 / far**2 - torch.sigmoid(far) * torch.sigmoid(-far) / torch.tanh(far / 2) ** 2,
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of grey values in [0, 1]."""
        if self._validate_args:
            self._validate_sample(value)
        near, far = self._split()
        series = math.log(2) + self.logits**2 / 12 - 7 * self.logits**4 / 1440
        log_norm = torch.where(
            near, series, torch.log(far.abs()) - torch.log(torch.tanh(far.abs() / 2))
        )
        return value * self.logits - F.softplus(self.logits) + log_norm

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Draws samples by the inverse distribution function, differentiable in λ."""
        near, far = self._split()
        u = torch.rand(
            torch.Size(sample_shape) + self.logits.shape,
            dtype=self.logits.dtype,
            device=self.logits.device,
        )
        # Positive logits use the mirrored form, so that no exponential overflows.
        flip = far > 0
        v = torch.where(flip, 1 - u, u)
        x = torch.log1p(v * torch.expm1(-far.abs())) / -far.abs()
        x = torch.where(flip, 1 - x, x)
        return torch.where(near, u + self.logits * u * (1 - u) / 2, x).clamp(0, 1)


def likelihood(
    name: str,
    raw: Tensor,
    sigma_floor: float,
    sigma: float,
    *,
    validate_args: bool | None = None,
) -> Independent:
    """Converts the outputs of a decoder's last layer to p(x|z).

    The mean of a Gaussian is a sigmoid, because pixels lie in [0, 1]; its standard deviation is
    `sigma_floor + sigmoid(raw)`. The floor is necessary: on a flat background the density grows
    without bound as the standard deviation approaches 0, and would dominate the objective. The
    logits of a continuous Bernoulli are limited to ±`STEEPEST` for the same reason: exactly black
    pixels would have a density without bound. No pixel then has more than log 255 = 5.5 nats,
    those of a grey value that is known for certain.

    Args:
        name: one of `LIKELIHOODS`.
        raw: outputs of the last layer `(B, P·C, H, W)`, P numbers for every pixel.
        sigma_floor: smallest standard deviation of `gaussian`, for pixels in [0, 1].
        sigma: standard deviation of `gaussian_fixed`.
        validate_args: whether the distribution checks its arguments; torch's default if None.

    Returns:
        A distribution with batch `(B,)` and event `(C, H, W)`.
    """
    if name == "bernoulli":
        pixels: Distribution = Bernoulli(logits=raw, validate_args=validate_args)
    elif name == "continuous_bernoulli":
        pixels = ContinuousBernoulli(raw.clamp(-STEEPEST, STEEPEST), validate_args)
    elif name == "gaussian":
        mean, deviation = raw.chunk(2, dim=1)
        sigmas = sigma_floor + torch.sigmoid(deviation)
        pixels = Normal(torch.sigmoid(mean), sigmas, validate_args)
    else:
        mean = torch.sigmoid(raw)
        pixels = Normal(mean, torch.full_like(mean, sigma), validate_args)
    return Independent(pixels, 3, validate_args)


def logits_of_mean(name: str, mean: Tensor) -> Tensor:
    """The outputs of a decoder's last layer that give a mean.

    Args:
        name: one of `LIKELIHOODS`.
        mean: means `(...)`, above 0 and below 1.
    """
    if name != "continuous_bernoulli":
        return torch.logit(mean)
    low, high = torch.full_like(mean, -1e4), torch.full_like(mean, 1e4)
    for _ in range(60):  # the mean rises with the logit
        middle = (low + high) / 2
        above = ContinuousBernoulli(middle, validate_args=False).mean > mean
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low + high) / 2


def observe(name: str, x: Tensor) -> Tensor:
    """Images as the model observes them outside training: thresholded at ½ for `bernoulli`.

    Args:
        name: one of `LIKELIHOODS`.
        x: images `(B, C, H, W)` in [0, 1].
    """
    return (x >= 0.5).to(x.dtype) if name == "bernoulli" else x


def training_target(name: str, x: Tensor, noise: Tensor) -> Tensor:
    """Images as the model observes them in training.

    `bernoulli` draws binary images with the grey values as probabilities. `gaussian` needs
    continuous data, so 8-bit grey values are dequantised with uniform noise.

    Args:
        name: one of `LIKELIHOODS`.
        x: images `(B, C, H, W)` in [0, 1].
        noise: uniform noise in [0, 1), of the shape of `x`.
    """
    if name == "bernoulli":
        return (noise < x).to(x.dtype)
    if name == "gaussian":
        return x + (noise - 0.5) / 255
    return x
