"""Tar archives: what Python's own module writes is found where that module finds it."""

from __future__ import annotations

import io
import tarfile

import pytest
from unfolding import tar_head

from vae.datasets import DatasetError
from vae.datasets.tar import TarFiles, is_tar

NAMES = (
    *("a.png", "./b.png", "folder/c.png", "ä/日本.png", "with space .png"),
    *("deep/" * 30 + "d.png", "n" * 99 + ".png", "n" * 300 + ".png", "f" * 120 + "/e.png"),
    b"\xff\xfe.png".decode("utf-8", "surrogateescape"),
)
FORMATS = {
    "v7 and ustar": tarfile.USTAR_FORMAT,
    "GNU": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}
MOST = 100


def packed(kind: int, mode: str) -> bytes:
    """An archive with files of many sizes and names, and with all that is no file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=kind) as archive:
        for number, name in enumerate(NAMES):
            if kind == tarfile.USTAR_FORMAT and len(name.rpartition("/")[2]) > 100:
                continue  # longer than that format can say
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 511 * number, 1e9 + 0.5  # which pax says in a record
            archive.addfile(info, io.BytesIO(bytes([number]) * info.size))
        for other in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(
                f"other{other.decode()}" + "y" * 200 * (kind != tarfile.USTAR_FORMAT)
            )
            info.type, info.linkname = other, "a.png"
            archive.addfile(info)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("kind", FORMATS.values(), ids=FORMATS)
def test_files_are_found_as_pythons_own_module_finds_them(tmp_path, kind, mode):
    file = tmp_path / "a.tar"
    file.write_bytes(packed(kind, mode))
    assert is_tar(file)
    files = TarFiles(file, MOST)
    with tarfile.open(file) as archive:
        expected = {m.name: archive.extractfile(m).read() for m in archive if m.isreg()}
    assert len(expected) > 7
    assert {name: files.read(name) for name in files.members} == expected


def test_numbers_in_bytes_and_sums_of_signed_bytes_are_known(tmp_path):
    for name, size in (("a.png", 1 << 33), ("ä" * 8, 0)):
        block = bytearray(tar_head(name, size))
        if not size:  # as programs of the eighties added
            signed = sum(b - 256 * (b > 127) for b in block[:148] + block[156:]) + 256
            block[148:156] = b"%06o\0 " % signed
        file = tmp_path / "a.tar"
        with file.open("wb") as out:
            out.write(block)
            out.truncate(512 + size + 1_024)
        assert TarFiles(file, MOST).members == {name: (512, size)}


@pytest.mark.parametrize(
    "content, found",
    {
        "cut": (tar_head("a.png", 5_000) + bytes(3_000), "amid a member"),
        "cut in a header": (tar_head("a.png", 0) + tar_head("b.png", 0)[:99], "amid a header"),
        "another sum": (tar_head("a.png", 0) + b"x" + tar_head("b.png", 0)[1:], "checksum"),
        "far away": (tar_head("a.png", 1 << 80), "amid a member"),
        "many": (tar_head("a.png", 0) * (MOST + 1), "more than 100 members"),
        "nothing but headers": (tar_head("a", 0, b"x") * (2 * MOST + 1), "more than 100 members"),
        "a size of letters": (
            tar_head("a.png", 14, b"x") + b"14 size=1e999\n".ljust(512, b"\0") + tar_head("b", 0),
            "no number",
        ),
    }.values(),
)  # fmt: skip
def test_what_is_damaged_is_refused_in_a_sentence(tmp_path, content, found):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DatasetError, match=found):
        TarFiles(tmp_path / "a.tar", MOST)


def test_of_a_compressed_archive_no_more_is_unpacked_than_is_read(tmp_path, monkeypatch):
    import gzip

    from vae.imports import spool

    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar_head("a.png", 0) * 40_000, 1))
    written = []
    add = spool.Spool.add
    monkeypatch.setattr(
        spool.Spool, "add", lambda self, part: written.append(part) or add(self, part)
    )
    with pytest.raises(DatasetError, match="more than 100 members"):
        TarFiles(tmp_path / "a.tar.gz", MOST)
    assert len(written) == 1 and len(written[0]) < 5_000_000
