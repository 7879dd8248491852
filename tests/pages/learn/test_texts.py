"""The lessons' words: keys that pages use exist, all are used, and all can be translated."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from soak import product
from streamlit.testing.v1 import AppTest

from pages.ui.learn import contents, texts
from pages.ui.shared.visitor import Visitor

ROOT = Path(__file__).resolve().parents[3]
NAMES = [step.name for step in contents.STEPS]
FILES = ["frame", "teachers", *NAMES]
PLACEHOLDER = re.compile(r"(?<![A-Za-z0-9}\\^_]){([a-z][a-z0-9_]*)}")
SENTENCE = re.compile(r"\b[A-Za-z]{2,} [a-z]+ [a-z]+\b")
EVERY = {  # by layout.py and prediction.py
    *("title", "about", "intro", "try", "formula.latex", "formula.legend"),
    *("predict.ask", "predict.because"),
}


def files_of(name: str) -> list[Path]:
    if name == "frame":
        return [
            ROOT / "pages" / "ui" / "learn" / "layout.py",
            ROOT / "pages" / "ui" / "learn" / "prediction.py",
            *(ROOT / "pages").glob("learn_*.py"),
        ]
    if name == "teachers":
        return [ROOT / "pages" / "teachers.py", ROOT / "pages" / "router.py"]
    return [ROOT / "pages" / f"learn_{name}.py", ROOT / "pages" / "ui" / "learn" / f"{name}.py"]


def words_of(name: str, language: str = texts.DEFAULT) -> dict[str, str | tuple[str, ...]]:
    return texts.words_in(language, name)


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Calls that ask a lesson for a text, or for a list of them."""
    own = {"frame": "frame"}.get(name, "text")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        asked = node.func
        if isinstance(asked, ast.Attribute) and asked.attr == "all":
            asked = asked.value
        direct = isinstance(asked, ast.Call) and ast.unparse(asked) == f"lesson('{name}')"
        if direct or (isinstance(asked, ast.Name) and asked.id == own):
            yield node


def pattern(node: ast.JoinedStr) -> str:
    parts = (
        re.escape(part.value) if isinstance(part, ast.Constant) else r"[\w-]*"
        for part in node.values
    )
    return "".join(parts)


@pytest.mark.parametrize("name", FILES)
def test_every_key_that_is_used_exists_and_every_key_is_used(name):
    known, used = set(words_of(name)), set(EVERY) if name in NAMES else set()
    for file in files_of(name):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for call in calls(tree, name):
            for key in ast.walk(call.args[0]):
                if isinstance(key, ast.JoinedStr):
                    found = {k for k in known if re.fullmatch(pattern(key), k)}
                    assert found, f"{file.name}, line {call.lineno}: {ast.unparse(key)}"
                    used |= found
            if isinstance(call.args[0], ast.Constant):
                key = call.args[0].value
                common = name != "frame" or key in known
                assert key in known or (file.name == "layout.py" and common), (file.name, key)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in known:
                used.add(node.value)
    used |= known & {"predict.options"}  # of a choice
    assert known - used == set(), "never shown"
    assert used - known == set(), "missing"


@pytest.mark.parametrize("name", FILES)
def test_what_a_page_fills_in_is_what_a_text_leaves_open(name):
    known = words_of(name)
    for file in files_of(name):
        for call in calls(ast.parse(file.read_text(encoding="utf-8")), name):
            key = call.args[0]
            if not isinstance(key, ast.Constant) or any(k.arg is None for k in call.keywords):
                continue
            if key.value in known and isinstance(known[key.value], str):
                given = {k.arg for k in call.keywords}
                assert given == placeholders(known[key.value]), (file.name, key.value)


@pytest.mark.parametrize("language", texts.languages()[1:] or [texts.DEFAULT])
@pytest.mark.parametrize("name", FILES)
def test_every_language_has_the_same_keys_and_leaves_the_same_open(name, language):
    english, other = words_of(name), words_of(name, language)
    assert english.keys() == other.keys()
    for key, text in english.items():
        assert type(text) is type(other[key]), key
        assert placeholders(text) == placeholders(other[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_used(name):
    source = "".join(file.read_text(encoding="utf-8") for file in files_of(name))
    for key in texts.numbers(name):
        assert f'"{key}"' in source, key


def test_a_break_is_a_space_but_for_paragraphs_and_lists(tmp_path):
    file = tmp_path / "some.toml"
    file.write_text('a = """\none\ntwo\n\n- three\n  four\n- five\n"""\nb = ["x\\ny"]\n')
    assert texts.read(file) == {"a": "one two\n\n- three   four\n- five", "b": ("x y",)}
    file.write_text("a = 3\n")
    with pytest.raises(ValueError, match="a is 3; expected a text"):
        texts.read(file)


# A made-up language ---


def made_up(key: str, text: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if not isinstance(text, str):
        return tuple(made_up(f"{key}.{number}", one) for number, one in enumerate(text))
    return " ".join([f"⟦{key}⟧", *(f"{{{name}}}" for name in sorted(placeholders(text)))])


@pytest.fixture
def other_language(tmp_path, monkeypatch) -> str:
    """A language in which every text is its key in brackets, and what a page fills in."""
    shutil.copytree(texts.FOLDER / texts.DEFAULT, tmp_path / texts.DEFAULT)
    shutil.copy(texts.FOLDER / "numbers.toml", tmp_path)
    lessons: dict = {}
    for name in FILES:
        tables = lessons.setdefault(name, {})
        for key, text in words_of(name).items():
            *parents, last = key.split(".")
            table = tables
            for parent in parents:
                table = table.setdefault(parent, {})
            table[last] = made_up(key, text)
    (tmp_path / "xx.toml").write_text(toml(lessons), encoding="utf-8")
    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    return "xx"


def toml(tables: dict) -> str:
    lines = []
    for key, value in tables.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict):
            text = "{" + ", ".join(line for line in toml(value).splitlines()) + "}"
        lines.append(f"{key} = {text}")
    return "\n".join(lines)


SILENT = {  # fields of messages that nobody reads
    "id", "form_id", "icon", "url", "page", "page_script_hash", "element_hash", "component_name",
    "format", "color", "query_key", "url_path", "js_content", "css_content",
    "placement", "shortcut", "query_string", "bytes", "type", "query_param_key", "data_type",
}  # fmt: skip
DATA = set(  # names of models, attributes and quantities, the same in every language
    "autoencoder digits faces fashion glyphs Bald Beard Dark Earrings Glasses Grey Hat Long "
    "Moustache Open Smile Sunglasses glasses hair mouth skin ELBO log float".split()
)
READ = {"name", "title", "text", "label", "alt", "caption", "note", "words", "labels"}


def shown(message: Message) -> Iterator[str]:
    """Every text in a message that a visitor may read."""
    if "canvas" in getattr(message, "component_name", ""):  # a package's, for drawing
        return
    for field, value in message.ListFields():
        if field.name in SILENT:
            continue
        for one in value if field.is_repeated else [value]:
            if isinstance(one, Message):
                yield from shown(one)
            elif field.name == "html_content":
                if "slider" not in message.component_name:  # which other pages show as well
                    yield " ".join(re.findall(r'(?:label|title|placeholder)="([^"]*)"', one))
                    yield re.sub(r"<[^>]*>", " ", one)
            elif field.name == "json":
                yield from of_component(json.loads(one))
            elif isinstance(one, str) and not one.startswith("data:"):
                yield one


def of_component(data: object, read: bool = False) -> Iterator[str]:
    """The same of a component's data, of a chart's figure among them."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from of_component(value, key in READ or (read and key not in ("font", "line")))
    elif isinstance(data, list):
        for value in data:
            yield from of_component(value, read)
    elif isinstance(data, str) and data.startswith('{"'):  # a figure
        yield from of_component(json.loads(data))
    elif isinstance(data, str) and read and not data.startswith("data:"):
        yield data


def parts(block: object) -> Iterator[Message]:
    """Messages of all elements and blocks of a page."""
    if getattr(block, "proto", None) is not None:
        yield block.proto
    for child in getattr(block, "children", {}).values():
        yield from parts(child)


@product(
    5, file=["teachers.py", *(step.file for step in contents.STEPS)], answers=["shown", "asked"]
)
def test_with_another_language_no_english_text_is_left(file, answers, other_language):
    asked = {} if answers == "asked" else {"answers": "shown"}
    for language in (texts.DEFAULT, other_language):  # nor what the first visitor was shown
        at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=240)
        at.session_state["visitor"] = Visitor(language=language)
        at = at.run().switch_page(file)
        for name, value in asked.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
    left = set()
    for message in parts(at.main):
        for text in shown(message):
            icons = r":material/\w+:"
            rest = re.sub(rf"⟦[^⟧]*⟧|{icons}|\{{[a-z]+\}}|\\[a-z]+", "", text)
            left |= set(re.findall(r"\b[^\W\d_]{3,}\b", rest))  # no letters of a checksum
    assert left <= DATA


def test_no_sentence_of_a_lesson_stands_in_its_code():
    """As a message that appears only when something is missing, which no visit above shows."""
    pages = ROOT / "pages"
    files = [*pages.glob("learn_*.py"), pages / "teachers.py", *(pages / "ui/learn").glob("*.py")]
    left = []
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        documents = {
            node.body[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            written = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if written and node not in documents and SENTENCE.search(node.value):
                left.append((file.name, node.lineno, node.value))
    assert [found for found in left if found[0] != "as_python.py"] == []  # which writes programs


def placeholders(text: str | tuple[str, ...]) -> set[str]:
    """The names that a page fills in."""
    whole = text if isinstance(text, str) else "\n".join(text)
    return set(PLACEHOLDER.findall(whole))
