"""Variational autoencoders and the geometry of their latent spaces.

Names are imported on first use: importing torch takes seconds and hundreds of megabytes, which a
process that only waits for its turn to train should not spend.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint import CheckpointError, load_checkpoint, save_checkpoint
    from .concepts.vectors import concept_vector
    from .config import ConfigError, VAEConfig
    from .datasets import DatasetError, load_dataset
    from .imported_models.exploring import explore
    from .imported_models.importing import import_networks
    from .imported_models.wrapping import wrap_model
    from .imports import import_images
    from .latent import lerp, slerp
    from .locations import list_checkpoints
    from .model import VAE
    from .objective import elbo, log_evidence

_MODULES = {
    "checkpoint": ("CheckpointError", "load_checkpoint", "save_checkpoint"),
    "concepts.vectors": ("concept_vector",),
    "config": ("ConfigError", "VAEConfig"),
    "datasets": ("DatasetError", "load_dataset"),
    "imported_models.exploring": ("explore",),
    "imported_models.importing": ("import_networks",),
    "imported_models.wrapping": ("wrap_model",),
    "imports": ("import_images",),
    "latent": ("lerp", "slerp"),
    "locations": ("list_checkpoints",),
    "model": ("VAE",),
    "objective": ("elbo", "log_evidence"),
}
__all__ = [
    "VAE",
    "CheckpointError",
    "ConfigError",
    "DatasetError",
    "VAEConfig",
    "concept_vector",
    "elbo",
    "explore",
    "import_images",
    "import_networks",
    "lerp",
    "list_checkpoints",
    "load_checkpoint",
    "load_dataset",
    "log_evidence",
    "save_checkpoint",
    "slerp",
    "wrap_model",
]


def __getattr__(name: str) -> Any:
    """Imports a name of the library on first use."""
    module = next((module for module, names in _MODULES.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
