"""From a model in Python to the app: exported, imported, and opened in a browser or a notebook."""

from __future__ import annotations

import contextlib
import html
import itertools
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ..datasets import load_dataset
from ..imports import delete_dataset, import_images
from ..locations import data_folder, list_checkpoints
from .exporting import export_networks
from .importing import import_networks
from .onnx_file import ImportedModelError
from .wrapping import wrap_model

__all__ = ["Exploration", "explore"]

_PATIENCE = 120.0  # seconds until the app answers
_COMMAND = "import sys; from vae.launcher import main; sys.exit(main())"
_HEIGHT = 900  # pixels of the frame in a notebook
_TRIED = 64
_HUB = "JUPYTERHUB_SERVICE_PREFIX"  # environment variable, such as /user/NAME/

_running: dict[Path, Exploration] = {}  # by data folder


@dataclass
class Exploration:
    """The app, open on a model.

    A notebook shows it as a frame.

    Args:
        name: name of the model.
        address: where the app shows it.
        process: process that serves the app.
        told: messages on what was found out.
    """

    name: str
    address: str
    process: subprocess.Popen[bytes] = field(repr=False)
    told: tuple[str, ...] = ()

    def wait(self) -> None:
        """Waits until the app ends, or ends it at Ctrl-C."""
        try:
            self.process.wait()
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """Ends the app."""
        self.process.terminate()
        self.process.wait()

    def _repr_html_(self) -> str:
        address = html.escape(self.address, quote=True)
        return f'<iframe src="{address}" width="100%" height="{_HEIGHT}" frameborder="0"></iframe>'


def explore(
    decoder: Any,
    encoder: Any = None,
    images: Any = None,
    *,
    labels: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    name: str = "my-model",
    tsne: bool = False,
    block: bool | None = None,
    **how: Any,
) -> Exploration:
    """Opens the app on networks of one's own.

    They are exported as ONNX, which is checked to give the same; the images are imported, and the
    model with them, into the data folder. The app then runs in a process of its own.

    Args:
        decoder: as for `wrap_model`.
        encoder: as for `wrap_model`.
        images: images of any form that `import_images` takes, such as `(N, C, H, W)` in [0, 1],
            or the name of a dataset; None shows samples of the decoder.
        labels: class of each image, `(N,)`.
        classes: name of each class.
        name: name of the model; a number is added if it is taken.
        tsne: whether to compute the t-SNE map, which takes a minute for thousands of images.
        block: whether to wait until Ctrl-C; by default in a script, where the app would end with
            it, and not in a notebook.
        how: further arguments of `wrap_model`: `likelihood`, `latent_shape`, `pixel_range`, ….

    Returns:
        The app, which a notebook shows as a frame; `close` ends it.

    Raises:
        ImportedModelError: if something has to be said, the export gives something else, or the
            app does not start.
        DatasetError: if the images cannot be used.
    """
    taken = {checkpoint.name for checkpoint in list_checkpoints()}
    numbered = (name if k == 1 else f"{name}-{k}" for k in itertools.count(1))
    name = next(candidate for candidate in numbered if candidate not in taken)
    dataset = images if isinstance(images, str) else None
    if images is not None and dataset is None:
        made = import_images(images, f"{name}-images", labels=labels, classes=classes)
        dataset = made.reference
    with contextlib.ExitStack() as undo, tempfile.TemporaryDirectory() as place:
        if dataset is not None and not isinstance(images, str):
            undo.callback(delete_dataset, dataset)
        shown = None if dataset is None else load_dataset(dataset, "test").images[:_TRIED]
        model = wrap_model(decoder, encoder, images=shown, **how)
        config = model.config
        files = export_networks(model, place)
        imported = import_networks(
            *files,
            name=name,
            dataset=dataset,
            likelihood=config.likelihood,
            output=config.output,
            encoder_output=None if config.encoder == "none" else config.encoder,
            latent_shape=config.latent_shape,
            image_shape=config.image_shape,
            pixel_range=config.pixel_range,
            spread=config.spread,
            sigma=config.sigma,
            tsne=tsne,
        )
        undo.pop_all()  # the images belong to the model from now on
    opened = _serve(data_folder().absolute())
    address = _with_model(opened.address, name)
    opened = Exploration(name, address, opened.process, imported.told)
    _running[data_folder().absolute()] = opened
    notebook = "ipykernel" in sys.modules
    if not notebook:
        print("\n".join([*opened.told, f"{opened.address} shows {name}. Ctrl-C ends it."]))
        webbrowser.open(opened.address)
    if block if block is not None else not (notebook or hasattr(sys, "ps1")):
        opened.wait()
    return opened


def _seen_by_the_browser(port: int) -> tuple[str, dict[str, str]]:
    """The app's address where the browser is, and the settings with which it works there.

    A browser that has come to a notebook through JupyterHub reaches nothing else of that computer:
    jupyter-server-proxy leads on, and the token makes whoever has the notebook the presenter.
    """
    hub = os.environ.get(_HUB)
    token = os.environ.get("LATENT_TOKEN") or secrets.token_urlsafe(24)
    if not hub or "ipykernel" not in sys.modules:
        here = f"http://127.0.0.1:{port}"
        room = (
            os.environ.get("LATENT_HOSTS", "").strip() or os.environ.get("LATENT_MODE") == "room"
        )
        link = f"{here}/?{urlencode({'token': token})}"
        return (link, {"LATENT_TOKEN": token}) if room else (here, {})
    settings = {"LATENT_HOSTS": "*", "LATENT_TOKEN": token}  # the hub lets in whom it knows
    return f"{hub}proxy/{port}/?token={token}", settings


def _with_model(address: str, model: str) -> str:
    """An address of the app that opens a model; a token stays in it."""
    base, _, query = address.partition("/?")
    kept = {"token": token} if (token := dict(parse_qsl(query)).get("token")) else {}
    return f"{base}/?{urlencode(kept | {'model': model})}"


def _serve(data: Path) -> Exploration:
    """The app over a data folder: the one that this process has started, or a new one."""
    if data in _running and _running[data].process.poll() is None:
        return _running[data]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = f"http://127.0.0.1:{port}"
    address, told = _seen_by_the_browser(port)
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "--port", str(port), "--data", str(data)],
        env=os.environ | told | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ends = time.monotonic() + _PATIENCE
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{here}/live/decoder.js", timeout=5):
                return Exploration("", address, process)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    process.kill()
    raise ImportedModelError(
        f"The app did not start within {_PATIENCE:.0f} s. Start it by hand to see why: "
        "latent-space-explorer --open"
    )
