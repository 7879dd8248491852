"""Names of files, links, archives, splits and classes."""

from __future__ import annotations

import io
import math
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from sources import encoded, everything, fill, picture, tar_of

from vae import DatasetError, load_dataset
from vae.imports import import_source, inspect_source


def test_odd_names_are_shown_and_matched(tmp_path):
    folder = tmp_path / "set"
    fill(folder, 3)
    picture(90).save(folder / "odd.png")
    os.rename(os.fsencode(folder / "odd.png"), os.fsencode(folder) + b"/caf\xe9.png")
    picture(91).save(folder / "cafe\u0301.png")  # decomposed
    (folder / "labels.csv").write_text("file,warm\ncaf\u00e9.png,1\n000.png,0\n", "utf-8")
    import_source(folder, "names")
    found = everything("names")
    assert {"caf\ufffd.png", "caf\u00e9.png"} < found.keys() and len(found) == 5
    warm = {}
    for split in ("train", "test"):
        part = load_dataset("names", split)
        warm |= dict(zip(part.names, part.attributes["warm"].float().tolist(), strict=True))
    assert warm["caf\u00e9.png"] == 1 and warm["000.png"] == 0 and math.isnan(warm["001.png"])


def test_a_zip_without_the_flag_for_utf_8_keeps_its_names(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(3):
            archive.writestr(f"m_rz_{i}.png", encoded(i))
    # The letter is written as a program would that forgets the flag.
    content = packed.getvalue().replace(b"m_rz_", "mä".encode()[:3] + b"z_")
    (tmp_path / "a.zip").write_bytes(content)
    import_source(tmp_path / "a.zip", "it")
    assert set(everything("it")) == {f"mäz_{i}.png" for i in range(3)}


def test_links_are_followed_on_the_command_line_alone_and_end(tmp_path):
    fill(tmp_path / "store" / "one", 3)
    fill(tmp_path / "store" / "two", 3, 10)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").symlink_to(tmp_path / "store" / "one")
    (tmp_path / "set" / "b").symlink_to(tmp_path / "store" / "two")
    (tmp_path / "store" / "one" / "again").symlink_to(Path("..") / "one")
    made = import_source(tmp_path / "set", "linked", follow_links=True)
    assert made.shape[0] == 6 and made.card["classes"] == ["a", "b"]
    assert any(str(tmp_path / "store" / "one") in notice for notice in made.card["notices"])
    with pytest.raises(DatasetError, match="no pictures"):
        import_source(tmp_path / "set", "unlinked")
    (tmp_path / "set" / "own").mkdir()
    fill(tmp_path / "set" / "own", 3, 20)
    (tmp_path / "set" / "own" / "link.png").symlink_to(tmp_path / "store" / "two" / "010.png")
    made = import_source(tmp_path / "set", "unlinked")
    assert made.shape[0] == 3 and any("not followed" in n for n in made.card["notices"])


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    "name", ["../out.png", "/etc/out.png", "//etc/out.png", "a/../../out.png"]
)
def test_archives_that_lead_outside_are_refused(tmp_path, kind, name):
    file = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, encoded(0))
    else:
        file.write_bytes(tar_of(tmp_path, {name: encoded(0), "b.png": encoded(1)}))
    with pytest.raises(DatasetError, match="outside itself"):
        import_source(file, "it")


def test_links_in_a_tar_are_never_followed(tmp_path):
    packed = tar_of(tmp_path, {f"{i}.png": encoded(i) for i in range(3)})
    stream = io.BytesIO(packed)
    with tarfile.open(fileobj=stream, mode="a") as archive:
        info = tarfile.TarInfo("link.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    (tmp_path / "a.tar").write_bytes(stream.getvalue())
    assert import_source(tmp_path / "a.tar", "it", follow_links=True).shape[0] == 3


def test_splits_are_known_by_their_names_and_what_is_left_out_is_named(tmp_path):
    for k, split in enumerate(("Train", "valid", "TEST")):
        for j, kind in enumerate(("cat", "dog")):
            fill(tmp_path / split / kind, 4, 100 * k + 10 * j)
    picture(999).save(tmp_path / "cover.png")
    (tmp_path / "movie.mp4").write_bytes(b"0")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "more.csv").write_text("a,b\n1,2\n")
    made = import_source(tmp_path, "it")
    assert made.counts == {"train": 8, "validation": 8, "test": 8}
    assert made.card["classes"] == ["cat", "dog"]
    names = {entry["name"] for entry in made.card["left_out"]}
    assert {"cover.png", "movie.mp4"} <= names
    assert sum("other.csv" in n or "more.csv" in n for n in made.card["notices"]) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_among_the_pictures_is_never_waited_for(tmp_path):
    fill(tmp_path / "set", 4, 20)
    os.mkfifo(tmp_path / "set" / "pipe.png")
    summary = inspect_source(tmp_path / "set")
    assert summary.count == 4 and "no regular file" in summary.broken[0][1]
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(DatasetError, match="no regular file"):
        inspect_source(tmp_path / "set", labels=tmp_path / "labels.csv")
    (tmp_path / "arrays").mkdir()
    os.mkfifo(tmp_path / "arrays" / "a.npy")
    with pytest.raises(DatasetError, match="no regular file"):
        inspect_source(tmp_path / "arrays")
