"""The learned distribution of codes: a density, its draws, and paths that stay with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vae import CheckpointError, flow
from vae.code_distribution import (
    FILE,
    CodeDistribution,
    load_code_distribution,
    save_code_distribution,
)
from vae.code_fitting import fit_codes
from vae.flow import VelocityField
from vae.likely_codes import LEVELS, blend, bring_back, complete
from vae.tensors import read_tensors, write_tensors


def ring(n: int, seed: int = 0) -> np.ndarray:
    """Codes on a circle of radius 2, with a little noise across it: empty in the middle."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    radius = 2 + 0.2 * rng.standard_normal(n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype(np.float32)


@pytest.fixture(scope="module")
def learned() -> CodeDistribution:
    return fit_codes(ring(1_000), steps=400, width=128)


def random_flow(dim: int) -> CodeDistribution:
    torch.manual_seed(dim)
    field = VelocityField(dim, width=24, blocks=2)
    for parameter in field.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    rng = np.random.default_rng(dim)
    root = np.linalg.cholesky(np.cov(rng.standard_normal((dim, 4 * dim))).reshape(dim, dim))
    return CodeDistribution(
        rng.standard_normal(dim).astype(np.float32),
        root.astype(np.float32),
        field.eval().requires_grad_(False),
    )


def test_a_draw_can_be_looked_at_on_its_way():
    flow_of_codes = random_flow(3)
    u = np.random.default_rng(0).standard_normal((4, 3))
    assert np.allclose(flow_of_codes.from_noise(u, until=0.0), flow_of_codes.unwhiten(u))
    assert (flow_of_codes.from_noise(u, until=1.0) == flow_of_codes.from_noise(u)).all()
    half = flow_of_codes.from_noise(u, until=0.5)
    rest = flow_of_codes.from_noise(flow_of_codes.whiten(half), level=0.5)
    assert np.allclose(rest, flow_of_codes.from_noise(u), atol=1e-4)


def test_the_density_integrates_to_one(learned):
    at = np.linspace(-3.3, 3.3, 45)
    plane = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
    area = (at[1] - at[0]) ** 2
    assert np.exp(learned.log_density(plane)).sum() * area == pytest.approx(1, abs=0.03)


def test_draws_lie_on_the_ring_and_those_of_the_gaussian_do_not(learned):
    def on_the_ring(z: np.ndarray) -> float:
        return float((np.abs(np.linalg.norm(z, axis=1) - 2) < 0.7).mean())

    gaussian = CodeDistribution(learned.mean, learned.root)
    assert on_the_ring(learned.sample(1_000)) > 0.9
    assert on_the_ring(gaussian.sample(1_000)) < 0.6


def test_held_out_codes_and_draws_are_usual_and_the_mean_code_is_not(learned):
    fresh, draws = learned.percentile(ring(400, seed=9)), learned.percentile(learned.sample(400))
    assert (fresh > 0.01).mean() > 0.9 and abs(np.median(fresh) - 0.5) < 0.2
    assert (draws > 0.01).mean() > 0.9
    assert learned.percentile(learned.mean[None])[0] < 0.01, "an average of all codes"
    assert learned.percentile(np.array([[9.0, 9.0]]))[0] == 0, "far from all codes"


@pytest.mark.parametrize("dim", [1, 3, 20, 70])
def test_there_and_back_again(dim):
    flow = random_flow(dim)
    z = flow.unwhiten(np.random.default_rng(1).standard_normal((7, dim)))
    for level in (0.0, 0.3, 1.0):
        assert np.allclose(flow.from_noise(flow.to_noise(z, level), level), z, atol=5e-3)


@pytest.mark.parametrize("dim", [1, 4])
def test_the_density_is_that_of_the_map(dim):
    """Change of variables, with the Jacobian of the whole map by finite differences."""
    flow = random_flow(dim)
    z = flow.unwhiten(0.5 * np.ones((1, dim)))
    step = 1e-2
    noise = [flow.to_noise(z + step * e)[0] - flow.to_noise(z - step * e)[0] for e in np.eye(dim)]
    log_volume = np.linalg.slogdet(np.stack(noise, 1) / (2 * step))[1]
    u = flow.to_noise(z)[0].astype(np.float64)
    expected = -0.5 * (u @ u + dim * math.log(2 * math.pi)) + log_volume
    assert flow.log_density(z)[0] == pytest.approx(expected, abs=0.02)


def test_many_dimensions_are_estimated_without_bias(monkeypatch):
    learned = random_flow(70)
    z = learned.unwhiten(np.random.default_rng(2).standard_normal((1, 70)))
    estimates = [learned.estimate_log_density(z, seed=seed) for seed in range(40)]
    values, errors = np.array(estimates)[:, :, 0].T
    monkeypatch.setattr(flow, "EXACT", 70)
    exact, error = (array[0] for array in learned.estimate_log_density(z))
    assert error == 0
    assert abs(values.mean() - exact) < 4 * values.std() / math.sqrt(len(values)) + 1e-3
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.4)


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_paths_keep_their_ends_and_the_ring(learned, level):
    a, b = np.array([2.0, 0.0], np.float32), np.array([-0.2, 2.0], np.float32)
    path = learned.path(a, b, 9, level)
    assert path.shape == (9, 2) and (path[0] == a).all() and (path[-1] == b).all()
    if level == 1:
        assert np.linalg.norm(path, axis=1).min() > 1.4, "the straight line falls to 1.3"


def test_a_seed_gives_the_same_draws(learned):
    assert (learned.sample(5, seed=3) == learned.sample(5, seed=3)).all()
    assert not np.allclose(learned.sample(5, seed=3), learned.sample(5, seed=4))


def test_what_is_saved_comes_back(tmp_path, learned):
    assert load_code_distribution(tmp_path) is None
    save_code_distribution(tmp_path, learned)
    found = load_code_distribution(tmp_path)
    z = ring(50, seed=5)
    assert np.allclose(found.log_density(z), learned.log_density(z), atol=0.05)
    assert found.about == learned.about and found.learned
    assert np.allclose(found.held_out, learned.held_out, atol=1e-4)


def test_a_damaged_file_is_named(tmp_path, learned):
    save_code_distribution(tmp_path, learned)
    whole = (tmp_path / FILE).read_bytes()
    for content in (whole[: len(whole) // 2], b"", whole.replace(b'"width', b'"wid_h')):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(CheckpointError, match=FILE):
            load_code_distribution(tmp_path)


# Codes that stay with the data where averages leave them -------------------------------------

CORNERS = np.array([[2, 0], [0, 2], [1.4, 1.4]], np.float32)


def test_blends_stay_on_the_ring_and_averages_do_not(learned):
    weights = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    found, average = blend(learned, CORNERS, weights, level=1), weights @ CORNERS
    off = [np.abs(np.linalg.norm(z, axis=1) - 2).mean() for z in (found, average)]
    assert found.dtype == np.float32 and off[0] < 0.6 * off[1]


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_blend_of_one_code_is_that_code(learned, level):
    assert (blend(learned, CORNERS, np.eye(3), level) == CORNERS).all()
    assert blend(learned, CORNERS, np.ones(3) / 3, level).shape == (1, 2)


@pytest.mark.parametrize("weights", [[0.5, 0.5], [1.5, -0.5, 0.0], [0.5, 0.2, 0.2]])
def test_weights_that_are_no_blend_are_refused(learned, weights):
    with pytest.raises(ValueError, match=r"a weight for each|add up to 1"):
        blend(learned, CORNERS, np.array(weights))


def test_completed_places_lie_on_the_ring_where_they_were_asked_for(learned):
    places = np.stack([np.linspace(-1.6, 1.6, 33), np.full(33, 7.0)], 1)
    found = complete(learned, places, np.array([[1.0, 0.0]]), seed=1)
    assert np.allclose(found[:, 0], places[:, 0], atol=1e-4), "the direction that is given"
    assert (np.abs(np.linalg.norm(found, axis=1) - 2) < 0.7).mean() > 0.9
    assert np.abs(np.diff(found[:, 1])).max() < 0.6, "near places, near codes"
    others = [complete(learned, places[16:17], np.eye(2)[:1], seed=s)[0, 1] for s in range(20)]
    assert min(others) < -1 and max(others) > 1, "other seeds, other completions"


def test_directions_need_not_be_axes_nor_orthogonal(learned):
    shown = np.array([[1.0, 1.0], [0.3, -1.0]])
    z = np.array([[0.4, -1.9]], np.float32)
    assert np.allclose(complete(learned, z, shown), z, atol=1e-4), "nothing is left to draw"
    gaussian = CodeDistribution(learned.mean, learned.root)
    found = complete(gaussian, z, shown[:1], np.array([0.5, 0.1]))
    assert found[0].sum() == pytest.approx(z[0].sum(), abs=1e-4), "where no flow was learned"


@pytest.mark.parametrize("shown", [np.zeros((1, 2)), np.eye(3), [[1, 0], [2, 0]]])
def test_directions_that_say_nothing_are_refused(learned, shown):
    with pytest.raises(ValueError, match="independent"):
        complete(learned, CORNERS, shown)


def test_edited_codes_are_brought_back_no_farther_than_it_takes(learned):
    start = np.array([2.0, 0.0], np.float32)
    away = np.array([[3.4, 0.6], [2.9, -1.0], [4.5, 1.5]], np.float32)
    for edited in away:
        z, level = bring_back(learned, start, edited)
        assert learned.percentile(edited[None])[0] < 0.05 <= learned.percentile(z[None], 8)[0]
        lower = LEVELS[: LEVELS.index(level)]
        for tried in lower:  # a lower level would not have done
            u, v = learned.to_noise(np.stack([start, edited]), tried)
            v = v * np.linalg.norm(u) / np.linalg.norm(v)
            assert learned.percentile(learned.from_noise(v, tried), 8)[0] < 0.05


@pytest.mark.parametrize("name", ["mean", "root", "field"])
def test_a_file_whose_draws_are_no_codes_is_refused(learned, tmp_path, name):
    save_code_distribution(tmp_path, learned)
    file = tmp_path / FILE
    arrays, metadata = read_tensors(file)
    rng = np.random.default_rng(0)
    for key, array in arrays.items():
        if key.partition(".")[0] == name:
            large = 6e4 if array.dtype == np.float16 else 1e30
            arrays[key] = (large * rng.uniform(0.5, 1, array.shape)).astype(array.dtype)
    write_tensors(file, {k: torch.from_numpy(v) for k, v in arrays.items()}, metadata)
    with pytest.raises(CheckpointError, match="draws reach"):
        load_code_distribution(tmp_path)
