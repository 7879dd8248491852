"""Pictures of one's own that change after they were encoded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import fill, pack, png

from vae import DatasetError, load_dataset
from vae.codes import find_reference
from vae.datasets import source_fingerprint, source_stamp
from vae.datasets.encoded import find_encoded

SIXTY = {f"{i:03}.png": png(4 * i) for i in range(60)}
MORE = {f"{i:03}.png": png((i % 200, 250, 0)) for i in range(500, 520)}


@pytest.fixture(params=["folder", "zip"])
def put(request, tmp_path):
    """Writes files, in place of those that were there, into a folder or an archive."""

    def write(files):
        if request.param == "zip":
            return str(pack(tmp_path / "mine.zip", files))
        for file in (tmp_path / "mine").rglob("*.*"):
            if str(file.relative_to(tmp_path / "mine")) not in files:
                file.unlink()
        return str(fill(tmp_path / "mine", files))

    return write


def encoded(path):
    """What a checkpoint notes of the test images, and the images."""
    data = load_dataset(path, "test")
    index = np.arange(len(data))
    card = {"split": "test", "images": len(load_dataset(path, "train"))}
    codes = {"index": index, "checksum": data.images.checksums(index)}
    return card | {"fingerprint": data.fingerprint}, codes, data.images[:]


def found_again(path, card, codes):
    return find_reference(card, codes, lambda split: load_dataset(path, split))


def test_each_image_is_found_again_after_others_were_added(put):
    path = put(SIXTY)
    card, codes, before = encoded(path)
    assert found_again(path, card, codes)[2] == ()
    put(SIXTY | MORE)
    data, found, notices = found_again(path, card, codes)
    assert not torch.equal(load_dataset(path, "test").images[: len(before)], before)
    assert found.all() and torch.equal(data.images[codes["index"]], before)
    assert len(notices) == 1 and "have changed" in notices[0] and "Each point" in notices[0]


def test_labels_and_attributes_follow_the_images(put):
    def files(count):
        names = [f"{'ab'[i % 2]}/{i:03}.png" for i in range(count)]
        rows = "".join(f"{name},{int(i % 3 == 0)}\n" for i, name in enumerate(names))
        values = {name: png(3 * i) for i, name in enumerate(names)}
        return values | {"attributes.csv": "file,third\n" + rows}

    path = put(files(40))
    card, codes, before = encoded(path)
    put(files(80))
    data, found, _ = found_again(path, card, codes)
    assert found.all() and torch.equal(data.images[:], before)
    number = (before[:, 0, 0, 0] * 255 / 3).round().long()
    assert torch.equal(data.labels, number % 2) and data.classes == ("a", "b")
    assert torch.equal(data.attributes["third"], number % 3 == 0)


def test_images_that_are_gone_or_replaced_are_told_apart(put):
    path = put(SIXTY)
    card, codes, before = encoded(path)
    names = [f"{round(float(x.mean()) * 255) // 4:03}.png" for x in before]
    files = {name: content for name, content in SIXTY.items() if name != names[0]}
    put(files | {names[1]: png((9, 250, 7)), "renamed.png": files.pop(names[2])})
    data, found, notices = found_again(path, card, codes)
    assert found.tolist() == [False, False] + [True] * (len(before) - 2)
    assert torch.equal(data.images[codes["index"][2:]], before[2:])
    assert "2 of the 6 that it encoded are gone" in notices[0]
    with pytest.raises(DatasetError, match="Image #0 is no longer"):
        data.images[0]


def test_a_source_of_other_images_is_refused(put):
    path = put(SIXTY)
    card, codes, _ = encoded(path)
    put(MORE)
    with pytest.raises(DatasetError, match="None of the 6"):
        found_again(path, card, codes)


def test_codes_with_checksums_of_other_images_are_refused(put):
    path = put(SIXTY)
    card, codes, _ = encoded(path)
    for wrong in ({"checksum": codes["checksum"][:-1]}, {"index": codes["index"] - 1}):
        with pytest.raises(DatasetError, match="expected a checksum for each"):
            found_again(path, card, codes | wrong)


def test_copies_of_an_image_are_found_under_each_of_their_numbers(put):
    path = put(dict.fromkeys(SIXTY, png(7)))
    card, codes, before = encoded(path)
    put(dict.fromkeys(MORE, png(7)))
    data, found, _ = found_again(path, card, codes)
    assert found.all() and torch.equal(data.images[codes["index"]], before)


def test_codes_of_an_earlier_version_open_and_say_if_numbers_disagree(put):
    path = put(SIXTY)
    card, codes, _ = encoded(path)
    card, codes = {"images": card["images"]}, {"index": codes["index"]}
    assert found_again(path, card, codes)[2] == ()
    put(SIXTY | {"new.png": png((1, 2, 3))})
    data, found, notices = found_again(path, card, codes)
    assert found.all() and len(data) == 6
    assert "trained on 54" in notices[0] and "55 pictures to train on" in notices[0]


def test_shipped_data_change_for_nobody():
    data = load_dataset("digits")
    index = np.arange(50)
    codes = {"index": index, "checksum": data.images.checksums(index)}
    card = {"images": 1, "fingerprint": ""}
    assert find_reference(card, codes, lambda split: load_dataset("digits", split))[0].name
    assert source_stamp("digits") == source_fingerprint("digits") == data.fingerprint == ""
    shuffled = codes["checksum"][::-1].copy()
    found, same = find_encoded(data, index, shuffled, lambda: ())
    assert same.all() and torch.equal(found.images[index], data.images[49 - index])


def test_the_stamp_changes_with_pictures_and_table_and_with_nothing_else(put):
    table = {"attributes.csv": "file,dark\n" + "".join(f"{name},1\n" for name in SIXTY)}
    files = SIXTY | table | {"notes.txt": "a"}
    path = put(files)
    stamps = [source_stamp(path)]
    fingerprints = [source_fingerprint(path)]
    if path.endswith(".zip"):
        put(files | {"notes.txt": "b"})
    else:
        fill(Path(path), {"notes.txt": "b"})
    assert source_stamp(path) == stamps[0]
    assert source_fingerprint(path) == fingerprints[0]
    for change in (
        {"attributes.csv": table["attributes.csv"].replace("000.png,1", "000.png,0")},
        {"000.png": png(1)},
        MORE,
    ):
        put(files | change)
        stamps.append(source_stamp(path))
        fingerprints.append(source_fingerprint(path))
    assert len(set(stamps)) == len(stamps)
    assert fingerprints[1] == fingerprints[0] != fingerprints[-1]
    put(SIXTY)
    assert load_dataset(path).fingerprint == fingerprints[0]
