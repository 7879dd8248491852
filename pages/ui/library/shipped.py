"""The datasets that come with the app: what they look like, and what is in them."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import cache, formatting, images
from pages.ui.shared.foreign_text import message
from vae import DatasetError
from vae.datasets import dataset_names

__all__ = ["ABOUT", "show_shipped"]

ABOUT = {
    "digits": "10,000 handwritten digits",
    "fashion": "10,000 pictures of clothes, and 60,000 to train on",
    "faces": "23,000 drawn people",
    "glyphs": "5,304 capital letters of 204 free fonts",
}
"""What is in each dataset that comes with the app."""

_PICTURES = 24


def show_shipped() -> None:
    """Shows the datasets that come with the app, and names those that are downloaded."""
    for column, (name, about) in zip(st.columns(len(ABOUT)), ABOUT.items(), strict=True):
        with column.container(border=True, height="stretch"):
            try:
                picture, facts, licence = _shown(name)
            except DatasetError as problem:
                st.error(message(problem))
                continue
            st.image(picture, alt=f"Pictures of {name}", width="stretch")
            st.markdown(f"**{name}** · shipped")
            st.caption(f"{about} · {facts}")
            st.caption(licence)
            if st.button("Open in the map", icon=":material/explore:", key=f"open-{name}"):
                st.switch_page("map.py", query_params={"model": name})
    others = ", ".join(name for name in dataset_names() if name not in ABOUT)
    st.caption(f"Downloaded when they are first used: the 60,000 of fashion, {others}.")


@cache.shared(len(ABOUT))
def _shown(name: str) -> tuple[str, str, str]:
    """Some test images of a dataset as one picture, its facts, and its licence.

    Raises:
        DatasetError: a damaged file.
    """
    data = cache.dataset(name)
    pixels = data.images[list(range(_PICTURES))]
    parts = [
        formatting.image_size(*pixels.shape[1:]),
        *([f"{len(data.classes)} classes"] if data.classes else []),
        *([f"{len(data.attributes)} attributes"] if data.attributes else []),
    ]
    sheet = images.sheet(pixels, 8)
    return images.data_url(sheet, max(sheet.shape[1], 168)), " · ".join(parts), data.licence
