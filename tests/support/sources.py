"""Sources of pictures that tests of imports write, and what came of them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from vae import DatasetError, load_dataset


def picture(seed: int, size=(12, 12), mode="RGB") -> Image.Image:
    rng = np.random.default_rng(seed)
    blocks = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8))
    return blocks.resize(size, Image.Resampling.NEAREST).convert(mode)


def fill(folder: Path, count: int, start: int = 0, suffix: str = ".png", **how) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{i:03d}{suffix}" for i in range(start, start + count)]
    for i, file in enumerate(files, start):
        picture(i, **how).save(file)
    return files


def everything(name: str) -> dict[str, tuple[np.ndarray, str | None]]:
    """Pixels and class of each picture by name, over all splits."""
    found = {}
    for split in ("train", "validation", "test"):
        try:
            part = load_dataset(name, split)
        except DatasetError:
            continue
        for i, key in enumerate(part.names):
            label = None if part.labels is None else part.classes[part.labels[i]]
            found[key] = part.images.read(i).numpy(), label
    return found


def encoded(seed: int, kind: str = "PNG", **how) -> bytes:
    out = io.BytesIO()
    picture(seed, **how).save(out, kind)
    return out.getvalue()


IMAGES = np.stack([np.asarray(picture(i)) for i in range(30)])
GREY = np.stack([np.asarray(picture(i, mode="L")) for i in range(30)])
LABELS = np.arange(30) % 3


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_cifar(out: Path) -> None:
    big = np.stack([np.asarray(picture(i, (32, 32))) for i in range(30)])
    records = [
        bytes([int(k)]) + x.transpose(2, 0, 1).tobytes() for k, x in zip(LABELS, big, strict=True)
    ]
    with tarfile.open(out / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for name, content in (
            ("data_batch_1.bin", b"".join(records[:20])),
            ("test_batch.bin", b"".join(records[20:])),
            ("batches.meta.txt", b"0\n1\n2\n"),
        ):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def tar_of(out: Path, files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()
