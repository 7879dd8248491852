"""Rebuilds what is shipped: `python checkpoints/train.py NAME …`; `--list` prints the names.

A model is trained by `python -m vae train`, in one stage or several, measured, and put in the
place of the shipped one; a classifier and a preset's band likewise. Each keeps the command, the
seed, how long it took and the versions it was made with: a model in its card, a classifier in its
header, a band under `built`. The same versions on the same processor give the same weights; others
differ by rounding, and their figures as those of two seeds do. What takes hours can be made in
several sittings: `--runs FOLDER` keeps the training runs, and resumes those that are there.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # runs from any folder, installed or not

from vae.runs.presets import PRESETS, build_band  # noqa: E402

BAND_SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Args:
        stages: options of `train`; each stage starts from the weights of the one before it.
        bounds: options of `bounds`; None where the shipped codes hold none.
        measured: whether the card holds the figures of `evaluate`.
        fit: options of `fit-codes`; None where no distribution of the codes is shipped.
        card: what else it says.
    """

    stages: tuple[str, ...]
    bounds: str | None = None
    measured: bool = True
    fit: str | None = None
    card: dict[str, Any] = field(default_factory=dict)


DIGITS = (
    "--dataset digits --channels 32,64 --batch-size 128 --learning-rate 2e-3 --threads 1 --seed 0"
)
FACES = (
    "--dataset faces --likelihood gaussian --latent-dim 40 --channels 24,48,96,128 --hidden 256 "
    "--batch-size 64 --learning-rate 2e-3 --variance-weighting 1 --seed 0"
)
FASHION = (
    "--dataset fashion --likelihood gaussian --latent-dim 24 --channels 32,64 --hidden 256 "
    "--batch-size 128 --variance-weighting 1 --seed 0"
)
GLYPHS = (
    "--dataset glyphs --latent-dim 24 --channels 32,64 --hidden 256 --batch-size 64 "
    "--learning-rate 2e-3 --seed 0"
)
LAB = (
    "--dataset digits --channels 16,32 --epochs 15 --batch-size 64 --learning-rate 2e-3 "
    "--threads 1 --seed 0"
)
PLANE = f"{DIGITS} --hidden 512,128 --latent-dim 2"
# Alike but for noise and KL, for the lesson on autoencoders.
TWIN = f"{DIGITS} --hidden 128 --latent-dim 16 --epochs 90 --augmentation 0.4"
MODELS = {
    "digits": Recipe(
        (
            f"{PLANE} --epochs 160 --beta-warmup 5 --augmentation 0.7 --augmented-share 1",
            f"{PLANE} --epochs 6 --learning-rate 3e-4",
        ),
        "--quadrature",
        fit="",
        card={"note": "160 epochs of randomly distorted digits, then 6 of digits as they are"},
    ),
    "digits-16": Recipe(
        (f"{DIGITS} --hidden 256 --latent-dim 16 --epochs 50",), "--elbo-only", fit=""
    ),
    "digits-autoencoder": Recipe(
        (f"{DIGITS} --hidden 256,64 --latent-dim 2 --epochs 80 --autoencoder",)
    ),
    "fashion": Recipe(
        (
            f"{FASHION} --sigma-warmup-epochs 1 --epochs 16 --learning-rate 3e-3 --beta 2",
            f"{FASHION} --epochs 8 --learning-rate 2e-3 --beta 5",
        ),
        "--elbo-only",
        fit="",
        card={"note": "16 epochs at beta 2, then 8 at beta 5, which makes more draws garments"},
    ),
    "faces": Recipe(
        (
            f"{FACES} --sigma-warmup-epochs 2 --epochs 3 --beta 24",
            f"{FACES} --epochs 51 --beta 8",
            f"{FACES} --epochs 10 --beta 32",
        ),
        "--elbo-only --decodes 500",  # 0.7 s for each of 3,000 images
        fit="",
        card={
            "note": "3 epochs at beta 24, which gives each attribute dimensions of its own, then "
            "51 at beta 8 and 10 at beta 32"
        },
    ),
    "glyphs": Recipe((f"{GLYPHS} --epochs 80 --beta 2",), "--elbo-only", fit=""),
    "faces-autoencoder": Recipe((f"{FACES} --sigma-warmup-epochs 2 --epochs 24 --autoencoder",)),
    **{
        f"lab/digits-beta-{beta}": Recipe(
            (f"{LAB} --latent-dim 2 --hidden 64 --beta {beta}",), "--elbo-only", measured=False
        )
        for beta in ("0", "0.1", "1", "4", "30")
    },
    **{
        f"lab/digits-{kind.replace('_', '-')}": Recipe(
            (f"{LAB} --latent-dim 8 --hidden 48 --sigma-warmup-epochs 4 --likelihood {kind}",),
            "--elbo-only",
            measured=False,
        )
        for kind in ("bernoulli", "continuous_bernoulli", "gaussian")
    },
    "lab/digits-16-autoencoder": Recipe((f"{TWIN} --autoencoder",), measured=False),
    "lab/digits-16-variational": Recipe((f"{TWIN} --beta 5",), measured=False),
}


def command(name: str) -> str:
    """What rebuilds it, as a card says."""
    return f"python checkpoints/train.py {name}"


def built(name: str, seed: Any, seconds: float) -> dict[str, Any]:
    """What a card says of how it was made."""
    packages = ("torch", "torchvision", "numpy", "scikit-learn", "openTSNE")
    return {
        "command": command(name),
        "seed": seed,
        "seconds": round(seconds, 1),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "processor": platform.machine(),
    }


def vae(*arguments: str) -> None:
    """Runs a command of the library's."""
    subprocess.run([sys.executable, "-m", "vae", *arguments], check=True, cwd=HERE.parent)


@contextmanager
def runs_of(name: str, options: argparse.Namespace) -> Iterator[Path]:
    """The folder of the runs that something is trained in."""
    if options.runs is not None:
        yield options.runs.resolve() / name
    else:
        with tempfile.TemporaryDirectory() as place:
            yield Path(place)


def train(settings: list[str], run: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Trains a run, resumes it or finds it trained; returns its card."""
    from vae.checkpoint import load_card
    from vae.runs.status import read_status

    fewer = [] if options.epochs is None else ["--epochs", str(options.epochs)]
    vae("train", *settings, *fewer, "--no-fit-codes", "--resume", "--out", str(run))
    if (status := read_status(run)).state != "finished":
        raise SystemExit(f"The training was not finished: {status.message}")
    return load_card(run)


def build_model(name: str, out: Path, options: argparse.Namespace) -> None:
    """Trains, measures and saves a model."""
    from vae.checkpoint import load_checkpoint, load_codes, save_checkpoint, save_codes

    recipe = MODELS[name]
    with runs_of(name, options) as place:
        start: list[str] = []
        epochs, seconds = 0, 0.0
        for number, stage in enumerate(recipe.stages):
            run = place / str(number)
            card = train([*stage.split(), *start], run, options)
            start = ["--from", str(run)]
            epochs += card["training"]["epochs"]
            seconds += card["seconds"]
        began = time.monotonic()
        card |= recipe.card
        card["training"]["epochs"] = epochs
        card.pop("started_from", None)  # a stage in a folder that is gone
        made = place / "made"  # in the place of the shipped one once all of it is there
        save_checkpoint(load_checkpoint(run), made, card, half=True, overwrite=True)
        save_codes(made, load_codes(run))
        if recipe.fit is not None:
            vae("fit-codes", str(made), *recipe.fit.split())
        if recipe.measured:
            figures = ["--realism"] if recipe.fit is not None else []
            vae("evaluate", str(made), *figures, "--save", "--json")
        if recipe.bounds is not None:
            few = [] if options.epochs is None else ["--images", "20"]
            vae("bounds", str(made), *recipe.bounds.split(), *few)
        _note(made / "card.json", built(name, 0, seconds + time.monotonic() - began))
        shutil.copytree(made, out / name, dirs_exist_ok=True)


def build_classifier(name: str, out: Path, options: argparse.Namespace) -> None:
    """Trains the independent classifier of a dataset, or the judge of another architecture."""
    from vae.classifier import accuracy, save_classifier, train_classifier
    from vae.datasets import load_dataset

    began, (kind, dataset) = time.monotonic(), name.split("/")
    network = "residual" if kind == "judge" else "plain"
    most = {"judge/faces": 5, "classifier/glyphs": 30}.get(name, 8)
    images = load_dataset(dataset, "train")
    model = train_classifier(images, epochs=options.epochs or most, seed=0, network=network)
    print(json.dumps(accuracy(model, load_dataset(dataset, "test"))))
    file = out / dataset / f"{kind}.safetensors"
    about = built(name, 0, time.monotonic() - began)
    save_classifier(model, file, overwrite=True, about=about)


def build_preset_band(name: str, out: Path, options: argparse.Namespace) -> None:
    """Trains a preset with several seeds and keeps how far they lie apart."""
    key, seconds = name.removeprefix("band/"), 0.0
    preset = next(preset for preset in PRESETS if preset.key == key)
    with runs_of(name, options) as place:
        runs: list[str | Path] = [place / str(seed) for seed in BAND_SEEDS]
        for seed in BAND_SEEDS:
            seconds += train([key, "--seed", str(seed)], place / str(seed), options)["seconds"]
        shipped = HERE.parent / "vae" / "runs" / "bands"
        file = build_band(preset, runs, folder=shipped if out == HERE else out / "bands")
    _note(file, {"built": built(name, list(BAND_SEEDS), seconds)})


def _note(file: Path, fields: dict[str, Any]) -> None:
    indent = 1 if file.name == "card.json" else None
    file.write_text(json.dumps(json.loads(file.read_bytes()) | fields, indent=indent) + "\n")


BUILDERS: dict[str, Callable[..., None]] = {
    **{name: partial(build_model, name) for name in MODELS},
    **{
        name: partial(build_classifier, name)
        for name in (
            *("classifier/digits", "classifier/fashion", "classifier/faces", "judge/faces"),
            "classifier/glyphs",
        )
    },
    **{
        f"band/{preset.key}": partial(build_preset_band, f"band/{preset.key}")
        for preset in PRESETS
    },
}


def main(arguments: list[str] | None = None) -> int:
    """Rebuilds what is named, one at a time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to rebuild; all for all")
    parser.add_argument("--list", action="store_true", help="print the names, and end")
    parser.add_argument(
        "--out", type=Path, default=HERE, help="a folder to write into instead of checkpoints/"
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="train each stage for N epochs, to try it out"
    )
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="FOLDER",
        help="keep the training runs, and resume those there",
    )
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(BUILDERS) - {"all"}
    if options.list or unknown or not options.names:
        print("\n".join(BUILDERS))
        if unknown:
            print(f"Nothing is called {', '.join(sorted(unknown))}: choose from these.")
        return 0 if options.list else 2
    for name in BUILDERS if "all" in options.names else options.names:
        try:
            BUILDERS[name](options.out.resolve(), options)
        except KeyboardInterrupt:
            print(f"{name} was not rebuilt; what is shipped is as it was.")
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
