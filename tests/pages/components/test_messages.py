"""What a browser may send, and what it is sent: what does not fit is dropped, or never leaves."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tiny
from msgspec import UNSET, Meta, UnsetType
from streamlit.testing.v1 import AppTest

from pages.ui.components.schema import Heard, Message, Synced, heard
from pages.ui.shared.clicks import Click
from vae.schema import SchemaError, convert

ROOT = Path(__file__).resolve().parents[3]
PINNED = {"count": 1, "model": "m", "kind": "real", "row": 3, "z": [0.5, 1], "approximate": False}


class Inner(Message):
    name: str
    size: int | UnsetType = UNSET


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (float, [0.5, 3], ["1", True, None, float("nan"), float("inf"), 10**400, [1]]),
        (int, [0, -7], [1.0, True, "1"]),
        (bool, [True], [1, "true", None]),
        (str, ["", "ä"], [1, None, b"x"]),
        (float | None, [None, 1.0], ["", float("nan")]),
        (Literal["A", "B"], ["A"], ["a", 1, ["A"], None]),
        (list[float], [[], [1, 2.5], (1.0,)], [[1, "2"], [1.0, float("inf")], "12", None, {}]),
        (list[str], [["a"]], ["a", [1]]),
        (tuple[int, int], [[1, 2]], [[1], [1, 2, 3], [1, 2.0], "12"]),
        (tuple[float, float], [[1, 2.0]], [[1.0], [1.0, float("nan")]]),
        (dict[str, int], [{}, {"a": 1}], [{"a": "1"}, []]),
        (Annotated[float, Meta(ge=0, le=1)], [0, 1.0, 0.5], [1.001, -1, float("nan"), "0"]),
        (Inner, [{"name": "x"}, {"name": "x", "size": 2}], [{}, {"name": 1}, []]),
        (Inner, [], [{"name": "x", "size": None}, {"name": "x", "other": 1}, None]),
        (list[Inner | None], [[None, {"name": "x"}]], [[{}], [1]]),
        (Synced[list[int]], [{"value": [1], "count": 2}], [{"value": [1.5], "count": 2}]),
        (Click, [PINNED], [PINNED | {"z": [1e7, 0]}, PINNED | {"z": None}, {}]),
    ],
)
def test_only_what_was_declared_fits(kind, good, bad):
    for value in good:
        convert(value, kind)
    for value in bad:
        with pytest.raises(SchemaError):
            convert(value, kind)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (PINNED | {"z": [0, float("nan")]}, "z[1]: nan is not finite"),
        (PINNED | {"kind": "upload"}, "kind: invalid enum value 'upload'"),
        (PINNED | {"row": "3"}, "row: expected int, got str"),
        ({k: v for k, v in PINNED.items() if k != "row"}, "it: object missing required field row"),
        ([], "it: expected object, got array"),
    ],
)
def test_an_error_says_where_and_what(value, sentence):
    with pytest.raises(SchemaError) as error:
        convert(value, Click)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    "value", [["x" * 100_000] * 1_000, {"x" * 100_000: 1}, PINNED | {"x\n" * 100_000: 1}]
)
def test_an_error_stays_short_whatever_was_sent(value):
    with pytest.raises(SchemaError) as error:
        convert(value, Click)
    assert len(str(error.value)) < 500 and "\n" not in str(error.value)


def test_what_fits_is_heard(caplog):
    found = heard(tuple[float, float], {"value": [0.5, 2], "count": 7}, "pad.noise")
    assert (found.value, found.count) == ([0.5, 2], 7)
    assert found.answer([1.0, 2.0], "m") == {"value": [1.0, 2.0], "count": 7, "subject": "m"}
    assert heard(list[str], None, "nothing yet") == Heard(None, 0)
    assert not caplog.records


@pytest.mark.parametrize(
    ("message", "count"),
    [
        ({"value": [0.5], "count": 7}, 7),  # not the value, but the change is known
        ({"value": [0.5, "x" * 10_000], "count": 7}, 7),
        ({"value": [0.5, 2], "count": "7"}, 0),
        ({"value": [0.5, 2]}, 0),
        ([0.5, 2], 0),
        ("noise", 0),
        (0, 0),
    ],
)
def test_what_does_not_fit_is_dropped_and_logged(message, count, caplog):
    with caplog.at_level(logging.WARNING):
        found = heard(tuple[float, float], message, "pad.noise")
    assert (found.value, found.count) == (None, count)
    (record,) = caplog.records
    assert "Dropped a message" in record.message and "pad.noise" in record.message
    assert len(record.message) < 500


@pytest.mark.parametrize(
    ("page", "key", "answers"),
    [
        ("map", "map", ("pinned", "grouped")),
        ("interpolate", "path-tiny-plane-release", ("values",)),
        ("learn_terms", "sweep", ("at",)),
        ("learn_likelihoods", "pixels", ("pixel",)),
        ("learn_reparameterisation", "noise-pad", ("noise",)),
    ],
)
def test_a_page_opens_whatever_a_browser_sent(
    page, key, answers, monkeypatch, tmp_path_factory, caplog
):
    data = tmp_path_factory.getbasetemp() / "tiny"
    if not data.exists():
        tiny.make(data / "checkpoints")
    monkeypatch.setenv("LATENT_DATA", str(data))
    at = AppTest.from_file(ROOT / "pages/router.py", default_timeout=60)
    at.switch_page(f"{page}.py")
    at.session_state["model"] = "tiny-plane"
    nonsense = {"value": ["1", None, {"z": float("nan")}], "count": 3}
    at.session_state[key] = dict.fromkeys(answers, nonsense)
    at.run()
    assert not at.exception and not at.error
    assert any("Dropped a message" in r.message for r in caplog.records), "read, and logged"
