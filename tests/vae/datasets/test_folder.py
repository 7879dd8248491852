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

from vae.datasets import (
    DatasetError,
    folder,
    load_dataset,
    read_image,
)


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
    one = pack(tmp_path / "one.zip", {**TWENTY, "big.png": bytes(folder.MAX_FILE_BYTES + 1)})
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
