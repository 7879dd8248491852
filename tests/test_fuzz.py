"""Whatever bytes and texts come in: taken, or refused in a sentence, in seconds."""

from __future__ import annotations

import csv
import functools
import gc
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from limits import MEGABYTES, Limits
from mutations import KINDS, attempt
from soak import sample, share

from pages.ui.components import schema
from pages.ui.components.messages import common, latent_map, lessons, page, paths
from pages.ui.shared import incoming
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.tables import TableError, read_table, write_table
from vae import DatasetError
from vae.expressions import ExpressionError, parse
from vae.imports.store import check_name

ONCE_CRASHED = [("a.mat", 569)]  # scipy's reader, and the whole process with it
SEEDS = [(kind, seed) for kind in KINDS for seed in range(16)]
_few = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "25")),
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def few(test):
    """Tries some examples, each within the limits of one file."""

    @functools.wraps(test)
    def limited(*args, **kwargs) -> None:
        limits = Limits()
        test(*args, **kwargs)
        assert not limits.exceeded(), limits.exceeded()

    return _few(limited)


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))


@share("count", 30)
def test_files_are_taken_or_refused(tmp_path, monkeypatch, count, record_property):
    assert len(SEEDS) >= 300
    chosen = [*ONCE_CRASHED, *sample(SEEDS, count)]
    gc.collect()
    for number, (kind, seed) in enumerate(chosen):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.setenv("LATENT_DATA", str(folder / "data"))
        limits = Limits()
        words = attempt(kind, seed, folder)
        assert not limits.exceeded(), (kind, seed, limits.exceeded())
        assert not words or (15 < len(words) < 1_500 and "Traceback" not in words), (kind, seed)
        left = [file.name for file in (folder / "data").rglob(".*.importing")]
        assert not left, (kind, seed, left)
    record_property("files", len(chosen))


def test_the_limits_are_noticed():
    limits = Limits()
    assert not limits.exceeded()
    taken = np.ones(int(MEGABYTES * 1.2e6), np.uint8)
    del taken
    assert "MB" in limits.exceeded()
    assert not Limits().exceeded()


STRANGE = "\u202e\u2066\u200b\ufeff\ud800\ue000−·×é日م👩\u200d\U0010ffff"
CHARACTERS = [*map(chr, range(256)), *STRANGE]
TEXT = st.lists(st.sampled_from(CHARACTERS), max_size=300).map("".join)
EXPRESSION = st.lists(
    st.sampled_from(["a", "b c", "'x'", '"', "+", "-", "*", "/", "(", ")", "1", "1e9", "0", ".",
                     "**", "[", "]", "lambda", "é", "\x00", "#", "\n", "=", "9" * 40])
).map(" ".join)  # fmt: skip


@given(st.one_of(TEXT, EXPRESSION, st.integers(1, 5_000).map(lambda n: "(" * n)))
@few
def test_expressions_are_sums_or_refused(text):
    try:
        parsed = parse(text)
    except ExpressionError as refusal:
        assert 0 <= refusal.position <= len(text) + 1 and str(refusal)
        return
    assert all(np.isfinite(factor) for factor in parsed.values())


PATHS = st.lists(
    st.sampled_from(["a", "..", ".", "/", "\\", "C:", "\x00", "\u202e", ".hidden", " ", "~", "é"])
).map("".join)


@given(st.one_of(TEXT, PATHS))
@few
def test_names_stay_in_their_folder(text):
    path = incoming.safe_path(text)
    root = Path("/somewhere")
    assert path is None or ((root / path).resolve().is_relative_to(root) and path != Path())
    try:
        check_name(text)
    except DatasetError:
        return
    assert Path(text).name == text and text.isascii()


@given(TEXT, st.sampled_from(["markdown", "chart", "text"]))
@few
def test_foreign_text_is_of_one_line_that_can_be_sent(text, where):
    shown = plain(text, where)
    assert "\n" not in shown and len(shown) <= 80 * 9 + 1
    shown.encode()
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00\x1b")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["value", "count", "subject", "a", ""]), inner),
    ),
    max_leaves=12,
)
ANSWERS = [
    kind
    for module in (common, latent_map, lessons, page, paths)
    for kind in vars(module).values()
    if isinstance(kind, type) and kind.__module__ == module.__name__
]


@given(JSON, st.sampled_from([*ANSWERS, float, list[float], dict[str, float]]))
@few
def test_messages_from_a_browser_are_dropped_where_they_do_not_fit(message, kind):
    heard = schema.heard(kind, message, "a test")
    assert type(heard.count) is int and (heard.value is None or "value" in message)


CELLS = st.lists(st.sampled_from([*"a;=+-@,'\"\t\n ", "é", "12"]), max_size=8).map("".join)


@given(st.lists(CELLS, min_size=1, max_size=5))
@example(["a;=b"])
@few
def test_texts_go_into_a_table_and_come_back_and_none_is_a_formula(texts):
    content = write_table({"name": texts, "z": np.arange(len(texts))}, "csv")
    for delimiter in ",;":  # as a spreadsheet here or elsewhere parts the cells
        for row in csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter):
            assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row), row
    try:
        columns = read_table(content, "a.csv")
    except TableError:
        return
    assert list(columns) == ["name", "z"] and len(columns["name"]) == len(texts)
