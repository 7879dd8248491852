"""Code that exists for speed alone, each piece with its measured effect.

Ratios compare the processor time of a training step on one thread, measured alternately in one
process. "Small" and "large" are the two networks of `benchmarks/training.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

__all__ = ["adam_step"]


@torch.no_grad()
def adam_step(
    parameters: Sequence[Tensor],
    exp_avg: list[Tensor],
    exp_avg_sq: list[Tensor],
    steps: list[Tensor],
    learning_rate: float,
) -> None:
    """Takes one step of Adam, in place.

    Calls the function behind `torch.optim.Adam`, because the class imports torch's compiler on
    first use, which takes longer than training on digits. The fused implementation is used: the
    default one takes 1.16 times as long (small).

    Args:
        parameters: parameters `(…)`, each with its gradient.
        exp_avg: first moments, each with the memory layout of its parameter.
        exp_avg_sq: second moments, likewise.
        steps: step counters, one tensor for each parameter.
        learning_rate: learning rate of this step.

    References:
        Adam: a method for stochastic optimization (Kingma and Ba, 2014).
    """
    adam(
        list(parameters),
        [p.grad for p in parameters if p.grad is not None],
        exp_avg,
        exp_avg_sq,
        [],
        steps,
        fused=True,
        amsgrad=False,
        beta1=0.9,
        beta2=0.999,
        lr=learning_rate,
        weight_decay=0.0,
        eps=1e-8,
        maximize=False,
    )
