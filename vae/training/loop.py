"""Training: a generator of frozen reports, reproducible from a seed and resumable at any step."""

from __future__ import annotations

import ctypes
import math
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..likelihoods import training_target
from ..model import VAE
from ..objective import elbo, kl_per_dimension, objective
from .config import TrainingConfig
from .data import batches, generator, steps_per_epoch, uniform
from .distributed import Group

__all__ = [
    "Heldout",
    "Progress",
    "TrainingError",
    "TrainingState",
    "evaluate_heldout",
    "multiplies_bfloat16",
    "train",
]

ACTIVE = 0.01  # variance of a dimension's posterior mean above which it is active
_REMEMBERED = 1000  # steps for which Adam's mean of squares keeps a slope


class TrainingError(ValueError):
    """Training that cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Heldout:
    """What held-out images say, in nats per image.

    Args:
        reconstruction: mean E_q[log p(x|z)]; None for an autoencoder.
        kl: mean KL; None for an autoencoder.
        squared_error: mean over pixels.
        kl_per_dimension: `(D,)` mean KL of each latent dimension, empty for an autoencoder.
        active_units: dimensions whose posterior mean varies (variance above 0.01); None for a
            single image.
    """

    reconstruction: float | None
    kl: float | None
    squared_error: float
    kl_per_dimension: tuple[float, ...]
    active_units: int | None

    @property
    def elbo(self) -> float | None:
        """Reconstruction − KL."""
        return None if self.kl is None else self.reconstruction - self.kl


@dataclass(frozen=True)
class Progress:
    """The state of training after a step.

    Args:
        step: steps taken.
        epoch: passes begun, fractional.
        steps: steps in all.
        reconstruction: batch mean log p(x|z), nats per image.
        kl: batch mean, nats per image.
        beta: weight in force.
        learning_rate: in force.
        images_per_second: since the last report.
        heldout: measured at the end of an epoch, else None.
    """

    step: int
    epoch: float
    steps: int
    reconstruction: float
    kl: float
    beta: float
    learning_rate: float
    images_per_second: float
    heldout: Heldout | None = None

    @property
    def elbo(self) -> float:
        """Reconstruction − KL, whatever beta is."""
        return self.reconstruction - self.kl


@dataclass
class TrainingState:
    """What must be kept to go on exactly: order and noise follow from the seed and the step.

    Args:
        step: steps taken.
        means: Adam's running mean of each parameter's gradient.
        squares: Adam's running mean of its square.
        beta: set by hand while training; from then on it takes the place of the schedule.
        learning_rate: set by hand while training; the decay goes on from it.
    """

    step: int = 0
    means: list[Tensor] = field(default_factory=list)
    squares: list[Tensor] = field(default_factory=list)
    beta: float | None = None
    learning_rate: float | None = None


def train(
    model: VAE,
    images: Any,
    config: TrainingConfig,
    *,
    heldout: Tensor | None = None,
    state: TrainingState | None = None,
    report_every: int = 1,
    group: Group | None = None,
    workers: int = 0,
) -> Iterator[Progress]:
    """Trains a model in place, a report at a time; stop it by closing the generator.

    Order and noise of each step follow from the seed and the step's number alone, so a run that
    is resumed from a state goes on exactly as if it had never stopped. Noise is drawn for the
    whole batch and each process takes its part, so several reach what one alone would.

    Args:
        model: trained in place, on its own device.
        images: `(N, C, H, W)`: a uint8 tensor or `Images`, batched by index, or anything that
            gives float images in [0, 1] when it is indexed by a list of rows.
        config: how.
        heldout: images `(M, C, H, W)` in [0, 1] to measure at the end of each epoch.
        state: filled in as training goes; pass one that was saved to go on from it. Its beta and
            learning rate may be changed between reports.
        report_every: steps between reports; each gives the mean over these steps.
        group: the processes that train together.
        workers: processes that read images ahead where they are not in memory.

    Raises:
        TrainingError: if there are no images, or the objective is no longer finite.
        DatasetError: if an image cannot be read.
    """
    count = len(images)
    if count == 0:
        raise TrainingError("There are no images to train on; choose a dataset that has some.")
    state = state if state is not None else TrainingState()
    device = next(model.parameters()).device
    group = group or Group(device=device)
    model.requires_grad_(True).train().to(memory_format=torch.channels_last)
    parameters = list(model.parameters())
    _keep_memory()
    # Of each parameter's own memory layout, which the fused update takes for granted.
    for moments in (state.means, state.squares):
        old = moments or [torch.zeros_like(p) for p in parameters]
        moments[:] = [torch.empty_like(p).copy_(m) for p, m in zip(parameters, old, strict=True)]
    forward: nn.Module = _Forward(model, group)
    if group.size > 1:
        forward = nn.parallel.DistributedDataParallel(forward, forward_sync_buffers=False)
    per_epoch = steps_per_epoch(count, config.batch_size)
    steps = per_epoch * config.epochs
    totals = torch.zeros(2, device=device)  # reconstruction and KL of the images since a report
    seen, since = 0, time.perf_counter()
    source = batches(
        images, config.batch_size, config.seed, state.step, steps, group=group, workers=workers
    )
    for x, size in source:
        part, weight = group.share(size)
        passed = state.step / per_epoch
        beta = state.beta
        if beta is None:
            risen = min(1.0, passed / config.beta_warmup) if config.beta_warmup else 1.0
            beta = config.beta * risen
        rate = state.learning_rate or config.learning_rate
        rate *= _schedule(state.step, steps)
        noise = generator(config.seed, state.step, 2, device)
        target = x
        if model.config.likelihood in ("bernoulli", "gaussian"):
            spread = uniform((size, *x.shape[1:]), noise)[part]
            target = training_target(model.config.likelihood, x, spread)
        eps = torch.randn((size, model.latent_dim), generator=noise, device=device)[part]
        value, reconstruction, kl = forward(
            target, eps, weight, beta, config.free_bits, config.detail
        )
        for parameter in parameters:
            parameter.grad = None
        # Times the size, because DistributedDataParallel divides by it.
        value.backward(torch.full_like(value, -weight * group.size))
        # All slopes come together in the first layer's biases, and bring along what is not finite.
        # A GPU would have to wait for this, so it is asked only now and then.
        ends = value.detach() + parameters[1].grad.sum()
        if (device.type == "cpu" or state.step % 20 == 0) and not math.isfinite(group.sum(ends)):
            raise TrainingError(
                f"The objective is not finite at step {state.step + 1}, or its slope is not. "
                "Lower the learning rate, or raise sigma_floor."
            )
        learned = model.config.likelihood == "gaussian"
        if learned and passed < config.shared_sigma:
            _share_sigma(model)
        # The first slopes are out of all proportion, and Adam remembers them;
        # an image that a learned σ takes by surprise would undo hundreds of good ones at any time.
        if learned or state.step < _REMEMBERED:
            nn.utils.clip_grad_norm_(parameters, 10 * math.prod(x.shape[1:]) ** 0.5)
        state.step += 1
        _adam(parameters, state, rate)
        if weight > 0:
            totals += torch.stack((reconstruction.detach(), kl.detach())).sum(1)
        seen += size
        ended = state.step % per_epoch == 0
        if ended or state.step % report_every == 0:
            summed, kl_sum = group.sum(totals).tolist()
            if not math.isfinite(summed):
                raise TrainingError(
                    f"The objective is not finite at step {state.step}. "
                    "Lower the learning rate, or raise sigma_floor."
                )
            speed = seen / max(time.perf_counter() - since, 1e-9)
            measure = ended and heldout is not None and group.writes
            yield Progress(
                step=state.step,
                epoch=state.step / per_epoch,
                steps=steps,
                reconstruction=summed / seen,
                kl=kl_sum / seen,
                beta=beta,
                learning_rate=rate,
                images_per_second=speed,
                heldout=evaluate_heldout(model, heldout) if measure else None,
            )
            totals.zero_()
            seen, since = 0, time.perf_counter()
    model.eval()


def _keep_memory() -> None:
    """Lets the C library keep what is freed: every step asks for the same arrays again.

    By default large ones go back to the kernel, which clears every page before it gives it out.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # other C libraries than glibc
            libc = ctypes.CDLL(None)
            libc.mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD: at its highest
            libc.mallopt(-1, 512 << 20)  # M_TRIM_THRESHOLD


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether products of 16-bit numbers, added up in 32 bits, are the device's quickest."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()


class _Forward(nn.Module):
    """One call for the whole objective, which DistributedDataParallel can wrap."""

    def __init__(self, model: VAE, group: Group) -> None:
        super().__init__()
        self.model = model
        self.group = group
        self.checks = True

    def forward(self, x: Tensor, eps: Tensor, weight: float, *how: float) -> tuple[Tensor, ...]:
        # The distributions check the first batch: what they check of the others follows from it,
        # and costs a seventh of a small network's step, or a wait for the GPU.
        Distribution.set_default_validate_args(self.checks)
        self.checks = False
        try:
            return self._forward(x, eps, weight, *how)
        finally:
            Distribution.set_default_validate_args(__debug__)

    def _forward(
        self,
        x: Tensor,
        eps: Tensor,
        weight: float,
        beta: float,
        free_bits: float,
        detail: float,
    ) -> tuple[Tensor, ...]:
        sixteen = multiplies_bfloat16(x.device)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=sixteen):
            result = objective(
                self.model,
                x,
                eps,
                beta=beta,
                free_bits=free_bits,
                detail=detail,
                whole=lambda part: self.group.sum(part * weight),
            )
        return result.value, result.reconstruction, result.kl


@torch.no_grad()
def _adam(parameters: list[Tensor], state: TrainingState, rate: float) -> None:
    """Adam (Kingma and Ba, 2014) by the operation that `torch.optim.Adam(fused=True)` calls.

    The class itself imports torch's compiler first, which takes longer than training on digits.
    """
    torch._fused_adam_(
        parameters,
        [p.grad for p in parameters],
        state.means,
        state.squares,
        [],
        [torch.full((), float(state.step), device=parameters[0].device)] * len(parameters),
        lr=rate,
        beta1=0.9,
        beta2=0.999,
        weight_decay=0.0,
        eps=1e-8,
        amsgrad=False,
        maximize=False,
    )


@torch.no_grad()
def evaluate_heldout(model: VAE, x: Tensor, batch: int = 250) -> Heldout:
    """Measures a model on held-out images, always with the same noise.

    Args:
        model: left in the mode it was in.
        x: images `(M, C, H, W)` in [0, 1], or a uint8 tensor.
        batch: images at a time.
    """
    noise = torch.Generator().manual_seed(0)
    reconstruction, kls, errors, means = [], [], [], []
    for start in range(0, len(x), batch):
        part = _batch(x, slice(start, start + batch), next(model.parameters()).device)
        part = model.observe(part)
        posterior = model.encoder(part)
        means.append(posterior.mean)
        errors.append((model.decoder(posterior.mean).mean - part).square().flatten(1).mean(1))
        if model.config.variational:
            reconstruction.append(elbo(model, part, generator=noise).reconstruction)
            kls.append(kl_per_dimension(posterior))
    codes = torch.cat(means)
    active = int((codes.var(0) > ACTIVE).sum()) if len(codes) > 1 else None
    error = torch.cat(errors).mean().item()
    if not model.config.variational:
        return Heldout(None, None, error, (), active)
    kl = torch.cat(kls)
    return Heldout(
        torch.cat(reconstruction).mean().item(),
        kl.sum(1).mean().item(),
        error,
        tuple(kl.mean(0).tolist()),
        active,
    )


def _batch(images: Any, rows: Tensor | slice, device: torch.device) -> Tensor:
    x = images[rows]
    if x.dtype == torch.uint8:
        x = x.to(device).float().div_(255)
    return x.to(device, memory_format=torch.channels_last)


def _schedule(step: int, steps: int) -> float:
    warm = min(200, max(steps // 20, 1))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def _share_sigma(model: VAE) -> None:
    """Leaves one σ: the deviations' weights keep still and their biases move together."""
    last = model.decoder.network[-1]
    if not hasattr(last, "weight"):
        last = model.decoder.network[-2]
    half = last.weight.shape[0] // 2
    last.weight.grad[half:] = 0
    last.bias.grad[half:] = last.bias.grad[half:].mean()
