"""Concept vectors as files: export and import on the page."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from pages.ui.shared import concepts, embedding, labels, visitor
from pages.ui.shared.concepts import NamedConcept
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.latent_space import LatentSpace
from vae.concepts.files import Concept, VectorError, pack, read_vectors
from vae.files import refusals_as

__all__ = ["read", "show_files"]


def show_files(space: LatentSpace, active: Sequence[NamedConcept]) -> None:
    """Offers the visitor's concepts as files, and reads such a file."""
    own = list(visitor.vectors(space.name).values())
    chosen = {c.name: c.concept for c in [*active, *own]}
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Export**")
        st.caption(
            f"Your own concepts and the active ones: {', '.join(map(plain, chosen)) or 'none'}."
        )
        if chosen:
            file, card = pack(list(chosen.values()), space.model, space.name)
            with st.container(horizontal=True):
                st.download_button(
                    "Vectors", file, f"{space.name}-concepts.safetensors", on_click="ignore",
                    icon=":material/download:", key="export",
                )  # fmt: skip
                st.download_button(
                    "Description, JSON", card, f"{space.name}-concepts.json", "application/json",
                    on_click="ignore", icon=":material/description:", key="export-card",
                )  # fmt: skip
        for concept in own:
            st.button(
                f"Remove {plain(concept.name)}", key=f"forget-{concept.name}",
                type="tertiary", icon=":material/close:", on_click=visitor.remove_vector,
                args=(space.name, concept.name),
            )  # fmt: skip
    with right:
        st.markdown("**Import**")
        embedding.mention_uploads()
        file = st.file_uploader("Vectors of this model", type=["safetensors"], key="import")
        if file is None:
            return
        try:
            vectors = read(space, file.getvalue())
        except VectorError as problem:
            st.error(message(problem))
            return
        names = ", ".join(c.name for c in vectors)
        if st.button(
            f"Use {plain(names, longest=120)}", key="import-use", icon=":material/upload:"
        ):
            none = np.empty((0, space.mean.shape[1]), np.float32)
            for concept in vectors:
                target = concept.about.get("target")
                known = isinstance(target, str) and target in labels.table(space)
                target = target if known else None
                concepts.keep_concept(space, NamedConcept(concept, none, none, target))
            st.rerun()


def read(space: LatentSpace, content: bytes) -> list[Concept]:
    """Reads an uploaded file of vectors of this model.

    Raises:
        VectorError: if the file is invalid or belongs to another model.
    """
    with refusals_as(VectorError), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vectors.safetensors"
        file.write_bytes(content)
        try:
            return read_vectors(file, space.model)
        except VectorError as problem:
            raise VectorError(str(problem).replace(f"{file}: ", "")) from problem
