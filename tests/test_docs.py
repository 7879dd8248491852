"""The pages about the library, and the docstrings that they are made from."""

from __future__ import annotations

import ast
import importlib.util
import re
from importlib import import_module
from pathlib import Path

import pytest

from pages.ui.learn.contents import STEPS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
IDEAS = sorted((DOCS / "ideas").glob("*.md"))
MODULES = sorted((ROOT / "vae").rglob("*.py"))
ARRAYS = re.compile(r"\b(ndarray|Tensor)\b")
SHAPE = re.compile(r"`\([^`]*\)`|`\([^`]*\)|scalar")


def public(file: Path) -> dict[str, ast.FunctionDef | ast.ClassDef]:
    """The functions and classes that a module's `__all__` names."""
    tree = ast.parse(file.read_text("utf-8"))
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = set(ast.literal_eval(node.value))
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names
    }


def section(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\n((?:[ \t]+.*\n?|\n)+)", text, re.MULTILINE)
    return found[1] if found else ""


def raises(node: ast.AST) -> set[str]:
    """The errors that a function raises by name and does not catch itself."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        inner = raises(child)
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            name = ast.unparse(child.exc.func)
            inner |= {name} if name[0].isupper() else set()
        if isinstance(node, ast.Try) and child in node.body:
            caught = " ".join(ast.unparse(h.type) for h in node.handlers if h.type)
            inner = {name for name in inner if name not in caught}
        found |= inner
    return found


def findings(node: ast.FunctionDef | ast.ClassDef) -> list[str]:
    """What a reader of the docstring would miss."""
    text = ast.get_docstring(node) or ""
    if not text:
        return ["it has no docstring"]
    if isinstance(node, ast.ClassDef):
        fields = {
            ast.unparse(item.target): ast.unparse(item.annotation)
            for item in node.body
            if isinstance(item, ast.AnnAssign) and not ast.unparse(item.target).startswith("_")
        }
        decorated = any("dataclass" in ast.unparse(d) for d in node.decorator_list)
        parameters, returned = (fields if decorated else {}), ""
        raised: set[str] = set()
    else:
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        parameters = {a.arg: ast.unparse(a.annotation) for a in arguments if a.annotation}
        returned = ast.unparse(node.returns) if node.returns else ""
        raised = raises(node)
    missed = []
    described = set(re.findall(r"^\s+\*{0,2}(\w+)(?: \(.*\))?: ", section(text, "Args"), re.M))
    if described or len(parameters) > 2:
        missed += [f"{name} is not among its Args" for name in parameters.keys() - described]
    if any(ARRAYS.search(kind) for kind in [*parameters.values(), returned]):
        missed += [] if SHAPE.search(text) else ["it gives no shape"]
    told = section(text, "Raises")
    missed += [f"{name} is not among its Raises" for name in raised if f"{name}:" not in told]
    return missed


@pytest.mark.parametrize("file", MODULES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_docstrings_say_what_a_caller_needs(file):
    found = {name: findings(node) for name, node in public(file).items()}
    assert not {name: missed for name, missed in found.items() if missed}


def test_a_poor_docstring_is_found():
    poor = (
        'def f(x: Tensor, y: int, z: int) -> Tensor:\n  """Does it."""\n  raise ValueError("no")'
    )
    node = ast.parse(poor).body[0]
    assert len(findings(node)) == 5


@pytest.mark.parametrize("page", IDEAS, ids=lambda page: page.stem)
def test_an_idea_links_formula_function_lesson_and_source(page):
    text = page.read_text("utf-8")
    assert text.count("$$") >= 2
    for name in (functions := re.findall(r"^::: (\S+)", text, re.MULTILINE)):
        module, _, member = name.rpartition(".")
        assert member in import_module(module).__all__
    lessons = re.findall(r"`/(\w+)` in the app[^`]*`(pages/(\w+)\.py)`", text)
    assert functions and lessons and "**Source" in text
    for address, file, stem in lessons:
        assert address == stem and (ROOT / file).is_file()


def test_every_page_is_in_the_contents_and_every_module_exists():
    contents = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert {page.stem for page in IDEAS} >= {
        "objective",
        "likelihoods",
        "evidence",
        "concepts",
        "projections",
    }
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).as_posix()
        assert f": {name}\n" in contents, f"{name} is in no contents of mkdocs.yml"
        for module in re.findall(r"^::: (\S+)", page.read_text("utf-8"), re.MULTILINE):
            place = ROOT / module.replace(".", "/")
            parent = place.parent.with_suffix(".py")
            assert place.is_dir() or place.with_suffix(".py").exists() or parent.exists(), module


def test_every_lesson_with_a_library_function_has_its_idea():
    linked = " ".join(page.read_text("utf-8") for page in IDEAS)
    for step in STEPS:
        if step.file != "learn_autoencoder.py":  # it compares two models, and needs no formula
            assert f"pages/{step.file}" in linked, step.file


def test_the_figures_of_the_page_on_codes_are_those_of_the_cards():
    file = ROOT / "benchmarks" / "code_pictures.py"
    spec = importlib.util.spec_from_file_location("code_pictures", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "\n".join(module.figures_table()) in (DOCS / "ideas" / "codes.md").read_text("utf-8")
