"""What a link may say: every parameter of every page, with values that make no sense."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tiny
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[3]
VISITS = {  # page and state: what must be chosen for all of its parameters to be read
    "map": ("map.py", {"projection": "latent"}),
    "path": ("interpolate.py", {"walk": "path"}),
    "corners": ("interpolate.py", {"walk": "corners", "corners": "analogy"}),
    "traversals": ("interpolate.py", {"walk": "traversals"}),
    "concepts": ("concepts.py", {}),
    "train": ("train.py", {"train-view": "watch"}),
    "autoencoder": ("learn_autoencoder.py", {}),
    "elbo": ("learn_elbo.py", {}),
    "terms": ("learn_terms.py", {}),
    "likelihoods": ("learn_likelihoods.py", {}),
    "reparameterisation": ("learn_reparameterisation.py", {}),
    "amortised": ("learn_amortised.py", {"from": "real"}),
    "arithmetic": ("learn_arithmetic.py", {}),
}
READ = {
    "map": {"projection", "x-axis", "y-axis", "colour", "keep"},
    "path": {"walk", "a", "b", "at", "way", "frames", "overshoot"},
    "corners": {"corners", "right", "down", "side", "strength", "at"},
    "traversals": {"directions", "directions-page", "origin"},
    "concepts": {"concept-view"},
    "train": {"run"},
    "autoencoder": {"behind", "seed", "at", "from", "to"},
    "elbo": {"image", "seed", "w", "noise", "x", "q-mean", "q-sigma"},
    "terms": {"image", "seed", "q"},
    "likelihoods": {"image", "seed", "pixel", "multiply", "pixels-so-far"},
    "reparameterisation": {"image", "seed", "e1", "e2", "widen", "view"},
    "amortised": {"steps", "seed", "from", "image"},
    "arithmetic": {"concept", "seed", "stage"},
}
ABSURD = [
    "inf", "nan", "1e80", "-1", "1.5", "9" * 40, "x" * 3_000, "\x00[", "", ["1", "2"],
]  # fmt: skip

SOMETIMES = ("1.5", "-1")  # what some parameters take


@pytest.fixture(autouse=True, scope="module")
def models(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints", ("tiny-gaussian",))
        run = data / "runs" / "one"
        run.mkdir(parents=True)
        (run / "config.json").write_text(
            '{"dataset": "digits", "model": {"latent_dim": 2}, "training": {}}'
        )
        yield


def visit(place: str, query: dict[str, str | list[str]]) -> AppTest:
    page, state = VISITS[place]
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=120).switch_page(page)
    for key, value in {"model": "tiny-gaussian", **state}.items():
        at.session_state[key] = value
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, [e.message for e in at.exception]
    return at


def names(at: AppTest) -> set[str]:
    """The parameters that a page has read."""
    return {name for _, name in at.session_state["visitor"].address.read}


def notices(at: AppTest) -> str:
    return " ".join(toast.value.replace("\\", "").replace("\u2060", "") for toast in at.toast)


@pytest.mark.parametrize("place", VISITS)
def test_every_parameter_of_a_page_is_read_by_one_module(place):
    at = visit(place, {})
    assert names(at) >= READ[place]
    assert not at.toast


@pytest.mark.parametrize("value", ABSURD, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("place", VISITS)
def test_a_value_that_makes_no_sense_is_named_and_breaks_nothing(place, value):
    at = visit(place, dict.fromkeys(READ[place], value))
    for name in READ[place]:
        if value not in ("", *SOMETIMES):
            assert f"This link says {name} = " in notices(at)
        if value not in SOMETIMES:
            assert at.query_params.get(name) != value
    again = at.run()
    assert not again.exception and not again.toast


def test_no_module_reads_the_address_on_its_own():
    own = ("url_state.py", "model_picker.py")
    for file in (ROOT / "pages").rglob("*.py"):
        if file.name not in own:
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"bind=.query-params|\bst\.query_params(?!\.to_dict)", text), file


def test_two_pages_may_use_a_name_differently():
    at = visit("autoencoder", {})
    at.number_input(key="from").set_value(5).run()
    at.switch_page("learn_amortised.py").run()
    assert not at.exception and at.segmented_control(key="from").value == "draw"
    at.segmented_control(key="from").set_value("upload").run()
    at.switch_page("learn_autoencoder.py").run()
    assert not at.exception and at.number_input(key="from").value == 3


# The readers ---


def script():
    import streamlit as st

    from pages.ui.shared import url_state

    st.session_state["found"] = {
        "number": url_state.read_number("number", 0.5, -1, 2),
        "whole": url_state.read_number("whole", 7, 0, 9, whole=True),
        "two": url_state.read_numbers("two", 2, 0, 1),
        "choice": url_state.read_choice("choice", ["Path", "Arc"], "Path"),
        "bound": [
            url_state.bind_number("number", -1, 2),
            url_state.bind_number("whole", 0, 9, whole=True),
            url_state.bind_choice("choice", ["Path", "Arc"]),
        ],
    }


def found(query: dict[str, str | list[str]]) -> tuple[dict, AppTest]:
    at = AppTest.from_function(script, default_timeout=30)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at.session_state["found"], at


def test_values_that_make_sense_are_read():
    read, at = found({"number": "-0.25", "whole": "9", "two": "0,0.5", "choice": "Arc"})
    assert read == {
        "number": -0.25,
        "whole": 9,
        "two": (0.0, 0.5),
        "choice": "Arc",
        "bound": ["query-params"] * 3,
    }
    assert type(read["whole"]) is int and not at.toast


@pytest.mark.parametrize("value", ["2.01", "nan", "inf", "1e80", "x", "", ["1", "1"]])
def test_other_values_give_the_default(value):
    read, at = found(dict.fromkeys(("number", "whole", "two", "choice"), value))
    assert read == {
        "number": 0.5,
        "whole": 7,
        "two": None,
        "choice": "Path",
        "bound": [None] * 3,
    }
    assert len(at.toast) == (4 if value else 0)
    again = at.run()
    assert not again.toast and again.session_state["found"] == read


def test_a_notice_says_what_was_found_and_expected_and_is_no_markdown():
    _, at = found({"number": "**b**", "choice": "![a](http://foreign.example)"})
    assert "number = “**b**”; expected a number from -1 to 2. It is left out." in notices(at)
    assert "expected one of Path, Arc" in notices(at)
    assert "![a](" not in at.toast[1].value


def test_an_option_of_the_last_model_is_nobodys_mistake():
    at = visit("map", {"colour": "KL (nats)"})
    at.session_state["model"] = "digits-autoencoder"
    assert not at.run().exception
    assert not at.toast
