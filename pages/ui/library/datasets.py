"""The imported datasets: what they hold, what they were made from, and who needs them."""

from __future__ import annotations

import functools
from pathlib import Path

import streamlit as st
import torch

from pages.ui.library.classifier import offer_classifier
from pages.ui.library.downloads import offer_file
from pages.ui.library.paging import choose_page
from pages.ui.library.shipped import show_shipped
from pages.ui.library.sizes import size_words
from pages.ui.shared import cache, formatting, images, permissions, visitor
from pages.ui.shared.changes import delete_dataset, rename_dataset
from pages.ui.shared.foreign_text import message, plain
from vae import DatasetError
from vae.imports import (
    ImportedDataset,
    export_dataset,
    list_damaged,
    list_datasets,
    list_versions,
    runs_that_need,
)
from vae.imports.store import all_images, read_import

__all__ = ["show_datasets"]

_PICTURES = 12


def show_datasets() -> None:
    """Lists the imports, a page at a time, each with its pictures and card; then the shipped."""
    _show_imports()
    show_shipped()


def _show_imports() -> None:
    found = list_datasets()
    damaged = list_damaged()
    for name, problem in damaged.items():
        with st.container(border=True):
            st.error(f"{plain(name)}: {message(problem)}")
            _offer_delete(name)
    if not found and not damaged:
        st.info("Nothing is imported yet. Choose Import above to bring pictures of your own.")
        return
    if not found:
        return
    permissions.explain("trains on datasets, renames and deletes them")
    total = sum(dataset.bytes for dataset in found)
    st.caption(f"{len(found)} imported, {size_words(total)} of disk.")
    for dataset in choose_page(found, "datasets-page"):
        with st.container(border=True):
            _show(dataset)


def _show(dataset: ImportedDataset) -> None:
    n, *shape = dataset.shape
    name = plain(dataset.name)
    left, right = st.columns([1, 2], vertical_alignment="top")
    with left:
        try:
            st.image(
                _thumbnails(dataset.name, str(dataset.folder)),
                alt=f"Twelve pictures of {plain(dataset.name, 'text')}",
                width="stretch",
            )
        except DatasetError as problem:
            st.error(message(problem))
    with right:
        versions = list_versions(dataset.name)
        version = f" · version {dataset.version}" if len(versions) > 1 else ""
        st.markdown(f"**{name}**{version}")
        held_out = n - dataset.counts.get("train", 0)
        facts = [
            f"{n:,} pictures of {formatting.image_size(*shape)}",
            f"{held_out:,} held out",
            *([f"{len(dataset.card['classes'])} classes"] if dataset.card["classes"] else []),
            *([f"{len(dataset.card['columns'])} columns"] if dataset.card["columns"] else []),
            size_words(dataset.bytes),
        ]
        st.caption(" · ".join(facts))
        with st.container(horizontal=True):
            if st.button("Train", icon=":material/model_training:", key=f"train-{dataset.name}"):
                visitor.current().train.dataset = dataset.name
                st.switch_page("train.py")
            _offer_rename(dataset)
            with st.popover(
                "Export", icon=":material/download:", key=f"files-{dataset.name}",
                on_change="rerun",
            ) as popover:  # fmt: skip
                if popover.open:
                    offer_file(
                        f"{dataset.reference}-{dataset.card['content']}",
                        "Pack as a zip",
                        f"{dataset.name}.zip",
                        functools.partial(export_dataset, dataset.reference),
                    )
                    st.caption("Import it above on any machine: it is the same there.")
            _offer_delete(dataset.name)
        offer_classifier(dataset)
        with st.expander("Card", icon=":material/id_card:"):
            _show_card(dataset)


def _show_card(dataset: ImportedDataset) -> None:
    card = dataset.card
    facts = {
        "Source": Path(card["source"]).name,  # where an upload lay means nothing
        "Licence": card["licence"],
        "Imported": card["imported"],
        "Fit": card["fit"],
        "Left out": f"{card['left_out_count']:,} files",
        "Name for Python": f'load_dataset("{dataset.reference}")',
    }
    for label, value in facts.items():
        st.markdown(f"{label}: {plain(value, longest=300)}")
    for column in card["columns"]:
        names = column["categories"]
        listed = f", {len(names)} of them" if names else ""
        st.markdown(f"Column {plain(column['name'])}: {plain(column['kind'])}{listed}")
    for notice in card["notices"]:
        st.info(message(notice))


def _offer_rename(dataset: ImportedDataset) -> None:
    with st.popover(
        "Rename",
        icon=":material/edit:",
        key=f"rename-{dataset.name}",
        disabled=not permissions.may_change(),
    ):
        new = st.text_input("New name", dataset.name, max_chars=64, key=f"new-{dataset.name}")
        if st.button("Rename", key=f"do-rename-{dataset.name}", type="primary"):
            try:
                rename_dataset(dataset.name, new.strip())
            except DatasetError as problem:
                st.error(message(problem))
                return
            state = visitor.current().library
            state.message = f"{dataset.name} is {new.strip()} now; its runs find it still."
            st.rerun()


def _offer_delete(name: str) -> None:
    with st.popover(
        "Delete",
        icon=":material/delete:",
        key=f"ask-{name}",
        on_change="rerun",
        disabled=not permissions.may_change(),
    ) as popover:
        if not popover.open:
            return
        needed = runs_that_need(name)
        if needed:
            named = ", ".join(map(plain, needed[:8]))
            st.warning(
                f"{len(needed)} models or runs need its pictures and cannot be shown without: "
                f"{named}{'…' if len(needed) > 8 else ''}"
            )
        st.write("This deletes its pictures and labels for all visitors.")
        if st.button("Delete permanently", key=f"delete-{name}", type="primary"):
            try:
                delete_dataset(name)
            except DatasetError as problem:
                st.error(message(problem))
                return
            visitor.current().library.message = f"{name} is deleted."
            st.rerun()


@cache.shared(64)
def _thumbnails(name: str, folder: str) -> str:
    pixels = all_images(read_import(Path(folder), name))
    rows = torch.linspace(0, len(pixels) - 1, min(_PICTURES, len(pixels))).long()
    sheet = images.sheet(pixels[rows].float() / 255, 6)
    return images.data_url(sheet, max(sheet.shape[1], 120))
