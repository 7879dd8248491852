"""The training loop: a generator of reports, reproducible from a seed, resumable at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..config import ConfigError
from ..likelihoods import training_target
from ..model import VAE
from ..objective import objective
from .augmentation import DISTORTIONS, augment
from .config import TrainingConfig
from .data import batches, generator, steps_per_epoch
from .distributed import Group
from .fast import adam_step
from .heldout import Heldout, evaluate_heldout
from .precision import resolve_precision
from .start import start_at_average, start_at_images

__all__ = ["Diverged", "Progress", "TrainingError", "TrainingState", "train"]

LARGEST_KL = 1e6  # nats per image; 8-bit images of 64 × 64 in colour take 7e4 as they are
CLIP_STEPS = 1_000  # 1 / (1 − β₂): the memory of Adam's second moment


class TrainingError(ValueError):
    """Training cannot continue; the message gives the reason and the remedy."""


class Diverged(TrainingError):
    """The objective grew without bound; the message names the step."""


@dataclass(frozen=True)
class Progress:
    """The state of training after a step.

    Args:
        step: number of steps taken.
        epoch: fractional number of epochs completed.
        steps: total number of steps.
        reconstruction: batch mean of log p(x|z), in nats per image.
        kl: batch mean of the KL, in nats per image.
        beta: current weight of the KL.
        learning_rate: current learning rate.
        images_per_second: throughput since the last report.
        heldout: held-out metrics at the end of an epoch, else None.
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
        """Reconstruction − KL, independent of beta."""
        return self.reconstruction - self.kl


@dataclass
class TrainingState:
    """The state from which training resumes exactly; order and noise follow from seed and step.

    Args:
        step: number of steps taken.
        exp_avg: Adam's first moment of each parameter's gradient, `(…)` as the parameter.
        exp_avg_sq: Adam's second moment of each parameter's gradient.
        beta: weight of the KL set during training, which replaces the schedule from then on.
        learning_rate: peak learning rate set during training, from which the decay continues.
    """

    step: int = 0
    exp_avg: list[Tensor] = field(default_factory=list)
    exp_avg_sq: list[Tensor] = field(default_factory=list)
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
) -> Generator[Progress, None, None]:
    """Trains a model in place and yields reports; closing the generator stops training.

    Order and noise of each step depend on the seed and the step number alone, so a run that is
    resumed from a state continues exactly as if it had not been interrupted. Noise is drawn for
    the whole batch and each process uses its part, so the result does not depend on the number of
    processes. Only the model and the state change: settings and generators of torch stay as they
    are.

    Args:
        model: model that is trained in place, on its own device.
        images: `(N, C, H, W)`: a uint8 tensor, `Images`, or a sequence that returns float images
            in [0, 1] for a list of rows.
        config: hyperparameters.
        heldout: images `(M, C, H, W)` in [0, 1] that are evaluated at the end of each epoch.
        state: state that is updated in place; pass a saved one to resume from it. Its beta and
            learning rate may be changed between reports.
        report_every: steps between reports, each of which averages over these steps.
        group: processes that train together.
        workers: processes that prefetch images which are not in memory.

    Raises:
        TrainingError: if there are no images.
        Diverged: if the objective is no longer finite, or its KL above `LARGEST_KL`.
        ConfigError: if the device does not support the configured precision.
        DatasetError: if an image cannot be read.
    """
    count = len(images)
    if count == 0:
        raise TrainingError("There are no images to train on; choose a dataset that has some.")
    if config.free_bits and model.config.prior_components:
        raise ConfigError(
            f"free_bits is {config.free_bits}, but the prior is learned, and its KL is not a sum "
            "over dimensions; expected free_bits 0, or prior_components 0."
        )
    state = state if state is not None else TrainingState()
    device = next(model.parameters()).device
    group = group or Group(device=device)
    if state.step == 0:
        start_at_images(model, images)
        start_at_average(model, images)
    model.requires_grad_(True).train().to(memory_format=torch.channels_last)
    parameters = list(model.parameters())
    _allocate_moments(state, parameters)
    counters = [torch.full((), float(state.step), device=device) for _ in parameters]
    forward: nn.Module = _Objective(model, config, group)
    if group.size > 1:
        forward = nn.parallel.DistributedDataParallel(forward, forward_sync_buffers=False)
    learned_sigma = model.config.likelihood == "gaussian"
    per_epoch = steps_per_epoch(count, config.batch_size)
    steps = per_epoch * config.epochs
    totals = torch.zeros(2, device=device)  # reconstruction and KL summed since the last report
    images_seen, since = 0, time.perf_counter()
    source = batches(
        images, config.batch_size, config.seed, state.step, steps, group=group, workers=workers
    )
    for x, size in source:
        part, weight = group.share(size)
        epoch = state.step / per_epoch
        beta = _beta(config, epoch) if state.beta is None else state.beta
        rate = (state.learning_rate or config.learning_rate) * _decay(state.step, steps)
        if config.augmentation and state.step < config.augmented_share * steps:
            chance = generator(config.seed, state.step, 3, device)
            random = torch.rand((size, DISTORTIONS), generator=chance, device=device)
            x = augment(x, config.augmentation, random[part])
        target, eps = _draw(model, x, part, size, generator(config.seed, state.step, 2, device))

        model.zero_grad()
        value, reconstruction, kl = forward(target, eps, weight, beta)
        # Times the size of the group, by which DistributedDataParallel divides.
        (value * (-weight * group.size)).backward()
        # Backpropagation reaches the first layer last, so a non-finite gradient anywhere shows up
        # in its bias gradient. Reading it synchronises the GPU, hence every 20 steps.
        if device.type == "cpu" or state.step % 20 == 0:
            bias_gradient = parameters[1].grad
            assert bias_gradient is not None
            check = group.sum(value.detach() + bias_gradient.sum())
            if not math.isfinite(check):
                raise _not_finite(state.step + 1)
        if learned_sigma and epoch < config.sigma_warmup_epochs:
            _share_sigma(model)
        # Early gradients are orders of magnitude too large and would dominate Adam's second
        # moment. With a learned σ a single outlier can do the same at any step.
        if learned_sigma or state.step < CLIP_STEPS:
            nn.utils.clip_grad_norm_(parameters, 10 * math.prod(x.shape[1:]) ** 0.5)
        adam_step(parameters, state.exp_avg, state.exp_avg_sq, counters, rate)
        state.step += 1

        if weight > 0:
            totals += torch.stack((reconstruction.detach(), kl.detach())).sum(1)
        images_seen += size
        ended = state.step % per_epoch == 0
        if ended or state.step % report_every == 0:
            reconstruction_sum, kl_sum = group.sum(totals).tolist()
            if not math.isfinite(reconstruction_sum):
                raise _not_finite(state.step)
            if beta > 0 and kl_sum / images_seen > LARGEST_KL:
                raise _diverged(state.step, f"the KL is {kl_sum / images_seen:.1e} nats per image")
            speed = images_seen / max(time.perf_counter() - since, 1e-9)
            measured = None
            if ended and heldout is not None and group.writes:
                measured = evaluate_heldout(model, heldout)
            yield Progress(
                step=state.step,
                epoch=state.step / per_epoch,
                steps=steps,
                reconstruction=reconstruction_sum / images_seen,
                kl=kl_sum / images_seen,
                beta=beta,
                learning_rate=rate,
                images_per_second=speed,
                heldout=measured,
            )
            totals.zero_()
            images_seen, since = 0, time.perf_counter()
    model.eval()


class _Objective(nn.Module):
    """The objective as a module, which DistributedDataParallel can wrap."""

    def __init__(self, model: VAE, config: TrainingConfig, group: Group) -> None:
        super().__init__()
        self.model, self.config, self.group = model, config, group
        device = next(model.parameters()).device
        self.use_bfloat16 = resolve_precision(config.precision, device) == "bfloat16"
        # Only the first batch is validated: if its distributions are valid, later ones are valid
        # as long as the loss is finite, which the loop checks. Validation costs a seventh of a
        # step of a small network, or a synchronisation of the GPU.
        self.validate_args = True

    def forward(self, x: Tensor, eps: Tensor, weight: float, beta: float) -> tuple[Tensor, ...]:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.use_bfloat16):
            result = objective(
                self.model,
                x,
                eps,
                beta=beta,
                free_bits=self.config.free_bits,
                variance_weighting=self.config.variance_weighting,
                whole=lambda part: self.group.sum(part * weight),
                validate_args=self.validate_args,
            )
        self.validate_args = False
        return result.value, result.reconstruction, result.kl


def _allocate_moments(state: TrainingState, parameters: Sequence[Tensor]) -> None:
    """Allocates moments in the memory layout of each parameter, as the fused update requires."""
    for moments in (state.exp_avg, state.exp_avg_sq):
        known = moments or [torch.zeros_like(p) for p in parameters]
        moments[:] = [torch.empty_like(p).copy_(m) for p, m in zip(parameters, known, strict=True)]


def _draw(
    model: VAE, x: Tensor, part: slice, size: int, source: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Targets and ε of a process's images, drawn for the whole batch of `size` images."""
    target = x
    if model.config.likelihood in ("bernoulli", "gaussian"):
        noise = torch.rand((size, *x.shape[1:]), generator=source, device=x.device)
        target = training_target(model.config.likelihood, x, noise[part])
    eps = torch.randn((size, model.latent_dim), generator=source, device=x.device)
    return target, eps[part]


def _beta(config: TrainingConfig, epoch: float) -> float:
    return config.beta * (min(1.0, epoch / config.beta_warmup) if config.beta_warmup else 1.0)


def _decay(step: int, steps: int) -> float:
    """The factor of the learning rate: a short linear warm-up, then half a cosine."""
    warm = min(200, max(steps // 20, 1))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def _share_sigma(model: VAE) -> None:
    """Makes the step keep one σ for all pixels: the gradients of its biases are averaged."""
    weight, bias, half = model.decoder.sigma_head()
    assert weight.grad is not None and bias.grad is not None
    weight.grad[half:] = 0
    bias.grad[half:] = bias.grad[half:].mean()


def _not_finite(step: int) -> Diverged:
    return _diverged(step, "the objective or its gradient is not finite")


def _diverged(step: int, why: str) -> Diverged:
    return Diverged(
        f"Training diverged at step {step}: {why}. Train again with a lower learning rate, or a "
        "larger sigma_floor."
    )
