"""A lesson asks before it shows: what is kept back, what counts as right, and who is not asked."""

from __future__ import annotations

from pathlib import Path

from soak import always
from streamlit.testing.v1 import AppTest

from pages.ui.learn import contents, texts

ROOT = Path(__file__).resolve().parents[3]
RIGHT = {  # what a visitor would have to say, as far as the shipped models fix it
    "autoencoder": 1,
    "likelihoods": 1,
    "reparameterisation": 1,
    "codes": 40**0.5,
}
NAMES = [step.name for step in contents.STEPS]
STATE = {"arithmetic": {"stage": "add"}, "codes": {"model": "faces"}}


def visit(name: str, **query: str) -> AppTest:
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=240)
    at.switch_page(f"learn_{name}.py")
    for key, value in {**STATE.get(name, {}), **query}.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception and not at.error
    return at


def card(at: AppTest, name: str) -> str:
    """What the question's card says, down to the reason."""
    frame, asked = texts.read(texts.FOLDER / "en" / "frame.toml"), ""
    for line in (m.value for m in at.markdown):
        if frame["predict.title"] in line:
            asked = line
        elif asked and any(line.startswith(s) for s in ("You said", ":green", ":orange", "It is")):
            return f"{asked} {line}"
    return asked


def elements(at: AppTest) -> int:
    return len(at.main.children) + sum(1 for _ in at.markdown) + len(at.get("bidi_component"))


def answer(at: AppTest, name: str, value: object) -> AppTest:
    at.session_state[f"ask-{name}-predict"] = value
    at.run()
    for button in at.button:
        if button.key == f"send-{name}-predict":
            button.click().run()
            break
    assert not at.exception
    return at


@always("name", NAMES, ["terms", "codes"])
def test_a_lesson_asks_first_and_then_gives_the_reason(name):
    at = visit(name)
    question = card(at, name)
    assert question and "{" not in question
    before = elements(at)
    next(b for b in at.button if b.key == f"pass-{name}-predict").click().run()
    assert not at.exception
    assert elements(at) > before - 3, "what was kept back is there"
    said = " ".join(m.value for m in at.markdown)
    known = texts.read(texts.FOLDER / "en" / f"{name}.toml")
    because = known.get("predict.do", known["predict.because"])  # what the visitor does then
    assert because.partition("{")[0][:40] in said and "{" not in card(at, name)
    assert not any(b.key == f"pass-{name}-predict" for b in at.button)
    assert not card(visit(name, answers="shown"), name), "nobody is asked"


@always("name", list(RIGHT), ["likelihoods"])
def test_what_the_page_computes_is_right_and_something_else_is_not(name):
    right = answer(visit(name), name, RIGHT[name])
    assert "**Right.**" in card(right, name)
    wrong = answer(visit(name), name, 0)
    assert "**Not so.**" in card(wrong, name) and "It is " in card(wrong, name)
    assert "**Not so.**" in card(wrong.run(), name), "it stays answered"


def test_every_lesson_has_its_question():
    for name in NAMES:
        known = texts.read(texts.FOLDER / "en" / f"{name}.toml")
        assert {"predict.ask", "predict.because"} <= set(known), name


def test_a_step_is_ticked_off_when_it_was_done_and_the_browser_remembers(app, page):
    page.goto(f"{app}/learn_reparameterisation?model=tiny-plane&answers=shown&e1=0.5")
    done = page.locator(".lesson-steps li[data-done]")
    done.wait_for()
    assert page.locator(".lesson-steps li").count() == len(NAMES)
    assert done.get_attribute("aria-current") == "step"
    page.goto(f"{app}/learn_conclusion?answers=shown")
    page.locator(".lesson-steps li[aria-current]", has_text=str(len(NAMES))).wait_for()
    assert done.get_attribute("title").startswith("5 · ")
    assert page.evaluate("localStorage.getItem('latent-lessons')") == "reparameterisation"


def test_every_lesson_can_be_ticked_off():
    scripts = (ROOT / "pages" / "ui" / "components").rglob("*.js")
    browser = "".join(file.read_text(encoding="utf-8") for file in scripts)
    for name in NAMES:
        files = [ROOT / f"pages/learn_{name}.py", ROOT / f"pages/ui/learn/{name}.py"]
        server = "".join(file.read_text(encoding="utf-8") for file in files)
        ways = ("layout.did(text)" in server, "gap=Gap(text.name" in server)
        assert any(ways) or f'tickLesson("{name}")' in browser, name
