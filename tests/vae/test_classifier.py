import numpy as np
import pytest
import torch

from vae import CheckpointError, classifier
from vae.classifier import (
    Classifier,
    accuracy,
    load_classifier,
    load_judge,
    save_classifier,
    train_classifier,
)
from vae.datasets import Dataset, Images


def bars(n=400, attributes=True):
    """Pictures in which a bright row and a bright column come and go independently."""
    rng = np.random.default_rng(0)
    row, column = rng.random((2, n)) < 0.5
    x = rng.integers(0, 60, (n, 1, 16, 16))
    x[row, :, 5:8, :] = 230
    x[column, :, :, 9:12] = 230
    truth = {"row": torch.from_numpy(row), "column": torch.from_numpy(column)}
    images = Images(torch.from_numpy(x.astype("u1")))
    if attributes:
        return Dataset("bars", "train", images, attributes=truth)
    labels = torch.from_numpy((2 * row + column).astype("i8"))
    return Dataset("bars", "train", images, labels, ("none", "column", "row", "both"))


@pytest.mark.parametrize(
    ("attributes", "network"), [(True, "plain"), (False, "plain"), (True, "residual")]
)
def test_classifier_learns_what_is_there_and_survives_its_file(
    tmp_path, monkeypatch, attributes, network
):
    data = bars(attributes=attributes)
    trained = train_classifier(data, epochs=12, network=network)
    assert min(accuracy(trained, data).values()) > 0.97
    x = data.images[:8]
    expected = torch.ones(8) if trained.exclusive else None
    if trained.exclusive:
        torch.testing.assert_close(trained.probabilities(x).sum(1), expected)
        assert trained.predictions(x).sum(1).eq(1).all()
    monkeypatch.setattr(classifier, "SHIPPED", tmp_path)
    save_classifier(trained, classifier.classifier_file("bars"))
    again = load_classifier("bars")
    assert (again.names, again.network) == (trained.names, network) and not again.training
    torch.testing.assert_close(again(x), trained(x), atol=0.05, rtol=0.01)
    assert again.features(x).shape == (8, 128)


def test_there_is_no_classifier_for_a_stranger_and_a_damaged_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "SHIPPED", tmp_path)
    assert load_classifier("nobody") is None and load_classifier("../x") is None
    file = classifier.classifier_file("bars")
    save_classifier(Classifier((1, 16, 16), ("a", "b"), False), file)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="classifier"):
        load_classifier("bars")


def test_the_judge_lies_beside_the_classifier(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "SHIPPED", tmp_path)
    assert load_judge("bars") is None
    judge = Classifier((1, 16, 16), ("a", "b"), False, "residual")
    save_classifier(judge, tmp_path / "bars" / "judge.safetensors")
    assert load_judge("bars").network == "residual" and load_classifier("bars") is None
    with pytest.raises(ValueError, match="expected plain or residual"):
        Classifier((1, 16, 16), ("a", "b"), False, "deep")


def test_data_without_answers_are_refused():
    data = bars()
    with pytest.raises(ValueError, match="neither attributes nor labels"):
        train_classifier(Dataset("x", "train", data.images))
