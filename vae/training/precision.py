"""The precision of matrix products in training."""

from __future__ import annotations

import torch

from ..config import ConfigError

__all__ = ["resolve_precision"]


def resolve_precision(precision: str, device: torch.device) -> str:
    """Resolves `auto` for a device.

    Args:
        precision: one of `PRECISIONS`.
        device: device on which the model is trained.

    Returns:
        `float32` or `bfloat16`.

    Raises:
        ConfigError: if `precision` is bfloat16 and the device has no instructions for it.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    if precision == "auto":
        return "bfloat16" if native else "float32"
    if precision == "bfloat16" and not native:
        raise ConfigError(
            "precision is bfloat16, for which this processor has no instructions; train on a "
            "processor with AVX512-BF16 or a recent GPU, or begin a new run with float32."
        )
    return precision
