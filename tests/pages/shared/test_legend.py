"""Colours of a map: classes, yes and no, numbers, categories, and what is not known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from pages.ui.concepts.create import operand
from pages.ui.shared import links
from pages.ui.shared.latent_space import Column
from pages.ui.shared.legend import MISSING, SHAPES, colours, legend, natural
from pages.ui.shared.plot_style import COLOURS
from vae.expressions import combine


@dataclass
class Labelled:
    """What the legend reads of a model with codes."""

    class_of: np.ndarray
    classes: tuple[str, ...] = ()
    columns: dict[str, Column] = field(default_factory=dict)
    kl: np.ndarray | None = None
    elbo: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.class_of)


def described(values: np.ndarray, categories: tuple[str, ...] = ()) -> Labelled:
    return Labelled(np.full(len(values), -1), (), {"it": Column.of(values, categories)})


def test_each_point_has_one_entry_whatever_the_classes():
    for count in (2, 10, 11, 40, 41, 200):
        rng = np.random.default_rng(count)
        class_of = np.concatenate([np.arange(count), rng.integers(-1, count, 1_000)])
        names = tuple(f"class {k}" for k in range(count))
        entries = legend(Labelled(class_of, names), "class")
        assert np.sum([e.rows for e in entries], axis=0).tolist() == [1] * len(class_of)
        grey = [e.name for e in entries if e.marker["color"] == MISSING]
        assert grey == ["not known", *([f"{count - 10} others"] if count > 40 else [])]
        looks = {(e.marker["color"], e.marker.get("symbol", SHAPES[0])) for e in entries[1:]}
        assert len(looks) == len(entries) - 1


def test_of_more_than_forty_the_ten_largest_are_named():
    class_of = np.repeat(np.arange(50), np.arange(1, 51))
    entries = legend(Labelled(class_of, tuple(f"n{k}" for k in range(50))), "class")
    assert [e.name for e in entries] == ["40 others", *(f"n{k}" for k in range(40, 50))]


def test_classes_in_the_order_of_their_letters_are_sorted_naturally():
    names = ("img1", "img10", "img2")
    entries = legend(Labelled(np.array([0, 1, 2]), names), "class")
    assert [e.name for e in entries] == ["img1", "img2", "img10"]
    assert [e.marker["color"] for e in entries] == [COLOURS[0], COLOURS[2], COLOURS[1]]
    given = ("T-shirt", "Trouser", "Bag")  # the order that somebody chose stays
    entries = legend(Labelled(np.array([0, 1, 2]), given), "class")
    assert [e.name for e in entries] == list(given)
    assert sorted(["10", "9", "a", "2b", "2a"], key=natural) == ["2a", "2b", "9", "10", "a"]


def test_numbers_have_a_scale_and_what_is_missing_is_grey():
    values = np.array([1, np.nan, 3, 4], np.float32)
    missing, known = legend(described(values), "attribute:it")
    assert missing.rows.tolist() == [False, True, False, False]
    assert missing.marker == {"color": MISSING}
    assert known.marker["color"].tolist() == [1, 3, 4]
    assert known.marker["colorbar"]["title"]["text"] == "It"
    (only,) = legend(described(values * np.nan), "attribute:it")
    assert only.rows.all() and only.marker == {"color": MISSING}


def test_categories_are_named_and_what_is_missing_is_grey():
    entries = legend(described(np.array([1, -1, 0]), ("blue", "red")), "attribute:it")
    assert [e.name for e in entries] == ["not known", "blue", "red"]
    assert [e.rows.tolist().index(True) for e in entries] == [1, 2, 0]


def test_yes_and_no_are_with_and_without():
    without, with_it = legend(described(np.array([True, False])), "attribute:it")
    assert (without.name, with_it.name) == ("without it", "with it")
    assert with_it.rows.tolist() == [True, False]
    assert list(colours(described(np.array([True])))) == ["attribute:it"]


ODD = ("5_o_Clock_Shadow", "C++", "!!!", "C++ 11", "Mr. X", "lambda", 'say "yes"', "~a", "#", "é")


@pytest.mark.parametrize("name", ODD)
def test_odd_names_work_in_expressions(name):
    written = operand(name)
    one, two = np.ones(3, np.float32), np.full(3, 5, np.float32)
    known = {written.strip('"'): one, "plain": two}
    result, place = combine(f"2·{written} − plain", known)
    assert result.tolist() == [-3] * 3 and not place


def test_odd_names_are_told_apart_in_links():
    names = [*ODD, "c++", "MR. X"]
    written = links.tokens(names)
    assert len({*written.values()}) == len(names)
    assert not any("." in token or token.startswith("~") for token in written.values())
