"""The independent classifier: a small network that is trained on real images only."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .concepts.attributes import attribute_table
from .datasets import Dataset
from .decoder_graph import DecoderGraph
from .decoder_graph.from_network import graph_of_images
from .files import check_output_file
from .imports.store import find_import
from .locations import SHIPPED
from .tensors import CheckpointError, read_tensors, write_tensors

__all__ = [
    "Classifier",
    "accuracy",
    "accuracy_by_name",
    "classifier_file",
    "load_classifier",
    "load_judge",
    "save_classifier",
    "train_classifier",
]

_WIDTHS = (24, 48, 64, 96)
_RESIDUAL_WIDTHS = (32, 48, 64)
_BATCH = 64  # images at once; of drawn faces 250 take three times the memory and no less time


class _Residual(nn.Module):
    """Adds to its input what two convolutions make of it, and halves the sides."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, 1, 1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, 1, 1),
        )
        self.coarser = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.coarser(F.avg_pool2d(x + self.change(x), 2, ceil_mode=True))


class Classifier(nn.Module):
    """Predicts binary attributes, or the class, of an image.

    `forward` returns logits with gradients; the other methods process any number of images in
    batches, without gradients.

    Args:
        image_shape: shape of an image, (C, H, W).
        names: names of the attributes, or of the classes.
        exclusive: whether the names are classes, of which an image has exactly one.
        network: `"plain"` strided convolutions, or `"residual"` blocks: an architecture that errs
            in other places.

    Raises:
        ValueError: if there is no such network.

    References:
        Deep residual learning for image recognition (He et al., 2016).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        names: tuple[str, ...],
        exclusive: bool,
        network: str = "plain",
    ) -> None:
        super().__init__()
        self.image_shape, self.names, self.exclusive = image_shape, tuple(names), exclusive
        self.network = network
        if network == "residual":
            first, *rest = _RESIDUAL_WIDTHS
            blocks = [_Residual(a, b) for a, b in pairwise([first, *rest, 96])]
            self.body = nn.Sequential(
                nn.Conv2d(image_shape[0], first, 3, 2, 1), *blocks, nn.SiLU(),
                nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96 * 16, 128), nn.SiLU(),
            )  # fmt: skip
            self.head = nn.Linear(128, len(self.names))
            return
        if network != "plain":
            raise ValueError(f"There is no network {network!r}; expected plain or residual.")
        layers: list[nn.Module] = []
        width, (_, height, across) = image_shape[0], image_shape
        for channels in _WIDTHS:
            if min(height, across) < 4:
                break
            layers += [nn.Conv2d(width, channels, 3, 2, 1), nn.ReLU()]
            width, height, across = channels, (height + 1) // 2, (across + 1) // 2
        self.body = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(width * height * across, 128), nn.ReLU()
        )
        self.head = nn.Linear(128, len(self.names))

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(B, K)` of images `(B, C, H, W)` in [0, 1]."""
        return self.head(self.body(x - 0.5))

    def graph(self) -> DecoderGraph:
        """The network as steps that the browser can run.

        Raises:
            GraphError: for a residual network, which has layers that the browser does not run.
        """
        return graph_of_images(nn.Sequential(*self.body, self.head), self.image_shape)

    def probabilities(self, x: Tensor) -> Tensor:
        """Probabilities `(B, K)`; rows sum to 1 for classes, attributes are independent."""
        logits = _in_batches(self, x)
        return logits.softmax(1) if self.exclusive else logits.sigmoid()

    def predictions(self, x: Tensor) -> Tensor:
        """Binary predictions `(B, K)`, bool; of classes only the most probable one is True."""
        logits = _in_batches(self, x)
        if self.exclusive:
            return F.one_hot(logits.argmax(1), len(self.names)).bool()
        return logits > 0

    def features(self, x: Tensor) -> Tensor:
        """Inputs of the last layer `(B, 128)`, a space in which similar images lie close."""
        return _in_batches(lambda part: self.body(part - 0.5), x)


@torch.no_grad()
def _in_batches(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([network(part) for part in x.split(_BATCH)])


def classifier_file(dataset: str) -> Path:
    """The file of a dataset's classifier: with its import, or beside a model of the same name."""
    if (imported := find_import(dataset)) is not None:
        return imported.folder / "classifier.safetensors"
    return SHIPPED / dataset / "classifier.safetensors"


def load_classifier(dataset: str) -> Classifier | None:
    """Loads a dataset's classifier in eval mode, or returns None if there is none.

    Raises:
        CheckpointError: if the file is damaged.
    """
    return _load(classifier_file(dataset)) if "/" not in dataset else None


def load_judge(dataset: str) -> Classifier | None:
    """Loads the second classifier of a dataset, of another architecture, or returns None.

    Strengths and vectors are chosen by the first; the second judges what the first has chosen.

    Raises:
        CheckpointError: if the file is damaged.
    """
    return _load(classifier_file(dataset).with_name("judge.safetensors"))


def _load(file: Path) -> Classifier | None:
    if not file.is_file():
        return None
    arrays, metadata = read_tensors(file)
    try:
        about = metadata["classifier"]
        shape, names = tuple(about["image_shape"]), tuple(about["names"])
        model = Classifier(shape, names, about["exclusive"], about.get("network", "plain"))
        model.load_state_dict({k: torch.from_numpy(v).float() for k, v in arrays.items()})
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise CheckpointError(f"{file}: not a classifier ({error}).") from error
    return model.eval().requires_grad_(False)


def save_classifier(
    model: Classifier,
    file: str | Path,
    *,
    overwrite: bool = False,
    about: dict[str, Any] | None = None,
) -> None:
    """Writes a classifier, its weights rounded to 16 bits.

    Args:
        model: classifier to be saved.
        file: path of a new file; its folder is created if missing.
        overwrite: whether to replace an existing file.
        about: description of the training, stored in the header of the file.

    Raises:
        OutputError: if the name is empty, or names a folder or an existing file.
    """
    file = check_output_file(file, lambda file: overwrite)
    described = {
        "image_shape": model.image_shape,
        "names": model.names,
        "exclusive": model.exclusive,
        "network": model.network,
    }
    tensors = {k: v.detach().half().contiguous() for k, v in model.state_dict().items()}
    write_tensors(file, tensors, {"classifier": described, "built": about or {}})


def train_classifier(
    data: Dataset,
    *,
    epochs: int = 8,
    seed: int = 0,
    network: str = "plain",
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Classifier:
    """Trains a classifier on real images with random blur, noise and shifts.

    What is missing is left out.

    Reconstructions are slightly blurred; without this augmentation, predictions would depend on
    the blur.

    Args:
        data: training split with attributes or labels.
        epochs: passes over the images.
        seed: seed of weights, order and augmentation.
        network: architecture, as of `Classifier`.
        progress: called with the number of passes done and their total.

    Raises:
        ValueError: if the data have neither attributes nor labels.
    """
    names, targets = _targets(data)
    torch.manual_seed(seed)
    model = Classifier(data.images.shape[1:], names, targets.ndim == 1, network)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-4)
    steps = epochs * -(-len(targets) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for epoch in range(epochs):
        progress(epoch, epochs)
        for rows in torch.randperm(len(targets)).split(128):
            logits = model(_augment(data.images[rows]))
            if model.exclusive:
                loss = F.cross_entropy(logits, targets[rows], label_smoothing=0.02)
            else:
                loss = _known_loss(logits, targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval().requires_grad_(False)


def accuracy(model: Classifier, data: Dataset, limit: int = 10_000) -> dict[str, float]:
    """The accuracy on real images, 0…1, by attribute, or under the key `class`.

    Args:
        model: classifier to be evaluated.
        data: real images with labels or attributes.
        limit: largest number of images.
    """
    names, targets = _targets(data)
    targets = targets[:limit]
    rows = torch.arange(len(targets)).split(_BATCH)
    predicted = torch.cat([model.predictions(data.images[r]) for r in rows])
    if model.exclusive:
        return {"class": (predicted.int().argmax(1) == targets).float().mean().item()}
    targets = targets[:, [names.index(name) for name in model.names]]  # it may know fewer
    known = targets.isfinite()
    right = (predicted.float() == targets).sum(0) / known.sum(0).clamp(min=1)
    return dict(zip(model.names, np.round(right.tolist(), 5).tolist(), strict=True))


def accuracy_by_name(model: Classifier, data: Dataset, limit: int = 10_000) -> dict[str, float]:
    """The accuracy on real images, 0…1, by attribute or by class.

    Args:
        model: classifier to be evaluated.
        data: real images with labels or attributes.
        limit: largest number of images.
    """
    if not model.exclusive:
        return accuracy(model, data, limit)
    _, targets = _targets(data)
    rows = torch.arange(len(targets[:limit])).split(_BATCH)
    predicted = torch.cat([model.predictions(data.images[r]) for r in rows])
    actual = F.one_hot(targets[:limit], len(model.names)).bool()
    shares = (predicted == actual).float().mean(0).tolist()
    return dict(zip(model.names, shares, strict=True))


def _targets(data: Dataset) -> tuple[tuple[str, ...], Tensor]:
    if data.attributes and (table := attribute_table(data)):
        columns = [np.asarray(values, dtype=np.float32) for values in table.values()]
        return tuple(table), torch.from_numpy(np.stack(columns, 1))
    if data.labels is None:
        raise ValueError(f"{data.name} has neither attributes nor labels to learn from.")
    classes = data.classes or tuple(str(i) for i in range(int(data.labels.max()) + 1))
    return classes, data.labels


def _known_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross entropy over the values that are not NaN."""
    known = targets.isfinite()
    losses = F.binary_cross_entropy_with_logits(
        logits, targets.nan_to_num(0.0), known.float(), reduction="sum"
    )
    return losses / known.sum().clamp(min=1)


def _augment(x: Tensor) -> Tensor:
    """Blurs a third of the images, adds noise to a third, shifts all by a pixel at most."""
    kind = torch.rand(len(x), 1, 1, 1)
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.where(kind < 1 / 3, torch.lerp(x, blurred, torch.rand(len(x), 1, 1, 1)), x)
    x = torch.where(kind > 2 / 3, x + 0.08 * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x), x)
    shift = torch.randint(-1, 2, (2,)).tolist()
    return torch.roll(x, shift, (2, 3)).clamp(0, 1)
