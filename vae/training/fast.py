"""What is here for speed alone, with the ratio that was measured for it.

Ratios are of the processor time of a training step, with and without by turns in one process, on
one thread: "small" and "large" are the two networks of `benchmarks/training.py`.
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

    By the function behind `torch.optim.Adam`: the class imports torch's compiler at its first
    use, which takes longer than training on digits. Fused into one operation, because the default
    takes 1.16 times as long (small).

    Args:
        parameters: `(…)` each, with their gradients.
        exp_avg: first moments, each with its parameter's memory layout.
        exp_avg_sq: second moments, likewise.
        steps: for each parameter, a tensor that counts the steps taken.
        learning_rate: of this step.

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
