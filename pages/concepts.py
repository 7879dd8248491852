"""Concept vectors: add "glasses" to anybody, and measure how well it worked.

The browser decodes and judges while sliders move; Python evaluates the edit when it is asked to.
"""

import streamlit as st

from pages.ui.components import address
from pages.ui.components.sliders import Slider, live_sliders, tells
from pages.ui.concepts import (
    create,
    dose_response,
    edit_report,
    pitfalls,
    projection,
    selection,
    strength_grid,
    vector_report,
    verdict,
)
from pages.ui.concepts.as_python import edit_as_python
from pages.ui.concepts.edit import Edit, EditResult
from pages.ui.shared import embedding, formatting, links, model_picker, own_things, problems, share
from pages.ui.shared.foreign_text import plain

VIEWS = {
    "after": ("What the edit did", edit_report.show_after),
    "before": ("Is the vector any good?", vector_report.show_vectors),
    "dose": ("Dose–response curve", dose_response.show_dose),
    "grid": ("Grid of strengths", strength_grid.show_grid),
    "map": ("On the map", projection.show_projection),
    "lessons": ("Three lessons", pitfalls.show_lessons),
}

with st.container(horizontal=True, vertical_alignment="bottom", key="head"):
    st.title("Concepts", anchor=False, width="content")
    space = model_picker.choose_model()
    own_things.follow_address(space)
    active = selection.choose_concepts(space)
    pin = selection.start(space, active)
    selection.draw_start(space, pin)
    share.button()
model_picker.show_notices(space)

with st.container(horizontal=True):
    with st.expander(
        f"Choose the starting picture · now {plain(pin.title)}",
        icon=":material/person_search:",
        key="start-open",
        on_change="rerun",
    ) as chooser:
        if chooser.open:
            selection.choose_start(space)
    create.show(space, active)

if not active:
    st.info("Choose a concept above, or make one: two pictures are enough.")
    problems.end_page()


@address.fragment
def edit_live() -> None:
    """Sliders, and the report of the edit as it was when it was last asked for."""
    model_picker.rerun_if_changed(space)
    left, right = st.columns([3, 2], gap="large")
    with left:
        strengths = live_sliders(
            space,
            [("picture", pin.z)],
            [concept.at(pin.z) for concept in active],
            [Slider(formatting.concept(concept.name), -1.0, 2.0, 1.0, 0.05) for concept in active],
            key=f"strengths-{space.name}-{'-'.join(concept.name for concept in active)}",
            at=selection.first_strengths(active),
            before=True,
            size=320,
            tells=tells(space, judge=verdict.rules(space, active)),
            on_release=selection.write_strengths,
        )
        vector_report.mention_few(active)
    selection.write_strengths(strengths)
    if embedding.on():
        return
    edit = Edit(space, pin, active, strengths)
    share.python(lambda: edit_as_python(edit))
    result = EditResult.of(edit)
    with right:
        edit_report.offer_report(strengths)
        edit_report.show_verdict(result)
        edit_report.show_pictures(result)
    view = st.segmented_control(
        "Show",
        list(VIEWS),
        required=True,
        format_func=lambda view: VIEWS[view][0],
        label_visibility="collapsed",
        **links.choice("concept-view", VIEWS, "after", labels=lambda view: VIEWS[view][0]),
    )
    VIEWS[view][1](result)


edit_live()
