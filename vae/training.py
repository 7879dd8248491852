"""Training: a generator of frozen reports, reproducible from a seed and resumable at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from .likelihoods import training_target
from .model import VAE, ConfigError
from .objective import elbo, kl_per_dimension, objective

__all__ = [
    "Heldout",
    "Progress",
    "TrainingConfig",
    "TrainingError",
    "TrainingState",
    "evaluate_heldout",
    "train",
]

ACTIVE = 0.01  # variance of a dimension's posterior mean above which it is active


class TrainingError(RuntimeError):
    """Training that cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Args:
        epochs: passes over the images.
        batch_size: images in each step.
        learning_rate: of Adam, at its highest; it falls to 0 along a half cosine.
        beta: weight of the KL in the objective.
        beta_warmup: epochs over which beta rises from 0.
        free_bits: nats of each dimension's KL that cost nothing.
        shared_sigma: epochs in which `gaussian` keeps one σ for every pixel, before it frees it.
        detail: see `objective`; 0 is the likelihood itself.
        seed: of the weights, the order of the images and all noise.

    Raises:
        ConfigError: names the field, what was found and what was expected.

    References:
        Warm-up: Ladder variational autoencoders (Sønderby et al., 2016); decay: SGDR (Loshchilov
        and Hutter, 2016).
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-3
    beta: float = 1.0
    beta_warmup: float = 0.0
    free_bits: float = 0.0
    shared_sigma: float = 0.0  # a freed σ chases edges before the mean has found them
    detail: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("batch_size", 1, 65_536),
            ("learning_rate", 1e-8, 1),
            ("beta", 0, 1_000),
            ("beta_warmup", 0, 100_000),
            ("free_bits", 0, 100),
            ("shared_sigma", 0, 100_000),
            ("detail", 0, 1),
            ("seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            kind = self.__dataclass_fields__[name].type
            allowed = int if kind == "int" else int | float
            if (
                isinstance(value, bool)
                or not isinstance(value, allowed)
                or not low <= value <= high
            ):
                what = "a whole number" if kind == "int" else "a number"
                raise ConfigError(f"{name} is {value!r}; expected {what} from {low} to {high}.")

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


@dataclass(frozen=True)
class Heldout:
    """What held-out images say, in nats per image.

    Args:
        reconstruction: mean E_q[log p(x|z)]; None for an autoencoder.
        kl: mean KL; None for an autoencoder.
        squared_error: mean over pixels.
        kl_per_dimension: `(D,)` mean KL of each latent dimension, empty for an autoencoder.
        active_units: dimensions whose posterior mean varies (variance above 0.01).
    """

    reconstruction: float | None
    kl: float | None
    squared_error: float
    kl_per_dimension: tuple[float, ...]
    active_units: int

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
    """What must be kept to go on exactly: the optimizer and the step; noise follows from both.

    Args:
        step: steps taken.
        optimizer: as `torch.optim.Adam.state_dict` gives it.
    """

    step: int = 0
    optimizer: dict[str, Any] = field(default_factory=dict)


def train(
    model: VAE,
    images: Any,
    config: TrainingConfig,
    *,
    heldout: Tensor | None = None,
    state: TrainingState | None = None,
    report_every: int = 1,
) -> Iterator[Progress]:
    """Trains a model in place, a report at a time; stop it by closing the generator.

    Order and noise of each step follow from the seed and the step's number alone, so a run that
    is resumed from a state goes on exactly as if it had never stopped.

    Args:
        model: trained in place, on its own device.
        images: `(N, C, H, W)`: a uint8 tensor, held in memory and batched by index, or anything
            that gives float batches in [0, 1] when indexed by a tensor of rows.
        config: how.
        heldout: images `(M, C, H, W)` in [0, 1] to measure at the end of each epoch.
        state: filled in as training goes; pass one that was saved to go on from it.
        report_every: steps between reports.

    Raises:
        TrainingError: if there are no images, or the objective is no longer finite.
    """
    count = len(images)
    if count == 0:
        raise TrainingError("There are no images to train on; choose a dataset that has some.")
    state = state if state is not None else TrainingState()
    device = next(model.parameters()).device
    model.requires_grad_(True).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, fused=True)
    if state.optimizer:
        optimizer.load_state_dict(state.optimizer)
    per_epoch = math.ceil(count / config.batch_size)
    steps = per_epoch * config.epochs
    since, seen = time.perf_counter(), 0
    order: tuple[int, Tensor] | None = None
    while state.step < steps:
        epoch, position = divmod(state.step, per_epoch)
        if order is None or order[0] != epoch:
            order = epoch, torch.randperm(count, generator=_generator(config.seed, epoch, 1))
        rows = order[1][position * config.batch_size : (position + 1) * config.batch_size]
        x = _batch(images, rows, device)
        noise = _generator(config.seed, state.step, 2)
        target = training_target(
            model.config.likelihood, x, torch.rand(x.shape, generator=noise).to(device)
        )
        eps = torch.randn(len(x), model.latent_dim, generator=noise).to(device)
        passed = state.step / per_epoch
        beta = config.beta * (min(1.0, passed / config.beta_warmup) if config.beta_warmup else 1.0)
        rate = config.learning_rate * _schedule(state.step, steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        shared = passed < config.shared_sigma
        result = objective(
            model, target, eps, beta=beta, free_bits=config.free_bits, detail=config.detail
        )
        optimizer.zero_grad()
        (-result.value).backward()
        if not torch.isfinite(result.value):
            raise TrainingError(
                f"The objective is {result.value.item()} at step {state.step + 1}; expected a "
                "finite number. Lower the learning rate, or raise sigma_floor."
            )
        if model.config.likelihood == "gaussian" and shared:
            _share_sigma(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10 * math.prod(x.shape[1:]) ** 0.5)
        optimizer.step()
        state.step += 1
        seen += len(x)
        ended = state.step % per_epoch == 0
        if ended or state.step % report_every == 0:
            state.optimizer = optimizer.state_dict()
            now = time.perf_counter()
            measured = evaluate_heldout(model, heldout) if ended and heldout is not None else None
            yield Progress(
                step=state.step,
                epoch=state.step / per_epoch,
                steps=steps,
                reconstruction=result.reconstruction.mean().item(),
                kl=result.kl.mean().item(),
                beta=beta,
                learning_rate=rate,
                images_per_second=seen / max(now - since, 1e-9),
                heldout=measured,
            )
            since, seen = time.perf_counter(), 0
    model.eval()


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
    active = int((torch.cat(means).var(0) > ACTIVE).sum())
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


def _generator(seed: int, number: int, stream: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 1_000_003 + number) * 4 + stream)


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
