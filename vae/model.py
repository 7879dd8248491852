"""The variational autoencoder: encoder x → q(z|x), decoder z → p(x|z), prior p(z)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    constraints,
)

from .config import VAEConfig, parameters_per_pixel
from .decoder_graph import DecoderGraph
from .decoder_graph.from_network import graph_of_layers
from .layers import SLOPE, Residual, Upsampling, initialised, normalisation
from .likelihoods import likelihood, observe

__all__ = ["VAE", "Decoder", "Delta", "Encoder"]


class Delta(Distribution):
    """A distribution with all mass on one point: the output of a standard autoencoder's encoder.

    Args:
        point: location of the mass, `(..., D)`, with event `(D,)`.
    """

    arg_constraints = {"point": constraints.real_vector}  # noqa: RUF012
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, point: Tensor, validate_args: bool | None = None) -> None:
        self.point = point
        super().__init__(point.shape[:-1], point.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The point."""
        return self.point

    @property
    def variance(self) -> Tensor:
        """Zero."""
        return torch.zeros_like(self.point)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """The point, repeated for every sample."""
        return self.point.expand(torch.Size(sample_shape) + self.point.shape)


class _Observe(nn.Module):
    """Applies `observe` as the first layer, so that codes do not depend on the caller."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return observe(self.name, x)


def _full(out: Tensor) -> Tensor:
    """Converts to 32 bits: densities sum over thousands of pixels, too many for 16 bits."""
    return out.float() if out.dtype == torch.bfloat16 else out


class _CodeLayer(nn.Linear):
    """The layer before or after the code, which computes in 32 bits even if training uses 16.

    This preserves the precision of μ, σ and z; converting so few weights would take longer than
    multiplying them.
    """

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(_full(x))


class Encoder(nn.Module):
    r"""Amortised inference: one network gives :math:`q(z|x) = N(\mu, \sigma^2)` for every image.

    References:
        Auto-encoding variational Bayes (Kingma and Welling, 2013).
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.variational = config.variational
        layers: list[nn.Module] = [_Observe(config.likelihood)]
        width = config.image_shape[0]
        for channels in config.channels:
            layers.append(nn.Conv2d(width, channels, 4, 2, 1))
            if config.blocks:
                layers += [Residual(channels) for _ in range(config.blocks)]
            else:
                layers.append(nn.LeakyReLU(SLOPE))
            width = channels
        if config.blocks:
            layers += [normalisation(width), nn.SiLU()]
        layers.append(nn.Flatten())
        width = math.prod(config.coarse_shape)
        for hidden in config.hidden:
            layers += [nn.Linear(width, hidden), nn.LeakyReLU(SLOPE)]
            width = hidden
        layers.append(_CodeLayer(width, config.latent_dim * (2 if self.variational else 1)))
        self.network = initialised(layers)

    def forward(self, x: Tensor, validate_args: bool | None = None) -> Independent | Delta:
        """Returns q(z|x) with batch `(B,)` and event `(D,)`.

        Args:
            x: images `(B, C, H, W)` in [0, 1].
            validate_args: whether the distribution checks its arguments; torch's default if None.
        """
        out = self.network(x)
        if not self.variational:
            return Delta(out, validate_args)
        return self._gaussian(out, validate_args)

    def of_observed(self, x: Tensor, validate_args: bool | None = None) -> Independent:
        """q(z|x) of images that need not be thresholded, so that they get gradients."""
        return self._gaussian(self.network[1:](x), validate_args)

    def _gaussian(self, out: Tensor, validate_args: bool | None) -> Independent:
        mean, log_variance = out.chunk(2, dim=-1)
        # Within ±20 the exponential stays finite in float32, and σ never becomes exactly 0.
        sigma = torch.exp(0.5 * log_variance.clamp(-20, 20))
        return Independent(Normal(mean, sigma, validate_args), 1, validate_args)


class Decoder(nn.Module):
    """p(x|z): linear layers, layers that double the sides, one convolution at full resolution.

    The last convolution removes the faint texture that transposed convolutions of stride 2 leave.
    The layers are simple enough for a short kernel to run them in a browser.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        per_pixel = parameters_per_pixel(config.likelihood)
        c, h, w = config.image_shape
        widths = [config.latent_dim, *reversed(config.hidden)]
        widths.append(math.prod(config.coarse_shape) * (1 if config.channels else per_pixel))
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            linear = nn.Linear if layers else _CodeLayer
            layers += [linear(wide, narrow), nn.LeakyReLU(SLOPE)]
        if config.channels:
            layers.append(nn.Unflatten(1, config.coarse_shape))
            up = [*reversed(config.channels), config.full_width]
            for wide, narrow in pairwise(up):
                if config.blocks:
                    layers += [Residual(wide) for _ in range(config.blocks)]
                    layers.append(Upsampling(wide, narrow))
                else:
                    layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1), nn.LeakyReLU(SLOPE)]
            if config.blocks:
                layers += [normalisation(config.full_width), nn.SiLU()]
            layers.append(nn.Conv2d(config.full_width, per_pixel * c, 3, padding=1))
        else:
            layers[-1] = nn.Unflatten(1, (per_pixel * c, h, w))  # no activation
        self.network = initialised(layers)
        if config.likelihood == "gaussian":
            self._start_with_one_sigma()

    @torch.no_grad()
    def _start_with_one_sigma(self) -> None:
        weight, bias, half = self.sigma_head()
        weight[half:] = 0
        bias[half:] = math.log(0.04 / 0.96)

    def sigma_head(self) -> tuple[Tensor, Tensor, int]:
        """Weight and bias of the last layer, and the index of its first output that sets σ."""
        last = next(m for m in reversed(self.network) if isinstance(m, nn.Conv2d | nn.Linear))
        assert last.bias is not None  # every layer of a decoder has one
        return last.weight, last.bias, last.weight.shape[0] // 2

    def mean_biases(self) -> Tensor:
        """The biases of the last layer that set the mean, one a pixel or one a channel."""
        last = next(m for m in reversed(self.network) if isinstance(m, nn.Conv2d | nn.Linear))
        assert last.bias is not None
        return last.bias[: len(last.bias) // parameters_per_pixel(self.config.likelihood)]

    def forward(self, z: Tensor, validate_args: bool | None = None) -> Independent:
        """Returns p(x|z) with batch `(B,)` and event `(C, H, W)`.

        Args:
            z: codes `(B, D)`.
            validate_args: whether the distribution checks its arguments; torch's default if None.
        """
        config, raw = self.config, _full(self.network(z))
        return likelihood(
            config.likelihood, raw, config.sigma_floor, config.sigma, validate_args=validate_args
        )

    def graph(self) -> DecoderGraph:
        """The network as steps that the browser's kernel runs, up to the likelihood's numbers."""
        return graph_of_layers(self.network, self.config.latent_dim)


class VAE(nn.Module):
    """Encoder, decoder and prior; `config.variational=False` makes it a standard autoencoder.

    References:
        The learned prior: VAE with a VampPrior (Tomczak and Welling, 2018).
    """

    prior_logits: nn.Parameter | None

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.prior_logits = None
        if k := config.prior_components:
            self.prior_logits = nn.Parameter(torch.randn(k, *config.image_shape) - 2)
        self._zero: Tensor
        self.register_buffer("_zero", torch.zeros(config.latent_dim), persistent=False)
        self._known: tuple[object, MixtureSameFamily] | None = None

    @property
    def latent_dim(self) -> int:
        """The number of latent dimensions, D."""
        return self.config.latent_dim

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.config.image_shape

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self._zero.device

    @property
    def prior(self) -> Distribution:
        """The prior p(z), with event `(D,)`: N(0, I), or the learned mixture of Gaussians."""
        if self.prior_logits is None:
            return Independent(Normal(self._zero, torch.ones_like(self._zero)), 1)
        if self.prior_logits.requires_grad and torch.is_grad_enabled():
            return self._mixture(self.prior_logits)
        logits = self.prior_logits
        state = (logits._version, logits.data_ptr(), logits.dtype)
        if self._known is None or self._known[0] != state:
            with torch.no_grad():
                self._known = state, self._mixture(logits)
        return self._known[1]

    def _mixture(self, logits: Tensor) -> MixtureSameFamily:
        parts = self.encoder.of_observed(logits.sigmoid(), False)
        equal = Categorical(logits=logits.new_zeros(len(logits)), validate_args=False)
        return MixtureSameFamily(equal, parts, validate_args=False)

    def draw_prior(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws codes `(count, D)` from the prior."""
        eps = torch.randn(count, self.latent_dim, generator=generator).to(self._zero)
        if self.prior_logits is None:
            return eps
        prior = self.prior
        assert isinstance(prior, MixtureSameFamily)
        parts = prior.component_distribution
        chosen = torch.randint(len(parts.mean), (count,), generator=generator).to(eps.device)
        return parts.mean[chosen] + parts.stddev[chosen] * eps

    def observe(self, x: Tensor) -> Tensor:
        """Images as the model's likelihood observes them: thresholded at ½ for `bernoulli`."""
        return observe(self.config.likelihood, x)
