"""Every kind of source, with the right answer for each."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import math
import os
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vae import DatasetError, import_images, load_dataset
from vae.imports import array_files, import_source, inspect_source


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))


def picture(seed: int, size=(12, 12), mode="RGB") -> Image.Image:
    rng = np.random.default_rng(seed)
    blocks = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8))
    return blocks.resize(size, Image.Resampling.NEAREST).convert(mode)


def fill(folder: Path, count: int, start: int = 0, suffix: str = ".png", **how) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{i:03d}{suffix}" for i in range(start, start + count)]
    for i, file in enumerate(files, start):
        picture(i, **how).save(file)
    return files


def everything(name: str) -> dict[str, tuple[np.ndarray, str | None]]:
    """Pixels and class of each picture by name, over all splits."""
    found = {}
    for split in ("train", "validation", "test"):
        try:
            part = load_dataset(name, split)
        except DatasetError:
            continue
        for i, key in enumerate(part.names):
            label = None if part.labels is None else part.classes[part.labels[i]]
            found[key] = part.images.read(i).numpy(), label
    return found


def encoded(seed: int, kind: str = "PNG", **how) -> bytes:
    out = io.BytesIO()
    picture(seed, **how).save(out, kind)
    return out.getvalue()


IMAGES = np.stack([np.asarray(picture(i)) for i in range(30)])
GREY = np.stack([np.asarray(picture(i, mode="L")) for i in range(30)])
LABELS = np.arange(30) % 3


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_npz(out: Path) -> None:
    np.savez_compressed(out / "a.npz", images=IMAGES, labels=LABELS)


def write_npy(out: Path) -> None:
    np.save(out / "a.npy", IMAGES.transpose(0, 3, 1, 2))


def write_floats(out: Path) -> None:
    np.savez(out / "a.npz", x=IMAGES / np.float32(255), y=LABELS)


def write_pairs(out: Path) -> None:
    np.savez(out / "a.npz", x_train=IMAGES[:20], y_train=LABELS[:20, None], x_test=IMAGES[20:],
             y_test=LABELS[20:, None])  # fmt: skip


def write_idx(out: Path) -> None:
    for split, rows in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        (out / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(GREY[rows])))
        (out / f"{split}-labels-idx1-ubyte").write_bytes(idx(LABELS[rows]))


def write_mat(out: Path) -> None:
    from scipy.io import savemat

    savemat(out / "train_32x32.mat", {"X": IMAGES[:20].transpose(1, 2, 3, 0), "y": LABELS[:20]})
    savemat(out / "test_32x32.mat", {"X": IMAGES[20:].transpose(1, 2, 3, 0), "y": LABELS[20:]})


def write_parquet(out: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"label": {"names": ["0", "1", "2"], "_type": "ClassLabel"}}
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    for split, rows in (("train", range(20)), ("test", range(20, 30))):
        table = pa.table(
            {
                "image": pa.array([{"bytes": encoded(i), "path": None} for i in rows], image),
                "label": pa.array([int(LABELS[i]) for i in rows]),
                "age": pa.array([None if i == 3 else float(i) for i in rows]),
            }
        )
        pq.write_table(
            table.replace_schema_metadata(about), out / f"{split}-00000-of-00001.parquet"
        )


def write_cifar(out: Path) -> None:
    big = np.stack([np.asarray(picture(i, (32, 32))) for i in range(30)])
    records = [
        bytes([int(k)]) + x.transpose(2, 0, 1).tobytes() for k, x in zip(LABELS, big, strict=True)
    ]
    with tarfile.open(out / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for name, content in (
            ("data_batch_1.bin", b"".join(records[:20])),
            ("test_batch.bin", b"".join(records[20:])),
            ("batches.meta.txt", b"0\n1\n2\n"),
        ):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_zip(out: Path) -> None:
    with zipfile.ZipFile(out / "a.zip", "w") as archive:
        for i in range(30):
            archive.writestr(f"set/{LABELS[i]}/{i:02}.png", encoded(i))


def write_tar(out: Path) -> None:
    (out / "a.tar.bz2").write_bytes(
        bz2.compress(tar_of(out, {f"{LABELS[i]}/{i:02}.png": encoded(i) for i in range(30)}))
    )


def tar_of(out: Path, files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


LABELLED = (write_npz, write_floats, write_pairs, write_idx, write_mat, write_parquet, write_cifar,
            write_zip, write_tar)  # fmt: skip
SPLIT = (write_pairs, write_idx, write_mat, write_parquet, write_cifar)


@pytest.mark.parametrize("write", [*LABELLED, write_npy], ids=lambda w: w.__name__[6:])
def test_each_kind_gives_the_same_pictures_labels_and_splits(tmp_path, write):
    source = tmp_path / "source"
    source.mkdir()
    write(source)
    made = import_source(source, "it")
    size = 32 if write is write_cifar else 12
    channels = 1 if write is write_idx else 3
    assert made.shape == (30, channels, size, size)
    if write in SPLIT:
        assert made.counts == {"train": 20, "test": 10}
    expected = {}
    for i in range(30):
        pixels = np.asarray(picture(i, (size, size), "L" if channels == 1 else "RGB"))
        pixels = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
        expected[pixels.tobytes()] = str(LABELS[i]) if write in LABELLED else None
    found = {pixels.tobytes(): label for pixels, label in everything("it").values()}
    assert found == expected
    if write in SPLIT:  # the first of the files in each split, which is what its author chose
        train = {x.tobytes() for x in load_dataset("it", "train").images.uint8.numpy()}
        assert train == set(list(expected)[:20])


def test_one_file_of_several_can_be_named(tmp_path):
    write_idx(tmp_path)
    made = import_source(tmp_path / "train-images-idx3-ubyte.gz", "digits-of-mine")
    assert made.counts == {"train": 20, "test": 10}
    write_npz(tmp_path)
    assert import_source(tmp_path / "a.npz", "arrays").shape[0] == 30
    np.save(tmp_path / "b.npy", IMAGES)
    with pytest.raises(DatasetError, match="several files of arrays"):
        inspect_source(tmp_path)


def test_what_an_array_holds_beside_images_becomes_columns_and_nothing_is_unpickled(tmp_path):
    values = np.random.default_rng(0).random((30, 6))
    np.savez(
        tmp_path / "d.npz",
        imgs=(GREY > 128).astype(np.uint8),
        latents_values=values,
        latents_classes=(values * 3).astype(int),
        metadata=np.array({"latents_names": ("color",)}, dtype=object),
    )
    made = import_source(tmp_path / "d.npz", "sprites")
    assert any("Python objects" in notice for notice in made.card["notices"])
    train = load_dataset("sprites", "train")
    assert list(train.attributes) == ["color", "shape", "scale", "orientation", "posX", "posY"]
    assert {train.kind(name) for name in train.attributes} == {"number"}
    assert set(train.images.uint8.unique().tolist()) == {0, 255}
    row = int(train.names[3])
    assert train.attributes["posX"][3] == pytest.approx(values[row, 4])


def test_large_arrays_of_a_file_are_mapped_from_a_temporary_one(tmp_path, monkeypatch):
    monkeypatch.setattr(array_files, "_IN_MEMORY", 1_000)
    np.savez_compressed(tmp_path / "a.npz", labels=LABELS, images=np.asfortranarray(IMAGES))
    import_source(tmp_path / "a.npz", "it")
    expected = {IMAGES[i].transpose(2, 0, 1).tobytes(): str(LABELS[i]) for i in range(30)}
    assert {x.tobytes(): label for x, label in everything("it").values()} == expected


def test_hdf5_without_its_package_is_a_sentence_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "3dshapes.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DatasetError, match=r"pip install .*hdf5"):
        import_source(tmp_path / "3dshapes.h5", "shapes")


def test_hdf5_is_read_by_its_names(tmp_path, monkeypatch):
    class Stored:  # as h5py's, as far as it is used
        def __init__(self, array):
            self.array, self.shape, self.dtype = array, array.shape, array.dtype

        def __len__(self):
            return len(self.array)

        def __getitem__(self, key):
            return self.array[key]

        def __array__(self, dtype=None, copy=None):
            return self.array.astype(dtype or self.dtype)

    class File:
        def __init__(self, path, mode):
            pass

        def visititems(self, visit):
            visit("images", Stored(IMAGES))
            visit("labels", Stored(np.random.default_rng(0).random((30, 6))))

    monkeypatch.setitem(sys.modules, "h5py", types.SimpleNamespace(File=File, Dataset=Stored))
    (tmp_path / "3dshapes.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    made = import_source(tmp_path / "3dshapes.h5", "shapes")
    assert made.shape == (30, 3, 12, 12)
    names = [column["name"] for column in made.card["columns"]]
    assert names == ["floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"]


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".mat", ".parquet", ".zip", ".tar", ".xyz"])
def test_damaged_files_are_refused_in_a_sentence(tmp_path, suffix):
    for i, content in enumerate(
        (b"", b"PK\x03\x04" + bytes(60), b"\x93NUMPY\x01\x00v\x00{" + bytes(90))
    ):
        file = tmp_path / f"{i}{suffix}"
        file.write_bytes(content)
        with pytest.raises(DatasetError):
            import_source(file, "it")


def test_arrays_of_other_shapes_and_truncated_idx_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", rows=np.zeros((30, 144)))
    with pytest.raises(DatasetError, match=r"no images.*rows \(30, 144\)"):
        import_source(tmp_path / "a.npz", "it")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(GREY)[:-1])
    with pytest.raises(DatasetError, match="30 × 12 × 12"):
        import_source(tmp_path / "train-images-idx3-ubyte", "it")


# Pictures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jfif", "webp", "bmp", "gif", "tif", "pgm", "avif"])
def test_each_kind_of_picture_is_read(tmp_path, suffix):
    kinds = {"jfif": "JPEG", "tif": "TIFF", "pgm": "PPM"}
    mode = "L" if suffix == "pgm" else "RGB"
    for i in range(3):
        content = encoded(i, kinds.get(suffix, suffix.upper()), mode=mode, size=(24, 24))
        (tmp_path / f"{i}.{suffix}").write_bytes(content)
    import_source(tmp_path, "it")
    for name, (pixels, _) in everything("it").items():
        expected = np.atleast_3d(np.asarray(picture(int(name[0]), (24, 24), mode)))
        assert abs(pixels.astype(int) - expected.transpose(2, 0, 1)).mean() < 12


@pytest.mark.parametrize(
    ("suffix", "array"),
    [
        ("png", (GREY.astype(np.uint16) * 16)),
        ("tif", (GREY.astype(np.uint16) * 16)),
        ("tif", (GREY.astype(np.float32) / 100 - 1)),
    ],
)
def test_more_than_8_bits_share_one_scale_which_is_told(tmp_path, suffix, array):
    for i in range(10):
        Image.fromarray(array[i]).save(tmp_path / f"{i}.{suffix}")
    made = import_source(tmp_path, "deep")
    low, high = float(array[:10].min()), float(array[:10].max())
    assert made.card["scale"] == pytest.approx([low, high])
    assert any("one scale for all" in notice for notice in made.card["notices"])
    assert made.shape[1] == 1
    for name, (pixels, _) in everything("deep").items():
        expected = (array[int(name[0])] - low) / (high - low) * 255
        assert abs(pixels[0] - expected).max() <= 1
    assert inspect_source(tmp_path).pictures.max() == 255


def test_transparency_palettes_and_orientation_stay_right(tmp_path):
    clear = Image.new("RGBA", (12, 12), (255, 0, 0, 0))
    clear.save(tmp_path / "0.png")
    picture(1).convert("P").save(tmp_path / "1.png")
    turned = picture(2, (12, 24))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned.save(tmp_path / "2.png", exif=exif)
    import_source(tmp_path, "it", image_size=(12, 24), fit="stretch")
    found = everything("it")
    assert (found["0.png"][0] == 255).all()
    upright = np.asarray(turned.transpose(Image.Transpose.ROTATE_270)).transpose(2, 0, 1)
    assert np.array_equal(found["2.png"][0], upright)


@pytest.mark.parametrize(
    ("fit", "white", "said"),
    [
        ("crop", False, "33% is cut off at top and bottom"),
        ("pad", True, "padded"),
        ("stretch", True, "stretched"),
    ],
)
def test_what_does_not_fit_is_cropped_padded_or_stretched_as_told(tmp_path, fit, white, said):
    for i in range(4):
        image = picture(i, (64, 96)).point(lambda v: v // 2)
        image.paste("white", (20, 0, 44, 12))
        image.save(tmp_path / f"{i}.png")
    made = import_source(tmp_path, "it", fit=fit)
    assert made.shape == (4, 3, 64, 64)
    assert any(said in notice for notice in made.card["notices"])
    top = [pixels[:, :8].min(0).max() > 240 for pixels, _ in everything("it").values()]
    assert all(top) is white


@pytest.mark.parametrize(
    ("size", "options", "shape"),
    [
        ((28, 28), {}, (3, 28, 28)),
        ((50, 30), {}, (3, 32, 52)),
        ((5, 5), {}, (3, 8, 8)),
        ((65, 64), {}, (3, 64, 64)),
        ((100, 75), {}, (3, 64, 64)),
        ((100, 75), {"image_size": 30}, (3, 32, 32)),
        ((20, 20), {"image_size": 128, "colour": "grey"}, (1, 128, 128)),
    ],
)
def test_the_size_is_the_pictures_own_or_one_that_the_network_can_halve(
    tmp_path, size, options, shape
):
    fill(tmp_path / "set", 3, size=size)
    made = import_source(tmp_path / "set", "it", **options)
    assert made.shape[1:] == shape
    halved = size in ((50, 30), (5, 5)) or options.get("image_size") == 30
    assert any("halve" in notice for notice in made.card["notices"]) is halved
    if size == (50, 30):  # padded, so that every pixel stays as it is
        pixels, _ = everything("it")["000.png"]
        assert np.array_equal(
            pixels[:, 1:31, 1:51], np.asarray(picture(0, size)).transpose(2, 0, 1)
        )


def test_grey_stays_grey_though_a_file_has_three_channels(tmp_path):
    for i in range(6):
        picture(i, (24, 24), "L").convert("RGB").save(tmp_path / f"{i}.jpg", quality=90)
    assert import_source(tmp_path, "grey").shape[1] == 1
    assert import_source(tmp_path, "both", colour="colour").shape[1] == 3
    picture(7, (24, 24)).save(tmp_path / "7.jpg")
    assert import_source(tmp_path, "colour").shape[1] == 3
    assert inspect_source(tmp_path).image_shape == (3, 24, 24)


# Names, links, layouts ----------------------------------------------------------------------


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
@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png"])
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


# From Python --------------------------------------------------------------------------------


def test_tensors_and_torch_datasets_are_imported(tmp_path):
    x = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float() / 255
    made = import_images(
        x, "tensor", labels=torch.from_numpy(LABELS), splits=["train"] * 20 + ["test"] * 10
    )
    assert made.counts == {"train": 20, "test": 10}
    assert torch.equal(load_dataset("tensor", "train").images.uint8, (x[:20] * 255).round().byte())

    class Items(torch.utils.data.Dataset):
        def __len__(self):
            return 30

        def __getitem__(self, row):
            return Image.fromarray(IMAGES[row]), int(LABELS[row])

    import_images(Items(), "items")
    assert {label for _, label in everything("items").values()} == {"0", "1", "2"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"images": np.zeros((3, 5))}, "expected"),
        ({"images": IMAGES, "labels": [0, 1]}, "2 labels for 30"),
        ({"images": IMAGES, "splits": ["train"] * 29 + ["exam"]}, "exam"),
        ({"images": IMAGES, "attributes": {"a": [1]}}, "one for each of 30"),
        ({"images": IMAGES, "labels": LABELS, "classes": ["x"]}, "expected 0 to 0"),
        ({"images": IMAGES[:1]}, "two are needed"),
    ],
)
def test_what_does_not_match_is_refused(given, said):
    with pytest.raises(DatasetError, match=said):
        import_images(name="it", **given)


def test_emnist_and_cifar_are_read_by_name_from_files_in_the_data_folder(tmp_path):
    write_cifar(tmp_path)
    (tmp_path / "data" / "cifar10").mkdir(parents=True)
    name = "cifar-10-binary.tar.gz"
    (tmp_path / name).rename(tmp_path / "data" / "cifar10" / name)
    train = load_dataset("cifar10", "train")
    assert train.images.shape == (20, 3, 32, 32) and train.classes == ("0", "1", "2")
    assert train.labels.tolist() == LABELS[:20].tolist()
    expected = np.asarray(picture(4, (32, 32))).transpose(2, 0, 1)
    assert np.array_equal(train.images.read(4).numpy(), expected)
    folder = tmp_path / "data" / "emnist"
    folder.mkdir()
    stored = GREY[:5].transpose(0, 2, 1)
    (folder / "emnist-balanced-test-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(stored)))
    (folder / "emnist-balanced-test-labels-idx1-ubyte").write_bytes(idx(LABELS[:5]))
    test = load_dataset("emnist", "test")
    assert np.array_equal(test.images.uint8[:, 0].numpy(), GREY[:5])
    assert len(test.classes) == 47 and test.labels.tolist() == [0, 1, 2, 0, 1]
