"""Trains the small models of the Learn pages: `python checkpoints/lab/train.py [NAME …]`.

A few minutes each on one core, with the bounds of every image. The weights are rounded to 16 bits.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

COMMON = "--dataset digits --channels 16,32 --epochs 15 --batch-size 64 --threads 1"
PLANES = {
    f"digits-beta-{beta}": f"--latent-dim 2 --hidden 64 --beta {beta}"
    for beta in ("0", "0.1", "1", "4", "20")
}
LIKELIHOODS = {
    f"digits-{kind.replace('_', '-')}": f"--latent-dim 8 --hidden 48 --sigma-warmup-epochs 4 "
    f"--likelihood {kind}"
    for kind in ("bernoulli", "continuous_bernoulli", "gaussian")
}
MODELS = {k: f"{COMMON} --learning-rate 2e-3 {v}" for k, v in (PLANES | LIKELIHOODS).items()}
# Alike but for noise and KL, for the lesson on autoencoders.
TWIN = (
    "--dataset digits --channels 32,64 --hidden 128 --latent-dim 16 --epochs 50 --batch-size 128 "
    "--learning-rate 2e-3 --threads 1 --seed 0"
)
MODELS |= {"digits-16-autoencoder": f"{TWIN} --autoencoder", "digits-16-variational": TWIN}


def main(names: list[str]) -> None:
    """Trains the named models, or all, one at a time."""
    from vae.checkpoint import load_card, load_checkpoint, load_codes, save_checkpoint, save_codes

    for name in names or MODELS:
        with tempfile.TemporaryDirectory() as run:
            command = [sys.executable, "-m", "vae", "train", *MODELS[name].split(), "--out", run]
            subprocess.run(command, check=True, cwd=ROOT)
            card = load_card(run) | {"command": f"python -m vae train {MODELS[name]}"}
            model = load_checkpoint(run)
            save_checkpoint(model, HERE / name, card, half=True, overwrite=True)
            save_codes(HERE / name, load_codes(run))
        if model.config.variational:
            command = [sys.executable, "-m", "vae", "bounds", str(HERE / name)]
            subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main(sys.argv[1:])
