"""A model, a run and vectors whose every name tries to be more than text, as a stranger's may."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from small_run import train

from vae import VAE, VAEConfig, save_checkpoint
from vae.concepts.files import Concept, pack
from vae.runs.config import RunConfig
from vae.runs.folder import write_json
from vae.training.config import TrainingConfig

HOST = "foreign.example"
PICTURE = f"![pic](http://{HOST}/p.png)"
# Each tries what the places that show text might read: Markdown, HTML, LaTeX and Streamlit's own.
NASTY = (
    f"{PICTURE} [link](http://{HOST}/l) :red[r] :material/home:",
    f"<img src='http://{HOST}/h.png' onerror='window.stolen=1'> $\\alpha$ **b** :smile:",
    f"{PICTURE} <a href='http://{HOST}'>a</a> www.{HOST} \u202egnp.exe",
)
# More of the kind, one trick each.
HOSTILE = (
    "# heading", "- item", "1. item", "> quote", "```code", "`code`", "***", "~~gone~~",
    "| a | b |", "[^note]", "<b>bold</b>", "<script>stolen=1</script>", "<svg onload=stolen=1>",
    "&lt;b&gt;", "&#60;b&#62;", "<!-- comment", "</div>", "$$x^2$$", "\\(x\\)", "%{y}",
    "{{ name }}", ":blue-background[x]", ":material/delete:", ":rainbow[x]", ":small[x]",
    "http://foreign.example", "www.foreign.example", "mail@foreign.example", "-> <- <-> -- ---",
    "[a](javascript:stolen=1)", "![x](data:image/png;base64,x)", "a\\", '"quoted" \'twice\'',
    "\u202eright to left", "\u2066isolated", "zero\u200bwidth", "line\nbreak", "\ttab",
    "bell\x07", "\x1b[31mred", "\ufeffmark", "\ue000private", "é e\u0301 \u0300", "👩‍🚀" * 9,
)  # fmt: skip
MODEL, FAILED = "foreign-names", "foreign-failed"
_ENTITIES = str.maketrans({"/": "&#47;"})  # in names of folders; Markdown reads them in addresses


def images(folder: Path, names: Sequence[str] = NASTY) -> Path:
    """Writes 60 pictures in two class folders, with two attributes."""
    place = folder / "set *x* `y` $z$"
    rng = np.random.default_rng(0)
    rows = [["file", *names[:2]]]
    for k in range(60):
        label = names[k % 2].translate(_ENTITIES).encode()[:240].decode(errors="ignore")
        name = f"{label}/{k}.png"  # as long as a folder's name may be
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(place / name)
        rows.append([name, str(k % 2), str(k // 2 % 2)])
    with (place / "attributes.csv").open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows(rows)
    return place


def make(data: Path, names: Sequence[str] = NASTY) -> None:
    """Writes the checkpoint and two runs into a data folder: one finished, one failed."""
    source = images(data / "pictures", names)
    model = {"latent_dim": 3, "channels": [4, 4], "hidden": [8]}
    torch.manual_seed(0)
    save_checkpoint(
        VAE(VAEConfig((3, 64, 64), **{**model, "channels": (4, 4), "hidden": (8,)})),
        data / "checkpoints" / MODEL,
        {
            "dataset": str(source),
            "split": "train",
            "licence": names[0],
            "metrics": {"elbo": names[0], "psnr": 20.0, "precision": {"prior": 0.5}, "recall": 1},
            "trade_off": [names[1]],
        },
    )
    config = RunConfig(str(source), model, TrainingConfig(epochs=1, batch_size=54), threads=1)
    for name in (MODEL + "-run", FAILED):
        status = train(data / "runs" / name, config)
        assert status.state == "finished", status
    file = data / "runs" / FAILED / "status.json"
    known = json.loads(file.read_text())
    write_json(file, known | {"state": "failed", "message": names[0]})


def vectors(model: VAE, number: int = 2, names: Sequence[str] = NASTY) -> bytes:
    """A file of concept vectors with such names."""
    made = [
        Concept(name, np.full(model.latent_dim, 0.5, np.float32), names[1])
        for name in names[-number:]
    ]
    return pack(made, model, "foreign")[0]
