"""Foreign text is shown as it is: what `plain` makes of it, and that every page uses it."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import foreign
import numpy as np
import pytest
from google.protobuf.message import Message
from soak import sample, share
from streamlit.testing.v1 import AppTest

from pages.ui.concepts import files
from pages.ui.learn import arithmetic
from pages.ui.learn.texts import numbers
from pages.ui.shared import cache, scatter
from pages.ui.shared.concepts import NamedConcept
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.pins import Pin, real_pin
from pages.ui.shared.visitor import ConceptsState, Visitor
from vae.runs.folder import write_note
from vae.runs.manager import list_runs

ROOT = Path(__file__).resolve().parents[2]
JOINER = "\u2060"
# Fields of Streamlit's messages that are shown character by character, and never as Markdown.
AS_TEXT = {
    ("Selectbox", "options"),
    ("TextArea", "default"),
    ("MultiSelect", "options"),
    ("MultiSelect", "raw_values"),
    ("Selectbox", "raw_value"),
    ("TextInput", "default"),
    ("TextInput", "placeholder"),
    ("Code", "code_text"),
    ("Image", "alt"),
    ("BidiComponent", "json"),
}
ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]")
ACTIVE = re.compile(r"(?<!\\)(?:!\[pic|<img|<a |\[link|:red\[|:smile:|\$\\alpha|\*\*b)|\u202e")


def unescaped(markdown: str) -> str:
    """What Markdown shows where every punctuation mark is escaped."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace(JOINER, "")


@pytest.mark.parametrize("text", [*foreign.NASTY[:2], "a_b", "1. a", "# a", "- a", "x\\", "&amp;"])
def test_markdown_shows_every_character(text):
    shown = plain(text, longest=500)
    assert unescaped(shown) == text
    bare = ESCAPED.sub("", shown)
    assert not re.search(r"[!-/:-@\[-`{-~]", bare), "each punctuation mark is escaped"


@pytest.mark.parametrize(
    "text",
    [":red[a]", ":smile:", ":material/home:", ":material_home:", ":streamlit:", "http://a.b"],
)
def test_nothing_that_streamlit_replaces_is_left_after_the_escapes(text):
    assert JOINER in plain(text) and unescaped(plain(text)) == text


@pytest.mark.parametrize("text", ["www.a.b", "WWW.a.b", "a@b.cc", "a -> b", "a <-> b", "a -- b"])
def test_addresses_and_arrows_are_broken(text):
    assert JOINER in plain(text) and unescaped(plain(text)) == text


def test_ordinary_names_stay_as_they_are():
    for text in ("glasses", "Größe 3", "日本語", "नमस्ते", "سلام", "👩‍🚀"):
        assert plain(text) == plain(text, "chart") == plain(text, "text") == text


def test_control_and_bidirectional_characters_are_visible():
    assert plain("a\u202eb\x00c\x1b[0m", "text") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+001B⟩[0m"
    assert plain("caf\udce9", "text") == "caf\ufffd"
    plain("caf\udce9").encode()


def test_white_space_is_single_spaces_and_ends_nothing():
    assert plain("  a\n\n# b\tc \u2028 d\\\n", "text") == "a # b c d\\"


def test_length_is_bounded_before_and_after_escapes():
    assert plain("x" * 10**6) == "x" * 79 + "…"
    assert unescaped(plain("*" * 500)) == "*" * 79 + "…"
    assert len(unescaped(message("word " * 1_000))) <= 600


def test_plotly_reads_no_tags_templates_or_formulas():
    shown = plain("<b>x</b> $\\alpha$ %{y} &lt;", "chart")
    assert not set("<>$%{}") & set(shown)
    assert "&amp;lt;" in shown


# Every page ---


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(folder))
        foreign.make(folder)
    return folder


@pytest.fixture(autouse=True)
def same_data(request, monkeypatch):
    if "visit" in request.fixturenames:
        monkeypatch.setenv("LATENT_DATA", str(request.getfixturevalue("data")))


@pytest.fixture
def visit(data):
    def open_page(page: str, query: dict[str, str] | None = None, **state) -> AppTest:
        at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=60).switch_page(page)
        at.session_state["model"] = foreign.MODEL
        for key, value in (query or {}).items():
            at.query_params[key] = value
        for key, value in state.items():
            at.session_state[key.replace("_", "-")] = value
        at.run()
        assert not at.exception, [e.message for e in at.exception]
        return at

    return open_page


def nodes(at: AppTest):
    """Everything that a page shows, with its message to the browser."""
    rest = [at._tree]
    while rest:
        node = rest.pop()
        rest += getattr(node, "children", {}).values()
        if isinstance(getattr(node, "proto", None), Message):
            yield node.proto


def strings(message: Message, place: tuple[str, str] = ("", "")):
    """Every text in a message, with the kind of message and the field that it stands in."""
    for field, value in message.ListFields():
        here = (message.DESCRIPTOR.name, field.name)
        for one in value if field.is_repeated else [value]:
            if isinstance(one, Message):
                yield from strings(one, here)
            elif isinstance(one, str):
                yield here, one


def texts(found: object):
    """Every text within lists and dictionaries, keys left out."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict | list):
        for value in found.values() if isinstance(found, dict) else found:
            yield from texts(value)


def check(at: AppTest) -> str:
    """Asserts that no foreign text is read as Markdown or HTML; gives all that is shown."""
    whole = []
    for proto in nodes(at):
        for place, text in strings(proto):
            if place[1] in ("id", "key", "element_id"):
                continue
            whole.append(text)
            assert place in AS_TEXT or not ACTIVE.search(text), (place, text)
        if proto.DESCRIPTOR.name == "BidiComponent":
            shown = list(texts(json.loads(proto.json)))
            whole += shown
            assert not any("\u202e" in text for text in shown)
            if proto.component_name == "chart":
                check_figure(json.loads(proto.json)[0]["now"]["figure"])
    # Once for Plotly, and once for the slashes in the names of class folders.
    return html.unescape(html.unescape(unescaped("\n".join(whole))))


def check_figure(figure: str) -> str:
    """Asserts that Plotly finds no tag and no formula in what a figure says."""
    drawn = json.loads(figure)
    for trace in drawn["data"]:
        trace.pop("legendgroup", None)  # a key; the map's own legend shows it, as text
    found = "\n".join(texts(drawn))
    assert not re.search(r"<img|<a |\$.*\$|\u202e", found), found
    return html.unescape(found)


def test_the_map_shows_foreign_names_as_text(visit):
    space = cache.latent_space(foreign.MODEL)
    upload = Pin(space.name, "upload", space.mean[0], foreign.NASTY[1], image=space.image(0))
    for pin in (real_pin(space, 0), upload):
        at = visit("map.py", card=True, place=True, place_what="real", visitor=Visitor(pins=[pin]))
        shown = check(at)
        assert foreign.NASTY[0] in shown and html.unescape(pin.title[:30]) in shown


@pytest.mark.parametrize("colour", [0, 1, 2])
def test_the_figure_of_the_map_has_no_tags(visit, colour):
    space = cache.latent_space(foreign.MODEL)
    key = list(scatter.colours(space))[colour]
    shown = check_figure(cache.map_figure(space, "pca", (0, 1), key))
    assert "<img" in shown or "![pic]" in shown


def test_a_link_to_a_model_shows_its_text(visit):
    at = visit("map.py", query={"model": foreign.NASTY[0]})
    assert foreign.NASTY[0][:70] in check(at)


@pytest.mark.parametrize("walk", ["path", "corners", "traversals"])
def test_interpolate_shows_foreign_names_as_text(visit, walk):
    state = {"walk": walk, "corners": "analogy"} if walk == "corners" else {"walk": walk}
    shown = check(visit("interpolate.py", **state))
    assert foreign.PICTURE in shown or foreign.NASTY[1][:40] in shown


@pytest.mark.parametrize("view", ["after", "before", "dose", "grid", "map", "lessons"])
def test_concepts_show_foreign_names_as_text(visit, view):
    space = cache.latent_space(foreign.MODEL)
    own = {}
    for concept in files.read(space, foreign.vectors(space.model)):
        none = np.empty((0, 3), np.float32)
        own[space.name, concept.name] = NamedConcept(concept, none, none, foreign.NASTY[0])
    chosen = {f"concepts-{space.name}": [name for _, name in own]}
    at = visit(
        "concepts.py", visitor=Visitor(vectors=own), concept_view=view, make_open=True, **chosen
    )
    assert foreign.NASTY[2][:60] in check(at)
    for how in ("pairs", "groups", "sum", "files"):
        at.segmented_control(key="make-how").set_value(how).run()
        assert not at.exception
        check(at)


@pytest.mark.parametrize("lesson", ["examples", "confounding", "limits"])
def test_lessons_show_foreign_names_as_text(visit, lesson):
    at = visit(
        "concepts.py",
        concept_view="lessons",
        visitor=Visitor(concepts=ConceptsState(pitfall=lesson)),
    )
    check(at)


@pytest.mark.parametrize("run", [foreign.MODEL + "-run", foreign.FAILED])
def test_runs_show_foreign_names_as_text(visit, run):
    shown = check(visit("train.py", run=run))
    assert foreign.NASTY[0 if run == foreign.FAILED else 1][:60] in shown


def test_a_comparison_of_runs_shows_foreign_names_and_notes_as_text(visit):
    (run,) = [run for run in list_runs() if run.name == f"{foreign.MODEL}-run"]
    write_note(run.folder, foreign.NASTY[0])
    try:
        assert "set-x-y-z" in check(visit("train.py", train_view="compare"))
        assert foreign.NASTY[0][:60] in check(visit("train.py", run=run.name))
    finally:
        write_note(run.folder, "")


def test_lessons_of_the_learn_pages_show_foreign_names_as_text(visit, monkeypatch):
    monkeypatch.setitem(numbers("arithmetic"), "models", ((foreign.MODEL, "none"),))
    for stage in arithmetic.STAGES:
        check(visit("learn_arithmetic.py", stage=stage))
    for page in ("learn_amortised.py", "learn_reparameterisation.py", "learn_codes.py"):
        check(visit(page))


VISITS = [
    ("map.py", {"card": True, "place": True, "place_what": "real"}),
    *(("interpolate.py", {"walk": walk}) for walk in ("path", "corners", "traversals")),
    *(
        ("concepts.py", {"concept_view": view, "make_open": True})
        for view in ("after", "before", "dose", "grid", "map", "lessons")
    ),
    *(("train.py", {"run": run}) for run in (foreign.MODEL + "-run", foreign.FAILED)),
    ("train.py", {"train_view": "compare"}),
    *((f"learn_{name}.py", {}) for name in ("amortised", "reparameterisation", "codes")),
]


@share("count", 1)
def test_whatever_a_name_says_every_page_shows_it_as_text(
    tmp_path, monkeypatch, count, record_property
):
    tricks = sample(foreign.HOSTILE, count)
    for number, trick in enumerate(tricks):
        data = tmp_path / str(number)
        monkeypatch.setenv("LATENT_DATA", str(data))
        cache.forget()
        names = [f"{trick} {k}" for k in range(3)]
        foreign.make(data, names)
        for page, state in VISITS:
            at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=60)
            at.switch_page(page).session_state["model"] = foreign.MODEL
            for key, value in state.items():
                at.session_state[key.replace("_", "-")] = value
            at.run()
            assert not at.exception, (trick, page, state, at.exception[0].message)
            for proto in nodes(at):
                for place, text in strings(proto):
                    if place[1] in ("id", "key", "element_id"):
                        continue
                    where = "text" if place in AS_TEXT else "markdown"
                    raw = text if place in AS_TEXT else ESCAPED.sub("", text)
                    for name in names:  # as it is where that means nothing, else nowhere
                        safe = plain(name, where) == name
                        assert safe or name not in raw, (trick, page, place, text)
                if getattr(proto, "component_name", None) == "chart":
                    (sent,) = json.loads(proto.json)
                    shown = "\n".join(texts(json.loads(sent["now"]["figure"])))
                    for name in names:
                        assert plain(name, "chart") == name or name not in shown, (trick, page)
    record_property("names", len(tricks))
    record_property("visits", len(tricks) * len(VISITS))
