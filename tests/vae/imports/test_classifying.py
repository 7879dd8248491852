"""The classifier of an import, and concepts of typed columns."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vae import VAE, DatasetError, VAEConfig, import_images, load_dataset
from vae.__main__ import main
from vae.classifier import Classifier, accuracy, load_classifier
from vae.concepts.attributes import (
    attribute_table,
    constant_attributes,
    excluded_by,
    number_table,
)
from vae.concepts.vectors import adjusted_vectors, split_by_attribute
from vae.datasets import Dataset, Images
from vae.imports import delete_dataset
from vae.runs.snapshots import UNKNOWN, Snapshots, read_snapshot
from vae.training import TrainingConfig


@pytest.fixture
def bars():
    """Pictures with a bright half or none, and how they are labelled."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 60, (240, 8, 8)).astype(np.uint8)
    top = rng.random(240) > 0.5
    x[top, :4] += 190
    return x, top


def test_the_command_trains_on_real_pictures_and_keeps_what_it_can_tell(bars, capsys):
    x, top = bars
    known = [*("yes" if t else "no" for t in top[:-9]), *[""] * 9]
    noise = np.random.default_rng(1).random(240) > 0.5
    import_images(x, "bars", attributes={"top": known, "noise": noise, "rare": np.arange(240) < 3})
    assert main(["classifier", "bars", "--epochs", "25", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["names"] == ["top"] and made["accuracy"]["top"] > 0.9
    assert "chance is 50%" in made["refused"]["noise"] and "0 of" in made["refused"]["rare"]
    model = load_classifier("bars@1")
    test = load_dataset("bars", "test")
    sides = torch.from_numpy(test.images.uint8[:, 0, :4].numpy().mean((1, 2)) > 128)
    assert (model.predictions(test.images[:])[:, 0] == sides).float().mean() > 0.9
    assert load_classifier("bars").names == ("top",)
    delete_dataset("bars")
    assert load_classifier("bars") is None


def test_classes_are_told_apart_or_it_is_refused(bars, capsys):
    x, top = bars
    import_images(x, "classes", labels=top.astype(int), classes=("dark", "bright"))
    assert main(["classifier", "classes", "--epochs", "25"]) == 0
    assert "class: " in capsys.readouterr().out
    assert load_classifier("classes").exclusive
    import_images(x, "random", labels=np.random.default_rng(2).integers(0, 2, 240))
    assert main(["classifier", "random", "--epochs", "2"]) == 2
    assert "could not be trusted" in capsys.readouterr().err and load_classifier("random") is None
    import_images(x, "unlabelled")
    assert main(["classifier", "unlabelled"]) == 2
    assert "no classes" in capsys.readouterr().err


def typed() -> Dataset:
    nan = float("nan")
    return Dataset(
        "typed",
        "train",
        Images(torch.zeros(6, 1, 8, 8, dtype=torch.uint8)),
        attributes={
            "smile": torch.tensor([1, 0, nan, 1, 0, 1]),
            "age": torch.tensor([1.0, 2, 3, nan, 5, 6]),
            "colour": torch.tensor([0, 1, 2, 0, -1, 1]),
            "old": torch.ones(6, dtype=torch.bool),
        },
        categories={"colour": ("blue", "green", "red")},
        numbers=frozenset({"age"}),
    )


def test_a_category_gives_one_against_rest_and_what_is_missing_is_on_no_side():
    data = typed()
    table = attribute_table(data)
    assert list(table) == ["smile", "colour=blue", "colour=green", "colour=red", "old"]
    with_it, without = split_by_attribute(table, "smile")
    assert with_it.tolist() == [True, False, False, True, False, True]
    assert without.tolist() == [False, True, False, False, True, False]
    with_it, without = split_by_attribute(table, "colour=blue")
    assert without.tolist() == [False, True, True, False, False, True]
    assert set(excluded_by(data, "colour=red")) == {"colour=blue", "colour=green"}
    assert excluded_by(data, "smile") == () and constant_attributes(data) == ("old",)
    assert attribute_table(data, np.array([0]))["old"].tolist() == [True]


def test_a_number_gives_the_effect_of_one_standard_deviation():
    rng = np.random.default_rng(0)
    age, smile = rng.normal(40, 10, 4_000), rng.random(4_000) > 0.5
    codes = (
        np.outer(age / 10, [1.0, 0]) + np.outer(smile, [0, 3.0]) + rng.normal(0, 0.1, (4_000, 2))
    )
    shown = age.astype(np.float32)
    shown[::3] = np.nan
    data = Dataset(
        "ages",
        "train",
        Images(torch.zeros(4_000, 1, 8, 8, dtype=torch.uint8)),
        attributes={"age": torch.from_numpy(shown), "smile": torch.from_numpy(smile)},
        numbers=frozenset({"age"}),
    )
    table = attribute_table(data) | number_table(data)
    vectors = adjusted_vectors(codes, table)
    assert vectors["age"] == pytest.approx([1, 0], abs=0.05)
    assert vectors["smile"] == pytest.approx([0, 3], abs=0.05)


def test_attributes_of_another_type_are_refused():
    images = Images(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    for values in (torch.zeros(2, dtype=torch.float64), torch.zeros(3), torch.zeros(2).long()):
        with pytest.raises(DatasetError):
            Dataset("x", "train", images, attributes={"a": values})


def test_the_accuracy_of_a_classifier_is_of_the_labels_that_it_knows():
    images = Images(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))
    columns = {name: torch.tensor([True, False, True, False]) for name in ("a", "b", "c")}
    data = Dataset("x", "test", images, attributes=columns)
    model = Classifier((1, 8, 8), ("c", "a"), exclusive=False).eval()
    assert set(accuracy(model, data)) == {"c", "a"}


def test_a_snapshot_keeps_what_is_known_of_typed_columns(tmp_path):
    model = VAE(VAEConfig((1, 8, 8), latent_dim=2, channels=(), hidden=(4,)))
    Snapshots(tmp_path, typed(), TrainingConfig(epochs=1)).take(model, 0)
    arrays = read_snapshot(tmp_path)
    assert arrays["attribute.smile"].tolist() == [1, 0, UNKNOWN, 1, 0, 1]
    assert arrays["attribute.colour=red"].tolist() == [0, 0, 1, 0, UNKNOWN, 0]
    assert "attribute.age" not in arrays
