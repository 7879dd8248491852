"""Files of every kind that the program reads, each made by code and then damaged by a number."""

from __future__ import annotations

import csv
import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_corpus
import torch
from PIL import Image

from pages.ui.shared.tables import read_table, write_table
from vae import VAE, VAEConfig, import_images, load_checkpoint, save_checkpoint
from vae.checkpoint import load_codes, save_codes
from vae.concepts.files import Concept, pack, read_vectors
from vae.exchange import export_model, import_model
from vae.imported_models.importing import read_codes
from vae.imported_models.onnx_file import read_onnx_model
from vae.imports import export_dataset, import_source, inspect_source
from vae.imports.picture import Fit, read_picture

__all__ = ["KINDS", "attempt"]

_SIDE = 12
_BOUNDS = (0, 1, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The same bytes after one to four changes, some of which keep what a format expects."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        size = len(changed)
        at = int(rng.integers(size + 1))
        # Headers stand at the beginning, directories of archives at the end.
        at = (at, min(at, 80), max(size - 80, at))[rng.integers(3)]
        which = rng.integers(7)
        if which == 0:
            del changed[at:]
        elif which == 1 and size:
            for place in rng.integers(0, size, rng.integers(1, 12)):
                changed[place] = rng.integers(256)
        elif which == 2:
            bound = int(_BOUNDS[rng.integers(len(_BOUNDS))])
            width = (1, 2, 4, 8)[rng.integers(4)]
            order = ("little", "big")[rng.integers(2)]
            number = (bound & (1 << 8 * width) - 1).to_bytes(width, order)
            changed[at : at + width] = number
        elif which == 3:
            changed[at:at] = changed[: rng.integers(1, 400)]
        elif which == 4:
            del changed[at : at + int(rng.integers(1, 60))]
        elif which == 5:
            changed[at:at] = rng.bytes(int(rng.integers(1, 40)))
        else:
            changed += changed[at:]
    return bytes(changed)


def _pixels(count: int = 24) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (count, _SIDE, _SIDE), np.uint8)


def _encoded(kind: str, **how) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        out = io.BytesIO()
        mode = how.pop("mode", "RGB")
        Image.fromarray(_pixels(3).transpose(1, 2, 0)).convert(mode).save(out, kind, **how)
        return out.getvalue()

    return make


def _members() -> dict[str, bytes]:
    members = {}
    for i, x in enumerate(_pixels()):
        out = io.BytesIO()
        Image.fromarray(x).save(out, "PNG")
        members[f"{'ab'[i % 2]}/{i}.png"] = out.getvalue()
    return members | {"labels.csv": _labels()}


def _labels() -> bytes:
    out = io.StringIO()
    rows = [[f"{'ab'[i % 2]}/{i}.png", i, ["x", "y"][i % 2], i / 3] for i in range(24)]
    csv.writer(out).writerows([["file", "number", "kind", "size"], *rows])
    return out.getvalue().encode()


def _zip(folder: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members().items():
            archive.writestr(name, content)
    return out.getvalue()


def _tar(mode: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=mode) as archive:
            for name, content in _members().items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()

    return make


def _saved(save: Callable[[io.BytesIO], object]) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        out = io.BytesIO()
        save(out)
        return out.getvalue()

    return make


def _idx(folder: Path) -> bytes:
    x = _pixels()
    return gzip.compress(struct.pack(">IIII", 0x803, *x.shape) + x.tobytes(), mtime=0)


def _mat(out: io.BytesIO) -> None:
    import scipy.io

    scipy.io.savemat(out, {"X": _pixels().transpose(1, 2, 0), "y": np.arange(24) % 2})


def _table(ending: str) -> Callable[[Path], bytes]:
    columns = {"id": np.arange(9), "z1": np.linspace(0, 1, 9), "name": ["=a", "b'", "c"] * 3}
    return lambda folder: write_table(columns, ending)


def _model() -> VAE:
    torch.manual_seed(0)
    return VAE(VAEConfig((1, _SIDE, _SIDE), 3, channels=(), hidden=(8,)))


def _codes() -> dict[str, np.ndarray]:
    mean = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    return {"mean": mean, "index": np.arange(20), "kl": mean[:, 0] ** 2}


def _written(name: str, write: Callable[[Path], object]) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        place = folder / "sound"
        write(place)
        return (place / name).read_bytes()

    return make


def _checkpoint(place: Path) -> None:
    save_checkpoint(_model(), place, {"dataset": "digits"})
    save_codes(place, _codes())


def _exported_model(folder: Path) -> bytes:
    _checkpoint(folder / "sound")
    return export_model(folder / "sound", folder / "sound.zip").read_bytes()


def _exported_set(folder: Path) -> bytes:
    import_images(_pixels(), "sound", labels=np.arange(24) % 2, classes=("a", "b"))
    return export_dataset("sound", folder / "set.zip").read_bytes()


def _vectors(folder: Path) -> bytes:
    return pack([Concept("a", np.ones(3, np.float32))], _model(), "one")[0]


def _opened_picture(file: Path) -> None:
    with file.open("rb") as stream:
        image = read_picture(stream, file.name, Fit((3, 16, 16)))
    assert image.shape == (3, 16, 16) and image.dtype == np.uint8


def _inspected(file: Path) -> None:
    inspect_source(file, skip_broken=True)


def _imported(file: Path) -> None:
    import_source(file, "theirs", skip_broken=True)


def _with_labels(file: Path) -> None:
    place = file.parent / "pictures"
    for name, content in _members().items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    inspect_source(place, labels=file, skip_broken=True)


def _read_checkpoint(file: Path) -> None:
    place = file.parent / "model"
    place.mkdir()
    file.rename(place / file.name)
    (load_codes if file.name.startswith("codes") else load_checkpoint)(place)


def _tabled(file: Path) -> None:
    read_table(file.read_bytes(), file.name)


def _edited_onnx(folder: Path) -> bytes:
    return onnx_corpus.fuzzed(0)


KINDS: dict[str, tuple[Callable[[Path], bytes], Callable[[Path], object]]] = {
    # by the name of the file: how it is made, and who reads it
    "a.png": (_encoded("PNG"), _opened_picture),
    "palette.png": (_encoded("PNG", mode="P"), _opened_picture),
    "a.jpg": (_encoded("JPEG"), _opened_picture),
    "a.gif": (_encoded("GIF", mode="P"), _opened_picture),
    "a.tif": (_encoded("TIFF", compression="tiff_lzw"), _opened_picture),
    "a.bmp": (_encoded("BMP"), _opened_picture),
    "a.webp": (_encoded("WEBP"), _opened_picture),
    "a.zip": (_zip, _inspected),
    "a.tar": (_tar("w"), _inspected),
    "a.tar.gz": (_tar("w:gz"), _inspected),
    "labels.csv": (lambda folder: _labels(), _with_labels),
    "a.npy": (_saved(lambda out: np.save(out, _pixels())), _inspected),
    "a.npz": (_saved(lambda out: np.savez(out, x=_pixels(), y=np.arange(24) % 2)), _inspected),
    "a-images-idx3-ubyte.gz": (_idx, _inspected),
    "a.mat": (_saved(_mat), _inspected),
    "a.parquet": (_table("parquet"), _inspected),
    "set.zip": (_exported_set, _imported),
    "model.zip": (_exported_model, lambda file: import_model(file, "theirs")),
    "model.safetensors": (_written("model.safetensors", _checkpoint), _read_checkpoint),
    "codes.safetensors": (_written("codes.safetensors", _checkpoint), _read_checkpoint),
    "vectors.safetensors": (_vectors, lambda file: read_vectors(file, _model())),
    "codes.npz": (_saved(lambda out: np.savez(out, mean=_codes()["mean"])), read_codes),
    "a.onnx": (_edited_onnx, read_onnx_model),
    "table.csv": (_table("csv"), _tabled),
    "table.npz": (_table("npz"), _tabled),
    "table.parquet": (_table("parquet"), _tabled),
}


def attempt(kind: str, seed: int, folder: Path) -> str:
    """Reads a file of a kind after it was damaged; whoever reads it takes or refuses it.

    Args:
        kind: key of `KINDS`.
        seed: decides how the file is damaged.
        folder: empty folder; the data folder must lie in it.

    Returns:
        What the refusal said, or "" where it was taken.

    Raises:
        Exception: whatever is no refusal.
    """
    make, read = KINDS[kind]
    sound = folder / "made"
    sound.mkdir()
    rng = np.random.default_rng(seed)
    content = onnx_corpus.fuzzed(seed) if kind.endswith(".onnx") else make(sound)
    file = folder / kind
    file.write_bytes(mutated(content, rng))
    try:
        read(file)
    except ValueError as refusal:  # all errors of the library are of this kind, with a name
        if type(refusal).__module__.split(".")[0] not in ("vae", "pages"):
            raise
        return str(refusal)
    return ""
