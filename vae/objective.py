"""The ELBO and the evidence, in nats per image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from .model import VAE

__all__ = [
    "ELBO",
    "Objective",
    "elbo",
    "kl_per_dimension",
    "kl_to_prior",
    "log_evidence",
    "objective",
    "refuse_autoencoder",
]

PROPOSALS = ("mixture", "posterior")
# Factors by which the volume of q grows in the mixture, whose fourth component is the prior. A
# factor of σ itself would thin the draws out by its D-th power.
_VOLUMES = (1.0, 16.0, 144.0)


@dataclass(frozen=True)
class ELBO:
    """The two terms of the evidence lower bound for each image, in nats.

    Args:
        reconstruction: `(B,)`, E_q[log p(x|z)] with one draw of z.
        kl: `(B,)`, KL(q(z|x) ‖ p(z)), estimated with the same draw if the prior is learned.
    """

    reconstruction: Tensor
    kl: Tensor

    @property
    def elbo(self) -> Tensor:
        """`(B,)`, reconstruction − KL ≤ log p(x), without beta and free bits."""
        return self.reconstruction - self.kl


def elbo(model: VAE, x: Tensor, *, generator: torch.Generator | None = None) -> ELBO:
    r"""Evaluates the evidence lower bound of each image with one reparameterised draw.

    .. math:: \mathbb E_{q(z|x)}[\log p(x|z)] - KL(q(z|x) \| p(z)) \le \log p(x)

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1], which are thresholded at ½ for `bernoulli`.
        generator: random generator of ε; the global one by default.

    Raises:
        ValueError: if the model is a standard autoencoder, which has no density over codes.

    References:
        Auto-encoding variational Bayes (Kingma and Welling, 2013).
    """
    refuse_autoencoder(model, "ELBO")
    posterior = model.encoder(x)
    z = _draw(posterior, generator)
    observed = model.observe(x)
    return ELBO(model.decoder(z).log_prob(observed), kl_to_prior(model, posterior, z))


def kl_to_prior(model: VAE, posterior: Independent, z: Tensor) -> Tensor:
    """KL(q(z|x) ‖ p(z)), `(B,)` in nats: in closed form, or estimated if the prior is a mixture.

    Args:
        model: a variational model.
        posterior: q with batch `(B,)`.
        z: draws of q, `(…, B, D)`. The estimate log q(z) − log p(z), averaged over them, is
            without bias; the closed form does not use them.
    """
    if model.config.has_prior:
        return kl_divergence(posterior, model.prior)
    ratio = posterior.log_prob(z) - model.prior.log_prob(z)
    return ratio if z.ndim == 2 else ratio.flatten(0, -2).mean(0)


def kl_per_dimension(posterior: Independent) -> Tensor:
    """KL of each latent dimension from N(0, 1), `(B, D)` in nats; the sum over D is the KL."""
    mean = posterior.base_dist.loc
    prior = Normal(mean.new_zeros(()), mean.new_ones(()), validate_args=False)
    return kl_divergence(posterior.base_dist, prior)


@dataclass(frozen=True)
class Objective:
    """The training objective and the terms that are reported.

    Args:
        value: objective to be maximised, scalar, mean over the batch, in nats per image.
        reconstruction: log p(x|z) of each image `(B,)` in nats.
        kl: KL of each image `(B,)` in nats, 0 for a standard autoencoder.
    """

    value: Tensor
    reconstruction: Tensor
    kl: Tensor


def objective(
    model: VAE,
    x: Tensor,
    noise: Tensor,
    *,
    beta: float = 1.0,
    free_bits: float = 0.0,
    variance_weighting: float = 0.0,
    whole: Callable[[Tensor], Tensor] | None = None,
    validate_args: bool | None = None,
) -> Objective:
    """Computes the training objective: reconstruction − beta · KL, with free bits.

    Args:
        model: a variational model or a standard autoencoder.
        x: targets `(B, C, H, W)`, the output of `likelihoods.training_target`.
        noise: ε `(B, D)`, standard normal.
        beta: weight of the KL.
        free_bits: nats of the batch-mean KL of each dimension that are not penalised; with a
            learned prior, whose KL is not a sum over dimensions, there are none.
        variance_weighting: exponent γ for `gaussian`: the term of each pixel is weighted by its
            predicted variance to the power γ, normalised over the image. 0 is the likelihood
            itself; at 1 the gradient with respect to the mean of a pixel does not depend on its
            predicted variance.
        whole: function that maps the mean over this process's part of the batch, `(D,)`, to the
            mean over the whole batch, on which free bits depend.
        validate_args: whether the distributions check their arguments; torch's default if None.

    References:
        beta-VAE (Higgins et al., 2017); free bits: Improving variational inference with inverse
        autoregressive flow (Kingma et al., 2016); the pixel weights: On the pitfalls of
        heteroscedastic uncertainty estimation (Seitzer et al., 2022).
    """
    posterior = model.encoder(x, validate_args)
    z = posterior.mean
    if model.config.variational:
        z = z + posterior.base_dist.scale * noise
    p = model.decoder(z, validate_args)
    per_pixel = p.base_dist.log_prob(x)
    reconstruction = per_pixel.sum((1, 2, 3))
    fitted = reconstruction
    if variance_weighting > 0 and model.config.likelihood == "gaussian":
        weight = p.base_dist.variance.detach() ** variance_weighting
        weight = weight / weight.mean((1, 2, 3), keepdim=True)
        fitted = (weight * per_pixel).sum((1, 2, 3))
    if not model.config.variational:
        return Objective(fitted.mean(), reconstruction, torch.zeros_like(reconstruction))
    if model.config.prior_components:
        whole_kl = kl_to_prior(model, posterior, z)
        return Objective(fitted.mean() - beta * whole_kl.mean(), reconstruction, whole_kl)
    kl = kl_per_dimension(posterior)
    each = kl.mean(0)
    if free_bits > 0:
        mean = whole(each.detach()) if whole else each
        each = torch.where(mean > free_bits, each, free_bits)
    charged = each.sum()
    return Objective(fitted.mean() - beta * charged, reconstruction, kl.sum(-1))


@torch.no_grad()
def log_evidence(
    model: VAE,
    x: Tensor,
    samples: int = 500,
    proposal: str = "mixture",
    *,
    generator: torch.Generator | None = None,
    chunk: int = 2_000,
) -> Tensor:
    r"""Estimates log p(x) of each image by importance sampling.

    .. math:: \log \frac1K \sum_k \frac{p(x|z_k)\,p(z_k)}{r(z_k|x)}, \quad z_k \sim r

    With `"posterior"`, r = q(z|x): the importance-weighted bound, which misses modes of the true
    posterior that q does not cover. With `"mixture"`, r is a mixture of q, q widened to 16 and 144
    times its volume, and a Gaussian with the mean and variances of the prior, which covers such
    modes as well; the mean of the weights is unbiased for every number of samples. Neither comes
    close where q is far from the true posterior in many dimensions: `bounds.estimate_evidence`
    fits its proposal to each image, and says how far the estimate can be trusted.

    Args:
        model: a variational model.
        x: images `(B, C, H, W)` in [0, 1].
        samples: number of draws for each image, K.
        proposal: `"mixture"` or `"posterior"`.
        generator: random generator of the noise; the global one by default.
        chunk: largest number of codes decoded at once.

    Returns:
        Estimates `(B,)` in nats.

    Raises:
        ValueError: if the model is a standard autoencoder, the proposal is unknown or `samples`
            is below 1.

    References:
        Importance weighted autoencoders (Burda, Grosse and Salakhutdinov, 2015); mixtures as
        proposals: Safe and effective importance sampling (Owen and Zhou, 2000).
    """
    refuse_autoencoder(model, "log p(x)")
    if proposal not in PROPOSALS:
        raise ValueError(f"proposal is {proposal!r}; expected one of {', '.join(PROPOSALS)}.")
    if samples < 1:
        raise ValueError(f"samples is {samples}; expected at least 1.")
    posterior = model.encoder(x)
    x = model.observe(x)
    broad = Independent(Normal(model.prior.mean, model.prior.stddev), 1)
    results = []
    for image, loc, scale in zip(
        x, posterior.base_dist.loc, posterior.base_dist.scale, strict=True
    ):
        parts = [Independent(Normal(loc, scale), 1)]
        if proposal == "mixture":
            widenings = (volume ** (1 / model.latent_dim) for volume in _VOLUMES)
            parts = [Independent(Normal(loc, scale * w), 1) for w in widenings]
            parts.append(broad)
        # Stratified: draw k comes from component k modulo their number, so r weights each
        # component by its share of the draws.
        shares = torch.bincount(torch.arange(samples) % len(parts), minlength=len(parts))
        log_shares = (shares / samples).log().to(x.device)[:, None]
        total = torch.tensor(-math.inf, device=x.device)
        for start in range(0, samples, chunk):
            count = min(chunk, samples - start)
            part = (torch.arange(start, start + count, device=x.device)) % len(parts)
            eps = _noise((count, model.latent_dim), generator, loc)
            locs = torch.stack([p.base_dist.loc for p in parts])[part]
            scales = torch.stack([p.base_dist.scale for p in parts])[part]
            z = locs + scales * eps
            log_r = torch.logsumexp(torch.stack([p.log_prob(z) for p in parts]) + log_shares, 0)
            log_w = model.decoder(z).log_prob(image) + model.prior.log_prob(z) - log_r
            total = torch.logaddexp(total, torch.logsumexp(log_w, 0))
        results.append(total - math.log(samples))
    return torch.stack(results)


def _draw(posterior: Independent, generator: torch.Generator | None) -> Tensor:
    mean = posterior.mean
    return mean + posterior.base_dist.scale * _noise(mean.shape, generator, mean)


def _noise(shape: tuple[int, ...], generator: torch.Generator | None, like: Tensor) -> Tensor:
    device = like.device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=device, dtype=like.dtype).to(like.device)


def refuse_autoencoder(model: VAE, what: str) -> None:
    """Raises an error for a model without density, such as a standard autoencoder.

    Args:
        model: model to be checked.
        what: quantity that would be computed, as the message names it.

    Raises:
        ValueError: if the model has no density over codes or no likelihood.
    """
    if not model.config.variational:
        raise ValueError(
            f"This model has no {what}: {model.config.no_density}. Use a variational model with "
            "a likelihood."
        )
