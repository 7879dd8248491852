"""Makes small files that would become large, deep or long: `bombs.py` names the cases."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mutations import KINDS
from onnx_corpus import varint
from sources import encoded

__all__ = [
    "ZEROS",
    "changed_set",
    "hdf5",
    "hdf5_chunk",
    "hdf5_groups",
    "many_members",
    "mat",
    "metadata",
    "npy_head",
    "npz",
    "onnx",
    "packed_heads",
    "packed_zeros",
    "parquet",
    "repeated",
    "safetensors",
    "sparse",
    "tar",
    "tar_head",
    "text",
    "understated",
    "with_table",
    "zeros",
    "zipped",
]

ZEROS = bytes(1 << 20)


def zipped(write: Callable[[zipfile.ZipFile], object]) -> Callable[[Path], object]:
    def make(file: Path) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            write(archive)

    return make


def zeros(archive: zipfile.ZipFile, name: str, megabytes: int, head: bytes = b"") -> None:
    with archive.open(name, "w", force_zip64=True) as out:
        out.write(head)
        for _ in range(megabytes):
            out.write(ZEROS)


def many_members(count: int) -> Callable[[Path], None]:
    """A zip archive of empty members, of which each has no more than its entry."""

    def make(file: Path) -> None:
        local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 33, 0, 0, 0, 5, 0) + b"a.png"
        entry = struct.pack(
            "<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 33, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0
        )
        with file.open("wb") as out:
            out.write(local)
            for k in range(count):
                out.write(entry + b"%06x.png" % k)
            size, start = out.tell() - len(local), len(local)
            at = out.tell()
            out.write(
                struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, start)
            )
            out.write(struct.pack("<IIQI", 0x07064B50, 0, at, 1))
            out.write(
                struct.pack(
                    "<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0
                )
            )

    return make


def understated(file: Path) -> None:
    """A picture in a zip archive that unpacks to more than it says."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        zeros(archive, "a.png", 900)
    content = bytearray(out.getvalue())
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 5_000)
    file.write_bytes(content)


def tar(names: Callable[[], list[tuple[str, bytes]]], opened: Callable = open):
    def make(file: Path) -> None:
        with opened(file, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as archive:
            for name, content in names():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))

    return make


def packed_zeros(opened: Callable, megabytes: int, head: Callable[[], bytes] = bytes):
    def make(file: Path) -> None:
        with opened(file, "wb") as stream:
            stream.write(head())
            for _ in range(megabytes):
                stream.write(ZEROS)

    return make


def packed_heads(count: int, kind: bytes, name: str = "") -> Callable[[Path], object]:
    """A compressed tar archive of nothing but headers, of one name unless they are numbered."""

    def make(file: Path) -> None:
        with gzip.open(file, "wb", 1) as stream:
            for k in range(0, count, 1_000):
                numbers = range(k, k + 1_000)
                heads = (tar_head(name % number, 0, kind) for number in numbers)
                stream.write(b"".join(heads) if name else tar_head("a.png", 0, kind) * 1_000)
            stream.write(bytes(1_024))

    return make


def tar_head(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def npy_head(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    out = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue()


def npz(**members: tuple[tuple[int, ...], str, int]) -> Callable[[Path], object]:
    def write(archive: zipfile.ZipFile) -> None:
        for name, (shape, descr, megabytes) in members.items():
            zeros(archive, f"{name}.npy", megabytes, npy_head(shape, descr))

    return zipped(write)


def sparse(head: bytes, size: int) -> Callable[[Path], None]:
    def make(file: Path) -> None:
        with file.open("wb") as out:
            out.write(head)
            out.truncate(len(head) + size)

    return make


def hdf5(**sets: dict) -> Callable[[Path], None]:
    def make(file: Path) -> None:
        import h5py

        with h5py.File(file, "w") as out:
            for name, how in sets.items():
                out.create_dataset(name, **how)  # nothing is written: zeros are implied

    return make


def hdf5_groups(file: Path) -> None:
    import h5py

    with h5py.File(file, "w", libver="latest") as out:
        inner = out
        for _ in range(5_000):
            inner = inner.create_group("g")
        inner.create_dataset("images", (10, 8, 8), "u1")


def hdf5_chunk(file: Path) -> None:
    """One chunk of 2 GB, which a reader of one picture unpacks."""
    import h5py

    with h5py.File(file, "w") as out:
        made = out.create_dataset(
            "images", (2_000, 1_000, 1_000), "u1", chunks=(2_000, 1_000, 1_000), compression="gzip"
        )
        packer = zlib.compressobj(1)
        content = (
            b"".join(packer.compress(ZEROS[:1_000_000]) for _ in range(2_000)) + packer.flush()
        )
        made.id.write_direct_chunk((0, 0, 0), content)


def parquet(columns: Callable[[], dict], **how) -> Callable[[Path], None]:
    def make(file: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table(columns()), file, store_schema=False, **how)

    return make


def repeated(value: object, count: int):
    import pyarrow

    indices = pyarrow.array(np.zeros(count, np.int32))
    return pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array([value]))


def mat(dims: tuple[int, ...], megabytes: int, kind: int = 9, stored: int = 2) -> Callable:
    """A MATLAB file with one compressed array of zeros: uint8 numbers by default."""

    def make(file: Path) -> None:
        size = megabytes << 20
        flags = struct.pack("<IIII", 6, 8, kind, 0)
        shape = struct.pack("<II", 5, 4 * len(dims)) + np.array(dims, "<i4").tobytes()
        shape += b"\0" * (-len(shape) % 8)
        name = struct.pack("<HH4s", 1, 1, b"X")
        inner = flags + shape + name + struct.pack("<II", stored, size)
        packer = zlib.compressobj(1)
        packed = packer.compress(struct.pack("<II", 14, len(inner) + size) + inner)
        packed += b"".join(packer.compress(ZEROS) for _ in range(megabytes)) + packer.flush()
        head = b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + struct.pack("<HH", 0x0100, 0x4D49)
        file.write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)

    return make


def text(content: Callable[[], bytes]) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(content()) and None


def with_table(table: Callable[[], bytes], name: str = "a.png") -> Callable[[Path], object]:
    def write(archive: zipfile.ZipFile) -> None:
        archive.writestr(name, encoded(0))
        archive.writestr("labels.csv", table())

    return zipped(write)


def changed_set(member: str, content: bytes) -> Callable[[Path], object]:
    """An exported dataset, of which one file is another."""

    def make(file: Path) -> None:
        sound = zipfile.ZipFile(io.BytesIO(KINDS["set.zip"][0](file.parent)))

        def write(archive: zipfile.ZipFile) -> None:
            for name in sound.namelist():
                archive.writestr(name, content if name == member else sound.read(name))

        zipped(write)(file)

    return make


def safetensors(header: Callable[[], bytes], size: int = 0) -> Callable[[Path], None]:
    def make(file: Path) -> None:
        head = header()
        with file.open("wb") as out:
            out.write(struct.pack("<Q", len(head)) + head)
            out.truncate(8 + len(head) + size)

    return make


def _deep(opening: str, depth: int) -> bytes:
    closing = {"[": "]", '{"a":': "}"}[opening]
    return (opening * depth + "1" + closing * depth).encode()


def metadata(text: Callable[[], str]) -> Callable[[], bytes]:
    about = {"format": "latent-space-explorer/1"}
    return lambda: json.dumps(
        {"__metadata__": about | {"config": text(), "concepts": text()}}
    ).encode()


def onnx(head: bytes, piece: bytes, count: int) -> Callable[[Path], object]:
    """A file of one graph that repeats a piece of it."""

    def make(file: Path) -> None:
        graph = piece * count
        file.write_bytes(head + b"\x3a" + varint(len(graph)) + graph)

    return make
