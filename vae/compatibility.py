"""Translation of names in files of earlier versions, all in this module."""

from __future__ import annotations

from typing import Any

__all__ = ["state_names", "training_fields"]

_TRAINING = {"shared_sigma": "sigma_warmup_epochs", "detail": "variance_weighting"}
_MOMENTS = {"means": "exp_avg", "squares": "exp_avg_sq"}


def training_fields(fields: Any) -> Any:
    """Fields of `TrainingConfig` under their current names; other values are returned as is."""
    if not isinstance(fields, dict):
        return fields
    return {_TRAINING.get(name, name): value for name, value in fields.items()}


def state_names(tensors: dict[str, Any]) -> dict[str, Any]:
    """Tensors of `state.safetensors` under their current names."""
    renamed = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        renamed[f"{_MOMENTS.get(kind, kind)}.{rest}"] = tensor
    return renamed
