"""Each limit on what is read refuses, in a sentence, what is beyond it, and nothing below it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from sources import encoded, tar_of

from vae import DatasetError
from vae import files as all_files
from vae.datasets import archive
from vae.imports import BrokenPictures, import_source, inspect_source, planning


def _pictures(count: int = 4) -> dict[str, bytes]:
    return {f"some/folder/{k}.png": encoded(k) for k in range(count)}


def _zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w") as out:
        for name, content in _pictures().items():
            out.writestr(name, content)
    return folder / "a.zip"


def _tar(folder: Path) -> Path:
    (folder / "a.tar").write_bytes(tar_of(folder, _pictures()))
    return folder / "a.tar"


def _folder(folder: Path) -> Path:
    for name, content in _pictures().items():
        (folder / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "a" / name).write_bytes(content)
    return folder / "a"


LIMITS = {
    "members of a zip": (archive, "MAX_MEMBERS", 3, _zip, "has 4 members; at most 3"),
    "members of a tar": (archive, "MAX_MEMBERS", 3, _tar, "more than 3 members"),
    "files of a folder": (archive, "MAX_FILES", 3, _folder, "more than 3 files"),
    "a name": (archive, "_LONGEST_NAME", 16, _zip, "in 17 characters"),
    "folders in each other": (archive, "_DEEPEST", 1, _zip, "at most 1 folders"),
    "names of a zip": (archive, "_LONGEST_NAMES", 67, _zip, "in 68 characters"),
    "names of a tar": (archive, "_LONGEST_NAMES", 67, _tar, "in 68 characters"),
    "folders in names": (archive, "_MOST_FOLDERS", 7, _zip, "with 8 folders"),
    "bytes of a file in a tar": (archive, "MAX_FILE_BYTES", 60, _tar, "at most 60 are read"),
    "bytes of a file in a zip": (archive, "MAX_FILE_BYTES", 60, _zip, "at most 60 are read"),
    "bytes of a file in a folder": (archive, "MAX_FILE_BYTES", 60, _folder, "at most 60 are"),
    "the ratio of a zip": (archive, "MAX_RATIO", 0, _zip, "far more than images"),
}


@pytest.mark.parametrize("module, limit, small, make, found", LIMITS.values(), ids=LIMITS)
def test_what_is_beyond_a_limit_is_refused(
    tmp_path, monkeypatch, module, limit, small, make, found
):
    source = make(tmp_path)
    assert inspect_source(source).count == 4
    monkeypatch.setattr(module, limit, small)
    with pytest.raises(DatasetError, match=found):
        inspect_source(source)


def test_the_directory_of_a_zip_is_bounded_before_it_is_read(tmp_path, monkeypatch):
    source = _zip(tmp_path)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 10)
    monkeypatch.setattr(all_files, "_LARGEST_END", 100)
    assert inspect_source(source).count == 4
    monkeypatch.setattr(all_files, "_LARGEST_ENTRY", 10)
    with pytest.raises(DatasetError, match=r"its directory has 3.. bytes; at most 200 are read"):
        inspect_source(source)


def test_an_import_ends_where_so_many_are_broken_that_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "_MOST_BROKEN", 5)
    broken = {f"{k:02}.png": b"none" for k in range(20, 60)}
    (tmp_path / "a.tar").write_bytes(tar_of(tmp_path, broken))
    with pytest.raises(BrokenPictures, match="5 of 5 pictures that were looked at can't"):
        import_source(tmp_path / "a.tar", "it")
    with pytest.raises(DatasetError, match=r"What was looked at of .* has 0 pictures"):
        import_source(tmp_path / "a.tar", "it", skip_broken=True)
    sound = {f"{k:02}.png": encoded(k) for k in range(10)}
    (tmp_path / "b.tar").write_bytes(tar_of(tmp_path, sound | broken))
    with pytest.raises(BrokenPictures, match="5 of "):
        import_source(tmp_path / "b.tar", "it")
    made = import_source(tmp_path / "b.tar", "it", skip_broken=True)
    assert made.shape[0] == 10 and len(made.card["left_out"]) == 40
