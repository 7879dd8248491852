"""Which module may import which: arrows point from pages down to the library, never back."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pages.ui.shared import changes

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    file.relative_to(ROOT) for place in ("pages", "vae") for file in (ROOT / place).rglob("*.py")
)
# Each layer may import itself and those after it; `server` and `components` never each other.
BELOW = {
    "site": {"components", "server", "shared", "vae"},
    "script": {"page", "components", "shared", "vae"},
    "page": {"components", "shared", "vae"},
    "components": {"shared", "vae"},
    "server": {"shared", "vae"},
    "decoder": set(),
    "shared": {"vae"},
    "vae": set(),
}


def module_of(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> set[str]:
    """Every module that a file imports, in full, wherever in the file it does."""
    package = module_of(file) if file.name == "__init__.py" else module_of(file).rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(start if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                place = ROOT / full.replace(".", "/")
                found.add(full if place.is_dir() or place.with_suffix(".py").exists() else base)
    return found


def layer(module: str) -> tuple[str, str]:
    """The layer of a module of ours, and the page whose folder it lies in."""
    parts = module.split(".")
    if parts[0] == "vae":
        return "vae", ""
    if parts[:2] != ["pages", "ui"]:
        return "script", ""
    if len(parts) > 2 and parts[2] in BELOW:
        return parts[2], ""
    return "page", parts[2] if len(parts) > 2 else ""


@pytest.mark.parametrize("file", FILES, ids=str)
def test_arrows_point_down(file):
    here, page = layer(module_of(file))
    for module in imports(file):
        if module.split(".")[0] not in ("pages", "vae"):
            continue
        there, other = layer(module)
        if here == there == "page":
            assert page == other, f"{file} imports {module}: a page's folder imports another's"
        elif here != there:
            assert there in BELOW[here], f"{file} imports {module}: {here} may not import {there}"
        else:
            assert here != "script", f"{file} imports {module}: page scripts stand alone"


@pytest.mark.parametrize("file", [f for f in FILES if f.parts[0] == "vae"], ids=str)
def test_the_library_knows_no_app(file):
    roots = {module.split(".")[0] for module in imports(file)}
    assert not roots & {"streamlit", "plotly", "starlette", "uvicorn", "app", "pages"}


@pytest.mark.parametrize("file", [f for f in FILES if f.parts[0] == "pages"], ids=str)
def test_what_changes_something_for_all_comes_from_where_it_is_guarded(file):
    if file == Path("pages/ui/shared/changes.py"):
        return
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vae":
            taken = {alias.name for alias in node.names} & set(changes.__all__)
            assert not taken, f"{file} imports {taken} from {node.module}, not from changes"


def state_keys(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Keys of the session's state that a module writes out, and those of widgets it makes.

    Left out are keys that a function is given: whoever calls it makes the widget.
    """
    state, widgets = set(), set()
    given = {
        arg.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for arg in (*node.args.args, *node.args.kwonlyargs)
    }

    def is_state(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr == "session_state"

    def note(keys: set[str], node: ast.expr) -> None:
        if not (isinstance(node, ast.Name) and node.id in given):
            keys.add(ast.unparse(node))

    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_state(node.value):
            note(state, node.slice)
        elif isinstance(node, ast.Compare) and any(map(is_state, node.comparators)):
            note(state, node.left)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and is_state(node.func.value) and node.args:
                note(state, node.args[0])
            widgets |= {ast.unparse(word.value) for word in node.keywords if word.arg == "key"}
            if ast.unparse(node.func) in ("links.choice", "links.number", "links.flag"):
                widgets.add(ast.unparse(node.args[0]))  # each gives a widget its key
    return state, widgets


def test_no_page_ends_so_that_nothing_can_follow_it():
    pages = [f for f in FILES if f.parts[0] == "pages"]
    stops = [f for f in pages if "st.stop()" in (ROOT / f).read_text("utf-8")]
    assert not stops, f"{stops}: problems.end_page() lets what stands around every page follow"


def test_no_chart_needs_webgl():
    """Plotly's WebGL traces compile text, which the content security policy forbids."""
    traces = re.compile(
        r"scattergl|scatter3d|surface\(|mesh3d|heatmapgl|splom|parcoords|mapbox", re.I
    )
    drawn = [f for f in FILES if f.parts[0] == "pages"]
    assert not [str(f) for f in drawn if traces.search((ROOT / f).read_text("utf-8"))]


def test_a_widget_s_state_is_known_to_the_module_that_makes_it_alone():
    """All else that is kept of a visitor lies in one object, under one key of one module."""
    for file in FILES:
        if file == Path("pages/ui/shared/visitor.py"):
            continue
        source = (ROOT / file).read_text(encoding="utf-8")
        state, widgets = state_keys(ast.parse(source))
        assert state <= widgets, f"{file} uses the state {state - widgets} of no widget of its own"


def test_a_key_of_the_state_is_seen_however_it_is_used():
    source = """
st.session_state["a"] = st.session_state.get("b")
if "c" not in st.session_state:
    st.slider(key=f"{x}-d")
def use(key):
    del st.session_state[key]
"""
    assert state_keys(ast.parse(source)) == ({"'a'", "'b'", "'c'"}, {"f'{x}-d'"})


def test_an_arrow_that_turns_is_seen():
    assert "pages.ui.shared.pins" in imports(Path("pages/ui/map/pin_details.py"))
    assert layer("pages.ui.map.scatter") == ("page", "map")
    assert layer("pages.ui.components.sliders") == ("components", "")
    assert layer("pages.map") == ("script", "")
