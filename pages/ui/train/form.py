"""A new run: presets first, details for those who want them, the time it will take."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace

import streamlit as st

from pages.ui.shared import cache, visitor
from pages.ui.shared.foreign_text import message
from pages.ui.shared.formatting import time_words
from pages.ui.shared.glossary import explain
from vae import ConfigError, DatasetError, list_checkpoints
from vae.config import LIKELIHOODS
from vae.datasets import dataset_names
from vae.files import write_file
from vae.locations import data_folder
from vae.runs.folder import RunConfig, RunError, read_status
from vae.runs.manager import measure, start_run
from vae.runs.presets import PRESETS

__all__ = ["show_form"]

_SIZES = {
    "small": ([], [400], "fully connected, one hidden layer of 400 units"),
    "medium": ([32, 64], [256], "two convolutional layers"),
    "large": ([32, 64, 128], [512], "three convolutional layers; image sides divisible by 8"),
    "faces": ([24, 48, 96, 128], [256], "four convolutional layers; image sides divisible by 16"),
}
_LONGEST = 300.0  # seconds of loading and measuring


def show_form() -> None:
    """Lets a visitor choose what to train, estimates the duration, and starts a run."""
    titles = [preset.title for preset in PRESETS]
    title = st.radio(
        "What to train",
        titles,
        captions=[preset.about for preset in PRESETS],
        key="preset",
    )
    preset = PRESETS[titles.index(title)]
    with st.expander("Details", icon=":material/tune:"):
        try:
            config = _details(preset.config)
        except (ConfigError, DatasetError) as problem:
            st.error(message(problem))
            return
    if config != preset.config and not preset.describes(config):
        config = replace(config, preset=None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = visitor.current().train
        name = st.text_input(
            "Name of the run",
            key="run-name",
            max_chars=64,
            placeholder="by its preset and the time",
            width=280,
            help="Letters, digits, dots and dashes.",
        )
        if st.button("Start", icon=":material/play_arrow:", type="primary", key="start"):
            _start(config, "-".join(name.split()))
        if st.button("Estimate the duration", icon=":material/timer:", key="estimate"):
            state.estimate = config, _estimate(config)
        if state.estimate and state.estimate[0] == config:
            st.markdown(state.estimate[1])


def _details(preset: RunConfig) -> RunConfig:
    key = preset.preset
    names = list(dict.fromkeys([preset.dataset, *dataset_names()]))
    model, training = preset.model, preset.training
    first, second, third = st.columns(3)
    with first:
        dataset = st.selectbox(
            "Images", [*names, "my own"], key=f"{key}-dataset",
            help="Digits and faces ship with the app; other images are downloaded when first "
            "used.",
        )  # fmt: skip
        if dataset == "my own":
            dataset = _own_images(key)
        size = next(
            (k for k, v in _SIZES.items() if v[0] == model["channels"] and "hidden" not in model),
            next((k for k, v in _SIZES.items() if v[0] == model["channels"]), "medium"),
        )
        size = st.selectbox(
            "Size of the network", list(_SIZES), list(_SIZES).index(size), key=f"{key}-size",
            format_func=lambda k: f"{k.capitalize()} · {_SIZES[k][2]}",
        )  # fmt: skip
        likelihood = st.selectbox(
            "Likelihood p(x|z)",
            LIKELIHOODS,
            LIKELIHOODS.index(model["likelihood"]),
            key=f"{key}-likelihood",
            format_func=lambda k: k.replace("_", " ").capitalize(),
            help=explain(
                "likelihood",
                "Bernoulli suits black-and-white images, continuous Bernoulli grey levels, "
                "Gaussian colour. Fixed: a single σ for all pixels.",
            ),
        )
    with second:
        latent_dim = st.number_input(
            "Latent dimensions", 1, 512, model["latent_dim"], key=f"{key}-latent",
            help=explain("latent variable", "With two, the map shows the whole latent space."),
        )  # fmt: skip
        beta = st.number_input(
            "beta", 0.0, 1000.0, training.beta, 0.5, key=f"{key}-beta",
            help=explain("beta"),
        )  # fmt: skip
        warmup = st.number_input(
            "Beta warm-up, epochs", 0.0, 1000.0, training.beta_warmup, 1.0, key=f"{key}-warmup",
            help="Beta rises from 0 over these epochs, which lets the model learn to use its "
            "codes before the KL counts in full.",
        )  # fmt: skip
        variational = not st.toggle(
            "Standard autoencoder",
            key=f"{key}-autoencoder",
            help=explain("autoencoder"),
        )
        fit_codes = st.toggle(
            "Learn where the codes lie",
            preset.fit_codes,
            key=f"{key}-fit-codes",
            help="Fits a distribution to the codes at the end, for draws and paths that look like "
            "the images. Takes about a fifth of the time of training.",
        )
    with third:
        epochs = st.number_input("Epochs", 1, 100_000, training.epochs, key=f"{key}-epochs")
        batch = st.number_input("Batch size", 1, 65_536, training.batch_size, key=f"{key}-batch")
        rate = st.number_input(
            "Learning rate", 1e-6, 1.0, training.learning_rate, 1e-4, "%.5f", key=f"{key}-rate"
        )
        seed = st.number_input("Seed", 0, 2**31 - 1, training.seed, key=f"{key}-seed")
    starts = ["random weights", *(c.name for c in list_checkpoints())]
    start = st.selectbox("Start from", starts, key=f"{key}-from")
    channels, hidden, _ = _SIZES[size]
    if channels == model["channels"]:
        hidden = model.get("hidden", hidden)
    chosen = {"latent_dim": latent_dim, "likelihood": likelihood, "channels": list(channels)}
    if "hidden" in model or hidden != [256]:
        chosen["hidden"] = list(hidden)
    if not variational:
        chosen["variational"] = False
    return replace(
        preset,
        dataset=dataset,
        model={} if start != starts[0] else chosen,
        start=None if start == starts[0] else start,
        fit_codes=fit_codes,
        training=replace(
            training,
            epochs=epochs,
            batch_size=batch,
            learning_rate=rate,
            beta=beta,
            beta_warmup=warmup,
            seed=seed,
        ),
    )


def _own_images(key: str) -> str:
    file = st.file_uploader(
        "Zip archive of pictures", type=["zip"], key=f"{key}-zip",
        help="PNG, JPEG, WebP, BMP or GIF, in a folder for each class or with an attributes.csv. "
        "They are cropped to a square and scaled to 64×64 pixels.",
    )  # fmt: skip
    if file is None:
        raise DatasetError("Choose a zip archive of pictures, or other images.")
    content = file.getvalue()
    place = data_folder() / "uploads" / f"{hashlib.sha256(content).hexdigest()[:16]}.zip"
    new = not place.exists()
    if new:
        write_file(place, content)
    try:
        notices = cache.dataset(str(place), "train").notices
    except DatasetError as problem:
        if new:
            place.unlink(missing_ok=True)
        raise DatasetError(str(problem).replace(str(place), file.name)) from problem
    for notice in notices:
        st.info(message(notice))
    return str(place)


def _start(config: RunConfig, name: str) -> None:
    """Starts a run; a second click goes to the first one's run while that has not ended."""
    state = visitor.current().train
    last, run = state.started or (None, None)
    if last == config and read_status(run.folder).live:
        st.toast("This run has already been started. Change the seed to start another one.")
    else:
        try:
            run = start_run(config, name or None)
        except RunError as problem:
            st.error(message(problem))
            return
        state.started = config, run
    state.opened = run.name
    st.rerun()


def _estimate(config: RunConfig) -> str:
    """Measures in a process of its own, which ends when the visitor goes on to something else."""
    with st.spinner("Timing a few steps…"):
        place, since = st.empty(), time.monotonic()
        try:
            with measure(config) as measurement:
                while not measurement.ended:
                    if ahead := measurement.ticket.ahead:
                        place.caption(
                            f"Waiting in the queue behind {ahead} other{'s' if ahead > 1 else ''}."
                        )
                        since = time.monotonic()
                    else:
                        place.empty()
                    if time.monotonic() - since > _LONGEST:
                        return (
                            "No estimate: loading the images and timing took more than five "
                            "minutes."
                        )
                    time.sleep(0.2)
                estimate = measurement.result()
        except RunError as problem:
            return message(problem)
    whole = estimate["seconds"] + estimate["fit_seconds"] + 8
    return (
        f"About **{time_words(whole)}**: "
        f"{estimate['seconds_per_epoch']:.1f} seconds an epoch, "
        f"{estimate['images_per_second']:,.0f} images a second, "
        f"{estimate['parameters']:,} parameters."
    )
