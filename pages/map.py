"""Explore a model's latent space: every point of the map is decoded as the pointer passes.

The browser decodes; after a click Python adds the original, KL and ELBO, and nearest images.
"""

import streamlit as st

from pages.ui.components import address
from pages.ui.components.decoded_view import live_picture
from pages.ui.components.latent_map import latent_map
from pages.ui.map import model_card, pin_details, placing, side_by_side, which_images
from pages.ui.map.as_python import pin_as_python
from pages.ui.shared import embedding, links, model_picker, own_things, scatter, share, visitor

with st.container(horizontal=True, vertical_alignment="bottom", key="head"):
    st.title("Map", anchor=False, width="content")
    opened = model_picker.choose_model()
    space = which_images.choose_images(opened)
    own_things.follow_address(space)
    maps, colours = scatter.projections(space), scatter.colours(space)
    first, axes, _ = scatter.first_view(space)
    projection = st.selectbox(
        "Map",
        list(maps),
        format_func=maps.get,
        **links.choice("projection", maps, first, labels=maps.get),
        help=placing.about_maps(),
    )
    if projection == "latent" and space.mean.shape[1] > 2:
        axes = placing.choose_axes(space)
    colour = st.selectbox(
        "Colour",
        list(colours),
        format_func=colours.get,
        **links.choice("colour", colours, next(iter(colours)), labels=colours.get),
    )
    keep = placing.choose_others(space, projection)
    with st.popover(
        "Add to map", icon=":material/add_location_alt:", key="place", on_change="rerun"
    ) as popover:
        if popover.open:
            placing.place_controls(space)
    with st.popover(
        "Model card", icon=":material/id_card:", key="card", on_change="rerun"
    ) as about:
        if about.open:
            model_card.show_card(space)
    beside = side_by_side.choose_beside(space)
    share.button()

model_picker.show_notices(space)
which_images.show_progress(opened, space)
placing.pin_first(space)


@address.fragment
def explore() -> None:
    """The map and what is pinned: a click reruns only this."""
    model_picker.rerun_if_changed(opened)
    left, right = st.columns([2, 1] if beside is None else 2, gap="medium")
    pins = visitor.pins(space)
    share.python(lambda: pin_as_python(space, pins[-1] if pins else None))
    with left:
        latent_map(
            space,
            projection,
            axes,
            colour,
            key="map",
            keep=keep,
            pins=pins,
            linked=side_by_side.VIEW if beside else None,
            on_pin=lambda value: placing.pin_clicked(space, value),
            on_group=lambda name, rows: visitor.set_group(space, name, rows),
        )
    if beside is not None:
        with right:
            side_by_side.show_beside(beside, space, "map", projection, colour)
        left, other = st.columns(2, gap="medium")
        right = left
    with left:
        which_images.explain_marks(space)
        placing.explain(space, projection, keep, pins)
        placing.next_step(space)
        placing.own_things(space, projection, axes)
    with right:
        live_picture("map")
        if embedding.on():
            return
        with st.container():  # empty or not, what follows keeps its place
            placing.suggest(space, pins)
        pin_details.show_last(space, pins, "map")
    if beside is not None:
        with other:
            side_by_side.show_details(beside, space, pins[-1] if pins else None)


explore()
