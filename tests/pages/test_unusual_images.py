"""Every page opens on imports of unusual shapes, sizes and contents, and on unusual dimensions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from vae import VAE, VAEConfig, import_images, load_dataset, save_checkpoint
from vae.codes import write_reference
from vae.runs.proposal import propose

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, np.uint8)


SETS = {  # images, what is known of them, dimensions of the latent space, more of the network
    "small-line": (noise(30, 8, 8), {"labels": np.arange(30) % 3}, 1, {}),
    "wide-colour-512": (noise(30, 12, 20, 3), {"attributes": {"age": RNG.random(30)}}, 512, {}),
    "large": (noise(12, 256, 256, 3), {"labels": np.arange(12) % 2}, 4, {"blocks": 1}),
    "two": (noise(2, 16, 16), {}, 2, {}),
    "learned-prior": (noise(20, 8, 8), {"labels": np.arange(20) % 2}, 2, {"prior_components": 4}),
    "black": (np.zeros((20, 16, 16), np.uint8), {"labels": np.arange(20) % 2}, 2, {}),
    "one-class": (
        noise(20, 16, 16, 3),
        {"labels": np.zeros(20, int), "classes": ("only",)},
        3,
        {},
    ),
    "copies": (
        np.repeat(noise(1, 16, 16), 40, 0),
        {"attributes": {"a": np.arange(40) > 9}},
        8,
        {},
    ),
}
VIEWS = {  # of the pages on which one chooses a model
    "map.py": [{}, {"images": "all"}],
    "interpolate.py": [{"walk": "path"}, {"walk": "corners"}, {"walk": "traversals"}],
    "concepts.py": [{}],
    "learn_reparameterisation.py": [{}],
    "learn_amortised.py": [{}],
}
SAMPLE = {  # what differs most; the rest is long
    "small-line": VIEWS,
    "wide-colour-512": VIEWS,
    "two": ("map.py", "interpolate.py"),
    "learned-prior": ("map.py", "interpolate.py", "learn_amortised.py"),
    "black": ("map.py", "concepts.py"),
    "large": ("interpolate.py",),
}


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        for name, (images, known, dimensions, more) in SETS.items():
            made = import_images(images, name, image_size=images.shape[1:3], **known)
            shape = made.shape[1:]
            likelihood = propose(made).model["likelihood"]
            torch.manual_seed(0)
            networks = {"channels": (4,), "hidden": (8,), **more}
            config = VAEConfig(shape, dimensions, likelihood, **networks)
            model = VAE(config).eval()
            folder = data / "checkpoints" / name
            save_checkpoint(model, folder, {"dataset": made.reference, "split": "test"})
            write_reference(model, folder, load_dataset(made.reference, "test"), tsne=False)
        yield


@pytest.mark.parametrize(
    ("name", "page"),
    [
        pytest.param(name, page, marks=() if page in SAMPLE.get(name, ()) else pytest.mark.soak)
        for name in SETS
        for page in VIEWS
    ],
)
def test_every_page_opens(name, page):
    for view in VIEWS[page]:
        at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=180).switch_page(page)
        for key, value in {"model": name, **view}.items():
            at.session_state[key] = value
        at.run()
        assert at.selectbox(key="model").value == name
        assert not at.exception, [e.message for e in at.exception]
        parts = (at.markdown, at.caption, at.warning, at.info, at.error)
        said = " ".join(text.value for part in parts for text in part)
        assert not re.search(r"\b(nan|inf|None)\b", said), said
