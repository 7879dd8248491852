"""The training page as a visitor opens it, without a browser."""

from __future__ import annotations

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from vae.runs.config import RunConfig
from vae.training.config import TrainingConfig

__all__ = ["CONFIG", "MODEL", "PAGE", "texts", "visit"]

PAGE = Path(__file__).resolve().parents[2] / "pages" / "train.py"
MODEL = {"latent_dim": 3, "channels": [], "hidden": [8]}
CONFIG = RunConfig(
    "digits", MODEL, TrainingConfig(epochs=3, batch_size=1125), threads=1, fit_codes=False
)


def visit(**state) -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=60)
    for key, value in state.items():
        at.session_state[key] = value
    return at.run()


def texts(at: AppTest) -> str:
    said = [element.value for element in [*at.markdown, *at.caption, *at.warning]]
    for element in at.get("bidi_component"):
        (data,) = json.loads(element.proto.json or element.proto.mixed.json)
        said += [data["now"]["strong"] + data["now"]["text"]] if "frame" in data else []
    return " ".join(said)
