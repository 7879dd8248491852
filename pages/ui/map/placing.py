"""What a visitor puts on the map: clicks, uploads, samples, groups; and the points as a table."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.components import gallery
from pages.ui.shared import scatter, session
from pages.ui.shared.latent_space import Reference
from pages.ui.shared.session import Pin

__all__ = ["own_things", "pin_clicked", "place_controls", "points_csv"]


def pin_clicked(ref: Reference, value: dict[str, Any]) -> None:
    """Keeps what was clicked, if the browser's word for it makes sense.

    Args:
        ref: the model on the map.
        value: {"model", "kind", "row", "z", "approximate"} from the component.
    """
    row, z = value.get("row"), value.get("z")
    if value.get("model") != ref.name:
        return
    if value.get("kind") == "real" and isinstance(row, int) and 0 <= row < len(ref):
        session.add_pin(gallery.real_pin(ref, row))
        return
    dimensions = ref.mean.shape[1]
    if not isinstance(z, list) or len(z) != dimensions:
        return
    if not all(isinstance(v, int | float) and abs(v) < 1e6 for v in z):
        return
    approximate = value.get("approximate") is True
    title = "a place between codes" if approximate else "a place on the map"
    code = np.asarray(z, dtype=np.float32)
    session.add_pin(Pin(ref.name, "generated", code, title, approximate=approximate))


def place_controls(ref: Reference) -> None:
    """Offers an upload, or a sheet of samples, to be placed on the map."""
    what = st.segmented_control(
        "What to place",
        ["sample", "upload", "real"],
        default="sample",
        format_func={"sample": "A random sample", "upload": "My picture", "real": "An image"}.get,
        key="place-what",
        label_visibility="collapsed",
    )
    if what == "upload":
        chosen = gallery.choose_upload(ref, key="place")
    elif what == "real":
        row = gallery.choose_real(ref, key="place")
        chosen = None if row is None else gallery.real_pin(ref, row)
    else:
        chosen = gallery.choose_sample(ref, key="place")
    # A rerun for another reason must not place the same thing again.
    mark = None if chosen is None else (ref.name, chosen.kind, chosen.row, chosen.z.tobytes())
    if mark is not None and st.session_state.get("placed") != mark:
        st.session_state["placed"] = mark
        session.add_pin(chosen)


def own_things(ref: Reference, projection: str, axes: tuple[int, int]) -> None:
    """Lists the visitor's pins and groups, with a way to let go of each; gives the map as CSV."""
    pins = session.pins(ref.name)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if pins:
            with st.popover(f"Pins: {len(pins)}", icon=":material/push_pin:"):
                for pin in reversed(pins):
                    with st.container(horizontal=True, vertical_alignment="center"):
                        st.button(
                            f"{pin.number}: {pin.title}",
                            key=f"pin-{pin.number}",
                            on_click=session.select_pin,
                            args=(pin.number,),
                            type="tertiary",
                        )
                        st.button(
                            "Remove",
                            key=f"unpin-{pin.number}",
                            icon=":material/close:",
                            on_click=session.remove_pin,
                            args=(pin.number,),
                            type="tertiary",
                        )
        for name in "AB":
            rows = session.group(ref.name, name)
            if len(rows):
                st.button(
                    f"Group {name}: {len(rows)} images",
                    key=f"group-{name}",
                    icon=":material/close:",
                    help="Click to empty it. Other pages can use your groups.",
                    on_click=session.set_group,
                    args=(ref, name, ()),
                )
        st.space("stretch")
        st.download_button(
            "Points as CSV",
            lambda: points_csv(ref, projection, axes),
            f"{ref.name}-points.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def points_csv(ref: Reference, projection: str, axes: tuple[int, int]) -> bytes:
    """Every point of a map as a table: id, place, class, attributes, KL, ELBO and the code."""
    at = scatter.positions(ref, projection, axes)
    columns: dict[str, Any] = {"id": ref.index, "x": at[:, 0], "y": at[:, 1]}
    if ref.classes:
        columns["class"] = [ref.classes[k] for k in ref.class_of]
    columns |= {name: values.astype(int) for name, values in ref.attributes.items()}
    columns |= {k: v for k, v in (("kl", ref.kl), ("elbo", ref.elbo)) if v is not None}
    columns |= {f"z{k + 1}": ref.mean[:, k] for k in range(ref.mean.shape[1])}
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(columns)
    table.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()
