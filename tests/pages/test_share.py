"""What is shared of a view: a link, its QR code, and a program that gives the page's numbers."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import segno
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from pages.ui.shared import share

ROOT = Path(__file__).resolve().parents[2]
CODE = segno.make("a link")


def opened(file: str, query: str) -> AppTest:
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=240)
    at.session_state["share"] = True
    at = at.run().switch_page(file)
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        at.query_params[name] = value
    at = at.run()
    assert not at.exception, at.exception
    return at


def texts(block: object) -> Iterator[str]:
    """All that a page says, in its charts and components as well."""
    if isinstance(getattr(block, "proto", None), Message):
        yield str(block.proto)
    for child in getattr(block, "children", {}).values():
        yield from texts(child)


def numbers_in(text: str) -> list[str]:
    """Decimals, numbers of images, and counts of three digits or more."""
    return re.findall(r"\d[\d,]*\.\d+|#\d+|(?<![-\d.,])\d{3,}|\d+,\d{3}", text)


def _long(file: str, query: str):
    """A case of soak's."""
    return pytest.param(file, query, marks=pytest.mark.soak)


@pytest.mark.parametrize(
    ("file", "query"),
    [
        ("map.py", "model=digits&pins=17"),
        _long("map.py", "model=faces&pins=17"),
        ("interpolate.py", "model=digits&a=17&b=4"),
        _long("interpolate.py", "model=faces&a=17&b=4"),
        ("concepts.py", "model=faces&strengths=0.8"),
        ("learn_autoencoder.py", "answers=shown&seed=3"),
        _long("learn_elbo.py", "answers=shown&image=5"),  # a grid of a million
        _long("learn_terms.py", "answers=shown&image=5"),
        ("learn_terms.py", "answers=shown&q=0.1,0.2,0.3,0.4"),
        ("learn_likelihoods.py", "answers=shown&image=5"),
        ("learn_reparameterisation.py", "answers=shown&image=5&e1=0.5"),
        ("learn_amortised.py", "answers=shown&steps=50&seed=2"),
        ("learn_arithmetic.py", "answers=shown&model=faces"),
        _long("learn_codes.py", "answers=shown&model=digits&seed=1"),
        ("learn_codes.py", "answers=shown&model=digits&stage=mean"),
        _long("learn_codes.py", "answers=shown&model=faces&stage=path&from=3&level=0.7"),
        _long("learn_codes.py", "answers=shown&model=digits&stage=draw&seed=1"),
    ],
)
def test_a_views_program_gives_the_numbers_on_the_page(file, query):
    at = opened(file, query)
    (code,) = [c.value for c in at.code if c.language == "python" and "vae" in c.value]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "view.py", "exec"), {})
    print(code, out.getvalue(), sep="\n")
    shown = "\n".join(texts(at.main)).replace("−", "-").replace("\\342\\210\\222", "-")
    found = numbers_in(out.getvalue())
    assert found
    assert [number for number in found if number not in shown] == []


def test_the_link_holds_what_is_shown_and_the_code_holds_the_link(monkeypatch):
    drawn = []
    monkeypatch.setattr(share.segno, "make", lambda text, **how: drawn.append(text) or CODE)
    at = opened("interpolate.py", "model=faces&a=17&b=4&frames=5")
    link = at.code[0].value
    assert parse_qs(urlsplit(link).query).items() >= {
        "model": ["faces"], "a": ["17"], "b": ["4"], "frames": ["5"],
    }.items()  # fmt: skip
    assert drawn[-1] == link


def test_nothing_is_computed_for_sharing_before_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(share.segno, "make", lambda *about, **how: pytest.fail("not asked for"))
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=240).run()
    assert not at.exception and not at.code
