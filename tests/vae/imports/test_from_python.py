"""Imports of arrays, tensors and torch datasets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sources import IMAGES, LABELS, everything

from vae import DatasetError, import_images, load_dataset


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
