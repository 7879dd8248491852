import gzip
import hashlib
import io
import os
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from torch.utils.data import DataLoader

from vae.datasets import (
    Dataset,
    DatasetError,
    Images,
    LazyImages,
    dataset_names,
    digits,
    folder,
    load_dataset,
    mnist,
    photographs,
    read_image,
)
from vae.datasets.files import download, read_arrays, read_idx


def png(value=0, size=(20, 20), mode="RGB", **save):
    colour = value if mode in ("L", "I;16") else tuple(np.broadcast_to(value, len(mode)).tolist())
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, "png", **save)
    return stream.getvalue()


def fill(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def pack(file, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file


def whole(path, **options):
    return [load_dataset(str(path), split, **options) for split in ("train", "test")]


TWENTY = {f"{i:02}.png": png(10 * i) for i in range(20)}


# What every shipped dataset promises


@pytest.mark.parametrize(
    ("name", "split"), [("digits", "train"), ("digits", "test"), ("fashion", "test")]
)
def test_shipped_images_are_floats_from_black_to_white(name, split):
    data = load_dataset(name, split)
    n = len(data)
    images = data.images[:200]
    assert images.dtype == torch.float32
    assert images.shape == (200, 1, 28, 28)
    assert images.min() == 0 and images.max() == 1
    assert data.images.uint8.shape == data.images.shape == (n, 1, 28, 28)
    assert data.labels.shape == (n,) and data.labels.dtype == torch.int64
    assert len(data.classes) == len(set(data.classes)) == 10
    assert torch.equal(data.labels.bincount(), torch.full((10,), n // 10))
    assert data.name == name and data.split == split and data.licence
    assert data.attributes == {}


def test_splits_of_digits_share_no_image_and_never_change():
    train, test = load_dataset("digits", "train"), load_dataset("digits", "test")
    assert (len(train), len(test)) == (4000, 1000)
    seen = {image.numpy().tobytes() for image in train.images.uint8}
    assert len(seen) == 4000
    assert not seen & {image.numpy().tobytes() for image in test.images.uint8}
    assert torch.equal(load_dataset("digits", "test").images.uint8, test.images.uint8)


def test_digits_are_labelled_by_what_they_show():
    train, test = load_dataset("digits", "train"), load_dataset("digits", "test")
    distances = torch.cdist(test.images[:].flatten(1), train.images[:].flatten(1))
    nearest = train.labels[distances.argmin(dim=1)]
    assert (nearest == test.labels).float().mean() > 0.9


def test_build_writes_what_is_shipped(tmp_path):
    shipped = read_arrays(digits.FILE, images=(5000, 28, 28), labels=(5000,), test=(5000,))
    order = np.argsort(shipped["labels"], kind="stable")
    rows = np.c_[shipped["images"][order].reshape(5000, -1), shipped["labels"][order]]
    np.savetxt(tmp_path / "table.csv", rows, fmt="%d", delimiter=",")
    for file in ("one.npz", "two.npz"):
        digits.build(tmp_path / "table.csv", tmp_path / file)
    one, two = (np.load(tmp_path / file) for file in ("one.npz", "two.npz"))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    held_out = one["labels"][one["test"] == 1]
    assert np.array_equal(np.bincount(held_out), [100] * 10)
    assert np.array_equal(
        np.sort(one["images"].sum((1, 2))), np.sort(shipped["images"].sum((1, 2)))
    )


# Indexing


def lazy_twin(uint8):
    return LazyImages(lambda i: uint8[i], tuple(uint8.shape))


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        slice(2, 5),
        slice(None, None, 3),
        slice(4, 4),
        [6, 0, 6],
        torch.tensor([5, 1]),
        torch.tensor([], dtype=torch.int64),
        torch.arange(7) % 2 == 0,
        torch.zeros(7, dtype=torch.bool),
        torch.tensor(2),
    ],
    ids=str,
)
def test_lazy_images_index_as_images_in_memory(key):
    uint8 = torch.randint(256, (7, 3, 4, 5), dtype=torch.uint8)
    expected = uint8[key].float() / 255
    for images in (Images(uint8), lazy_twin(uint8)):
        assert torch.equal(images[key], expected)
        assert images[key].dtype == torch.float32
        assert len(images) == 7 and images.shape == (7, 3, 4, 5)


@pytest.mark.parametrize("key", [7, torch.tensor([7]), torch.ones(6, dtype=torch.bool)], ids=str)
def test_an_index_outside_is_refused(key):
    uint8 = torch.zeros(7, 1, 2, 2, dtype=torch.uint8)
    for images in (Images(uint8), lazy_twin(uint8)):
        with pytest.raises(IndexError):
            images[key]


def test_indexing_leaves_the_bytes_alone():
    images = Images(torch.full((2, 1, 2, 2), 200, dtype=torch.uint8))
    images[:].zero_()
    assert (images.uint8 == 200).all()


# Datasets refuse what does not fit


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4).byte(), torch.zeros(2, 2, 4, 4).byte()],
)
def test_images_of_another_kind_are_refused(images):
    with pytest.raises(DatasetError, match="expected"):
        Images(images)


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ({"labels": torch.tensor([0])}, "Labels"),
        ({"labels": torch.tensor([0.0, 1.0])}, "Labels"),
        ({"labels": torch.tensor([0, 2]), "classes": ("a", "b")}, "0 to 2"),
        ({"attributes": {"hat": torch.tensor([True])}}, "hat"),
        ({"attributes": {"hat": torch.tensor([1, 0])}}, "hat"),
    ],
)
def test_labels_and_attributes_must_fit_the_images(part, word):
    images = Images(torch.zeros(2, 1, 4, 4, dtype=torch.uint8))
    with pytest.raises(DatasetError, match=word):
        Dataset("mine", "test", images, **part)


def test_a_dataset_is_frozen():
    data = load_dataset("digits")
    with pytest.raises(AttributeError):
        data.name = "other"
    with pytest.raises(TypeError):
        data.attributes["hat"] = torch.zeros(1000, dtype=torch.bool)


# Names, splits and shapes


@pytest.mark.parametrize("name", ["digit", "", " ", "Digits", "\0"])
def test_an_unknown_name_is_answered_by_the_known_ones(name):
    with pytest.raises(DatasetError) as error:
        load_dataset(name)
    assert all(known in str(error.value) for known in dataset_names())


@pytest.mark.parametrize("name", ["digits", "nonsense"])
def test_an_unknown_split_is_answered_by_the_known_ones(name):
    with pytest.raises(DatasetError, match="train or test"):
        load_dataset(name, "validation")


def test_a_shape_that_a_dataset_does_not_have_is_refused():
    assert load_dataset("digits", image_shape=(1, 28, 28)).images.shape[1:] == (1, 28, 28)
    with pytest.raises(DatasetError, match=r"\(1, 28, 28\).*\(3, 64, 64\)"):
        load_dataset("digits", image_shape=(3, 64, 64))


def test_a_path_that_is_not_there_is_named(tmp_path):
    for name in ("nowhere.zip", "no/where"):
        with pytest.raises(DatasetError, match=name):
            load_dataset(str(tmp_path / name))


# Damaged files


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped", "foreign", "pickled"])
def test_a_damaged_shipped_file_is_named(tmp_path, monkeypatch, damage):
    file = tmp_path / "digits.npz"
    content = bytearray(digits.FILE.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[len(content) // 2] ^= 255
    elif damage == "empty":
        content = bytearray()
    if damage != "missing":
        file.write_bytes(content)
    if damage == "foreign":
        np.savez(file, images=np.zeros((3, 28, 28), np.uint8), labels=[1, 2, 3], test=[0, 0, 1])
    elif damage == "pickled":
        np.savez(file, images=np.array([object()]), labels=[1], test=[0])
    monkeypatch.setattr(digits, "FILE", file)
    with pytest.raises(DatasetError, match=r"digits.npz.*Fetch"):
        load_dataset("digits")


def idx(array):
    return struct.pack(f">{array.ndim + 1}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def test_idx_files_are_read_plain_and_compressed(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "plain").write_bytes(idx(array))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(array)))
    for name in ("plain", "packed.gz"):
        assert np.array_equal(read_idx(tmp_path / name, (2, 3, 4)), array)
        with pytest.raises(DatasetError, match=name):
            read_idx(tmp_path / name, (2, 4, 3))


def test_damaged_idx_files_are_named(tmp_path):
    content = gzip.compress(idx(np.random.default_rng(0).integers(256, size=(9, 9)).astype("u1")))
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    for name, bad in {
        "a.gz": content[:-20],
        "b.gz": bytes(flipped),
        "c.gz": b"no",
        "d": b"",
    }.items():
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(DatasetError, match=name):
            read_idx(tmp_path / name, (9, 9))


# Fetching


@pytest.fixture
def small_fashion(tmp_path, monkeypatch):
    """Addresses, known to torchvision, of two files that unpack to 60,000 black images."""
    import torchvision.datasets

    served = tmp_path / "served"
    served.mkdir()
    parts = {
        "images-idx3": np.zeros((60_000, 28, 28), "u1"),
        "labels-idx1": np.zeros(60_000, "u1"),
    }
    resources = []
    for part, array in parts.items():
        file = served / f"train-{part}-ubyte.gz"
        file.write_bytes(gzip.compress(idx(array), 1))
        resources.append((file.name, hashlib.md5(file.read_bytes()).hexdigest()))
    known = torchvision.datasets.FashionMNIST
    monkeypatch.setattr(known, "mirrors", [f"file://{tmp_path}/no/", f"file://{served}/"])
    monkeypatch.setattr(known, "resources", resources)
    monkeypatch.setattr(mnist, "FASHION_SYSTEM", tmp_path / "none")
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    return served


def test_fashion_is_fetched_once_with_progress(small_fashion, tmp_path):
    reports = []
    data = load_dataset("fashion", "train", lambda done, what: reports.append((done, what)))
    assert len(data) == 60_000
    assert reports[-1][0] == 1 and "train-images-idx3-ubyte.gz" in reports[0][1]
    assert not list(tmp_path.rglob("*.part"))
    for file in small_fashion.iterdir():
        file.unlink()
    assert len(load_dataset("fashion", "train")) == 60_000


def test_a_download_of_other_bytes_leaves_no_file(small_fashion, tmp_path):
    for file in small_fashion.iterdir():
        file.write_bytes(b"captive portal")
    with pytest.raises(DatasetError, match=r"other bytes.*dataset-fashion-mnist"):
        load_dataset("fashion", "train")
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def test_without_a_network_the_error_says_where_to_put_the_file(tmp_path):
    with pytest.raises(DatasetError, match=r"images\.gz could not be downloaded"):
        download([f"file://{tmp_path}/nothing"], tmp_path / "data" / "images.gz", "0" * 32)


def test_fashion_is_read_from_a_local_folder(small_fashion, monkeypatch, tmp_path):
    monkeypatch.setattr(mnist, "FASHION_SYSTEM", small_fashion)
    assert len(load_dataset("fashion", "train")) == 60_000
    assert not (tmp_path / "data").exists()


def test_celeba_is_read_from_disk(tmp_path, monkeypatch):
    import torchvision.datasets

    class CelebA:
        def __init__(self, root, split, target_type, download):
            self.filename = ["1.png", "2.png"]
            self.attr = torch.tensor([[1, 0], [0, 0]])
            self.attr_names = ["Eyeglasses", "Young", ""]

    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setattr(torchvision.datasets, "CelebA", CelebA)
    fill(tmp_path / "celeba" / "img_align_celeba", {"1.png": png(51)})
    data = load_dataset("celeba", "train", image_shape=(3, 16, 16))
    assert data.attributes["eyeglasses"].tolist() == [True, False]
    assert set(data.attributes) == {"eyeglasses", "young"}
    assert torch.allclose(data.images[0], torch.full((3, 16, 16), 0.2))
    with pytest.raises(DatasetError, match=r"2\.png"):
        data.images[1]


def test_a_set_that_cannot_be_fetched_says_so(tmp_path, monkeypatch):
    import torchvision.datasets

    def refuse(*args, **options):
        raise RuntimeError("no network")

    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    for name, loader in (("CelebA", photographs.load_celeba), ("SVHN", photographs.load_svhn)):
        monkeypatch.setattr(torchvision.datasets, name, refuse)
        with pytest.raises(DatasetError, match=r"no network.*Connect"):
            loader("test")


def test_faces_are_drawn_with_progress(monkeypatch):
    from vae.datasets import faces

    def draw_two(split, progress):
        progress(1, 2)
        progress(2, 2)
        images = np.full((2, 3, 64, 64), 51, np.uint8)
        return images, {"hat": np.array([split == "train", False])}

    monkeypatch.setattr(faces, "load_faces", draw_two)
    reports = []
    data = load_dataset("faces", "train", lambda done, what: reports.append(done))
    assert reports == [0.5, 1.0]
    assert torch.allclose(data.images[0], torch.full((3, 64, 64), 0.2))
    assert data.attributes["hat"].tolist() == [True, False]
    assert len(load_dataset("faces")) == 2  # progress is not demanded
    assert data.labels is None and data.licence


# Folders and archives


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
