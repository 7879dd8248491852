"""The files for the browser: safetensors files, each of which describes its own network.

One is a decoder, the other the flow of a learned distribution of codes.
"""

from __future__ import annotations

import json

import numpy as np
import safetensors.torch
import torch

from .code_distribution import CodeDistribution
from .flow import STEPS
from .model import VAE

__all__ = ["DEVIATION_WHITE", "decoder_bytes", "decoder_info", "flow_bytes"]

DEVIATION_WHITE = 0.25  # the standard deviation that is drawn as white, for a pixel range of 1


def decoder_info(model: VAE) -> dict[str, object]:
    """The metadata that the browser needs in addition to the weights.

    Returns:
        `layers` (in order, see `Decoder.layers`), `image_shape` (C, H, W), `likelihood`,
        `latent_dim`, `sigma_floor`, `sigma` and `deviation_white`.
    """
    config = model.config
    return {
        "layers": model.decoder.layers(),
        "image_shape": list(config.image_shape),
        "likelihood": config.likelihood,
        "latent_dim": config.latent_dim,
        "sigma_floor": config.sigma_floor,
        "sigma": config.sigma,
        "deviation_white": DEVIATION_WHITE,
    }


def decoder_bytes(model: VAE) -> bytes:
    """Packs a model's decoder for the browser.

    A tensor is sent in 16 bits if that is exact, as for all checkpoints in 16 bits, and in 32
    bits otherwise, so that the browser computes exactly this decoder.

    Returns:
        The content of a safetensors file, whose metadata holds `decoder_info` as JSON under
        `decoder`. The bytes depend on the model alone.
    """
    state = model.decoder.state_dict()
    tensors = {name: _shortest(state[name]) for name in sorted(state)}
    metadata = {"decoder": json.dumps(decoder_info(model), separators=(",", ":"))}
    return safetensors.torch.save(tensors, metadata=metadata)


def flow_bytes(distribution: CodeDistribution) -> bytes:
    """Packs the flow of a learned distribution for the browser, tensors as in `decoder_bytes`.

    Args:
        distribution: learned distribution of codes.

    Returns:
        The content of a safetensors file, whose metadata holds `dim`, `width`, `blocks`,
        `frequencies` and `steps` as JSON under `flow`.

    Raises:
        ValueError: if the distribution is a fitted Gaussian, which has no flow.
    """
    field = distribution.field
    if field is None:
        raise ValueError("This distribution is a fitted Gaussian; expected one with a flow.")
    inverse = np.linalg.inv(distribution.root.astype(np.float64)).astype(np.float32)
    tensors = {"mean": distribution.mean, "root": distribution.root, "inverse": inverse}
    packed = {name: torch.from_numpy(array) for name, array in tensors.items()}
    packed |= {f"field.{name}": parameter for name, parameter in field.named_parameters()}
    info = {
        "dim": field.dim,
        "width": field.width,
        "blocks": len(field.blocks),
        "frequencies": field.frequencies.tolist(),
        "steps": STEPS,
    }
    metadata = {"flow": json.dumps(info, separators=(",", ":"))}
    shortest = {name: _shortest(packed[name]) for name in sorted(packed)}
    return safetensors.torch.save(shortest, metadata=metadata)


def _shortest(tensor: torch.Tensor) -> torch.Tensor:
    full = tensor.detach().cpu().float().contiguous()
    half = full.half()
    return half if torch.equal(half.float(), full) else full
