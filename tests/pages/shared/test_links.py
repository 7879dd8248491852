"""What a link may say: every parameter of every page, with values that make no sense."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest
import tiny
from soak import product
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.testing.v1 import AppTest

from pages.ui.shared import link_store, model_picker
from pages.ui.shared.cache import latent_space
from pages.ui.shared.link_table import TABLE, as_markdown
from pages.ui.shared.pins import Pin, as_text, from_text, real_pin
from vae import VAE, VAEConfig, import_images, save_checkpoint

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
    "codes": ("learn_codes.py", {"model": "digits"}),
    "codes-path": ("learn_codes.py", {"model": "digits", "stage": "path"}),
    "codes-draw": ("learn_codes.py", {"model": "digits", "stage": "draw"}),
}
READ = {
    "map": {"projection", "x-axis", "y-axis", "colour", "keep", "pins", "group-a"},
    "path": {"walk", "a", "b", "at", "way", "frames", "overshoot"},
    "corners": {"corners", "right", "down", "side", "strength", "at"},
    "traversals": {"directions", "directions-page", "origin"},
    "concepts": {"concept-view", "person", "concepts", "strengths"},
    "train": {"run"},
    "autoencoder": {"behind", "seed", "at", "from", "to"},
    "elbo": {"image", "seed", "w", "noise", "x", "q-mean", "q-sigma"},
    "terms": {"image", "seed", "q"},
    "likelihoods": {"image", "seed", "pixel", "multiply", "pixels-so-far"},
    "reparameterisation": {"image", "seed", "e1", "e2", "widen", "view"},
    "amortised": {"steps", "seed", "from", "image"},
    "arithmetic": {"concept", "seed", "stage"},
    "codes": {"stage", "seed", "image", "dimensions"},
    "codes-path": {"stage", "from", "to", "level", "at"},
    "codes-draw": {"stage", "seed", "time"},
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
    for key, value in {"answers": "shown", **query}.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, [e.message for e in at.exception]
    return at


def names(at: AppTest) -> set[str]:
    """The parameters that a page has read."""
    return at.session_state["visitor"].address.read


def notices(at: AppTest) -> str:
    return " ".join(toast.value.replace("\\", "").replace("\u2060", "") for toast in at.toast)


@pytest.mark.parametrize("place", VISITS)
def test_every_parameter_of_a_page_is_read_and_stands_in_the_table(place):
    at = visit(place, {})
    assert names(at) >= READ[place]
    assert not at.toast
    page = VISITS[place][0].removesuffix(".py")
    assert names(at) <= {p.name for p in TABLE if page in p.pages or p.pages == ("every page",)}


@product(10, place=list(VISITS), value=ABSURD)
def test_a_value_that_makes_no_sense_is_named_and_breaks_nothing(place, value):
    at = visit(place, dict.fromkeys(READ[place], value))
    for name in READ[place]:
        if value not in ("", *SOMETIMES):
            assert f"This link says {name} = " in notices(at)
        if value not in SOMETIMES:
            assert at.session_state["visitor"].address.written.get(name) != value
    again = at.run()
    assert not again.exception and not again.toast


def test_one_module_alone_reads_and_writes_the_address():
    for file in (ROOT / "pages").rglob("*.py"):
        if file.name != "links.py":
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"bind=.query-params|\bst\.query_params", text), file


def test_parts_that_rerun_alone_write_the_address_too():
    """But for the training page, whose parts change nothing that its address says."""
    for file in (ROOT / "pages").rglob("*.py"):
        if file.name != "train.py" and file.parent.name != "address":
            assert "st.fragment" not in file.read_text(encoding="utf-8"), file


def test_the_document_is_the_table():
    written = (ROOT / "docs/links.md").read_text(encoding="utf-8")
    assert written == as_markdown(), "python -m pages.ui.shared.link_table > docs/links.md"


def test_two_pages_may_use_a_name_differently():
    at = visit("autoencoder", {})
    at.number_input(key="from").set_value(5).run()
    at.switch_page("learn_amortised.py").run()
    assert not at.exception and at.segmented_control(key="from").value == "draw"
    at.segmented_control(key="from").set_value("upload").run()
    at.switch_page("learn_autoencoder.py").run()
    assert not at.exception and at.number_input(key="from").value == 5


# The readers ---


def script():
    import streamlit as st

    from pages.ui.shared import links

    st.session_state["found"] = {
        "number": st.number_input("n", -1.0, 2.0, **links.number("noise", 0.5, -1, 2)),
        "whole": st.number_input("w", 0, 9, **links.number("frames", 7, 0, 9, whole=True)),
        "two": links.read_start("at", 2, 0, 1),
        "choice": st.radio(
            "c", ["lerp", "slerp"], **links.choice("way", ["lerp", "slerp"], "lerp")
        ),
        "on": st.toggle("t", **links.flag("overshoot")),
    }
    st.session_state["address"] = dict(links.query())


def found(query: dict[str, str | list[str]]) -> tuple[dict, AppTest]:
    at = AppTest.from_function(script, default_timeout=30)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at.session_state["found"], at


def test_values_that_make_sense_are_read_and_written():
    query = {"noise": "-0.25", "frames": "9", "way": "slerp", "overshoot": "true"}
    read, at = found(query | {"at": "0,0.5"})
    assert read == {"number": -0.25, "whole": 9, "two": (0, 0.5), "choice": "slerp", "on": True}
    assert type(read["whole"]) is int and not at.toast
    assert at.session_state["address"] == query
    again = at.run()
    assert again.session_state["found"] == read


def test_what_is_shown_by_default_is_not_written():
    at = found({})[1]
    assert at.session_state["address"] == {}


@pytest.mark.parametrize(
    "old, now", [("Arc", "slerp"), ("SLERP", "slerp"), ("Straight line", "lerp")]
)
def test_values_of_earlier_versions_are_read(old, now):
    read, at = found({"way": old})
    assert read["choice"] == now and not at.toast


@pytest.mark.parametrize("value, nearest", [("2.01", 2), ("-7", -1), ("1e80", 2)])
def test_numbers_out_of_range_become_the_nearest_and_it_says_so(value, nearest):
    read, at = found({"noise": value})
    assert read["number"] == nearest
    assert f"noise = “{value}”; the nearest that can be shown is {nearest}." in notices(at)
    assert not at.run().toast


@pytest.mark.parametrize("value", ["nan", "inf", "x", "", ["1", "1"]])
def test_other_values_give_the_default(value):
    read, at = found(dict.fromkeys(("noise", "frames", "at", "way", "overshoot"), value))
    assert read == {"number": 0.5, "whole": 7, "two": None, "choice": "lerp", "on": False}
    assert len(at.toast) == (5 if value else 0)
    again = at.run()
    assert not again.toast and again.session_state["found"] == read


def test_a_notice_says_what_was_found_and_expected_and_is_no_markdown():
    _, at = found({"noise": "**b**", "way": "![a](http://foreign.example)"})
    assert "noise = “**b**”; expected a number from -1 to 2. It is left out." in notices(at)
    assert "expected one of lerp, slerp" in notices(at)
    assert "![a](" not in at.toast[1].value


def test_names_that_differ_by_a_blank_alone_have_values_of_their_own():
    def two():
        import streamlit as st

        from pages.ui.shared import links

        names = ["long hair", "long_hair"]
        st.selectbox("s", names, **links.choice("right", names, names[0], text=links.token))
        st.session_state["address"] = dict(links.query())

    at = AppTest.from_function(two, default_timeout=30)
    at.query_params["right"] = "long_hair~2"
    at.run()
    assert at.selectbox(key="right").value == "long_hair"
    assert at.session_state["address"] == {"right": "long_hair~2"}


def test_codes_are_written_in_16_bits_and_read_in_32():
    space = latent_space("tiny-gaussian")
    rng = np.random.default_rng(0)
    for scale in (1e-3, 1, 4, 300):
        z = (scale * rng.standard_normal(5)).astype(np.float32)
        text = as_text(space, Pin(space.name, "generated", z, "x"))
        found = from_text(space, text)
        assert len(text) < 20 and found.kind == "generated"
        np.testing.assert_allclose(found.z, z, atol=np.abs(z).max() * 2**-14)
        old = "g" + base64.urlsafe_b64encode(z.tobytes()).decode().rstrip("=")
        np.testing.assert_array_equal(from_text(space, old).z, z)


def test_images_from_files_are_named_by_their_files_in_an_address(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    names = [*(f"a/{k}.png" for k in range(17)), "ö ~2f.png", "x" * 120, "7"]
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    found = import_images(pixels, "mine", names=names, splits=["train"] * 2 + ["test"] * 18)
    model = VAE(VAEConfig((1, 8, 8), latent_dim=2, channels=(), hidden=(8,)))
    card = {"dataset": found.reference, "split": "test"}
    save_checkpoint(model, tmp_path / "checkpoints" / "own", card)
    space = latent_space("own")
    for row, name in enumerate(space.file_names):
        text = as_text(space, real_pin(space, row))
        assert from_text(space, text).row == from_text(space, str(space.index[row])).row == row
        assert re.fullmatch(r"[A-Za-z0-9_~-]+", text)
        assert text.startswith("f") != (name in names[-2:])  # too long, or as an id is written
    assert as_text(space, real_pin(space, 1)) == "fa~2f3~2epng"
    assert from_text(space, "fb~2f3~2epng") is None and from_text(space, "f~ff~zz") is None
    assert from_text(latent_space("digits"), "fa~2f3~2epng") is None


def test_what_does_not_fit_is_kept_under_an_id_and_the_store_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setattr(link_store, "MOST_KEPT", 3)
    names = [link_store.keep(f"text {k}") for k in range(5)]
    assert link_store.keep("text 4") == names[-1] and link_store.kept(names[-1]) == "text 4"
    assert len(list((tmp_path / "links").iterdir())) == 3
    assert link_store.keep("x" * (link_store.LARGEST + 1)) is None
    for name in ("../../etc/passwd", "0" * 16, "x", ""):
        assert link_store.kept(name) is None


def test_an_option_of_the_last_model_is_nobodys_mistake():
    at = visit("map", {"colour": "KL (nats)"})
    at.session_state["model"] = "digits-autoencoder"
    assert not at.run().exception
    assert not at.toast


def linked() -> None:
    import streamlit as st

    from pages.ui.shared import links
    from pages.ui.shared.model_picker import choose_model

    links.arrive("map", back=False)
    choose_model()
    st.selectbox(
        "Map", ["latent", "pca"], **links.choice("projection", ["latent", "pca"], "latent")
    )


@pytest.mark.parametrize("key", ["model", "projection"])
def test_what_a_link_says_outlives_a_run_that_the_next_one_cuts_off(monkeypatch, key):
    """As a click does that comes while the page is drawn for the first time."""
    cut, store = [], SafeSessionState.__setitem__

    def cut_off(state: SafeSessionState, name: str, value: object) -> None:
        if name == key and not cut:
            cut.append(name)
            raise RerunException(RerunData())
        store(state, name, value)

    monkeypatch.setattr(SafeSessionState, "__setitem__", cut_off)
    monkeypatch.setattr(model_picker, "latent_space", lambda name: name)
    at = AppTest.from_function(linked)
    at.query_params["model"], at.query_params["projection"] = "faces", "pca"
    at.run()
    assert cut and not at.exception
    assert [box.value for box in at.selectbox] == ["faces", "pca"]
