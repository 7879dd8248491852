"""Variational autoencoders and the geometry of their latent spaces."""

from .checkpoint import CheckpointError, list_checkpoints, load_checkpoint, save_checkpoint
from .concepts.vectors import concept_vector
from .datasets import DatasetError, load_dataset
from .latent import lerp, slerp
from .model import VAE, ConfigError, VAEConfig
from .objective import elbo, log_evidence

__all__ = [
    "VAE",
    "CheckpointError",
    "ConfigError",
    "DatasetError",
    "VAEConfig",
    "concept_vector",
    "elbo",
    "lerp",
    "list_checkpoints",
    "load_checkpoint",
    "load_dataset",
    "log_evidence",
    "save_checkpoint",
    "slerp",
]
