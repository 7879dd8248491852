"""Folders and archives of pictures, well-meant and not."""

import io
import os
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
from pictures import TWENTY, fill, pack, png
from PIL import Image, PngImagePlugin
from torch.utils.data import DataLoader

from vae.datasets import DatasetError, archive, load_dataset, read_image


def whole(path, **options):
    return [load_dataset(str(path), split, **options) for split in ("train", "test")]


@pytest.fixture(params=["folder", "zip"])
def put(request, tmp_path):
    """Write files into a folder or an archive and give its path."""
    if request.param == "folder":
        return lambda files: fill(tmp_path / "mine", files)
    return lambda files: pack(tmp_path / "mine.zip", files)


def test_images_of_a_folder_are_split_once_and_for_all(put):
    path = put({**TWENTY, "notes.txt": "no image", ".hidden.png": b"", "__MACOSX/a.png": b""})
    train, test = whole(path, image_shape=(1, 8, 8))
    assert train.images.uint8 is None
    assert (len(train), len(test)) == (18, 2)
    values = [round(float(x.mean()) * 25.5) for data in (train, test) for x in data.images[:]]
    assert sorted(values) == list(range(20))
    assert torch.equal(train.images[:], whole(path, image_shape=(1, 8, 8))[0].images[:])
    assert train.labels is None and train.classes is None


def test_a_new_image_takes_at_most_one_out_of_the_test_split(tmp_path):
    def held_out():
        return {round(float(v) * 255) for v in whole(tmp_path)[1].images[:][:, 0, 0, 0]}

    fill(tmp_path, TWENTY)
    before = held_out()
    for i in range(1, 9):
        fill(tmp_path, {f"new{i}.png": png(10 * i + 5)})
        after = held_out()
        assert len(before - after) <= 1
        before = after


def test_class_folders_give_labels(put):
    path = put(
        {
            f"top/{name}/{i}.png": png(v)
            for name, v in (("cat", 0), ("dog", 255))
            for i in range(10)
        }
    )
    for data in whole(path):
        assert data.classes == ("cat", "dog")
        assert torch.equal(data.labels, data.images[:].mean((1, 2, 3)).long())


def test_folders_named_train_and_test_give_the_splits(put):
    path = put(
        {
            f"{split}/{name}/{i}.png": png(value)
            for split, value in (("train", 0), ("test", 255))
            for name in ("cat", "dog")
            for i in range(3)
        }
    )
    train, test = whole(path)
    assert len(train) == len(test) == 6
    assert (train.images[:] == 0).all() and (test.images[:] == 1).all()
    assert train.classes == test.classes == ("cat", "dog")


SPLITS = {"train": 0, "validation": 100, "test": 200}  # what the pictures of each begin with


def splits_of(path):
    """Which split each picture is in, by its grey value; and the classes of each split."""
    found, classes = {}, {}
    for split in SPLITS:
        try:
            data = load_dataset(str(path), split)
        except DatasetError:
            continue
        found[split] = sorted(round(float(x.mean()) * 255) for x in data.images[:])
        labels = data.labels if data.labels is None else data.labels.tolist()
        classes[split] = labels and [data.classes[k] for k in labels]
    return found, classes


def split_files(folders, top="", kinds=("cat", "dog"), below=True):
    """Two pictures of each kind for each split, each of another grey."""
    return {
        f"{top}{place}/{i}.png": png(SPLITS[split] + 10 * k + i)
        for split, folder in folders.items()
        for k, kind in enumerate(kinds)
        for place in ((f"{folder}/{kind}" if below else f"{kind}/{folder}"),)
        for i in range(2)
    }


@pytest.mark.parametrize("top", ["", "top/"])
@pytest.mark.parametrize("below", [True, False], ids=["classes below", "classes above"])
@pytest.mark.parametrize(
    "spelling",
    [
        ("train", "val", "test"),
        ("Train", "Validation", "Test"),
        ("TRAINING", "DEV", "TESTING"),
        ("training", "valid", "test"),
    ],
)
def test_folders_named_like_splits_are_splits_in_any_spelling(put, spelling, below, top):
    path = put(split_files(dict(zip(SPLITS, spelling, strict=True)), top, below=below))
    found, classes = splits_of(path)
    for split, first in SPLITS.items():
        assert found[split] == [first, first + 1, first + 10, first + 11]
        assert classes[split] == ["cat", "cat", "dog", "dog"]
    assert "4 pictures for validation are kept aside" in load_dataset(str(path)).notices[0]


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_a_single_held_out_folder_is_the_test_split(put, held_out):
    split = "validation" if held_out == "val" else "test"
    found, _ = splits_of(put(split_files({"train": "train", split: held_out})))
    first = SPLITS[split]
    assert found["train"] == [0, 1, 10, 11]
    assert found["test"] == [first, first + 1, first + 10, first + 11]
    assert ("validation" in found) == (held_out == "val")


def test_a_folder_named_train_alone_is_split_as_any(put):
    path = put({f"train/{kind}/{i}.png": png(i) for kind in ("cat", "dog") for i in range(10)})
    train, test = whole(path)
    assert (len(train), len(test)) == (18, 2)
    assert train.classes == ("cat", "dog")


def test_held_out_pictures_alone_are_never_trained_on(put):
    path = put(split_files({"test": "Test"}))
    with pytest.raises(DatasetError, match="no pictures for train, but for test"):
        load_dataset(str(path), "train")
    assert len(load_dataset(str(path), "test")) == 4


def test_a_wrapping_folder_may_be_named_like_a_split(put):
    found, _ = splits_of(put(split_files({"train": "train", "test": "test"}, top="test/")))
    assert found == {"train": [0, 1, 10, 11], "test": [200, 201, 210, 211]}


def test_folders_beside_splits_are_named(put):
    files = split_files({"train": "train", "test": "test"})
    path = put(files | {f"boat/{i}.png": png(i) for i in range(3)})
    for split in SPLITS:
        with pytest.raises(DatasetError, match=r"boat with 0\.png lies beside it"):
            load_dataset(str(path), split)


def test_loose_pictures_beside_splits_or_classes_are_left_out_and_named(put):
    loose = {"cover.png": png(255)}
    files = split_files({"train": "train", "test": "test"})
    path = put(files | loose | {"test/a.png": png(254)})
    found, classes = splits_of(path)
    assert found == {"train": [0, 1, 10, 11], "test": [200, 201, 210, 211]}
    assert classes["train"] == classes["test"] == ["cat", "cat", "dog", "dog"]
    notices = load_dataset(str(path)).notices
    assert notices[0].startswith("cover.png lies beside the splits and is left out")
    assert notices[1].startswith("test/a.png lies beside the class folders and is left out")


def test_few_class_folders_beside_many_pictures_are_no_classes(put):
    path = put(TWENTY | {"a/1.png": png(), "b/1.png": png()})
    for data in whole(path):
        assert data.labels is None and data.classes is None and not data.notices


def test_test_pictures_without_class_folders_have_no_labels(put):
    files = split_files({"train": "train"}) | {f"test/{i}.png": png(200 + i) for i in range(3)}
    train, test = whole(put(files))
    assert train.classes == ("cat", "dog") and len(train) == 4
    assert test.labels is None and test.classes is None and len(test) == 3


@pytest.mark.parametrize("top", ["", "top/"])
def test_a_table_describes_the_pictures_of_all_splits(put, top):
    files = split_files({"train": "Train", "test": "Test"}, top)
    rows = [f"{name.removeprefix(top)},{int('dog' in name)},1" for name in files]
    path = put(files | {f"{top}cover.png": png(255), f"{top}attributes.csv": table(*rows)})
    for data in whole(path):
        assert data.attributes["bright"].tolist() == [False, False, True, True]


def test_paths_written_by_windows_are_folders(tmp_path):
    files = split_files({"train": "train", "test": "test"})
    path = pack(tmp_path / "mine.zip", {n.replace("/", "\\"): x for n, x in files.items()})
    found, classes = splits_of(path)
    assert found["train"] == [0, 1, 10, 11]
    assert classes["test"] == ["cat", "cat", "dog", "dog"]


def test_a_name_that_is_not_utf8_is_read(tmp_path):
    fill(tmp_path, TWENTY)
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(png())
    assert sum(map(len, whole(tmp_path))) == 21


def table(*rows):
    return "\n".join(["file, bright, even", *rows]) + "\n"


@pytest.mark.parametrize("root", ["", "top/"])
def test_a_table_gives_attributes(put, root):
    truth = (("0", "1"), ("no", "Yes"), ("false", "TRUE"), ("-1", "1"))
    rows = [
        f"{i:02}.png,{truth[i % 4][i >= 10]}, {truth[0][i % 2 == 0]}" for i in reversed(range(20))
    ]
    files = {root + name: content for name, content in TWENTY.items()}
    path = put({**files, root + "attributes.csv": "\ufeff" + table(*rows, "")})
    for data in whole(path):
        values = (data.images[:].mean((1, 2, 3)) * 25.5).round()
        assert torch.equal(data.attributes["bright"], values >= 10)
        assert torch.equal(data.attributes["even"], values % 2 == 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1"),
        ("name,hat\n", "row 1: name, hat; expected file"),
        ("file\n", "row 1"),
        ("file,hat,hat\n", "row 1"),
        ("file,\n", "row 1"),
        (table("a.png,1,0", "b.png,1"), "row 3: 2 values; expected 3"),
        (table("a.png,1,0", "c.png,1,1"), "row 3: there is no image 'c.png'"),
        (table("a.png,1,0", "a.png,1,1"), "row 3: 'a.png' has a row already"),
        (table("a.png,1,maybe"), "row 2: even is 'maybe'; expected 0 or 1"),
        (table("a.png,1,"), "row 2: even is ''"),
        (table("a.png,1,0"), "no row for 1 of the images, the first being b.png"),
        (b"file,hat\na.png,\xff\n", "UTF-8"),
        ("file," + ",".join(f"a{i}" for i in range(300)), "at most 200"),
        ("file,hat\n" + '"' + "x" * 200_000 + '"', "not a table"),
    ],
)
def test_a_table_that_does_not_fit_is_answered_by_its_row(put, text, message):
    path = put({"a.png": png(), "b.png": png(), "attributes.csv": text})
    with pytest.raises(DatasetError, match=r"attributes\.csv") as error:
        load_dataset(str(path))
    assert message in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not an image", png()[:30], b"II*\0" + bytes(100)])
def test_a_broken_image_is_named_at_once(put, content):
    path = put({**TWENTY, "broken.png": content})
    with pytest.raises(DatasetError, match=r"broken\.png"):
        whole(path)


def test_an_image_cut_short_is_named_when_it_is_read(put):
    noise = np.random.default_rng(0).integers(256, size=(40, 40, 3)).astype("u1")
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "png")
    path = put({**TWENTY, "cut.png": stream.getvalue()[:2000]})
    with pytest.raises(DatasetError, match=r"cut\.png.*damaged"):
        [data.images[:] for data in whole(path)]


@pytest.mark.parametrize("files", [{}, {"notes.txt": "hello"}])
def test_nothing_to_read_is_said(tmp_path, files):
    for path in (fill(tmp_path, files), pack(tmp_path / "mine.zip", files)):
        with pytest.raises(DatasetError, match="holds no images"):
            load_dataset(str(path))


def test_one_image_is_too_few_to_hold_one_out(put):
    with pytest.raises(DatasetError, match="two are needed"):
        whole(put({"a.png": png()}))


def test_worker_processes_read_the_same_images(put):
    train, _ = whole(put(TWENTY), image_shape=(3, 8, 8))
    loader = DataLoader(train.images, batch_size=4, num_workers=2, multiprocessing_context="fork")
    assert torch.equal(torch.cat(list(loader)), train.images[:])


def test_a_forked_process_opens_an_archive_for_itself(tmp_path, monkeypatch):
    train, _ = whole(pack(tmp_path / "mine.zip", TWENTY))
    opened = []
    real = zipfile.ZipFile
    monkeypatch.setattr(zipfile, "ZipFile", lambda path: opened.append(path) or real(path))
    before = train.images[:]
    assert not opened
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert torch.equal(train.images[:], before)
    assert len(opened) == 1


def test_images_are_read_only_when_asked_for(tmp_path):
    fill(tmp_path, TWENTY)
    train, _ = whole(tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match=r"\.png cannot be read"):
        train.images[0]


# Archives made to do harm


@pytest.mark.parametrize(
    "name", ["../out.png", "a/../../out.png", "/etc/out.png", "..\\out.png", "C:\\out.png"]
)
def test_an_archive_that_reaches_outside_is_refused(tmp_path, name):
    path = pack(tmp_path / "bad.zip", {**TWENTY, name: png()})
    with pytest.raises(DatasetError, match="outside itself"):
        load_dataset(str(path))
    assert [file.name for file in tmp_path.iterdir()] == ["bad.zip"]


def test_archives_that_would_unpack_to_too_much_are_refused(tmp_path):
    one = pack(tmp_path / "one.zip", {**TWENTY, "big.png": bytes(archive.MAX_FILE_BYTES + 1)})
    with pytest.raises(DatasetError, match=r"big\.png"):
        load_dataset(str(one))
    many = pack(tmp_path / "many.zip", {f"{i}.png": bytes(20 << 20) for i in range(4)})
    with pytest.raises(DatasetError, match="would unpack"):
        load_dataset(str(many))


def test_a_lie_about_a_size_is_found_out(tmp_path):
    path = pack(tmp_path / "lie.zip", {"a.png": png(), "b.png": png(1) + bytes(100_000)})
    content = path.read_bytes()
    true = struct.pack("<I", len(png(1)) + 100_000)
    assert content.count(true) == 2
    path.write_bytes(content.replace(true, struct.pack("<I", len(png(1)))))
    with pytest.raises(DatasetError, match=r"b\.png.*damaged"):
        whole(path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "uncommon", "encrypted"])
def test_a_damaged_archive_is_named(tmp_path, damage):
    method = zipfile.ZIP_LZMA if damage == "uncommon" else zipfile.ZIP_STORED
    path = pack(tmp_path / "mine.zip", TWENTY, method)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-300]
    elif damage == "flipped":
        content[50] ^= 255
    elif damage == "text":
        content = bytearray(b"hello")
    elif damage == "encrypted":
        start = content.index(b"PK\x01\x02")
        content[start + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"mine\.zip"):
        whole(path)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded():
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    for side in (8_000, 12_000, 60_000):  # Pillow says nothing, warns, refuses
        head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b""))
        with pytest.raises(DatasetError, match=r"Bomb has .* pixels"):
            read_image(io.BytesIO(bomb + chunk(b"IEND", b"")), name="Bomb")


# One picture


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (3, 16, 24)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_a_picture_is_scaled_to_the_shape(shape, kind):
    stream = io.BytesIO()
    Image.new("RGB", (90, 50), (100, 100, 100)).save(stream, kind)
    stream.seek(0)
    image = read_image(stream, shape)
    assert image.shape == shape and image.dtype == torch.uint8
    assert (image.int() - 100).abs().max() <= 2


def test_a_picture_is_cropped_in_its_middle():
    picture = Image.new("RGB", (300, 100), "red")
    picture.paste((0, 255, 0), (100, 0, 200, 100))
    stream = io.BytesIO()
    picture.save(stream, "png")
    stream.seek(0)
    image = read_image(stream, (3, 10, 10))
    assert (image[1] > 230).all() and (image[0] < 25).all()


def test_a_photograph_on_its_side_is_turned_upright():
    picture = Image.new("L", (64, 64))
    picture.paste(255, (0, 0, 64, 32))  # its upper half is bright
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter: the upper half goes right
    stream = io.BytesIO()
    picture.save(stream, "png", exif=exif)
    stream.seek(0)
    image = read_image(stream, (1, 64, 64))
    assert (image[0, :, 34:] == 255).all() and (image[0, :, :30] == 0).all()


def test_what_is_transparent_becomes_white():
    assert (read_image(io.BytesIO(png((255, 0, 0, 0), mode="RGBA"))) == 255).all()
    assert (read_image(io.BytesIO(png((0, 0), mode="LA"))) == 255).all()


def test_sixteen_bits_of_grey_are_scaled_not_cut_off():
    image = read_image(io.BytesIO(png(128 * 256, mode="I;16")), (1, 8, 8))
    assert (image == 128).all()


def test_text_packed_into_a_picture_is_no_bomb():
    info = PngImagePlugin.PngInfo()
    info.add_text("note", "x" * 10_000_000, zip=True)
    with pytest.raises(DatasetError, match="Note"):
        read_image(io.BytesIO(png(pnginfo=info)), name="Note")


def test_lazy_images_survive_pickling(put):
    train, _ = whole(put(TWENTY))
    assert torch.equal(pickle.loads(pickle.dumps(train.images))[:], train.images[:])
