"""The files for the browser: safetensors files, each of which is a program for its kernel.

One is a decoder, the others the flow of a learned distribution of codes, and a classifier.
"""

from __future__ import annotations

import json

import numpy as np
import safetensors.numpy

from .classifier import Classifier
from .code_distribution import CodeDistribution
from .decoder_graph import DecoderGraph, GraphError, lower
from .decoder_graph.from_network import graph_of_field
from .flow import STEPS
from .imported_models.config import ImportedConfig
from .model import VAE

__all__ = [
    "DEVIATION_WHITE",
    "classifier_bytes",
    "decoder_bytes",
    "decoder_info",
    "flow_bytes",
    "program_bytes",
]

DEVIATION_WHITE = 0.25  # the standard deviation that is drawn as white, for a pixel range of 1


def decoder_info(model: VAE) -> dict[str, object]:
    """What a page needs to know of a model, wherever it is decoded.

    Returns:
        `image_shape` (C, H, W), `likelihood`, `latent_dim`, `sigma_floor`, `sigma`,
        `deviation_white`, and as `rule` what the network's numbers mean: they are parameters of
        the likelihood of that name, or mean and deviation themselves with `"mean"`.
    """
    config = model.config
    imported = isinstance(config, ImportedConfig)  # its graph ends in mean and deviation
    return {
        "rule": "mean" if imported else config.likelihood,
        "image_shape": list(config.image_shape),
        "likelihood": config.likelihood,
        "latent_dim": config.latent_dim,
        "sigma_floor": 0.0 if imported else config.sigma_floor,
        "sigma": config.sigma,
        "deviation_white": DEVIATION_WHITE,
    }


def decoder_bytes(model: VAE, most: int | None = None) -> bytes:
    """Packs a model's decoder for the browser.

    Weights are sent in 16 bits if that is exact, as for all checkpoints in 16 bits, and in 32
    bits otherwise, so that the browser computes exactly this decoder.

    Args:
        model: model whose decoder is packed.
        most: bytes that its weights may have; None for any number.

    Returns:
        The content of a safetensors file: `halves` and `floats` as they lie in the kernel's
        memory, and `steps`. Its metadata holds `decoder_info` as JSON under `decoder`, with where
        the kernel reads the code and writes the image. The bytes depend on the model alone.

    Raises:
        GraphError: if the browser cannot run the decoder, the message naming the operator; or if
            its weights have more bytes.
    """
    graph = model.decoder.graph()
    if most is not None and (size := graph.size) > most:
        raise GraphError(
            f"The decoder is too large for the browser, with {size / 1e6:,.0f} MB of "
            f"{most / 1e6:,.0f}"
        )
    return program_bytes(graph, "decoder", decoder_info(model))


def flow_bytes(distribution: CodeDistribution) -> bytes:
    """Packs the flow of a learned distribution for the browser, as `decoder_bytes` does.

    Args:
        distribution: learned distribution of codes.

    Returns:
        The content of a safetensors file, with `mean`, `root` and `inverse` of the whitening,
        whose metadata holds `dim`, `frequencies` and `steps` as JSON under `flow`.

    Raises:
        ValueError: if the distribution is a fitted Gaussian, which has no flow.
    """
    field = distribution.field
    if field is None:
        raise ValueError("This distribution is a fitted Gaussian; expected one with a flow.")
    inverse = np.linalg.inv(distribution.root.astype(np.float64)).astype(np.float32)
    whitening = {"mean": distribution.mean, "root": distribution.root, "inverse": inverse}
    info = {"dim": field.dim, "frequencies": field.frequencies.tolist(), "steps": STEPS}
    return program_bytes(graph_of_field(field), "flow", info, whitening)


def classifier_bytes(classifier: Classifier) -> bytes:
    """Packs a classifier for the browser, as `decoder_bytes` does.

    Args:
        classifier: of images with the decoder's shape.

    Returns:
        The content of a safetensors file, whose metadata holds the number of `names`, and
        `exclusive`, as JSON under `classifier`. The network's input is an image, its output are
        logits.

    Raises:
        GraphError: if the browser cannot run the network.
    """
    info: dict[str, object] = {
        "names": len(classifier.names),
        "exclusive": classifier.exclusive,
    }
    return program_bytes(classifier.graph(), "classifier", info)


def program_bytes(
    graph: DecoderGraph,
    kind: str = "decoder",
    info: dict[str, object] | None = None,
    others: dict[str, np.ndarray] | None = None,
) -> bytes:
    """Packs a graph as a program of the browser's kernel.

    Args:
        graph: network.
        kind: key of the metadata.
        info: what else the metadata says.
        others: arrays of any shape `(…)` that the file holds beside.

    Raises:
        GraphError: if it needs more memory or axes than the kernel has.
    """
    program = lower(graph)
    described = {
        **(info or {}),
        "multiply_adds": graph.multiply_adds,
        "memory": program.memory,
        "code": program.code,
        "output": program.output,
    }
    tensors = {"halves": program.halves, "floats": program.floats, "steps": program.steps}
    metadata = {kind: json.dumps(described, separators=(",", ":"))}
    return safetensors.numpy.save(tensors | (others or {}), metadata=metadata)
