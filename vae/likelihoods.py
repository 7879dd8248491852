"""p(x|z): what the decoder says of every pixel, and how each likelihood sees grey images."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.distributions import Distribution, Independent, Normal, constraints

__all__ = [
    "Bernoulli",
    "ContinuousBernoulli",
    "likelihood",
    "observe",
    "training_target",
]

# Below this |logit| the closed forms lose digits to cancellation and a Taylor series is exact.
_NEAR_HALF = 0.1


class _LogBernoulli(Function):
    """x·λ − log(1 + exp λ), with slopes written out.

    The logarithm is max(λ, 0) − log sigmoid |λ|, right to the last digit of 1. torch's own takes
    three times as long to keep the digits of what is far below 1, which a sum over pixels loses.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        return logits.abs().sigmoid_().log_().addcmul_(x, logits).sub_(logits.clamp_min(0))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        logits, x = ctx.saved_tensors
        return (x - logits.sigmoid()) * grad, logits * grad if ctx.needs_input_grad[1] else None


class Bernoulli(torch.distributions.Bernoulli):
    """torch's own with a quicker likelihood."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability of black-and-white values, 0 or 1."""
        if self._validate_args:
            self._validate_sample(value)
        return _LogBernoulli.apply(*torch.broadcast_tensors(self.logits, value))


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

    def expand(self, batch_shape: torch.Size, _instance: None = None) -> ContinuousBernoulli:
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
        return _LogBernoulli.apply(*torch.broadcast_tensors(self.logits, value)) + log_norm

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
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


def likelihood(name: str, raw: Tensor, sigma_floor: float, sigma: float) -> Independent:
    """Reads a decoder's last layer as p(x|z).

    A Gaussian's mean is a sigmoid, because pixels lie in [0, 1]; its deviation is
    `sigma_floor + sigmoid(raw)`. The floor is needed: on a flat background the density of a
    deviation of 0 is unbounded and would own the objective.

    Args:
        name: one of `LIKELIHOODS`.
        raw: `(B, P·C, H, W)`, P numbers for every pixel.
        sigma_floor: smallest deviation of `gaussian`, in units of the pixel range.
        sigma: the deviation of `gaussian_fixed`.

    Returns:
        A distribution with batch `(B,)` and event `(C, H, W)`.
    """
    if name == "bernoulli":
        pixels: Distribution = Bernoulli(logits=raw)
    elif name == "continuous_bernoulli":
        pixels = ContinuousBernoulli(raw)
    elif name == "gaussian":
        mean, deviation = raw.chunk(2, dim=1)
        pixels = Normal(torch.sigmoid(mean), sigma_floor + torch.sigmoid(deviation))
    else:
        mean = torch.sigmoid(raw)
        pixels = Normal(mean, torch.full_like(mean, sigma))
    return Independent(pixels, 3)


def observe(name: str, x: Tensor) -> Tensor:
    """The image as the model sees it outside training: thresholded at ½ for `bernoulli`.

    Args:
        name: one of `LIKELIHOODS`.
        x: images `(B, C, H, W)` in [0, 1].
    """
    return torch.ge(x, 0.5, out=torch.empty_like(x)) if name == "bernoulli" else x


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
        return torch.lt(noise, x, out=torch.empty_like(x))
    if name == "gaussian":
        return x + (noise - 0.5) / 255
    return x
