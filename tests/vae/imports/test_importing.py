"""Imports: what is read, kept, found again, and never left half done."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from vae import DatasetError, import_images, load_dataset
from vae.datasets import source_stamp
from vae.imports import (
    Cancelled,
    delete_dataset,
    export_dataset,
    find_dataset,
    import_source,
    inspect_source,
    list_damaged,
    list_datasets,
    list_versions,
    rename_dataset,
    runs_that_need,
    source_change,
)


def picture(seed: int, size=(16, 16), mode="RGB") -> Image.Image:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).convert(mode)


def fill(folder, count, start=0, suffix=".png", **how):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(start, start + count):
        picture(i, **how).save(folder / f"{i:03d}{suffix}")
    return folder


def test_an_import_opens_by_name_without_its_source(tmp_path):
    folder = fill(tmp_path / "set" / "a", 12).parent
    fill(folder / "b", 8, 20)
    made = import_source(folder, "mine")
    assert (made.name, made.version, made.shape, made.counts) == (
        "mine", 1, (20, 3, 16, 16), {"train": 18, "test": 2},
    )  # fmt: skip
    expected = {f"a/{i:03d}.png": i for i in range(12)} | {
        f"b/{i:03d}.png": i for i in range(20, 28)
    }
    for file in folder.rglob("*.png"):
        file.unlink()
    seen = set()
    for split, count in made.counts.items():
        part = load_dataset("mine", split)
        assert len(part) == count and part.classes == ("a", "b")
        for row, name in enumerate(part.names):
            pixels = np.asarray(picture(expected[name])).transpose(2, 0, 1)
            assert np.array_equal(part.images.read(row).numpy(), pixels)
            assert part.classes[part.labels[row]] == name[0]
            seen.add(name)
    assert seen == expected.keys()
    assert source_stamp("mine") and load_dataset("mine@1").name == "mine@1"


def test_the_same_source_is_imported_once_and_a_changed_one_anew(tmp_path):
    folder = fill(tmp_path / "set", 12)
    first = import_source(folder, "mine")
    assert import_source(folder, "mine").version == 1
    os.utime(folder / "000.png")  # the content is the same, which its pixels tell
    assert import_source(folder, "mine").version == 1
    picture(99).save(folder / "003.png")
    (folder / "004.png").unlink()
    fill(folder, 2, 50)
    second = import_source(folder, "mine")
    assert second.version == 2 and list_versions("mine") == [1, 2]
    assert "1 of 12 pictures differ, 2 are new, 1 are gone" in second.told[0]
    assert find_dataset("mine").version == 2
    assert len(load_dataset("mine@1", "train")) == first.counts["train"]


@pytest.mark.parametrize("name", ["faces", "Digits", "", "../up", "a b", ".hidden", "x" * 65])
def test_names_that_cannot_be_used_are_refused(tmp_path, name):
    with pytest.raises(DatasetError):
        import_source(fill(tmp_path / "set", 3), name)


def test_broken_pictures_are_listed_at_once_and_left_out_if_one_says_so(tmp_path):
    folder = fill(tmp_path / "set", 12, suffix=".jpg")
    (folder / "003.jpg").write_bytes((folder / "003.jpg").read_bytes()[:200])
    (folder / "008.jpg").write_bytes(b"")
    (folder / "010.jpg").write_text("<html>404</html>")
    with pytest.raises(DatasetError, match=r"3 of 12 pictures .*003.*008.*010"):
        import_source(folder, "mine")
    assert list_datasets() == []
    summary = inspect_source(folder)
    assert [name for name, _ in summary.broken] == ["003.jpg", "008.jpg", "010.jpg"]
    assert summary.count == 9 and len(summary.pictures) == 9
    made = import_source(folder, "mine", skip_broken=True)
    assert made.shape[0] == 9 and made.card["left_out_count"] == 3


def test_an_import_that_is_cancelled_leaves_nothing(tmp_path, data):
    folder = fill(tmp_path / "set", 3)
    with pytest.raises(Cancelled):
        import_source(folder, "mine", cancelled=lambda: True)
    assert [f.name for f in (data / "datasets").iterdir() if f.is_dir()] == []


def test_an_import_that_is_killed_leaves_nothing_to_the_next(tmp_path, data):
    folder = fill(tmp_path / "set", 3)
    reader, writer = os.pipe()
    process = os.fork()
    if not process:  # a process that is in the middle of an import until it is killed

        def wait(share, text):
            os.write(writer, b"reading")
            signal.pause()

        import_source(folder, "mine", progress=wait)
        os._exit(1)
    assert os.read(reader, 7) == b"reading"
    half = [f for f in (data / "datasets").iterdir() if f.name.endswith(".importing")]
    assert len(half) == 1 and list_datasets() == []
    fill(tmp_path / "other", 3, 7)
    import_source(tmp_path / "other", "other")
    assert half[0].is_dir()  # the other import is at work
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(reader)
    os.close(writer)
    import_source(folder, "mine")
    assert not half[0].exists()
    assert [d.name for d in list_datasets()] == ["mine", "other"]


def test_an_export_imports_again_to_the_same(tmp_path):
    rng = np.random.default_rng(0)
    import_images(
        rng.integers(0, 256, (12, 8, 8, 3), np.uint8),
        "mine",
        labels=np.arange(12) % 3,
        classes=("x", "y", "z"),
        attributes={"age": [*range(11), float("nan")], "hat": rng.random(12) > 0.5,
                    "colour": ["red", "", *["blue"] * 10]},
    )  # fmt: skip
    file = export_dataset("mine", tmp_path / "mine.zip")
    summary = inspect_source(file)
    assert (summary.count, summary.image_shape) == (12, (3, 8, 8))
    assert summary.classes == {"x": 4, "y": 4, "z": 4} and summary.counts["train"] > 8
    assert [(c["name"], c["missing"]) for c in summary.columns] == [
        ("age", 1), ("hat", 0), ("colour", 1),
    ]  # fmt: skip
    kept = [x.tobytes() for x in np.load(find_dataset("mine").folder / "pixels.npy")]
    assert [x.tobytes() for x in summary.pictures] == kept
    for changed in ({"image_size": 32}, {"colour": "grey"}, {"fit": "pad"}, {"labels": file}):
        with pytest.raises(DatasetError, match="imported as it is"):
            inspect_source(file, **changed)
        with pytest.raises(DatasetError, match="imported as it is"):
            import_source(file, "changed", **changed)
    copy = import_source(file, "copy")
    assert copy.card == find_dataset("mine").card
    import_source(fill(tmp_path / "private", 3), "named")
    packed = export_dataset("named", tmp_path / "named.zip").read_bytes()
    elsewhere = import_source(tmp_path / "named.zip", "elsewhere")
    assert str(tmp_path) not in json.dumps(elsewhere.card) and packed
    assert elsewhere.card["source"] == "private" and not source_change(elsewhere)
    for split in ("train", "test"):
        a, b = load_dataset("mine", split), load_dataset("copy", split)
        assert torch.equal(a.images.uint8, b.images.uint8) and a.names == b.names
        assert a.attributes.keys() == b.attributes.keys() == {"age", "hat", "colour"}
        for name, values in a.attributes.items():
            assert values.equal(b.attributes[name]) or values.isnan().any()
        assert (a.kind("age"), a.kind("hat"), a.kind("colour")) == ("number", "yes/no", "category")
    assert import_source(file, "copy").version == 1


def test_a_renamed_import_is_found_by_its_runs(tmp_path, data):
    import_source(fill(tmp_path / "set", 3), "mine")
    run = data / "runs" / "r"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"dataset": "mine@1"}))
    assert runs_that_need("mine") == runs_that_need("mine@1") == ["r"]
    rename_dataset("mine", "yours")
    assert runs_that_need("yours") == ["r"]
    assert len(load_dataset("mine@1", "train")) == 2
    import_source(fill(tmp_path / "other", 3, 7), "third")
    with pytest.raises(DatasetError, match="name of another import"):
        rename_dataset("third", "mine")
    delete_dataset("yours")
    with pytest.raises(DatasetError):
        load_dataset("yours", "train")


def test_copies_lie_on_one_side(tmp_path):
    pairs = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8).repeat(2, 0)
    import_images(pairs, "pairs")
    sides = [
        {x.tobytes() for x in load_dataset("pairs", split).images.uint8.numpy()}
        for split in ("train", "test")
    ]
    assert sides[0] and sides[1] and not sides[0] & sides[1]
    same = import_images(np.ones((20, 8, 8), np.uint8), "same")
    assert same.counts == {"train": 18, "test": 2}
    assert any("All 20 pictures are copies" in notice for notice in same.card["notices"])


def test_a_damaged_import_is_refused_in_a_sentence(tmp_path):
    made = import_source(fill(tmp_path / "set", 3), "mine")
    for name in ("pixels.npy", "rows.safetensors", "names.json", "card.json"):
        file = made.folder / name
        content = file.read_bytes()
        for damaged in (b"", content[: len(content) // 2], b"{}"):
            file.write_bytes(damaged)
            for reference in ("mine", "mine@1"):
                with pytest.raises(DatasetError, match=name):
                    load_dataset(reference, "train")
        file.unlink()
        os.mkfifo(file)  # which nobody writes to
        with pytest.raises(DatasetError, match=name):
            load_dataset("mine@1", "train")
        file.unlink()
        file.write_bytes(content)
    assert len(load_dataset("mine", "train")) == 2


def test_a_source_that_changed_is_said_to_have(tmp_path):
    folder = fill(tmp_path / "set", 3)
    made = import_source(folder, "mine")
    stamp = source_stamp("mine")
    assert not source_change(made)
    fill(folder, 1, 7)
    assert "set has changed since it was imported as mine@1" in source_change(made)
    assert source_stamp("mine") != stamp and source_stamp("mine").startswith(stamp)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert not source_change(made)  # it may have been an upload, or a disk that is not here


@pytest.mark.parametrize("name", ["card.json", "rows.safetensors", "names.json", "pixels.npy"])
def test_a_damaged_import_is_listed_imported_anew_and_deleted(name):
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    first = import_images(x, "mine")
    (first.folder / name).write_bytes(b"{")
    assert list(list_damaged()) == (["mine"] if name == "card.json" else [])
    again = import_images(x, "mine")
    assert again.version == 2 and not list_damaged()
    assert len(load_dataset("mine", "train")) == 18
    (again.folder / "card.json").write_bytes(b"[]")
    assert "card.json" in list_damaged()["mine"]
    delete_dataset("mine")
    assert not list_damaged() and not list_datasets()
