"""The script that every visit runs first: it lists the pages and opens the requested one.

A page appears in the navigation as soon as its file exists.
"""

import os
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx

from pages.ui.components.address import write_address
from pages.ui.components.drawer import close_drawer
from pages.ui.components.room import join_room
from pages.ui.learn.contents import STEPS
from pages.ui.learn.texts import lesson
from pages.ui.shared import embedding, links, permissions, problems, share
from pages.ui.shared.device import on_a_phone

PAGES = (  # file, title, icon, what the page is for
    (
        "map.py",
        "Map",
        "explore",
        "Explore the latent space: every point is decoded under the pointer.",
    ),
    ("interpolate.py", "Interpolate", "timeline", "Turn one picture into another, step by step."),
    ("concepts.py", "Concepts", "add_circle", "Add a concept, such as glasses, to any picture."),
    ("train.py", "Train", "model_training", "Train a model and watch it learn."),
    ("library.py", "Library", "photo_library", "Import pictures; keep datasets, models and runs."),
)
LEARN = (
    *((s.file, f"{n} · {s.title}", s.icon, s.about) for n, s in enumerate(STEPS, 1)),
    ("teachers.py", lesson("teachers")("title"), "school", lesson("teachers")("about")),
    ("glossary.py", "Glossary", "menu_book", "Every term in a sentence and a formula."),
)

here = Path(__file__).parent
there = {entry.name for entry in os.scandir(here)}
# Before the navigation, which would fetch the icon of a page from elsewhere.
st.set_page_config(page_icon=here / "ui" / "icon.png", layout="wide")
sections = {
    section: [
        st.Page(
            here / file,
            title=title,
            icon=f":material/{icon}:",
            url_path="start" if file == "map.py" else None,
            help=about,
        )
        for file, title, icon, about in entries
        if file in there
    ]
    for section, entries in (("", PAGES), ("Learn", LEARN))
}
room = st.Page(
    here / "room.py",
    title="Room",
    icon=":material/groups:",
    help="The room's link as a QR code, questions to everybody, and drawings of everybody.",
    visibility="hidden" if permissions.for_one_person() else "visible",
)
sections[""].append(room)
# The first page lies at the root; its own name leads to it as well.
sections[""].append(st.Page(here / "map.py", title="Map", url_path="map", visibility="hidden"))
page = st.navigation(sections, position="top")
st.logo(here / "ui" / "logo.svg", size="large")
st.set_page_config(page_title=f"{page.title} · Latent Space Explorer")
context = get_script_run_ctx()
path = page.url_path
links.arrive(page.url_path, back=context is not None and context.is_history_navigation)
embedding.apply()
if on_a_phone():
    close_drawer(page.url_path)


def finish() -> None:
    """What every page ends with."""
    share.fill()
    write_address()
    shown = [*sections[""][: len(PAGES)], *sections["Learn"]]
    join_room([page.url_path for page in shown], path)


try:
    page.run()
except problems.PROBLEMS as problem:
    problems.show(problem)
except StopException:  # a page that has said all it can
    finish()
    raise
finish()
