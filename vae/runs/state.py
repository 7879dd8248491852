"""The state from which a run is resumed exactly: weights, moments of Adam, and the step."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import torch

from .. import compatibility
from ..model import VAE
from ..schema import Count, Number, Positive, SchemaError, convert
from ..tensors import read_tensors, write_tensors
from ..training.distributed import Group
from ..training.loop import TrainingState
from .config import RunError

__all__ = ["has_state", "read_state", "write_state"]

_FILE = "state.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")


class _Reached(TypedDict):
    """The metadata of a saved state."""

    step: Count
    seconds: Positive
    beta: Number | None
    learning_rate: Number | None


def _check_state(
    file: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, Any], model: VAE
) -> dict[str, Any]:
    """Refuses a saved state of another network, before anything is overwritten."""
    expected = {f"model.{name}": value.shape for name, value in model.state_dict().items()}
    for i, parameter in enumerate(model.parameters()):
        expected |= {f"{kind}.{i:03d}": parameter.shape for kind in _MOMENTS}
    try:
        state = convert(metadata, _Reached)
        wrong = [name for name in tensors if name not in expected]
        for name, shape in expected.items():
            tensor = tensors.get(name)
            if tensor is None or tensor.shape != shape or not tensor.is_floating_point():
                wrong.append(name)
        if wrong:
            raise SchemaError(f"tensor {wrong[0]} is not this network's")
    except SchemaError as error:
        raise RunError(
            f"{file} cannot be used ({error}). Put the file back as it was, or remove it to begin "
            "again."
        ) from error
    return state


def has_state(folder: Path) -> bool:
    """Whether a run was saved."""
    return (folder / _FILE).exists()


def write_state(folder: Path, model: VAE, state: TrainingState, seconds: float) -> None:
    """Saves the state of a run.

    Args:
        folder: folder of the run.
        model: model after `state.step` steps.
        state: state of the training loop.
        seconds: seconds spent training, over all resumptions.
    """
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for kind in _MOMENTS:
        tensors |= {f"{kind}.{i:03d}": v for i, v in enumerate(getattr(state, kind))}
    write_tensors(
        folder / _FILE,
        {k: v.detach().float().cpu().contiguous() for k, v in tensors.items()},
        {
            "step": state.step,
            "beta": state.beta,
            "learning_rate": state.learning_rate,
            "seconds": seconds,
        },
    )


def read_state(folder: Path, model: VAE, group: Group) -> tuple[TrainingState, float] | None:
    """Restores what was saved; the other processes get it from the one that writes.

    Args:
        folder: folder of the run.
        model: model whose weights are replaced.
        group: processes that train the run.

    Raises:
        RunError: if the file is damaged, or holds the state of another network.

    Returns:
        The state of the training loop, and the seconds spent training; None if nothing was saved.
    """
    tensors: dict[str, torch.Tensor] = {}
    state: dict[str, Any] = {}
    if group.writes and has_state(folder):
        file = folder / _FILE
        arrays, state = read_tensors(file)
        tensors = {k: torch.from_numpy(v) for k, v in compatibility.state_names(arrays).items()}
        state = _check_state(file, tensors, state, model)
        state["shapes"] = {k: v.shape for k, v in tensors.items()}
    state = group.object_from_first(state)
    if not state:
        return None
    kinds: dict[str, dict[str, torch.Tensor]] = {"model": {}, **{kind: {} for kind in _MOMENTS}}
    for name, shape in state["shapes"].items():
        tensor = tensors.get(name, torch.empty(shape)).to(group.device)
        kind, rest = name.split(".", 1)
        kinds[kind][rest] = group.from_first(tensor)
    model.load_state_dict(kinds["model"])
    moments = [[kinds[kind][i] for i in sorted(kinds[kind])] for kind in _MOMENTS]
    beta, rate = state["beta"], state["learning_rate"]
    reached = TrainingState(state["step"], moments[0], moments[1], beta, rate)
    return reached, state["seconds"]
