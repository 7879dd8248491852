import functools
import gc
import gzip
import hashlib
import json
import struct
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from pictures import fill, png

from vae.datasets import (
    Dataset,
    DatasetError,
    Images,
    LazyImages,
    dataset_names,
    digits,
    load_dataset,
    torchvision_sets,
)
from vae.datasets.files import read_arrays
from vae.datasets.torchvision_sets import load_celeba, load_svhn

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
    classes = data.labels.bincount(minlength=10)
    if split == "test":
        assert torch.equal(classes, torch.full((10,), n // 10))
    else:
        assert classes.min() > 0.8 * n / 10 and classes.max() < 1.2 * n / 10
    assert data.name == name and data.split == split and data.licence
    assert data.attributes == {}


def test_splits_of_digits_share_no_image_and_never_change():
    train, test = load_dataset("digits", "train"), load_dataset("digits", "test")
    assert (len(train), len(test)) == (9000, 1000)
    seen = {image.numpy().tobytes() for image in train.images.uint8}
    assert len(seen) == 9000
    assert not seen & {image.numpy().tobytes() for image in test.images.uint8}
    assert torch.equal(load_dataset("digits", "test").images.uint8, test.images.uint8)


def test_digits_are_labelled_by_what_they_show():
    train, test = load_dataset("digits", "train"), load_dataset("digits", "test")
    distances = torch.cdist(test.images[:].flatten(1), train.images[:].flatten(1))
    nearest = train.labels[distances.argmin(dim=1)]
    assert (nearest == test.labels).float().mean() > 0.9


def test_build_writes_what_is_shipped(tmp_path):
    n = 10_000
    shipped = read_arrays(digits.FILE, images=(n, 28, 28), labels=(n,), test=(n,))
    images, labels = shipped["images"].reshape(n, -1), shipped["labels"]
    order = np.argsort(labels[:5000], kind="stable")
    rows = np.c_[images[order], labels[order]]
    np.savetxt(tmp_path / "table.csv", rows, fmt="%d", delimiter=",")
    for digit in range(10):
        values = (images[labels == digit] / 255).round(3).flatten().tolist()
        (tmp_path / f"{digit}.json").write_text(json.dumps({"data": values}))
    for file in ("one.npz", "two.npz"):
        digits.build(tmp_path / "table.csv", tmp_path, tmp_path / file)
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
    with pytest.raises(DatasetError, match="train, validation or test"):
        load_dataset(name, "evaluation")


def test_what_comes_with_the_program_has_no_validation_split():
    with pytest.raises(DatasetError, match="choose train or test"):
        load_dataset("digits", "validation")


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


# Fetching

# torchvision leaves the connection of a download that failed to the garbage collector.
leaky = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


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
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(served))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(known, "mirrors", [f"{address}no/", address])
    monkeypatch.setattr(known, "resources", resources)
    monkeypatch.setattr(torchvision_sets, "FASHION_SYSTEM", tmp_path / "none")
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))
    yield served
    server.shutdown()
    server.server_close()
    gc.collect()  # while this test, which may leave connections behind, is still the one to blame


@leaky
def test_fashion_is_fetched_once_with_progress(small_fashion, tmp_path):
    reports = []
    data = load_dataset("fashion", "train", lambda done, what: reports.append((done, what)))
    assert len(data) == 60_000 and data.images.shape == (60_000, 1, 28, 28)
    assert reports == [(0.0, "Looking for FashionMNIST, downloading it if it is not here")]
    for file in small_fashion.iterdir():
        file.unlink()
    assert len(load_dataset("fashion", "train")) == 60_000


@leaky
def test_without_a_network_the_error_says_where_to_put_the_files(small_fashion, tmp_path):
    for file in small_fashion.iterdir():
        file.unlink()
    with pytest.raises(DatasetError) as error:
        load_dataset("fashion", "train")
    words = ("Connect", "train-images-idx3-ubyte.gz", str(tmp_path / "data" / "fashion"))
    assert all(word in str(error.value) for word in (*words, "dataset-fashion-mnist"))


@leaky
def test_a_download_of_other_bytes_is_refused(small_fashion, tmp_path):
    for file in small_fashion.iterdir():
        file.write_bytes(b"captive portal")
    with pytest.raises(DatasetError, match="dataset-fashion-mnist"):
        load_dataset("fashion", "train")


def test_fashion_is_read_from_debians_folder(small_fashion, monkeypatch, tmp_path):
    system = small_fashion.rename(tmp_path / "system")  # so that nothing can be fetched
    monkeypatch.setattr(torchvision_sets, "FASHION_SYSTEM", system)
    assert len(load_dataset("fashion", "train")) == 60_000


@pytest.mark.parametrize("unpacked", [False, True])
def test_fashion_is_read_from_files_put_into_the_data_folder(
    small_fashion, monkeypatch, tmp_path, unpacked
):
    """Where an earlier version put what it fetched, too."""
    fetch = lambda *about: pytest.fail("torchvision was asked")  # noqa: E731
    monkeypatch.setattr(torchvision_sets, "_download", fetch)
    own = tmp_path / "data" / "fashion"
    own.mkdir(parents=True)
    for file in small_fashion.iterdir():
        content = file.read_bytes()
        file.unlink()
        if unpacked:
            (own / file.stem).write_bytes(gzip.decompress(content))
        else:
            (own / file.name).write_bytes(content)
    assert len(load_dataset("fashion", "train")) == 60_000


@pytest.mark.parametrize("damage", ["cut", "flipped", "short", "empty"])
def test_damaged_files_are_named(small_fashion, monkeypatch, tmp_path, damage):
    file = small_fashion / "train-images-idx3-ubyte.gz"
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 255
    elif damage == "short":
        content = gzip.compress(idx(np.zeros((50, 28, 28), "u1")))
    else:
        content = content[: len(content) // 2 if damage == "cut" else 0]
    file.write_bytes(content)
    system = small_fashion.rename(tmp_path / "system")
    monkeypatch.setattr(torchvision_sets, "FASHION_SYSTEM", system)
    with pytest.raises(DatasetError, match=r"FashionMNIST could not be read.*Remove"):
        load_dataset("fashion", "train")


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
    for name, loader in (("CelebA", load_celeba), ("SVHN", load_svhn)):
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
