"""Importing networks of one's own: ONNX files or codes, uploaded or in a local folder."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.shared import formatting, jobs
from pages.ui.shared.changes import import_networks
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.jobs import Job
from vae import CheckpointError, ConfigError, DatasetError
from vae.datasets import dataset_names
from vae.exchange import ImportedModel
from vae.imported_models.config import ENCODERS, LIKELIHOODS, OUTPUTS, SPREADS
from vae.imports import list_datasets

__all__ = ["ACCEPTED", "Networks", "networks_in", "offer_import"]

ACCEPTED = ".onnx,.npz,.data"
_FOUND_OUT = "Found out"
_NO_IMAGES = "Samples of the decoder"
_HELP = {
    "dataset": "The held-out images that the model is shown with, best those it was made for. "
    "A decoder alone is shown with samples that it makes.",
    "likelihood": "Without one there are no nats: neither ELBO nor evidence.",
    "shape": "Sizes with commas between, such as 4,8,8. Empty: found out.",
    "range": "The values of black and white in the networks, such as -1,1. Empty: 0,1.",
}


@dataclass(frozen=True)
class Networks:
    """What an import of networks may be made of.

    Args:
        models: ONNX files.
        codes: files of codes.
    """

    models: tuple[Path, ...]
    codes: tuple[Path, ...]


def networks_in(folder: Path) -> Networks | None:
    """The ONNX files and codes of a folder; None where there is neither."""
    try:
        files = sorted(file for file in folder.glob("*") if file.is_file())
    except OSError:  # a folder of somebody else's
        return None
    models = tuple(file for file in files if file.suffix.lower() == ".onnx")
    codes = tuple(file for file in files if file.suffix.lower() == ".npz")
    return Networks(models, codes) if models or codes else None


def offer_import(networks: Networks, key: str) -> None:
    """Asks what cannot be known of networks, and starts their import.

    Args:
        networks: files that were chosen.
        key: key of the job.
    """
    found = {"decoder": networks.models, "encoder": networks.models, "codes": networks.codes}
    chosen: dict[str, Path | None] = {}
    with st.container(horizontal=True):
        for role, files in found.items():
            names = [None, *files]
            first = next((n for n, f in enumerate(names) if f and role[:3] in f.name.lower()), 0)
            if role == "decoder" and not first and len(files) == 1:
                first = 1
            chosen[role] = st.selectbox(
                role.capitalize(),
                names,
                index=first if role != "codes" else len(files),
                format_func=lambda file: plain(file.name, "text") if file else "None",
                key=f"network-{role}",
            )
        shown = [_NO_IMAGES, *dataset_names(), *(found.name for found in list_datasets())]
        dataset = st.selectbox(
            "Images",
            shown,
            index=int(chosen["encoder"] is not None or chosen["decoder"] is None),
            key="network-images",
            help=_HELP["dataset"],
        )
        likelihood = st.selectbox(
            "Likelihood",
            LIKELIHOODS,
            index=LIKELIHOODS.index("none"),
            format_func=formatting.likelihood,
            key="network-likelihood",
            help=_HELP["likelihood"],
        )
    with st.expander("What the networks take and give"), st.container(horizontal=True):
        output = st.selectbox("The decoder gives", [_FOUND_OUT, *OUTPUTS], key="network-output")
        encoded = st.selectbox(
            "The encoder gives",
            [_FOUND_OUT, *ENCODERS[1:]],
            format_func=lambda name: name.replace("_", "-"),
            key="network-encoded",
            help="log-variance and deviation: beside the mean.",
        )
        spread = st.selectbox(
            "Beside the mean of pixels",
            [_FOUND_OUT, *SPREADS],
            format_func=lambda name: name.replace("_", "-"),
            key="network-spread",
            help="What the decoder of a Gaussian likelihood returns as its second output.",
        )
        sigma = st.number_input(
            "Deviation of a fixed Gaussian",
            *(0.001, 1.0, 0.1, 0.01),
            format="%.3f",
            key="network-sigma",
            help="For pixels from 0 to 1.",
        )
        code = st.text_input("Shape of a code", key="network-code", help=_HELP["shape"])
        image = st.text_input("Shape of an image", key="network-image", help=_HELP["shape"])
        pixels = st.text_input("Black and white", key="network-range", help=_HELP["range"])
    main = chosen["decoder"] or chosen["codes"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        proposal = re.sub(r"[^A-Za-z0-9._-]+", "-", main.stem if main else "my-model")
        name = st.text_input("Name", proposal[:60], key="network-name", max_chars=64, width=280)
        if not st.button("Import", key="do-import-networks", type="primary"):
            return
    try:
        options = {
            "latent_shape": _numbers(code, int, "shape of a code"),
            "image_shape": _numbers(image, int, "shape of an image"),
            "pixel_range": _numbers(pixels, float, "black and white"),
        }
    except ConfigError as problem:
        st.error(message(problem))
        return
    options |= {
        "dataset": None if dataset == _NO_IMAGES else dataset,
        "likelihood": likelihood,
        "output": None if output == _FOUND_OUT else output,
        "sigma": sigma,
        "spread": None if spread == _FOUND_OUT else spread,
        "encoder_output": None if encoded == _FOUND_OUT else encoded,
        "codes": chosen["codes"],
        "name": name.strip(),
    }
    jobs.forget(key)
    work = functools.partial(_import, chosen["decoder"], chosen["encoder"], options)
    jobs.start(key, "Importing the model", work, (CheckpointError, ConfigError, DatasetError))
    st.rerun()


def _import(
    decoder: Path | None, encoder: Path | None, options: dict[str, Any], job: Job
) -> ImportedModel:
    return import_networks(decoder, encoder, progress=job.tell, **options)


def _numbers(text: str, kind: type, what: str) -> tuple | None:
    if not text.strip():
        return None
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"The {what} is {text[:40]!r}; expected numbers with commas between."
        ) from None
