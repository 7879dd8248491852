"""Explore a model's latent space: every point of the map is decoded as the pointer passes.

The browser decodes, and shows what was clicked: original, KL and ELBO, and nearest images.
"""

import streamlit as st

from pages.ui.map import arrivals, model_card, placing, side_by_side, views, which_images
from pages.ui.map.as_python import pin_as_python
from pages.ui.shared import links, model_picker, own_things, scatter, share, visitor

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
arrivals.show_arrivals(space)
placing.pin_first(space)
share.python(lambda: pin_as_python(space, next(reversed(visitor.pins(space)), None)))
views.show(views.MapPage(opened, space, projection, axes, colour, keep, beside))
