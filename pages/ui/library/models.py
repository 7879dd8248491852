"""The models: what they decode, what they were made for, and their files, out and in."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import streamlit as st
import torch

from pages.ui.components.job_progress import show_job
from pages.ui.components.uploader import uploader
from pages.ui.library.downloads import offer_file
from pages.ui.library.measuring import offer_measure
from pages.ui.library.networks import ACCEPTED, Networks, networks_in, offer_import
from pages.ui.library.paging import choose_page
from pages.ui.library.sizes import folder_size, size_words
from pages.ui.library.source import at_this_machine, choose_local_path
from pages.ui.shared import (
    cache,
    formatting,
    images,
    incoming,
    jobs,
    permissions,
    visitor,
)
from pages.ui.shared.changes import delete_checkpoint, import_model, rename_checkpoint
from pages.ui.shared.foreign_text import message, plain
from vae import CheckpointError, DatasetError, list_checkpoints, load_checkpoint
from vae.checkpoint import load_card, load_codes
from vae.codes import decode
from vae.exchange import ImportedModel, export_model
from vae.imports.store import find_import
from vae.latent import evenly
from vae.locations import Checkpoint

__all__ = ["decoded", "offer_files", "show_models"]

_PICTURES = 8


def show_models() -> None:
    """Lists the models, a page at a time, and offers to import one."""
    if permissions.explain("imports, measures, renames and deletes models"):
        with st.expander("Import a model", icon=":material/library_add:", key="import-model"):
            _show_import()
    found = [c for c in list_checkpoints() if c.folder.parent.name != "runs"]
    for checkpoint in choose_page(found, "models-page"):
        with st.container(border=True):
            _show(checkpoint)


def _show(checkpoint: Checkpoint) -> None:
    name, folder = checkpoint.name, checkpoint.folder
    left, right = st.columns([1, 2])
    try:
        card = load_card(folder)
        stamp = str((folder / "model.safetensors").stat().st_mtime_ns)
        picture, facts = decoded(name, str(folder), stamp)
    except (CheckpointError, OSError) as problem:
        right.error(f"{plain(name)}: {message(problem)}")
        return
    with left:
        st.image(picture, alt=f"Pictures that {plain(name, 'text')} decodes", width="stretch")
    with right:
        st.markdown(f"**{plain(name)}**{' · shipped' if checkpoint.shipped else ''}")
        dataset = card.get("dataset")
        made = [f"made for {plain(dataset)}"] if isinstance(dataset, str) else []
        st.caption(" · ".join([*made, facts, size_words(folder_size(folder))]))
        with st.container(horizontal=True):
            if st.button("Open in the map", icon=":material/explore:", key=f"open-{name}"):
                st.switch_page("map.py", query_params={"model": name})
            with st.popover(
                "Export", icon=":material/download:", key=f"files-{name}", on_change="rerun"
            ) as popover:
                if popover.open:
                    offer_files(name, dataset, stamp)
            if not checkpoint.shipped:
                _offer_rename(checkpoint)
                _offer_delete(checkpoint)
        if not checkpoint.shipped:
            offer_measure(name, folder, card)


def offer_files(name: str, dataset: object, stamp: str) -> None:
    """Offers a model as a file, and with its pictures where it was made for an import.

    Args:
        name: name of the checkpoint.
        dataset: what its card says that it was made for.
        stamp: text that changes whenever the model does.
    """
    offer_file(
        f"{name}-{stamp}", "Model alone", f"{name}.zip", functools.partial(export_model, name)
    )
    if isinstance(dataset, str) and find_import(dataset) is not None:
        offer_file(
            f"{name}-{stamp}-pictures",
            "Model with its pictures",
            f"{name}-with-pictures.zip",
            functools.partial(export_model, name, pictures=True),
        )
        st.caption("With its pictures it opens on any machine.")


def _offer_rename(checkpoint: Checkpoint) -> None:
    name = checkpoint.name
    allowed = permissions.may_change()
    with st.popover("Rename", icon=":material/edit:", key=f"rename-{name}", disabled=not allowed):
        new = st.text_input("New name", name, max_chars=64, key=f"new-{name}")
        if st.button("Rename", key=f"do-rename-{name}", type="primary"):
            try:
                rename_checkpoint(name, new.strip())
            except CheckpointError as problem:
                st.error(message(problem))
                return
            visitor.current().library.message = (
                f"{name} is {new.strip()} now. Links that name it as before say that it is gone."
            )
            st.rerun()


def _offer_delete(checkpoint: Checkpoint) -> None:
    allowed = permissions.may_change()
    with st.popover(
        "Delete", icon=":material/delete:", key=f"ask-{checkpoint.name}", disabled=not allowed
    ):
        st.write("This deletes the model for all visitors.")
        if st.button("Delete permanently", key=f"delete-{checkpoint.name}", type="primary"):
            try:
                delete_checkpoint(checkpoint.name)
            except CheckpointError as problem:
                st.error(message(problem))
                return
            visitor.current().library.message = f"{checkpoint.name} is deleted."
            st.rerun()


def _show_import() -> None:
    state = visitor.current().library
    state.model_token = state.model_token or incoming.new_token()
    token = state.model_token
    job = jobs.find(f"model-{token}")
    if job is not None:
        if job.state == "done":
            done: ImportedModel = job.result
            _forget()
            state.message = " ".join([f"{done.name} is imported.", *done.told])
            st.rerun()
        show_job(job)
        if job.live:
            return
    networks = _networks(token)
    if networks is not None:
        offer_import(networks, f"model-{token}")
        st.button("Take other files", key="other-networks", type="tertiary", on_click=_forget)
        return
    source = incoming.source_in(token)
    if source is None:
        uploader(
            token,
            key=f"upload-{token}",
            label="A zip archive that was exported here or on another machine; or a model of "
            "your own: decoder and encoder as ONNX files, or codes as npz.",
            accept=f".zip,{ACCEPTED}",
            on_upload=lambda token: None,
        )
        if at_this_machine():
            _choose_folder()
        return
    path, _ = source
    proposal = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem.removesuffix("-with-pictures"))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", proposal[:60], key="model-name", max_chars=64, width=280)
        if st.button("Import", key="do-import-model", type="primary"):
            jobs.forget(f"model-{token}")
            work = functools.partial(_import, path, name.strip())
            jobs.start(
                f"model-{token}", "Importing the model", work, (CheckpointError, DatasetError)
            )
            st.rerun()
        st.button("Take another file", key="other-model", type="tertiary", on_click=_forget)


def _networks(token: str) -> Networks | None:
    """ONNX files and codes that were uploaded, or that lie in a folder of this machine."""
    path = visitor.current().library.model_path
    if path is not None and at_this_machine():
        found = networks_in(Path(path))
        if found is None:
            st.error(
                f"There is neither an ONNX file nor an npz in {plain(path, longest=200)}. Name "
                "the folder that holds decoder.onnx."
            )
        return found
    folder = incoming.folder_of(token)
    names = [name for name, _ in incoming.files_in(token)]
    if folder is None or any(name.lower().endswith(".zip") for name in names):
        return None
    return networks_in(folder)


def _choose_folder() -> None:
    found = choose_local_path(
        "networks-by-path",
        "Or a folder on this machine",
        "/home/me/my-model",
        "A folder with ONNX files.",
    )
    if found is not None:
        visitor.current().library.model_path = str(found)
        st.rerun()


def _forget() -> None:
    """Takes back what was chosen; an upload is removed."""
    state = visitor.current().library
    if state.model_token is not None:
        incoming.remove(state.model_token)
    state.model_token = state.model_path = None


def _import(path, name: str, job: jobs.Job) -> ImportedModel:  # noqa: ANN001
    return import_model(path, name, progress=job.tell, cancelled=job.cancelled)


@cache.shared(64)
@torch.inference_mode()
def decoded(name: str, folder: str, stamp: str) -> tuple[str, str]:
    """Some pictures that a model decodes, as one, and what it is.

    Raises:
        CheckpointError: a damaged checkpoint.
    """
    model = load_checkpoint(folder)
    config = model.config
    try:
        z = evenly(load_codes(folder)["mean"], _PICTURES)
    except CheckpointError:  # none yet
        noise = torch.Generator().manual_seed(0)
        z = torch.randn((_PICTURES, config.latent_dim), generator=noise).numpy()
    sheet = images.sheet(decode(model, z), 4)
    likelihood = formatting.likelihood(config.likelihood)
    kind = f"{likelihood} likelihood" if config.variational else config.kind.lower()
    facts = f"{formatting.image_size(*config.image_shape)} · {config.latent_dim} latent dimensions"
    return images.data_url(sheet, max(sheet.shape[1], 112)), f"{facts} · {kind}"
