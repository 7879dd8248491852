"""Typed arithmetic gives the written sum, and nothing else is ever understood."""

import numpy as np
import pytest

from vae.expressions import ExpressionError, combine, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A − B + C", {"A": 1, "B": -1, "C": 1}),
        ("0.5·glasses − smile", {"glasses": 0.5, "smile": -1}),
        ("0.5*glasses - smile", {"glasses": 0.5, "smile": -1}),
        ("-(a + 2·b)/4 × 2", {"a": -0.5, "b": -1}),
        ('a·2 - "black hat"', {"a": 2, "black hat": -1}),
        ("a − a", {"a": 0}),
        ("--a", {"a": 1}),
        ("Lächeln", {"Lächeln": 1}),
        (".5*a + 1e-1*a", {"a": 0.6}),
        (" a\n+ b ", {"a": 1, "b": 1}),
        ('"A − B" · 2', {"A − B": 2}),
        (r'"not #1 of \n" − ﬁsh', {r"not #1 of \n": 1, "ﬁsh": -1}),
        ("+".join("a" * 250), {"a": 250}),
    ],
)
def test_sums(text, expected):
    assert parse(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("a +", 3),
        ("(a", 0),
        ("a)", 1),
        ("a b", 2),
        ("a*b", 0),
        ("a**2", 0),
        ("a//2", 0),
        ("a # b", 2),
        ("'a'", 0),
        ('f"a"', 0),
        ('"a" "b"', 0),
        ("0x10*a", 0),
        ("1_0*a", 0),
        ("a, b", 0),
        ("−a[0]", 1),
        ("lambda", 6),
        ("1 + a", 0),
        ("a/0", 2),
        ("a/b", 2),
        ("a.__class__", 0),
        ("__import__('os')", 11),
        ("$", 0),
        ("a + \ud800", 4),
        ("1e999*a", 0),
    ],
)
def test_anything_else_is_refused_with_its_place(text, position):
    with pytest.raises(ExpressionError) as refused:
        parse(text)
    assert refused.value.position == position
    assert f"character {position + 1}" in str(refused.value)


@pytest.mark.parametrize("text", ["(" * 400 + "a", "-" * 400 + "a", "a" * 600])
def test_size_is_limited(text):
    with pytest.raises(ExpressionError):
        parse(text)


def test_images_make_a_place_or_a_direction():
    rng = np.random.default_rng(0)
    a, b, c, smile = rng.standard_normal((4, 5))
    images, vectors = {"A": a, "B": b, "C": c}, {"smile": smile}
    z, place = combine("A − B + C + 2·smile", vectors, images)
    assert place
    assert np.allclose(z, a - b + c + 2 * smile, atol=1e-6)
    assert combine("A − B", vectors, images)[1] is False
    assert combine("(A+B+C)/3", vectors, images)[1] is True
    with pytest.raises(ExpressionError, match="add up to 2"):
        combine("A + B", vectors, images)
    with pytest.raises(ExpressionError, match="did you mean smile"):
        combine("A + smlie", vectors, images)


@pytest.mark.parametrize("text", ["1e38*smile", "1e300*smile", "A + 1e9*smile", "1e7*(A − B)"])
def test_a_result_beyond_any_code_is_named(text):
    codes = {"A": np.ones(3, np.float32), "B": np.zeros(3, np.float32)}
    with pytest.raises(ExpressionError, match=r"up to 1e\+\d+; expected at most ±1,000"):
        combine(text, {"smile": np.ones(3, np.float32)}, codes)


def test_a_result_that_is_no_number_is_named():
    with pytest.raises(ExpressionError, match="numbers of up to nan"):
        combine("a - b", {"a": np.array([np.inf]), "b": np.array([np.inf])})
