"""Two visitors at once: what each sees and keeps is what it would be alone, in whatever order."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from google.protobuf.message import Message
from soak import share
from streamlit.testing.v1 import AppTest

from pages.ui.shared import cache, visitor
from pages.ui.shared.concepts import NamedConcept
from pages.ui.shared.pins import Pin, drawn_pin, real_pin
from pages.ui.shared.visitor import Visitor
from vae.concepts.files import Concept

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("tiny-plane", "tiny-gaussian")
PAGES = ("map.py", "interpolate.py", "concepts.py", "library.py", "learn_terms.py")
_OWN = re.compile(r"[0-9a-f]{16,64}")  # ids that are drawn for each visit


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        free = shutil.disk_usage(data)  # the Library shows it, and others change it
        patch.setattr(shutil, "disk_usage", lambda folder: free)
        tiny.make(data / "checkpoints", MODELS)
        yield data


class Session:
    """A visitor who does things in an order that a seed decides."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.seen: list[str] = []  # after each step
        self._own = Visitor()
        self._model = self._rng.choice(MODELS)
        self._number = 0

    def step(self) -> None:
        for _ in range(4):
            self._change()
        rng, own = self._rng, self._own
        at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=60)
        at.switch_page(rng.choice(PAGES))
        at.session_state["visitor"], at.session_state["model"] = own, self._model
        at.run()
        assert not at.exception, at.exception
        shown = "".join(_OWN.sub("", text) for text in _texts(at))
        self.seen.append(hashlib.sha256(f"{shown}{_kept(own)}".encode()).hexdigest())

    def _change(self) -> None:
        rng, own = self._rng, self._own
        space = cache.latent_space(self._model)
        row = rng.randrange(len(space))
        match rng.randrange(6):
            case 0:
                self._model = rng.choice(MODELS)
            case 1:
                self._pin(real_pin(space, row))
            case 2:
                self._pin(drawn_pin(space, row))
            case 3:
                rows = rng.sample(range(len(space)), 12)
                own.groups[space.name, rng.choice("AB")] = space.index[sorted(rows)].tolist()
            case 4:
                name = f"concept {row}"
                vector = space.mean[row] - space.mean[0]
                none = np.empty((0, space.mean.shape[1]), np.float32)
                made = NamedConcept(Concept(name, vector), none, none, None)
                own.vectors[space.name, name] = made
            case 5:
                drawn = space.image(row).flip(-1)
                self._pin(Pin(space.name, "upload", space.mean[row], "mine", image=drawn))

    def _pin(self, pin: Pin) -> None:
        self._number += 1
        self._own.pins.append(replace(pin, number=self._number))
        del self._own.pins[: -visitor.MOST_PINS]


def _kept(own: Visitor) -> str:
    pins = [(p.model, p.kind, p.title, p.z.tolist()) for p in own.pins]
    vectors = {key: c.vector.tolist() for key, c in own.vectors.items()}
    return repr((own.model, pins, own.groups, vectors))


def _texts(at: AppTest):
    rest = [at._tree]
    while rest:
        node = rest.pop()
        rest += getattr(node, "children", {}).values()
        if isinstance(getattr(node, "proto", None), Message):
            yield str(node.proto)


def _everything(models: Path) -> str:
    """Weights and codes, on the disk and as all visitors share them in memory."""
    digest = hashlib.sha256()
    for file in sorted(models.rglob("*.safetensors")):
        digest.update(file.read_bytes())
    for name in MODELS:
        space = cache.latent_space(name)
        digest.update(space.mean.tobytes())
        for tensor in space.model.state_dict().values():
            digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


@share("steps", 2, 120)
def test_nothing_of_one_visitor_reaches_another(models, steps, record_property):
    before = _everything(models)
    alone = []
    for seed in (1, 2):
        session = Session(seed)
        for _ in range(steps):
            session.step()
        alone.append(session.seen)
    together = [Session(1), Session(2)]
    order = [0] * steps + [1] * steps
    random.Random(3).shuffle(order)
    for which in order:
        together[which].step()
    assert [session.seen for session in together] == alone
    assert _everything(models) == before
    record_property("steps", 2 * steps)
