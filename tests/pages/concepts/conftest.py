"""Small models of the concepts page."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from pages.ui.shared import cache
from pages.ui.shared.latent_space import LatentSpace
from vae import VAE, VAEConfig, save_checkpoint
from vae.classifier import Classifier
from vae.datasets import faces
from vae.datasets.faces import sample_people


def _draw_people(count: int, seed: int, progress: object = None) -> np.ndarray:
    """Draws faces in this process: so few, before two others would have begun."""
    return np.stack([faces.draw(p).transpose(2, 0, 1) for p in sample_people(count, seed)])


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A data folder with a tiny model of digits and one of faces, and a cache of its own."""
    data = tmp_path_factory.mktemp("data")
    tiny.make(data / "checkpoints", ("tiny-plane",))
    torch.manual_seed(0)
    config = VAEConfig((3, 64, 64), latent_dim=6, channels=(4, 4), hidden=(16,))
    save_checkpoint(VAE(config), data / "checkpoints" / "tiny-faces", {"dataset": "faces"})
    return data


@pytest.fixture(scope="module")
def models(made):
    """Those models, with a few faces, which are drawn once for all modules."""
    from vae.datasets.faces import load

    cache.forget()  # all the faces, if another test loaded them
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(made))
        patch.setenv("XDG_CACHE_HOME", str(made / "cache"))
        patch.setitem(load.SPLITS, "test", (240, 2))
        patch.setattr(load, "draw_people", _draw_people)
        classifiers = {
            "faces": Classifier((3, 64, 64), tuple(load.ATTRIBUTES), False).eval(),
            "digits": Classifier((1, 28, 28), tuple("0123456789"), True).eval(),
        }
        known = property(lambda space: classifiers[space.dataset.name].requires_grad_(False))
        patch.setattr(LatentSpace, "classifier", known)
        yield made / "checkpoints"
    cache.forget()
