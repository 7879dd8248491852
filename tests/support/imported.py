"""Imported models of each kind, from hand-written ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_models

from vae.imported_models.importing import import_networks

COUNT = 120
KINDS = ("encoded", "no-nats", "alone", "codes-only")


def make(folder: Path, kinds: tuple[str, ...] = KINDS) -> None:
    """Imports models into the data folder of the environment.

    Args:
        folder: folder for the ONNX files.
        kinds: "encoded" has both networks and a likelihood, "no-nats" both without one, "alone"
            is a decoder without an encoder, "codes-only" has codes and images without a decoder.
    """
    files = onnx_models.write(
        folder,
        decoder=onnx_models.decoder((2, 2), scale=0.6),
        encoder=onnx_models.encoder((2, 2)),
    )
    codes = np.random.default_rng(0).standard_normal((COUNT, 3)).astype("f4")
    np.savez(folder / "codes.npz", mean=codes)
    both = (files["decoder"], files["encoder"])
    how = {
        "encoded": (*both, {"dataset": "digits", "likelihood": "bernoulli", "limit": COUNT}),
        "no-nats": (*both, {"dataset": "digits", "limit": COUNT}),
        "alone": (files["decoder"], None, {}),
        "codes-only": (None, None, {"dataset": "digits", "codes": folder / "codes.npz"}),
    }
    for kind in kinds:
        decoder, encoder, options = how[kind]
        import_networks(decoder, encoder, name=kind, tsne=False, **options)
