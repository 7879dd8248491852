"""Estimates of the ELBO and log p(x) of single images, with standard errors.

Training and `objective` draw one code for each image. Here the number of codes is chosen so that
all printed digits are correct, and the codes of an image are always the same.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from .model import VAE
from .objective import kl_to_prior, refuse_autoencoder
from .theory.decoding import at_once, log_likelihood
from .theory.exact import exact_elbo

__all__ = [
    "REPEATS",
    "Bounds",
    "Estimate",
    "average",
    "estimate_elbo",
    "estimate_evidence",
    "half_interval",
    "last_digit",
]

_DECODES = 2_000  # default for the largest number of codes that an estimate decodes
_DRAWN = 240  # codes between two looks at the error
_FEWEST_RULES = 6  # rules from whose spread the standard error is computed
_NODES = (12, 24, 48)  # nodes of the quadrature in two dimensions, until the difference is below
_FINE = 0.005  # nats
_LEAST_SIZE = 10  # effective sample size below which an estimate of log p(x) is a lower bound
_FEW, _MODES = 30, 4  # size below which another mode is looked for, and the most modes
REPEATS = 5  # estimates from whose spread an interval is computed
_STUDENT_T = 2.776  # 97.5 % quantile of Student's t with four degrees of freedom
_ENOUGH = 0.15  # standard error of log p(x) at which an estimate ends, if its digits are coarser
_WIDENINGS = {"laplace": (1.0, 1.2, 1.5), "posterior": (1.0, 4.0)}  # factors of σ
# The search for the mode: curvatures, steps with each, fractions of a step that are tried, and
# the gain in nats below which the search ends.
_SEARCHES, _STEPS, _GAIN = 5, 6, 0.05
_LOW = 8  # dimensions in which draws of the prior come near every mode
_STARTS, _SEARCHED = 1_000, 6  # such draws, and those of them from which a mode is sought
_ELSEWHERE = 0.5  # least distance of the next start
_SLIGHT = 12.0  # nats below the largest mode at which another one is left out
_PARTS_OF_A_STEP = 0.5 ** torch.arange(6.0)
_ROWS = 10  # rows of a Hessian that are computed at once

LogJoint = Callable[[Tensor], Tensor]  # codes (B, D) to log p(x, z) (B,)
Tell = Callable[[], None]


@dataclass(frozen=True)
class Estimate:
    """An estimate in nats.

    Args:
        value: estimated value.
        error: standard error of the estimate.
        draws: number of importance weights that were averaged, where it is known.
        repeats: estimates from equal, disjoint parts of these weights.
        averages_bounds: whether it is an average, and some of what was averaged are lower bounds.
    """

    value: float
    error: float
    draws: float = math.inf
    repeats: tuple[float, ...] = ()
    averages_bounds: bool = False

    @property
    def effective_sample_size(self) -> float:
        """The effective sample size of importance weights w, (Σ w)² / Σ w².

        References:
            Sequential imputations and Bayesian missing data problems (Kong, Liu and Wong, 1994).
        """
        inverse = self.error**2 + 1 / self.draws
        return 1 / inverse if inverse else math.inf

    @property
    def is_lower_bound(self) -> bool:
        """Whether an estimate of log p(x) by sampling is only reliable as a lower bound.

        With an effective sample size below ten a few draws outweigh all others: large weights are
        rarely drawn, and the mean of the weights nearly always lies below its expectation. By
        Markov's inequality it exceeds log p(x) by t nats with a probability of at most e⁻ᵗ.
        """
        return self.averages_bounds or self.effective_sample_size < _LEAST_SIZE

    @property
    def interval(self) -> tuple[float, float]:
        """A 95 % confidence interval of the value, from the spread of the repeats.

        It is that of Student's t for the mean of five. Without repeats it is that of the normal
        distribution, from the standard error.
        """
        half = 1.96 * self.error
        if self.repeats:
            half = half_interval(self.repeats)
        return self.value - half, self.value + half


@dataclass(frozen=True)
class Bounds:
    """KL, ELBO and evidence of one image, in nats.

    Args:
        kl: KL(q(z|x) ‖ p(z)), an estimate like the ELBO's where the prior is a mixture.
        elbo: estimate of reconstruction − KL.
        evidence: estimate of log p(x), or None.
    """

    kl: float
    elbo: Estimate
    evidence: Estimate | None = None


def half_interval(repeats: Sequence[float]) -> float:
    """Half the width of the 95 % confidence interval of the mean of five repeats.

    Args:
        repeats: five independent estimates.
    """
    spread = torch.tensor(repeats, dtype=torch.float64).std().item()
    return _STUDENT_T * spread / math.sqrt(len(repeats))


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of estimates of log p(x) of several images.

    Random errors average out, but what lower bounds lack adds up.

    Args:
        estimates: one an image, with repeats.
    """
    count = len(estimates)
    repeats = zip(*(e.repeats for e in estimates), strict=True)
    random = math.hypot(*(e.error for e in estimates if not e.is_lower_bound))
    lacking = sum(e.error for e in estimates if e.is_lower_bound)
    return Estimate(
        sum(e.value for e in estimates) / count,
        (random + lacking) / count,
        repeats=tuple(sum(same) / count for same in repeats),
        averages_bounds=any(e.is_lower_bound for e in estimates),
    )


def last_digit(value: float) -> float:
    """The unit of the last digit that is printed of an exactly known number of nats."""
    return 0.1 if abs(value) < 1_000 else 1.0


@torch.no_grad()
def estimate_elbo(
    model: VAE, x: Tensor, *, decodes: int = _DECODES, tell: Tell = lambda: None
) -> Bounds:
    r"""Estimates the ELBO of an image to half a unit of its last printed digit, if possible.

    Two-dimensional models use Gauss–Hermite quadrature, others random cubature rules. Each rule
    is exact if log p(x|z) is a polynomial of degree three, and unbiased for every function:

    .. math:: (1 - D/\rho^2) f(0)
        + \frac1{2\rho^2} \sum_{j=1}^D \left(f(\rho Q e_j) + f(-\rho Q e_j)\right)

    with a random rotation :math:`Q` and :math:`\rho^2 \sim \chi^2_{D+2}`. For the same number of
    codes the error is a tenth of that of Monte Carlo sampling.

    Args:
        model: a variational model.
        x: one image `(C, H, W)` in [0, 1].
        decodes: largest number of codes that are decoded, beyond the first rules.
        tell: function that is called between chunks; an exception in it ends the estimate.

    Raises:
        ValueError: if the model is a standard autoencoder, which has no density over codes.

    References:
        Stochastic integration rules for infinite regions (Genz and Monahan, 1998).
    """
    refuse_autoencoder(model, "ELBO")
    posterior = model.encoder(x[None])
    mean, sigma = posterior.mean[0], posterior.base_dist.scale[0]
    if model.latent_dim == 2:
        return _quadrature(model, x, mean, sigma, tell)
    d, source = model.latent_dim, _source(x)
    observed = model.observe(x[None])[0]

    def at(noise: Tensor) -> Tensor:
        """Reconstruction and KL, whose expectations are wanted, `(N, 2)`."""
        found = []
        for z in (mean + sigma * noise.to(mean)).split(at_once(model)):
            kl = kl_to_prior(model, posterior, z).expand(len(z))
            found.append(torch.stack([model.decoder(z).log_prob(observed), kl], 1))
        return torch.cat(found).double().cpu()

    centre = at(torch.zeros(1, d))
    rules: list[Tensor] = []
    while True:
        tell()
        rotation, upper = torch.linalg.qr(torch.randn(d, d, generator=source))
        rotation = rotation * upper.diagonal().sign()  # uniform over all rotations
        square = torch.randn(d + 2, generator=source).square().sum()
        points = square.sqrt() * rotation.T
        around = at(torch.cat([points, -points])).sum(0)
        rules.append((1 - d / square) * centre[0] + around / (2 * square))
        if len(rules) < _FEWEST_RULES:
            continue
        terms = torch.stack(rules)
        estimates = terms[:, 0] - terms[:, 1]
        value, error = estimates.mean().item(), estimates.std().item() / math.sqrt(len(rules))
        if error <= last_digit(value) / 2 or 2 * d * (len(rules) + 1) > decodes:
            return Bounds(terms[:, 1].mean().item(), Estimate(value, error))


@torch.no_grad()
def estimate_evidence(
    model: VAE, x: Tensor, *, decodes: int = _DECODES, tell: Tell = lambda: None
) -> Estimate:
    r"""Estimates log p(x) of an image to half a unit of its last printed digit, if possible.

    Importance sampling from a mixture: Laplace's approximation of p(x, z) at its mode, widened
    copies of it, and, to cover other modes, q(z|x), q widened and the prior. While few draws
    outweigh all others, the mode near the heaviest of them joins the mixture. In up to eight
    dimensions the search for modes also starts at draws of the prior. With q alone the estimate
    would be hundreds of nats too low in 40 dimensions, where q is as narrow as p(z|x) in its
    narrowest direction.

    Args:
        model: a variational model.
        x: one image `(C, H, W)` in [0, 1].
        decodes: largest number of codes that are decoded after the search for the mode; four
            times as many while the effective sample size is below ten.
        tell: function that is called between chunks; an exception in it ends the estimate.

    Raises:
        ValueError: if the model is a standard autoencoder, which has no density over codes.

    References:
        Importance sampling: Monte Carlo theory, methods and examples (Owen, 2013), chapter 9;
        accurate approximations for posterior moments and marginal densities (Tierney and Kadane,
        1986); adaptive multiple importance sampling (Cornuet et al., 2012).
    """
    refuse_autoencoder(model, "log p(x)")
    observed = model.observe(x[None])[0]
    posterior = model.encoder(x[None])
    mean, sigma = posterior.mean[0].double(), posterior.base_dist.scale[0].double()

    def log_joint(z: Tensor) -> Tensor:
        z = z.to(posterior.mean)
        return log_likelihood(model, z, observed) + model.prior.log_prob(z)

    parts = []
    for top, shape in _modes(model, log_joint, mean, sigma.diag(), tell):
        parts += _around(top, shape)
    parts += [(mean, w * sigma.diag()) for w in _WIDENINGS["posterior"]]
    parts += [(model.prior.mean.double(), model.prior.stddev.double().diag())]
    source = _source(x)
    codes, joints = mean.new_empty(0, len(mean)), mean.new_empty(0)
    counts = torch.zeros(len(parts)).to(mean)
    modes = 1
    while True:
        tell()
        locs, shapes = (torch.stack(of) for of in zip(*parts, strict=True))
        noise = torch.randn(_DRAWN // len(parts), *locs.shape, generator=source)
        z = (locs + torch.einsum("pij,npj->npi", shapes, noise.to(locs))).flatten(0, 1)
        codes, joints = torch.cat([codes, z]), torch.cat([joints, log_joint(z).double()])
        counts = counts + len(noise)
        components = MultivariateNormal(locs, scale_tril=shapes)
        log_r = (components.log_prob(codes[:, None]) + (counts / len(codes)).log()).logsumexp(1)
        log_w = joints - log_r
        value = log_w.logsumexp(0).item() - math.log(len(log_w))
        # The relative error of the mean weight is the absolute error of log p(x).
        error = math.sqrt(max(log_w.softmax(0).square().sum().item() - 1 / len(log_w), 0.0))
        found = Estimate(value, error, len(log_w), _repeats(log_w))
        size = found.effective_sample_size
        most = decodes if size >= _LEAST_SIZE else 4 * decodes
        if error <= min(last_digit(value) / 2, _ENOUGH) or len(log_w) + len(z) > most:
            return found
        if size < _FEW and modes < _MODES:
            heaviest = codes[log_w.argmax()]
            parts += _around(*_mode(log_joint, heaviest, shapes[0], tell))
            counts = torch.cat([counts, counts.new_zeros(len(parts) - len(counts))])
            modes += 1


def _modes(
    model: VAE, log_joint: LogJoint, mean: Tensor, root: Tensor, tell: Tell
) -> list[tuple[Tensor, Tensor]]:
    """Modes of p(x, z) with their Laplace roots: from q, and from the best draws of the prior.

    The true posterior of an image can have its mass at a mode that q knows nothing of. Draws of
    the prior seldom hit it, but in few dimensions the search from the best of them leads there.
    """
    found = [_mode(log_joint, mean, root, tell)]
    if len(mean) > _LOW:
        return found
    z = model.draw_prior(_STARTS, torch.Generator().manual_seed(0)).to(mean)
    values = log_joint(z)
    for _ in range(_SEARCHED):
        start = z[values.argmax()]
        values[(z - start).norm(dim=1) < _ELSEWHERE] = -math.inf
        top, shape = _mode(log_joint, start, found[0][1], tell)
        apart = [torch.linalg.solve(known, top - at).norm() for at, known in found]
        if min(apart) > 1:
            found.append((top, shape))
    tops = log_joint(torch.stack([top for top, _ in found]))
    widths = torch.stack([shape.diagonal().log().sum() for _, shape in found])
    masses = tops + widths  # up to a constant
    return [of for of, mass in zip(found, masses, strict=True) if mass > masses.max() - _SLIGHT]


def _around(top: Tensor, shape: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [(top, w * shape) for w in _WIDENINGS["laplace"]]


def _mode(log_joint: LogJoint, start: Tensor, root: Tensor, tell: Tell) -> tuple[Tensor, Tensor]:
    """The mode near a code with its Laplace root; code and `root` if there is no Hessian.

    It may not be finite, and a network that is not PyTorch's has no gradient.
    """
    with torch.enable_grad():
        if not log_joint(start[None].clone().requires_grad_()).requires_grad:
            return start, root
    try:
        return _highest(log_joint, start, tell)
    except torch.linalg.LinAlgError:
        return start, root


def _repeats(log_w: Tensor) -> tuple[float, ...]:
    """Estimates from every fifth of the log weights `(N,)`; components take turns in them."""
    parts = [log_w[k::REPEATS] for k in range(REPEATS)]
    return tuple(part.logsumexp(0).item() - math.log(len(part)) for part in parts)


def _source(x: Tensor) -> torch.Generator:
    """A random generator that is seeded by the image."""
    return torch.Generator().manual_seed(zlib.crc32(x.cpu().contiguous().numpy().tobytes()))


def _quadrature(model: VAE, x: Tensor, mean: Tensor, sigma: Tensor, tell: Tell) -> Bounds:
    error, last, kl = math.inf, math.nan, math.nan
    for nodes in _NODES:
        tell()
        reconstruction, kl = exact_elbo(model, x, mean, sigma, nodes)
        error, last = abs(reconstruction - kl - last), reconstruction - kl
        if error <= _FINE:
            break
    return Bounds(kl, Estimate(last, error))


def _highest(log_joint: LogJoint, start: Tensor, tell: Tell) -> tuple[Tensor, Tensor]:
    """The mode of p(x, z) near a code, and a root of the inverse negative Hessian there."""
    z, best = start, log_joint(start[None])[0]
    for _ in range(_SEARCHES):
        tell()
        before, root = best, _root(log_joint, z)
        for _ in range(_STEPS):  # Newton steps with the Hessian at the first point
            with torch.enable_grad():
                leaf = z.clone().requires_grad_()
                (gradient,) = torch.autograd.grad(log_joint(leaf[None]).sum(), leaf)
            tried = z + root @ (root.T @ gradient) * _PARTS_OF_A_STEP[:, None].to(z)
            values = log_joint(tried)
            k = int(values.argmax())
            if not values[k] > best + _GAIN:
                break
            z, best = tried[k], values[k]
        if not best > before + _GAIN:
            break
    return z, root


def _root(log_joint: LogJoint, z: Tensor) -> Tensor:
    """A lower triangular root of the inverse of −∇² log p(x, z).

    Eigenvalues of −∇² log p(x, z) are replaced by their absolute values, or by 1, that of the
    prior, if they are smaller.
    """
    rows = []
    for part in torch.eye(len(z)).to(z).split(_ROWS):
        with torch.enable_grad():
            leaf = z.repeat(len(part), 1).requires_grad_()
            (gradient,) = torch.autograd.grad(log_joint(leaf).sum(), leaf, create_graph=True)
            rows.append(-torch.autograd.grad((gradient * part).sum(), leaf)[0])
    curvature, axes = torch.linalg.eigh(torch.cat(rows))
    inverse = axes @ (1 / curvature.abs().clamp(min=1)).diag() @ axes.T
    return torch.linalg.cholesky(inverse)
