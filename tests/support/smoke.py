"""Runs what an installed package must do on any system: `python smoke.py`, in any folder.

Loads a model and its data by name, encodes and decodes, trains an epoch, serves a page.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import vae
from vae.__main__ import main
from vae.runs.status import read_status


def run(folder: Path) -> None:
    """Does everything once; raises where something is not as it should be."""
    model, data = vae.load_checkpoint("digits"), vae.load_dataset("digits")
    x = data.images[:8]
    assert model.decoder(model.encoder(x).mean).mean.shape == (8, 1, 28, 28)
    assert vae.elbo(model, x).elbo.isfinite().all()

    out = folder / "run"
    settings = "--dataset digits --latent-dim 2 --epochs 1 --hidden 16 --channels none"
    assert main(["train", *settings.split(), "--device", "cpu", "--out", str(out)]) == 0
    assert read_status(out).state == "finished" and vae.load_checkpoint(out).latent_dim == 2

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = "import sys; from vae.launcher import main; sys.exit(main())"
    options = ["--port", str(port), "--data", str(folder / "data")]
    server = subprocess.Popen([sys.executable, "-c", command, *options])
    try:
        for _ in range(900):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                    assert b"<html" in answer.read().lower()
                return
            except OSError:
                assert server.poll() is None, "the app ended instead of serving"
                time.sleep(0.1)
        raise AssertionError("the app did not answer in 90 seconds")
    finally:
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        run(Path(place))
    print("All well.")
