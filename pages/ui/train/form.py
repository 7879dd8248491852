"""A new run: presets first, details for those who want them, the time it will take."""

from __future__ import annotations

import time
from dataclasses import replace

import streamlit as st

from pages.ui.shared import cache, formatting, permissions, visitor
from pages.ui.shared.changes import measure, start_run
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.formatting import time_words
from pages.ui.shared.glossary import explain
from pages.ui.shared.visitor import TrainState
from vae import ConfigError, DatasetError, list_checkpoints
from vae.config import LIKELIHOODS
from vae.datasets import dataset_names
from vae.imports import ImportedDataset, list_datasets
from vae.runs.config import RunConfig, RunError, read_config
from vae.runs.manager import runs_folder
from vae.runs.presets import PRESETS
from vae.runs.proposal import propose
from vae.runs.status import read_status

__all__ = ["show_form"]

_SIZES = {
    "small": ([], [400], "fully connected, one hidden layer of 400 units"),
    "medium": ([32, 64], [256], "two convolutional layers"),
    "large": ([32, 64, 128], [512], "three convolutional layers; image sides divisible by 8"),
    "faces": ([24, 48, 96, 128], [256], "four convolutional layers; image sides divisible by 16"),
}
_OWN = "Pictures of my own"
_AGAIN = "Again, with changes"
_DEFAULTS = {
    "latent_dim": 8,
    "likelihood": "bernoulli",
    "channels": [32, 64],
    "blocks": 0,
    "prior_components": 0,
}
_PRIORS = (0, 20, 50, 100, 200, 500)
_ICON = ":material/photo_library:"
_LONGEST = 300.0  # seconds of loading and measuring


def show_form() -> None:
    """Lets a visitor choose what to train, estimates the duration, and starts a run."""
    imported = {dataset.name: dataset for dataset in list_datasets()}
    state = visitor.current().train
    if state.dataset in imported:
        st.session_state["preset"], st.session_state["own-dataset"] = _OWN, state.dataset
    state.dataset = None
    again = _again(state)
    if again is not None and state.to_form:
        st.session_state["preset"] = _AGAIN
    state.to_form = False
    titles = [
        *([_AGAIN] if again is not None else []),
        *(preset.title for preset in PRESETS),
        *([_OWN] if imported else []),
    ]
    title = st.radio(
        "What to train",
        titles,
        captions=[
            *([f"Settings and start of {plain(state.again)}."] if again is not None else []),
            *(preset.about for preset in PRESETS),
            *([f"Imported in the Library: {len(imported)}."] if imported else []),
        ],
        key="preset",
    )
    if not imported and st.button(
        "Import pictures of your own", key="to-library", icon=_ICON, type="tertiary"
    ):
        st.switch_page("library.py", query_params={"shelf": "import"})
    try:
        preset, key = None, None
        if title == _OWN:
            first = _own(imported)
        elif again is not None and title == _AGAIN:
            first, key = again, f"again-{state.again}"
        else:
            preset = next(preset for preset in PRESETS if preset.title == title)
            first = preset.config
        with st.expander("Details", icon=":material/tune:", expanded=key is not None):
            config = _details(first, list(imported), key)
    except (ConfigError, DatasetError) as problem:
        st.error(message(problem))
        return
    if preset is not None and config != preset.config and not preset.describes(config):
        config = replace(config, preset=None)
    locked = {"disabled": not permissions.explain("starts runs; everybody watches them")}
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
        go = {"icon": ":material/play_arrow:", "type": "primary"}
        if st.button("Start", key="start", **go, **locked):
            _start(config, "-".join(name.split()))
        timer = ":material/timer:"
        if st.button("Estimate the duration", icon=timer, key="estimate", **locked):
            state.estimate = config, _estimate(config)
        if state.estimate and state.estimate[0] == config:
            st.markdown(state.estimate[1])


def _again(state: TrainState) -> RunConfig | None:
    """Settings of the run that is to be trained again, with changes; None without one."""
    if state.again is None:
        return None
    try:
        config = read_config(runs_folder() / state.again)
    except RunError:  # deleted meanwhile
        state.again = None
        return None
    return replace(config, preset=None)


def _own(imported: dict[str, ImportedDataset]) -> RunConfig:
    """Settings that suit one of the imported sets, which the visitor chooses."""
    if st.session_state.get("own-dataset") not in imported:
        st.session_state["own-dataset"] = next(iter(imported))
    name = st.selectbox(
        "Pictures", list(imported), key="own-dataset", format_func=formatting.verbatim
    )
    config = _proposal(imported[name].reference, imported[name])
    model, training = config.model, config.training
    n, *shape = imported[name].shape
    st.caption(
        f"{n:,} pictures of {formatting.image_size(*shape)}: "
        f"{formatting.likelihood(model['likelihood'])} likelihood, {model['latent_dim']} latent "
        f"dimensions, {training.epochs} epochs. All of it can be changed below."
    )
    return config


@cache.shared(32)
def _proposal(reference: str, _dataset: ImportedDataset) -> RunConfig:
    return propose(_dataset)


def _details(preset: RunConfig, imported: list[str], key: str | None) -> RunConfig:
    key = key or preset.preset or f"own-{preset.dataset}"
    names = list(dict.fromkeys([preset.dataset, *dataset_names(), *imported]))
    model, training = _DEFAULTS | preset.model, preset.training
    first, second, third = st.columns(3)
    with first:
        dataset = st.selectbox(
            "Images", names, key=f"{key}-dataset", format_func=formatting.verbatim,
            help="Digits and faces ship with the app; others are downloaded when first used, or "
            "were imported in the Library.",
        )  # fmt: skip
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
            format_func=formatting.likelihood,
            help=explain(
                "likelihood",
                "Bernoulli suits black-and-white images, continuous Bernoulli grey levels, "
                "Gaussian colour. Fixed: a single σ for all pixels.",
            ),
        )
        blocks = st.number_input(
            "Residual blocks at each level", 0, 4, model["blocks"], key=f"{key}-blocks",
            disabled=not _SIZES[size][0],
            help="With them images are normalised between convolutions, and the decoder enlarges "
            "by repeating pixels. For networks with convolutions.",
        )  # fmt: skip
        priors = sorted({*_PRIORS, model["prior_components"]})
        prior = st.selectbox(
            "Prior p(z)", priors, priors.index(model["prior_components"]), key=f"{key}-prior",
            format_func=lambda k: f"Learned mixture of {k} Gaussians" if k else "N(0, I)",
            help=explain("learned prior"),
        )  # fmt: skip
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
        augmentation = st.number_input(
            "Augmentation", 0.0, 1.0, training.augmentation, 0.1, key=f"{key}-augmentation",
            help=explain(
                "augmentation",
                "At 1 by up to 11.5 degrees, 12 % of the size and 3.5 % of a side; 0 leaves them "
                f"as they are, and so do all after {training.augmented_share:.0%} of the epochs.",
            ),
        )  # fmt: skip
        variational = not st.toggle(
            "Standard autoencoder",
            not model.get("variational", True),
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
        patience = st.number_input(
            "Early stopping after epochs", 0, 100_000, training.patience, key=f"{key}-patience",
            help="Training stops after so many epochs without a better value on held-out images, "
            "and the weights of the best epoch are kept. 0 trains all epochs.",
        )  # fmt: skip
    own = [c for c in list_checkpoints() if not (c.folder / "decoder.onnx").exists()]
    starts = ["random weights", *(c.name for c in own)]
    if preset.start and preset.start not in starts:
        starts.append(preset.start)
    first_start = starts.index(preset.start) if preset.start else 0
    start = st.selectbox(
        "Start from", starts, first_start, key=f"{key}-from", format_func=formatting.verbatim
    )
    channels, hidden, _ = _SIZES[size]
    if channels == model["channels"]:
        hidden = model.get("hidden", hidden)
    chosen = {"latent_dim": latent_dim, "likelihood": likelihood, "channels": list(channels)}
    if "hidden" in model or hidden != [256]:
        chosen["hidden"] = list(hidden)
    if not variational:
        chosen["variational"] = False
    more = {"blocks": channels and blocks, "prior_components": variational and prior}
    chosen |= {name: value for name, value in more.items() if value}
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
            patience=patience,
            augmentation=augmentation,
        ),
    )


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
