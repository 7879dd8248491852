"""Snapshots of a model during training: pictures and codes of some epochs, for replay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from ..concepts.attributes import attribute_table
from ..datasets import Dataset
from ..datasets.base import checksum
from ..model import VAE
from ..projection import fit_discriminants, fit_pca
from ..schema import SchemaError, convert
from ..tensors import CheckpointError, check_arrays, read_tensors, write_tensors
from ..training.config import TrainingConfig

__all__ = [
    "UNKNOWN",
    "Snapshots",
    "list_snapshots",
    "read_pictures",
    "read_shared",
    "read_snapshot",
    "snapshot_file",
]

KEPT = 50  # largest number of epochs with a snapshot, evenly spaced
PICTURES = 16
CODES = 1_000
ATTRIBUTES = 60  # of the held-out images, whose values are kept
UNKNOWN = 2
"""Value of an attribute that is missing, in a snapshot's `attribute.…`."""

_EPOCH = re.compile(r"\d{6}")
_TAKEN = {
    "samples": ("u", ("S", "C", "H", "W")),
    "reconstructions": ("u", ("P", "C", "H", "W")),
    "codes": ("f", ("N", "D")),
    "map": ("f", ("N", 2)),
}


class _Shared(TypedDict, total=False):
    classes: list[str] | None
    images: int


def read_shared(folder: str | Path) -> dict[str, Any]:
    """Reads the metadata of the images in the snapshots of a run.

    Returns:
        `classes`, names or None, and `images`, a checksum; empty if there is no snapshot or an
        early version wrote it.
    """
    try:
        return convert(read_tensors(snapshot_file(folder, None))[1], _Shared)
    except (CheckpointError, SchemaError):
        return {}


class Snapshots:
    """Takes snapshots of samples, reconstructions and codes during training.

    Args:
        folder: folder of the run.
        heldout: held-out images, the first of which are reconstructed and encoded.
        training: configuration with the number of epochs and the seed.
    """

    def __init__(self, folder: Path, heldout: Dataset, training: TrainingConfig) -> None:
        self._folder = folder
        self._images = heldout.images[: min(CODES, len(heldout))]
        self._every = -(-training.epochs // KEPT)
        self._last = training.epochs
        self._seed = training.seed
        self._labels = None
        shared = {"originals": _bytes(self._images[:PICTURES])}
        if heldout.labels is not None:
            shared["labels"] = heldout.labels[: len(self._images)].contiguous()
            self._labels = shared["labels"].numpy()
        first = slice(0, len(self._images))
        table = attribute_table(heldout, first) if heldout.attributes else {}
        for name, values in list(table.items())[:ATTRIBUTES]:
            known = np.nan_to_num(np.asarray(values, np.float32), nan=UNKNOWN)
            shared[f"attribute.{name}"] = torch.from_numpy(known.astype(np.uint8))
        identity = checksum(_bytes(self._images).numpy().tobytes())
        if read_shared(folder).get("images", identity) != identity:  # snapshots of other images
            for epoch in list_snapshots(folder):
                snapshot_file(folder, epoch).unlink(missing_ok=True)
        about = {"classes": heldout.classes, "images": identity}
        write_tensors(snapshot_file(folder, None), shared, about)

    @torch.no_grad()
    def take(self, model: VAE, epoch: int) -> None:
        """Writes a snapshot of the model, if the epoch is one of those that are kept."""
        if epoch % self._every and epoch != self._last:
            return
        device = next(model.parameters()).device
        codes = torch.cat([model.encoder(x.to(device)).mean for x in self._images.split(250)])
        noise = torch.Generator().manual_seed(self._seed)
        z = torch.randn((PICTURES, model.latent_dim), generator=noise).to(device)
        if not model.config.variational:  # its codes do not follow the prior
            z = codes.mean(0) + codes.std(0, correction=min(1, len(codes) - 1)) * z
        codes_array = codes.float().cpu().numpy()
        write_tensors(
            snapshot_file(self._folder, epoch),
            {
                "samples": _bytes(model.decoder(z).mean),
                "reconstructions": _bytes(model.decoder(codes[:PICTURES]).mean),
                "codes": codes.half().cpu().contiguous(),
                "map": torch.from_numpy(self._place(codes_array, epoch)),
            },
            {},
        )

    def _place(self, codes: np.ndarray, epoch: int) -> np.ndarray:
        """Projects codes to a plane and aligns them with the previous snapshot by a rotation."""
        if codes.shape[1] == 2:
            return np.ascontiguousarray(codes)
        plane = fit_pca(codes, 2).components
        if self._labels is not None:
            plane = fit_discriminants(codes, self._labels)
        places = np.zeros((len(codes), 2), np.float32)
        places[:, : len(plane)] = (codes - codes.mean(0)) @ plane.T
        before = [e for e in list_snapshots(self._folder) if e < epoch]
        if before:
            old = read_snapshot(self._folder, before[-1])["map"]
            left, _, right = np.linalg.svd(places.T @ (old - old.mean(0)))
            places = places @ (left @ right)
        return np.ascontiguousarray(places, dtype=np.float32)


def list_snapshots(folder: str | Path) -> list[int]:
    """The epochs with a snapshot, in order; 0 is before training."""
    files = (Path(folder) / "snapshots").glob("*.safetensors")
    return sorted(int(file.stem) for file in files if _EPOCH.fullmatch(file.stem))


def read_snapshot(folder: str | Path, epoch: int | None = None) -> dict[str, np.ndarray]:
    """Reads the snapshot of one epoch.

    Args:
        folder: folder of the run.
        epoch: one of `list_snapshots`, or None for the arrays that all epochs share.

    Returns:
        `samples` and `reconstructions` `(16, C, H, W)` uint8, `codes` `(N, D)` and `map` `(N, 2)`,
        their positions in a plane that rotates as little as possible between epochs. For None:
        `originals` `(16, C, H, W)` uint8 and, if the data have them, `labels` `(N,)` and
        `attribute.…` `(N,)` uint8 of the codes: 0, 1, or `UNKNOWN`.

    Raises:
        CheckpointError: if the snapshot is missing or damaged.
    """
    file = snapshot_file(folder, epoch)
    arrays = read_tensors(file)[0]
    if epoch is None:
        check_arrays(file, arrays, _shared(arrays), required=("originals",))
    else:
        check_arrays(file, arrays, _TAKEN, required=_TAKEN)
    return arrays


def read_pictures(folder: str | Path, epoch: int) -> dict[str, np.ndarray]:
    """Reads the snapshot of one epoch together with the arrays that all epochs share.

    Args:
        folder: folder of the run.
        epoch: one of `list_snapshots`.

    Returns:
        Arrays by name, as `read_snapshot` returns them, images `(16, C, H, W)` uint8.

    Raises:
        CheckpointError: if an array is missing or damaged, or shapes do not match.
    """
    arrays = read_snapshot(folder) | read_snapshot(folder, epoch)
    together = _TAKEN | _shared(arrays) | {"codes": ("f", ("N", "D")), "map": ("f", ("N", 2))}
    files = f"{snapshot_file(folder, None)} and {snapshot_file(folder, epoch).name}"
    check_arrays(files, arrays, together, required=())
    return arrays


def _shared(arrays: dict[str, np.ndarray]) -> dict[str, tuple[str, tuple[str | int, ...]]]:
    """The expected types and shapes of the arrays that all epochs share."""
    attributes = {name: ("u", ("N",)) for name in arrays if name.startswith("attribute.")}
    return {"originals": ("u", ("P", "C", "H", "W")), "labels": ("iu", ("N",)), **attributes}


def snapshot_file(folder: str | Path, epoch: int | None) -> Path:
    """The file of the snapshot of an epoch, or of the arrays that all epochs share (None)."""
    name = "shared" if epoch is None else f"{epoch:06d}"
    return Path(folder) / "snapshots" / f"{name}.safetensors"


def _bytes(images: Tensor) -> Tensor:
    return images.float().mul(255).round().clamp(0, 255).byte().cpu().contiguous()
