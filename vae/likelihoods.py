"""p(x|z): what the decoder says of every pixel, and how each likelihood sees grey images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal, constraints

__all__ = [
    "ContinuousBernoulli",
    "likelihood",
    "observe",
    "training_target",
]

# Below this |logit| the closed forms lose digits to cancellation and a Taylor series is exact.
_NEAR_HALF = 0.1


class ContinuousBernoulli(Distribution):
    r"""The density of a grey value in [0, 1] that is proportional to a Bernoulli's formula.

    .. math::
        \log p(x) = x \lambda - \mathrm{softplus}(\lambda)
        + \log\frac{\lambda}{\tanh(\lambda / 2)}

    Computed from the logits :math:`\lambda` throughout: the mean reaches 0 and 1 as closely as
    float32 can tell, where clamped probabilities turn black into grey.

    References:
        The continuous Bernoulli: fixing a pervasive error in variational autoencoders
        (Loaiza-Ganem and Cunningham, 2019).

    Args:
        logits: λ, of any shape.
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
        """E[x], not the sigmoid of the logits."""
        near, far = self._split()
        series = 0.5 + self.logits / 12 - self.logits**3 / 720
        return torch.where(near, series, -1 / torch.expm1(-far) - 1 / far)

    @property
    def variance(self) -> Tensor:
        """Var[x], 1/12 at logit 0."""
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
        """Draws through the inverse of the distribution function, differentiable in λ."""
        near, far = self._split()
        u = torch.rand(
            torch.Size(sample_shape) + self.logits.shape,
            dtype=self.logits.dtype,
            device=self.logits.device,
        )
        # For positive logits use the mirrored form, so that no exponential overflows.
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
    """Reads a decoder's last layer as p(x|z).

    A Gaussian's mean is a sigmoid, because pixels lie in [0, 1]; its standard deviation is
    `sigma_floor + sigmoid(raw)`. The floor is needed: on a flat background the density is
    unbounded as the standard deviation falls to 0, and would dominate the objective.

    Args:
        name: one of `LIKELIHOODS`.
        raw: `(B, P·C, H, W)`, P numbers for every pixel.
        sigma_floor: smallest standard deviation of `gaussian`, for pixels in [0, 1].
        sigma: the standard deviation of `gaussian_fixed`.
        validate_args: whether the distribution checks its arguments; torch's default if None.

    Returns:
        A distribution with batch `(B,)` and event `(C, H, W)`.
    """
    if name == "bernoulli":
        pixels: Distribution = Bernoulli(logits=raw, validate_args=validate_args)
    elif name == "continuous_bernoulli":
        pixels = ContinuousBernoulli(raw, validate_args)
    elif name == "gaussian":
        mean, deviation = raw.chunk(2, dim=1)
        sigmas = sigma_floor + torch.sigmoid(deviation)
        pixels = Normal(torch.sigmoid(mean), sigmas, validate_args)
    else:
        mean = torch.sigmoid(raw)
        pixels = Normal(mean, torch.full_like(mean, sigma), validate_args)
    return Independent(pixels, 3, validate_args)


def observe(name: str, x: Tensor) -> Tensor:
    """The image as the model sees it outside training: thresholded at ½ for `bernoulli`.

    Args:
        name: one of `LIKELIHOODS`.
        x: images `(B, C, H, W)` in [0, 1].
    """
    return (x >= 0.5).to(x.dtype) if name == "bernoulli" else x


def training_target(name: str, x: Tensor, noise: Tensor) -> Tensor:
    """The image as the model sees it while training.

    `bernoulli` draws a black-and-white image with the grey values as probabilities; a Gaussian
    density needs continuous data, so 8-bit grey values are spread over their step.

    Args:
        name: one of `LIKELIHOODS`.
        x: images `(B, C, H, W)` in [0, 1].
        noise: uniform in [0, 1), of the shape of `x`.
    """
    if name == "bernoulli":
        return (noise < x).to(x.dtype)
    if name == "gaussian":
        return x + (noise - 0.5) / 255
    return x
