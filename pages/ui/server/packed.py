"""What the browser is sent of a model, packed once: decoder, flow and classifier."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from pages.ui.shared.cache import shared
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.formatting import words
from vae.checkpoint import CheckpointError, load_card, load_checkpoint
from vae.classifier import classifier_file, load_classifier
from vae.code_distribution import FILE, CodeDistribution, load_code_distribution
from vae.datasets import DatasetError
from vae.decoder_export import classifier_bytes, decoder_bytes, decoder_info, flow_bytes
from vae.decoder_graph import GraphError
from vae.locations import Checkpoint, all_checkpoints
from vae.model import Decoder

__all__ = ["Flow", "Judge", "Opened", "Refusal", "open_classifier", "open_decoder", "open_flow"]

_MOST_BYTES = 64_000_000  # of a decoder that a browser is given


class Refusal(Exception):
    """An error response: a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Opened:
    """A checkpoint's decoder, ready to be sent."""

    checkpoint: Checkpoint
    changed: int
    info: dict[str, object]
    file: bytes | None = field(repr=False)  # None: the browser cannot run it
    digest: str
    reason: str | None  # … and why, in a sentence

    @property
    def decoder(self) -> Decoder:
        """The network, for browsers that cannot run it: it is opened when one asks.

        Raises:
            CheckpointError: it cannot be read any more.
        """
        return _decoder(self.checkpoint, self.changed)


@dataclass
class Flow:
    """The flow of a checkpoint's learned distribution, likewise."""

    checkpoint: Checkpoint
    changed: int
    file: bytes = field(repr=False)
    digest: str

    @property
    def distribution(self) -> CodeDistribution:
        """The distribution, which is opened when a browser asks that cannot run the flow.

        Raises:
            CheckpointError: it cannot be read any more.
        """
        return _distribution(self.checkpoint, self.changed)


@dataclass
class Judge:
    """The classifier of a checkpoint's images, for the browser."""

    names: list[str]
    exclusive: bool
    file: bytes = field(repr=False)
    digest: str


def open_decoder(name: str) -> Opened:
    """Loads a checkpoint by the name that `all_checkpoints` gives it, and by no other."""
    matches = [c for c in all_checkpoints() if c.name == name]
    if not matches:
        raise Refusal(404, "There is no checkpoint of that name here; choose one from the list.")
    try:
        changed = (matches[0].folder / "model.safetensors").stat().st_mtime_ns
        return _load(matches[0], changed)
    except (CheckpointError, OSError):
        message = f"The checkpoint {name} cannot be read; the app's log or its page says why."
        raise Refusal(404, message) from None


@shared(8)
def _load(checkpoint: Checkpoint, changed: int) -> Opened:
    model = load_checkpoint(checkpoint.folder)
    file, reason = None, None
    try:
        file = decoder_bytes(model, _MOST_BYTES)
    except GraphError as error:
        reason = f"{error}. The server decodes."
    digest = hashlib.sha256(file or f"{checkpoint.folder} {changed}".encode()).hexdigest()[:32]
    return Opened(checkpoint, changed, decoder_info(model), file, digest, reason)


@shared(8)
def _decoder(checkpoint: Checkpoint, changed: int) -> Decoder:
    return load_checkpoint(checkpoint.folder).decoder


def open_flow(name: str) -> Flow | None:
    """The flow beside a checkpoint; None where nothing was learned, or it cannot be read."""
    matches = [c for c in all_checkpoints() if c.name == name]
    try:
        changed = (matches[0].folder / FILE).stat().st_mtime_ns
        return _load_flow(matches[0], changed)
    except (CheckpointError, OSError, IndexError):  # its page says what is wrong with the file
        return None


@shared(8)
def _load_flow(checkpoint: Checkpoint, changed: int) -> Flow | None:
    distribution = load_code_distribution(checkpoint.folder)
    if distribution is None or not distribution.learned:
        return None
    file = flow_bytes(distribution)
    return Flow(checkpoint, changed, file, hashlib.sha256(file).hexdigest()[:32])


@shared(8)
def _distribution(checkpoint: Checkpoint, changed: int) -> CodeDistribution:
    distribution = load_code_distribution(checkpoint.folder)
    if distribution is None:
        raise CheckpointError(f"{checkpoint.folder / FILE} is gone. Reload the page.")
    return distribution


def open_classifier(name: str) -> Judge | None:
    """The classifier of a checkpoint's images; None where there is none that the browser runs."""
    opened = open_decoder(name)
    matches = [c for c in all_checkpoints() if c.name == name]
    try:
        dataset = load_card(matches[0].folder).get("dataset")
        file = classifier_file(str(dataset or ""))
        shape = tuple(opened.info["image_shape"])
        return _load_classifier(str(dataset), shape, file.stat().st_mtime_ns)
    except (CheckpointError, DatasetError, GraphError, OSError, IndexError):
        return None


@shared(8)
def _load_classifier(dataset: str, shape: tuple[int, ...], changed: int) -> Judge | None:
    classifier = load_classifier(dataset)
    if classifier is None or classifier.image_shape != shape:
        return None
    file = classifier_bytes(classifier)
    names = [plain(words(name).lower(), "text") for name in classifier.names]
    digest = hashlib.sha256(file).hexdigest()[:32]
    return Judge(names, classifier.exclusive, file, digest)
