"""The first four Learn pages in a visitor's session, and what they claim of the models."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from soak import always
from streamlit.testing.v1 import AppTest

from pages.ui.learn import autoencoder, contents, elbo, likelihoods
from pages.ui.learn.texts import numbers
from pages.ui.shared import cache, classifier, plot_style
from vae import elbo as bound
from vae import list_checkpoints, load_dataset
from vae.locations import list_lab_checkpoints

ROOT = Path(__file__).resolve().parents[3]
TWINS = ("lab/digits-16-autoencoder", "lab/digits-16-variational")
BETAS = numbers("terms")["betas"]
FILES = [step.file for step in contents.STEPS[:4]]


def visit(file: str, query: dict[str, str] | None = None, **state) -> AppTest:
    at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=240).run()
    at.switch_page(file)
    for key, value in {"answers": "shown", **(query or {})}.items():
        at.query_params[key] = value
    for key, value in state.items():
        at.session_state[key] = value
    return at.run()


def header(at: AppTest) -> str:
    return at.title[0].value


def braces(at: AppTest) -> dict[str, float]:
    """Numbers of the first equation that has some, by what stands below the brace."""
    for formula in at.markdown:
        found = re.findall(r"\\underbrace\{(-?[\d.]+)\}_\{(.*?)\}\}(?=\s|\$|$)", formula.value)
        if found:
            return {name: float(value) for value, name in found}
    raise AssertionError("no equation has numbers")


@pytest.mark.parametrize("file", FILES)
def test_every_page_has_its_parts(file):
    at = visit(file)
    assert not at.exception and not at.error
    number = FILES.index(file) + 1
    assert header(at) == f"{number} · {contents.STEPS[number - 1].title}"
    formulas = [text.value for text in at.markdown if text.value.startswith(r"$\displaystyle")]
    assert any(r"\textcolor" in formula for formula in formulas)
    assert all(len(formula.splitlines()) == 1 for formula in formulas), "Markdown reads the lines"
    assert any("What to try" in text.value for text in at.markdown)
    assert at.number_input(key="seed").value == 0
    assert at.button(key="step-1").disabled == (number == 1)
    assert len((ROOT / "pages" / file).read_text(encoding="utf-8").splitlines()) <= 90


def test_the_steps_lead_on_and_back():
    at = visit(FILES[2])
    at.button(key="step+1").click().run()
    assert header(at).startswith("4 ·")
    at.button(key="step-1").click().run()
    assert header(at).startswith("3 ·")


def test_a_link_restores_image_and_seed():
    at = visit(FILES[3], {"image": "17", "seed": "5"})
    assert at.number_input(key="image").value == 17
    assert at.number_input(key="seed").value == 5
    assert not at.exception


def test_every_step_is_in_the_navigation_once():
    files = [step.file for step in contents.STEPS]
    assert len(set(files)) == len(files)
    assert all((ROOT / "pages" / file).exists() for file in files)


def test_colours_of_terms_can_be_read_on_both_pages():
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    themes = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    for name, colours in (("light", plot_style.LIGHT), ("dark", plot_style.DARK)):
        for ground in ("backgroundColor", "secondaryBackgroundColor"):
            for colour in colours.values():
                pair = luminance(colour), luminance(themes[name][ground])
                assert (max(pair) + 0.05) / (min(pair) + 0.05) >= 4.5, (name, ground, colour)


def test_small_models_are_small_and_in_no_picker():
    found = list_lab_checkpoints()
    assert {c.name for c in found} >= {f"lab/digits-beta-{beta}" for beta in BETAS}
    for checkpoint in found:
        most = 2_000_000 if checkpoint.name in TWINS else 512_000
        assert sum(f.stat().st_size for f in checkpoint.folder.iterdir()) <= most
    assert not {c.name for c in found} & {c.name for c in list_checkpoints()}


def test_beta_trades_distortion_for_rate_until_collapse():
    models = [cache.latent_space(f"lab/digits-beta-{beta}") for beta in BETAS]
    rate = [float(space.kl.mean()) for space in models]
    distortion = [float(-(space.elbo + space.kl).mean()) for space in models]
    assert rate == sorted(rate, reverse=True)
    # Below beta 1 nothing is won on images that training never saw.
    assert distortion[2:] == sorted(distortion[2:])
    assert distortion[0] > distortion[2]
    assert rate[-1] < 0.1 * rate[2], "at beta 30 the code says next to nothing"
    spread = [float(space.mean.std()) for space in models]
    width = [float(np.sqrt(space.variance).mean()) for space in models]
    assert width == sorted(width) and spread[0] > spread[2] > spread[-1]


def test_what_is_said_of_training_images_below_beta_1_was_measured():
    x = load_dataset("digits", "train").images
    (caption,) = (c.value for c in visit("learn_terms.py").caption if "Below β = 1" in c.value)
    said = re.search(r"is (\d+) nats at β = 1, (\d+) at 0\.1 and (\d+) at 0\.", caption)
    for beta, value in zip(("1", "0.1", "0"), said.groups(), strict=True):
        model = cache.latent_space(f"lab/digits-beta-{beta}").model
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            parts = [
                bound(model, x[i : i + 500], generator=generator).reconstruction
                for i in range(0, len(x), 500)
            ]
        assert -torch.cat(parts).mean().item() == pytest.approx(int(value), abs=0.5)


def test_the_field_of_distances_is_zero_at_codes_and_grows():
    space = cache.latent_space("digits")
    field = autoencoder.field(space, "distance", "#000000")
    x0, x1, y0, y1 = autoencoder.bounds_of(space)
    contents = field.values.shape[0]
    columns = ((space.mean[:, 0] - x0) / (x1 - x0) * (contents - 1)).round().astype(int)
    rows = ((space.mean[:, 1] - y0) / (y1 - y0) * (contents - 1)).round().astype(int)
    cell = (x1 - x0) / (contents - 1)
    at_codes = field.values[rows, columns] * space.deviation.mean()
    assert at_codes.max() <= 0.71 * cell + 1e-6
    assert field.values.max() * space.deviation.mean() > 3 * cell


def test_samples_are_judged_and_a_seed_gives_the_same():
    space = cache.latent_space("digits")
    found = autoencoder.samples(space, "prior", 0)
    assert found["shown"].shape == (40, 1, 28, 28)
    assert 500 < found["clear"] <= 1_000, "most draws of the prior look like a digit"
    assert 5 < found["kinds"] <= 10, "of most kinds"
    again = autoencoder.samples(space, "prior", 1)
    assert not torch.equal(again["shown"], found["shown"])
    real = classifier.confidence(space, space.dataset.images[torch.from_numpy(space.index)])
    assert (real >= classifier.threshold(space)).mean() == pytest.approx(0.95, abs=0.01)


def test_the_twins_differ_in_noise_and_kl_alone():
    plain, variational = (cache.latent_space(name) for name in TWINS)
    assert replace(plain.model.config, variational=True) == variational.model.config
    training = variational.card["training"]
    assert training["beta"] == 5, "as the page says"
    assert plain.card["training"] | {"beta": 5} == training


@always("seed", range(4), [0])
def test_the_twins_bear_out_what_the_page_says(seed):
    twins = [cache.latent_space(name) for name in TWINS]
    prior = [autoencoder.samples(space, "prior", seed) for space in twins]
    assert prior[1]["clear"] > 700 and prior[0]["clear"] < 100
    assert prior[1]["kinds"] > prior[0]["kinds"] + 1
    fitted = [autoencoder.samples(space, "fitted", seed)["clear"] for space in twins]
    halfway = [autoencoder.halfway(space, seed) for space in twins]
    gained = prior[1]["clear"] - prior[0]["clear"]
    assert fitted[0] > 5 * prior[0]["clear"], "where its codes lie, it decodes far better"
    assert fitted[1] == pytest.approx(prior[1]["clear"], rel=0.05), "gains nothing by the fit"
    apart = [abs(pair[1] - pair[0]) for pair in (fitted, halfway)]
    assert apart[1] < apart[0] < gained / 2, "differ least"
    assert 1_000 - halfway[1] > 200, "do not fill all of it"


def test_the_page_opens_with_what_the_twins_show():
    at = visit("learn_autoencoder.py", {"seed": "2"})
    prior = [autoencoder.samples(cache.latent_space(name), "prior", 2) for name in TWINS]
    shown = [m.value for m in at.metric[:4]]
    assert shown[::2] == [f"{drawn['clear']:,}" for drawn in prior]
    assert shown[1::2] == [f"{drawn['kinds']:.1f} of 10" for drawn in prior]


def test_the_equation_on_the_page_adds_up():
    at = visit("learn_elbo.py")
    shown = braces(at)
    evidence, elbo, gap = shown.values()
    assert elbo < evidence and gap > 0
    assert elbo + gap == pytest.approx(evidence, abs=0.1)


def test_an_image_that_q_misses_leaves_a_gap_that_samples_do_not_close():
    at = visit("learn_elbo.py")
    at.button[2].click().run()
    assert not at.exception
    row = at.number_input(key="image").value
    space = cache.latent_space("digits")
    found = elbo.bound(space, row)
    _, run, expected = elbo.curve(space, row, 0)
    assert found.gap > 10
    assert run[-1] < found.evidence - 1
    assert expected[1][0] < expected[1_000][0]
    at.button[2].click().run()
    assert at.number_input(key="image").value != row


def test_a_q_moved_away_from_the_encoders_costs_nats():
    space = cache.latent_space("digits")
    at = visit("learn_terms.py", {"image": "3"})
    own = braces(at)
    far = [*(space.mean[3] + 1.5).tolist(), 0.4, 0.4]
    moved = braces(
        visit(
            "learn_terms.py", {"image": "3"}, **{"q-3-0": {"gaussian": {"value": far, "count": 1}}}
        )
    )
    name = next(iter(own))
    assert moved[name] < own[name] - 5
    wide = [*space.mean[3].tolist(), 1.0, 1.0]
    wide = braces(
        visit(
            "learn_terms.py",
            {"image": "3"},
            **{"q-3-0": {"gaussian": {"value": wide, "count": 1}}},
        )
    )
    reconstruction, kl = list(own)[1:]
    assert wide[reconstruction] < own[reconstruction]
    assert wide[kl] > own[kl], "wide is cheap: less KL is taken off"


def test_nonsense_from_the_browser_is_not_taken():
    for bad in ("x", [1.0], [1.0, 2.0, float("nan"), 1.0], {"a": 1}):
        sent = {"gaussian": {"value": bad, "count": 1}}
        at = visit("learn_terms.py", {"image": "3"}, **{"q-3-0": sent})
        assert not at.exception and not at.error


@pytest.mark.parametrize("kind", likelihoods.KINDS)
def test_a_pixels_numbers_add_up_to_its_log_probability(kind):
    x = cache.latent_space("digits").image(3)
    s = likelihoods.evaluate_pixels(likelihoods.model(kind), x)
    if kind == "bernoulli":
        assert set(np.unique(s.x)) <= {0.0, 1.0}
        written = s.x * np.log(s.mean) + (1 - s.x) * np.log1p(-s.mean)
    elif kind == "continuous_bernoulli":
        p = torch.distributions.ContinuousBernoulli(logits=torch.from_numpy(s.raw[0]).double())
        clear = np.abs(s.raw[0]) < 2.5  # beyond, torch's own clamps
        written = p.log_prob(torch.from_numpy(s.x).double()).numpy()
        assert written[clear] == pytest.approx(s.log_p[clear], abs=1e-4)
        return
    else:
        written = -0.5 * ((s.x - s.mean) / s.deviation) ** 2 - np.log(s.deviation)
        written -= 0.5 * np.log(2 * np.pi)
        assert s.deviation.min() >= likelihoods.model(kind).model.config.sigma_floor
    assert written == pytest.approx(s.log_p, abs=1e-3)


def test_products_vanish_as_the_page_says():
    zero = {k: v[0] for k, v in likelihoods.shares(cache.latent_space("digits")).items()}
    assert zero["float16"] >= 495
    assert zero["float32"] > 250
    assert zero["float64"] == 0
    infinite = {k: v[1] for k, v in likelihoods.shares(likelihoods.model("gaussian")).items()}
    assert all(count > 400 for count in infinite.values())


def test_the_products_that_are_shown_follow_the_slider():
    at = visit("learn_likelihoods.py", {"pixels-so-far": "1"})
    assert not at.exception
    assert all(m.value != "exactly 0" for m in at.metric)
    at.slider(key="pixels-so-far").set_value(784).run()
    assert at.metric[0].value == "exactly 0"


def test_what_the_elbo_page_opens_with_is_computed_before_anybody_comes(monkeypatch):
    elbo.warm()
    monkeypatch.setattr(elbo, "with_progress", lambda text, compute: pytest.fail(text))
    at = visit("learn_elbo.py")
    assert not at.exception
