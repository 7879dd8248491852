"""The points of a map as files, out and in: their codes, names and labels, and their pictures."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.shared import embedding, images, scatter, visitor
from pages.ui.shared.foreign_text import message
from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.pins import Pin
from pages.ui.shared.tables import ENDINGS, TableError, read_table, write_table
from vae.latent import LARGEST_CODE

__all__ = ["export_and_import", "picture_zip", "points", "take_points"]

_MOST_PICTURES = 2_000
_MIME = {"csv": "text/csv", "npz": "application/zip", "parquet": "application/octet-stream"}


def export_and_import(space: LatentSpace, projection: str, axes: tuple[int, int]) -> None:
    """Offers the points of a map, or one of the groups, as files, and reads such files."""
    sizes = {name: len(visitor.group(space, name)) for name in "AB"}
    names = {"all": f"All {len(space):,}"}
    names |= {name: f"Group {name}: {size:,}" for name, size in sizes.items() if size}
    which = st.segmented_control(
        "Points",
        list(names),
        default="all",
        required=True,
        format_func=names.get,
        key="export-which",
        help="A lasso on the map puts points into a group.",
    )
    rows = np.arange(len(space)) if which == "all" else visitor.group(space, which)
    stem = f"{space.name}-{'points' if which == 'all' else f'group-{which}'}"
    with st.container(horizontal=True):
        for ending, label in ENDINGS.items():
            st.download_button(
                label,
                lambda ending=ending: write_table(points(space, projection, axes, rows), ending),
                f"{stem}.{ending}",
                _MIME[ending],
                icon=":material/download:",
                on_click="ignore",
                key=f"export-{ending}",
            )
        few = rows[:_MOST_PICTURES]
        st.download_button(
            "Pictures, zip" if len(few) == len(rows) else f"First {len(few):,} pictures, zip",
            lambda: picture_zip(space, few),
            f"{stem}-pictures.zip",
            "application/zip",
            icon=":material/photo_library:",
            on_click="ignore",
            key="export-pictures",
        )
    st.caption(
        "Tables have the number, file and labels of each image, its place, nats and code. The map "
        "itself: PNG and SVG above it. Vectors: on the Concepts page. Models: in the Library."
    )
    embedding.mention_uploads()
    file = st.file_uploader(
        "Read points from a file", type=list(ENDINGS), key="points-file",
        help="With the column id they become a group; with codes z1, z2, … alone they are pinned.",
    )  # fmt: skip
    if file is None:
        return
    try:
        columns = read_table(file.getvalue(), file.name)
        found, codes = take_points(space, columns)
    except TableError as problem:
        st.error(message(problem))
        return
    if len(found):
        for name in "AB":
            if st.button(f"Make {len(found):,} images group {name}", key=f"points-{name}"):
                visitor.set_group(space, name, found.tolist())
                st.rerun()
    elif st.button(f"Pin {len(codes):,} codes", key="points-pin"):
        for k, z in enumerate(codes, 1):
            visitor.add_pin(Pin(space.name, "generated", z, f"code {k} of {file.name}"[:60]))
        st.rerun()


def points(
    space: LatentSpace, projection: str, axes: tuple[int, int], rows: np.ndarray
) -> dict[str, Any]:
    """Points of a map as a table: id, split, file, place, labels, nats and the code.

    Args:
        space: the model and its codes.
        projection: "latent", "pca" or "tsne".
        axes: dimensions of the latent axes.
        rows: which of its images.
    """
    at = scatter.positions(space, projection, axes)[rows]
    columns: dict[str, Any] = {"id": space.index[rows], "x": at[:, 0], "y": at[:, 1]}
    held_out = rows < len(space) - space.trained
    columns["split"] = [space.dataset.split if known else "train" for known in held_out]
    if space.file_names is not None:
        columns["file"] = [space.file_names[row] for row in rows]
    if space.classes:
        columns["class"] = [space.classes[k] if k >= 0 else "" for k in space.class_of[rows]]
    nats: dict[str, Any] = {}
    if space.kl is not None:
        nats |= {"kl": space.kl[rows], "elbo": space.elbo[rows]}
        for name, values in space.estimates.items():  # empty where nothing was estimated
            errors = space.estimates[name if name.endswith("_error") else f"{name}_error"]
            nats[name] = np.where(errors[rows] >= 0, values[rows], np.nan)
    codes = {f"z{k + 1}": space.mean[rows, k] for k in range(space.mean.shape[1])}
    taken = {*columns, *nats, *codes}
    for name, column in space.columns.items():
        unique = name if name not in taken else f"attribute {name}"
        columns[unique] = column.taken(rows)
    return columns | nats | codes


def take_points(
    space: LatentSpace, columns: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """What a table says of a model: rows of its images by their ids, or else codes `(M, D)`.

    Raises:
        TableError: it has neither ids of this model's images nor its codes.
    """
    d = space.mean.shape[1]
    if "id" in columns and columns["id"].dtype.kind in "iu":
        rows = np.flatnonzero(np.isin(space.index, columns["id"]))
        if len(rows):
            return rows, np.empty((0, d), np.float32)
    wanted = [f"z{k + 1}" for k in range(d)]
    if missing := [name for name in wanted if name not in columns]:
        raise TableError(
            f"It has no ids of this model's images, and its codes lack {missing[0]}; expected id, "
            f"or {wanted[0]} to {wanted[-1]}. It has {', '.join(list(columns)[:8])}."
        )
    try:
        z = np.stack([columns[name] for name in wanted], 1).astype(np.float32)
    except ValueError:
        z = np.full((1, d), np.nan)
    if not (np.abs(z) <= LARGEST_CODE).all():
        raise TableError(f"Its codes hold texts, or numbers beyond ±{LARGEST_CODE:,}.")
    return np.empty(0, int), z[: visitor.MOST_PINS]


def picture_zip(space: LatentSpace, rows: np.ndarray) -> bytes:
    """Pictures as PNG files in a zip archive, in folders by class, so that it imports again."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for row in rows:
            label = space.classes[space.class_of[row]] if space.class_of[row] >= 0 else ""
            folder = "".join(c if c.isalnum() or c in " -_+" else "_" for c in label).strip()
            name = f"{space.number(row).replace('#', '').replace(' ', '-')}.png"
            archive.writestr(f"{folder}/{name}" if folder else name, images.png(space.image(row)))
    return out.getvalue()
