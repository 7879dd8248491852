"""Small files that would become large, deep or long, of each kind that is read."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import unfolding as make
from mutations import KINDS
from sources import encoded

from vae.checkpoint import load_card
from vae.runs.config import read_config
from vae.runs.control import read_control
from vae.runs.metrics import read_metrics
from vae.runs.status import read_status

__all__ = ["BOMBS"]


def _read_run(file: Path) -> None:
    """Reads all that pages read of a run whose folder holds this file alone."""
    read_status(file.parent)
    read_control(file.parent)
    read_metrics(file.parent)
    read_config(file.parent)


def _read_card(file: Path) -> None:
    load_card(file.parent)


_JSON = ("status.json", "metrics.jsonl", "control.json", "config.json")
_READ = {name: read for name, (_, read) in KINDS.items()}
_READ |= dict.fromkeys(_JSON, _read_run) | {"card.json": _read_card}
BOMBS: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object]]] = {}
"""By description: name of the file, what writes it, and what reads it."""


def _add(what: str, name: str, write: Callable[[Path], object], reader: str = "") -> None:
    BOMBS[what] = (name, write, _READ[reader or name])


_add("zip: a member of 1 GB", "a.zip", make.zipped(lambda a: make.zeros(a, "a.png", 1_000)))
_add(
    "zip: 60 members of 60 MB",
    "a.zip",
    make.zipped(lambda a: [make.zeros(a, f"{k}.png", 60) for k in range(60)]),
)
_add("zip: a member larger than it says", "a.zip", make.understated)
_add("zip: 209,000 members that are no pictures", "a.zip", make.many_members(209_000))
_add("zip: 900,000 members", "a.zip", make.many_members(900_000))
_add("zip: 4,000,000 members", "a.zip", make.many_members(4_000_000))
_add(
    "zip: a name of 30,000 folders",
    "a.zip",
    make.with_table(lambda: b"file,x\na.png,1\n", "a/" * 30_000 + "a.png"),
)
_add(
    "zip: a cell of 60,000 folders",
    "a.zip",
    make.with_table(lambda: b"file,x\n" + b"a/" * 60_000 + b"a.png,1\na.png,2\n"),
)
_add("zip: an archive in an archive", "a.zip", make.zipped(lambda a: make.zeros(a, "b.zip", 60)))
_add(
    "zip: arrays",
    "a.zip",
    make.zipped(lambda a: make.zeros(a, "a.npy", 63, make.npy_head((63, 1024, 1024)))),
)
_add(
    "tar: a member larger than the file",
    "a.tar",
    make.text(lambda: make.tar_head("a.png", 7 << 30) + bytes(2_000)),
)
_add(
    "tar: 30,000 members",
    "a.tar",
    make.text(
        lambda: b"".join(make.tar_head(f"{k}.png", 0) for k in range(30_000)) + bytes(1_024)
    ),
)
_add(
    "tar: 3,000 headers about headers",
    "a.tar",
    make.text(lambda: make.tar_head("a.png", 0, b"x") * 3_000 + bytes(1_024)),
)
_add(
    "tar: 200 headers that say 1 MB each",
    "a.tar",
    make.text(
        lambda: (
            (make.tar_head("a.png", 1 << 20, b"x") + b"6 a=b\n" * 174_000).ljust(1_049_088) * 200
        )
    ),
)
_add("tar: a member of 2^80 bytes", "a.tar", make.text(lambda: make.tar_head("a.png", 1 << 80)))
_add("tar: a name of 100 MB", "a.tar", make.tar(lambda: [("a" * 100_000_000 + ".png", b"")]))
_add(
    "tar.gz: zeros",
    "a.tar.gz",
    make.packed_zeros(gzip.open, 2_000, lambda: make.tar_head("a.png", 2_000 << 20)),
)
_add(
    "tar.bz2: zeros",
    "a.tar.bz2",
    make.packed_zeros(bz2.open, 400, lambda: make.tar_head("a.png", 400 << 20)),
    "a.tar",
)
_add(
    "tar.xz: zeros",
    "a.tar.xz",
    make.packed_zeros(lzma.open, 400, lambda: make.tar_head("a.png", 400 << 20)),
    "a.tar",
)
_add(
    "tar.gz: 209,000 members that are no pictures",
    "a.tar.gz",
    make.packed_heads(209_000, b"0", "%06d.png"),
)
_add("tar.gz: 1,000,000 members of one name", "a.tar.gz", make.packed_heads(1_000_000, b"0"))
_add("tar.gz: 1,000,000 headers about headers", "a.tar.gz", make.packed_heads(1_000_000, b"x"))
_add(
    "npy: a shape larger than the file",
    "a.npy",
    make.text(lambda: make.npy_head((1 << 40, 64, 64)) + make.ZEROS),
)
_add(
    "npy: 400 MB of a few large images",
    "a.npy",
    make.sparse(make.npy_head((12, 2_000, 2_000), "<f8"), 400_000_000),
)
_add(
    "npy: one image of 1 GB",
    "a.npy",
    make.sparse(make.npy_head((1, 32_000, 32_000)), 1_024_000_000),
)
_add(
    "npy: 60,000,000 images of 16 pixels",
    "a.npy",
    make.sparse(make.npy_head((60_000_000, 4, 4)), 960_000_000),
)
_add("npy: objects", "a.npy", make.text(lambda: make.npy_head((10, 8, 8), "|O") + make.ZEROS))
_add("npz: 300 MB", "a.npz", make.npz(images=((300, 1_024, 1_024), "|u1", 300)))
_add(
    "npz: 9 members of 100 MB",
    "a.npz",
    make.npz(**{f"images{k}": ((100, 1_024, 1_024), "|u1", 100) for k in range(9)}),
)
_add(
    "npz: columns",
    "a.npz",
    make.npz(images=((100_000, 4, 4), "|u1", 2), a=((100_000, 200), "<f8", 153)),
)
_add("npz: 900,000 members", "a.npz", make.many_members(900_000))
_add("npz: a shape larger than the file", "a.npz", make.npz(images=((1 << 40, 64, 64), "|u1", 1)))
_add("idx: zeros", "a-images-idx3-ubyte.gz", make.packed_zeros(gzip.open, 2_000))
_add(
    "idx: 60,000,000 images",
    "a-images-idx3-ubyte.gz",
    make.packed_zeros(gzip.open, 960, lambda: struct.pack(">IIII", 0x803, 62_914_560, 4, 4)),
)
_add(
    "hdf5: a set of 100 TB",
    "a.h5",
    make.hdf5(
        images=dict(shape=(100_000_000, 1_000, 1_000), dtype="u1", chunks=(1, 1_000, 1_000))
    ),
    "a.npy",
)
_add(
    "hdf5: 3,000 images of 1,000 pixels a side",
    "a.h5",
    make.hdf5(
        images=dict(
            shape=(3_000, 1_000, 1_000), dtype="u1", chunks=(1, 1_000, 1_000), compression="gzip"
        )
    ),
    "a.npy",
)
_add(
    "hdf5: images of 3 GB each",
    "a.h5",
    make.hdf5(
        images=dict(
            shape=(3, 20_000, 20_000), dtype="f8", chunks=(1, 1_000, 1_000), compression="gzip"
        )
    ),
    "a.npy",
)
_add(
    "hdf5: labels of 8 GB",
    "a.h5",
    make.hdf5(
        images=dict(shape=(1_000_000_000, 4, 4), dtype="u1", chunks=(100, 4, 4)),
        labels=dict(shape=(1_000_000_000,), dtype="i8", chunks=(1_000,)),
    ),
    "a.npy",
)
_add(
    "hdf5: texts of 10 MB",
    "a.h5",
    make.hdf5(
        images=dict(shape=(100, 8, 8), dtype="u1"),
        labels=dict(shape=(100,), dtype="S10000000", chunks=(1,)),
    ),
    "a.npy",
)
_add("hdf5: a chunk of 2 GB", "a.h5", make.hdf5_chunk, "a.npy")
_add("hdf5: 5,000 groups in each other", "a.h5", make.hdf5_groups, "a.npy")
_add(
    "parquet: 64 pictures of 50 MB that are one",
    "a.parquet",
    make.parquet(lambda: {"image": make.repeated(bytes(50_000_000), 64)}),
)
_add(
    "parquet: 20,000,000 rows that are one",
    "a.parquet",
    make.parquet(lambda: {"image": make.repeated(encoded(0), 20_000_000)}),
)
_add(
    "parquet: a text of 50 MB in 100 rows",
    "a.parquet",
    make.parquet(
        lambda: {
            "image": make.repeated(encoded(0), 100),
            "t": make.repeated("x" * 50_000_000, 100),
        }
    ),
)
_add(
    "parquet: 5,000 columns",
    "a.parquet",
    make.parquet(lambda: {"image": [encoded(0)] * 9} | {f"c{k}": [1] * 9 for k in range(5_000)}),
)
_add("mat: 1 GB", "a.mat", make.mat((1_000, 1_024, 1, 1_024), 1_000))
_add(
    "mat: 900,000,000 fractions of one byte each",
    "a.mat",
    make.mat((1_000, 1_000, 1, 900), 859, 6),
)
_add("mat: a shape of 10^18", "a.mat", make.mat((1_000_000, 1_000_000, 1, 1_000_000), 1))
_add(
    "table: a million columns",
    "labels.csv",
    make.text(lambda: b"file," + b",".join(b"c%d" % k for k in range(1_000_000)) + b"\n"),
)
_add(
    "table: a cell of 60 MB",
    "labels.csv",
    make.text(lambda: b"file,a\n" + b"x" * 60_000_000 + b",1\n"),
)
_add(
    "table: 20,000,000 rows", "labels.csv", make.text(lambda: b"file,a\n" + b"a,1\n" * 15_000_000)
)
_add(
    "table: 30,000,000 cells",
    "labels.csv",
    make.text(lambda: b"," * 30_000_000 + b"\n" + b"," * 30_000_000),
)
_add(
    "table: number that are long",
    "labels.csv",
    make.text(lambda: b"file,a\na/0.png," + b"9" * 60_000_000 + b"\n"),
)
_add(
    "table of codes: a million columns",
    "table.csv",
    make.text(lambda: (b",".join(b"c%d" % k for k in range(1_000_000)) + b"\n") * 2),
)
_add(
    "table of codes: 20,000,000 rows", "table.csv", make.text(lambda: b"a\n" + b"1\n" * 20_000_000)
)
_add(
    "table of codes: a cell of 40 MB",
    "table.csv",
    make.text(lambda: b"a,b\n1," + b"9" * 40_000_000 + b"\n"),
)
_add(
    "table of codes: 40 columns with a long cell each",
    "table.csv",
    make.text(
        lambda: (
            b",".join(b"c%d" % k for k in range(40))
            + b"\n"
            + b",".join([b"x" * 49_000] * 40)
            + (b"\n" + b",".join([b"x"] * 40)) * 1_000
        )
    ),
)
_add("table of codes: 450 MB of npz", "table.npz", make.npz(a=((450, 131_072), "<f8", 450)))
_add("table of codes: npz of many columns", "table.npz", make.npz(a=((1, 13_107_200), "<f8", 100)))
_add("table of codes: npz of 500,000 members", "table.npz", make.many_members(500_000))
_add(
    "table of codes: 1,000,000 rows of 100 equal parquet columns",
    "table.parquet",
    make.parquet(lambda: {f"c{k}": np.zeros(1_000_000) for k in range(100)}),
)
_add(
    "table of codes: a text of 10 MB in 1,000 rows",
    "table.parquet",
    make.parquet(lambda: {"t": make.repeated("x" * 10_000_000, 1_000)}),
)
_add(
    "table of codes: 40 parquet columns with a long text each",
    "table.parquet",
    make.parquet(lambda: {f"c{k}": ["x" * 49_000, *["x"] * 1_000] for k in range(40)}),
)
_add(
    "table of codes: a parquet text of 1 GB",
    "table.parquet",
    make.parquet(lambda: {"t": make.repeated("x" * 1_000_000_000, 10)}, compression="zstd"),
)
_add("model.zip: 900,000 members", "model.zip", make.many_members(900_000))
_add(
    "model.zip: zeros",
    "model.zip",
    make.zipped(lambda a: make.zeros(a, "model.safetensors", 1_000)),
)
_add(
    "set.zip: names",
    "set.zip",
    make.changed_set("names.json", b"[" + b'"",' * 60_000_000 + b'""]'),
)
_add(
    "set.zip: a card",
    "set.zip",
    make.changed_set("card.json", b"[" + b"[]," * 33_000_000 + b"[]]"),
)
_add("set.zip: a deep card", "set.zip", make.changed_set("card.json", b"[" * 100_000))
for _name in ("card.json", *_JSON):
    _add(f"{_name}: many lists", _name, make.text(lambda: b"[" + b"[]," * 33_000_000 + b"[]]"))
    _add(f"{_name}: deep", _name, make.text(lambda: b'{"a":' * 100_000 + b"\n"))
_add("metrics.jsonl: empty lines", "metrics.jsonl", make.text(lambda: b"\n" * 30_000_000))
_add(
    "safetensors: a header of 10^18 bytes",
    "model.safetensors",
    make.text(lambda: struct.pack("<Q", 10**18) + b"{}"),
)
_add(
    "safetensors: a header of 900 kB",
    "model.safetensors",
    make.safetensors(
        lambda: json.dumps(
            {
                f"t{k}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
                for k in range(14_000)
            }
            | {"__metadata__": {"format": "latent-space-explorer/1"}}
        ).encode()
    ),
)
_add(
    "safetensors: a config that is deep",
    "model.safetensors",
    make.safetensors(make.metadata(lambda: "[" * 100_000)),
)
_add(
    "safetensors: a config of a large network",
    "model.safetensors",
    make.safetensors(
        make.metadata(
            lambda: (
                '{"image_shape": [3, 256, 256], "latent_dim": 1024, "channels": [], "hidden": [9999999]}'  # noqa: E501
            )
        )
    ),
)
_add(
    "safetensors: 200 MB",
    "codes.safetensors",
    make.safetensors(
        lambda: json.dumps(
            {
                "mean": {
                    "dtype": "F32",
                    "shape": [200_000, 250],
                    "data_offsets": [0, 200_000_000],
                },
                "__metadata__": {"format": "latent-space-explorer/1"},
            }
        ).encode(),
        200_000_000,
    ),
)
_add(
    "vectors: a card that is deep",
    "vectors.safetensors",
    make.safetensors(make.metadata(lambda: "[" * 100_000)),
)
_add(
    "vectors: 150 MB",
    "vectors.safetensors",
    make.safetensors(
        lambda: json.dumps(
            {
                "vector-0": {
                    "dtype": "F16",
                    "shape": [75_000_000],
                    "data_offsets": [0, 150_000_000],
                },
                "__metadata__": {"format": "latent-space-explorer/1"},
            }
        ).encode(),
        150_000_000,
    ),
)
_add("codes: 900 MB of npz", "codes.npz", make.npz(mean=((100_000, 1_000), "<f8", 763)))
_add("onnx: 30,000,000 empty nodes", "a.onnx", make.onnx(b"\x08\x08", b"\x0a\x00", 30_000_000))
_add(
    "onnx: 30,000,000 inputs",
    "a.onnx",
    make.onnx(b"\x08\x08", b"\x0a\x02\x22\x00\x5a\x00", 10_000_000),
)
_add(
    "onnx: 300,000,000 numbers",
    "a.onnx",
    make.onnx(b"\x08\x08", b"\x2a\xe8\x07\x3a\xe5\x07" + bytes(997), 300_000),
)
