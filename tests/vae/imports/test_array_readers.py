"""Every kind of file of arrays, and archives, with the right answer for each."""

from __future__ import annotations

import bz2
import gzip
import json
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sources import GREY, IMAGES, LABELS, encoded, everything, idx, picture, tar_of, write_cifar

from vae import DatasetError, load_dataset
from vae.imports import array_files, import_source, inspect_source


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


def write_zip(out: Path) -> None:
    with zipfile.ZipFile(out / "a.zip", "w") as archive:
        for i in range(30):
            archive.writestr(f"set/{LABELS[i]}/{i:02}.png", encoded(i))


def write_tar(out: Path) -> None:
    (out / "a.tar.bz2").write_bytes(
        bz2.compress(tar_of(out, {f"{LABELS[i]}/{i:02}.png": encoded(i) for i in range(30)}))
    )


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
            self.external = self.chunks = None
            self.is_virtual, self.nbytes = False, array.nbytes

        def __len__(self):
            return len(self.array)

        def __getitem__(self, key):
            return self.array[key]

        def __array__(self, dtype=None, copy=None):
            return self.array.astype(dtype or self.dtype)

    class Link:
        pass

    class Group(dict):
        def get(self, name, getlink):
            return Link()

    def file(path, mode):
        labels = np.random.default_rng(0).random((30, 6))
        return Group(images=Stored(IMAGES), inner=Group(labels=Stored(labels)))

    package = types.SimpleNamespace(File=file, Dataset=Stored, Group=Group, HardLink=Link)
    monkeypatch.setitem(sys.modules, "h5py", package)
    (tmp_path / "3dshapes.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    made = import_source(tmp_path / "3dshapes.h5", "shapes")
    assert made.shape == (30, 3, 12, 12)
    names = [column["name"] for column in made.card["columns"]]
    assert names == ["floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"]


@pytest.mark.parametrize(
    ("suffix", "what_to_do"),
    [
        (".mat", "MATLAB file .* Fetch it again, or save it anew"),
        (".npy", "Save it again by numpy.save"),
        (".npz", "Write it again"),
        (".parquet", "Parquet file .* Fetch it again, or save it anew"),
        (".tar", "Pack it again"),
        (".tar.gz", "Pack it again"),
        (".xyz", "of no kind that is read. Give a folder"),
        (".zip", "Pack it again"),
        ("-images-idx3-ubyte", "00 00 08 03 for images, .* Fetch it again"),
    ],
)
def test_damaged_files_are_refused_in_a_sentence(tmp_path, suffix, what_to_do):
    for i, content in enumerate(
        (b"", b"PK\x03\x04" + bytes(60), b"\x93NUMPY\x01\x00v\x00{" + bytes(90))
    ):
        file = tmp_path / f"{i}{suffix}"
        file.write_bytes(content)
        with pytest.raises(DatasetError, match=what_to_do):
            import_source(file, "it")


def test_a_parquet_file_without_pictures_is_told_what_is_expected(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"age": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match=r"found age\. Expected one with the bytes of PNG"):
        import_source(tmp_path / "a.parquet", "it")


def test_arrays_of_other_shapes_and_truncated_idx_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", rows=np.zeros((30, 144)))
    with pytest.raises(DatasetError, match=r"no images.*rows \(30, 144\)"):
        import_source(tmp_path / "a.npz", "it")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(GREY)[:-1])
    with pytest.raises(DatasetError, match="30 × 12 × 12"):
        import_source(tmp_path / "train-images-idx3-ubyte", "it")


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
