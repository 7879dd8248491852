"""What is about to be imported: an upload of this visit, or a path on this machine."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui.components.uploader import uploader
from pages.ui.shared import incoming, links, permissions, visitor
from pages.ui.shared.foreign_text import plain

__all__ = ["ACCEPTED", "Chosen", "at_this_machine", "choose_local_path", "choose_source", "forget"]

ACCEPTED = (
    ".zip,.tar,.tgz,.gz,.npy,.npz,.h5,.hdf5,.parquet,.mat,.png,.jpg,.jpeg,.jfif,.webp,.bmp,.gif,"
    ".tif,.tiff,.pgm,.avif,.csv,.tsv,.txt"
)


@dataclass(frozen=True)
class Chosen:
    """What is imported.

    Args:
        path: folder or file.
        labels: table beside it, or None.
        name: name for visitors.
    """

    path: Path
    labels: Path | None
    name: str

    @property
    def key(self) -> str:
        """Text that differs between sources."""
        return hashlib.blake2b(os.fsencode(self.path), digest_size=8).hexdigest()

    @property
    def proposal(self) -> str:
        """A name for the import."""
        stem = re.sub(r"[^A-Za-z0-9-]+", "-", self.name.split(".")[0]).strip("-")
        return stem[:40] or "my-pictures"

    def told(self, text: str) -> str:
        """A message without the place where an upload lies."""
        if visitor.current().library.token is None:
            return text
        for place in (f"{self.path.parent}{os.sep}", str(self.path)):
            text = text.replace(place, "")
        return text


def choose_source() -> Chosen | None:
    """Lets the visitor upload something, or name a path, and gives what there is to import."""
    state = visitor.current().library
    linked = links.take(
        "upload", lambda text: text if incoming.files_in(text) else None, "an upload that is here"
    )
    state.token = linked or state.token or incoming.new_token()
    links.put("upload", lambda: state.token if incoming.files_in(state.token or "") else None)
    if state.path is not None and at_this_machine():
        path = Path(state.path)
        return Chosen(path, None, path.name)
    found = incoming.source_in(state.token)
    if found is not None:
        path, labels = found
        names = [name for name, _ in incoming.files_in(state.token)]
        whole = path == incoming.folder_of(state.token)
        name = names[0].split("/")[0] if whole and "/" in names[0] else path.name
        return Chosen(path, labels, "my-pictures" if whole and "/" not in names[0] else name)
    uploader(
        state.token,
        key=f"upload-{state.token}",
        label="A zip or tar of pictures, pictures or a folder of them, or a file of arrays (npy, "
        "npz, Parquet, HDF5, MATLAB); a table that describes them may lie beside. Up to 2 GB.",
        accept=ACCEPTED,
        on_upload=lambda token: None,  # the run that follows finds the files
    )
    if at_this_machine():
        _choose_path()
    return None


def _choose_path() -> None:
    found = choose_local_path(
        "by-path",
        "Or a path on this machine",
        "/home/me/photographs",
        "A folder, an archive or a file of arrays. It is read from where it is; nothing is "
        "uploaded.",
    )
    if found is not None:
        visitor.current().library.path = str(found)
        st.rerun()


def choose_local_path(key: str, label: str, example: str, help: str) -> Path | None:
    """Asks for a path on this machine; None until there is one that can be read.

    Args:
        key: key of the form.
        label: label of the field.
        example: a path as an example.
        help: what the path may lead to.
    """
    with (
        st.form(key, border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        text = st.text_input(
            label,
            placeholder=example,
            help=f"{help} Only whoever runs the app sees this field.",
        )
        if not st.form_submit_button("Look at it") or not text.strip():
            return None
    try:
        path = Path(text).expanduser()  # whose name may well end in a space
        if not path.exists():
            path = Path(text.strip()).expanduser()
            path.exists()
    except (RuntimeError, OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or str(problem)
        st.error(
            f"{plain(text.strip(), longest=100)} is no path that can be read ({plain(why)}). "
            "Check it."
        )
        return None
    return path


def forget() -> None:
    """Takes back what was chosen; an upload is removed."""
    state = visitor.current().library
    if state.token is not None:
        incoming.remove(state.token)
    state.token = state.path = None


def at_this_machine() -> bool:
    """Whether paths of this machine may be named: by the one person that the app serves."""
    return permissions.for_one_person()
