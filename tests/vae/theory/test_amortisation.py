import pytest
import torch
from linear_model import Affine, linear_model, network
from torch.distributions import kl_divergence

from vae.theory.amortisation import (
    amortisation_gap,
    elbo_under,
    encoding_seconds,
    optimise_posterior,
)


@pytest.fixture
def linear():
    return linear_model()


def test_optimising_finds_the_exact_posterior(linear):
    model, x, _ = linear
    q = model.encoder(x)
    answers = list(optimise_posterior(model, x, 300, every=100, samples=16))
    assert [a.step for a in answers] == [0, 100, 200, 300]
    assert answers[0].mean.abs().max() == 0 and (answers[0].sigma == 1).all()
    torch.testing.assert_close(answers[-1].mean, q.mean, atol=0.05, rtol=0)
    torch.testing.assert_close(answers[-1].sigma, q.base_dist.scale, atol=0.05, rtol=0.15)
    assert (answers[-1].elbo > answers[0].elbo).all()
    assert answers[0].seconds == 0 < answers[1].seconds <= answers[-1].seconds


def test_with_a_detached_draw_optimising_ends_at_the_prior(linear):
    model, x, _ = linear
    last = list(optimise_posterior(model, x, 300, start="encoder", detached=True, every=300))[-1]
    torch.testing.assert_close(last.mean, torch.zeros_like(last.mean), atol=0.02, rtol=0)
    torch.testing.assert_close(last.sigma, torch.ones_like(last.sigma), atol=0.02, rtol=0)


def test_the_same_seed_gives_the_same_result():
    model, x = network("bernoulli")
    a, b, c = (list(optimise_posterior(model, x, 5, seed=seed))[-1].mean for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_the_gap_of_a_bad_encoder_is_its_distance_from_the_posterior(linear):
    model, x, _ = linear
    exact = model.encoder(x)
    encoder = model.encoder
    model.encoder = Affine(encoder.weight, encoder.bias + 0.3, 1.5 * encoder.sigma, (2,))
    found = amortisation_gap(model, x, exact.mean, exact.base_dist.scale, draws=4_000)
    distance = kl_divergence(model.encoder(x), exact)
    assert ((found.nats - distance).abs() < 5 * found.error).all()
    assert (found.error < 0.1 * distance).all()


def test_the_exact_encoder_has_no_gap(linear):
    model, x, _ = linear
    q = model.encoder(x)
    found = amortisation_gap(model, x, q.mean, q.base_dist.scale)
    assert found.nats.abs().max() == 0
    noise = torch.randn(500, 5, 2, generator=torch.Generator().manual_seed(2)).double()
    worse = elbo_under(model, x, q.mean + 0.3, q.base_dist.scale, noise).elbo
    assert (worse < elbo_under(model, x, q.mean, q.base_dist.scale, noise).elbo).all()


def test_more_images_take_longer_to_encode():
    model, x = network("bernoulli")
    found = encoding_seconds(model, x, (1, 1_000))
    assert 0 < found[1] < found[1_000]


def test_an_unknown_start_is_refused():
    model, x = network("bernoulli")
    with pytest.raises(ValueError, match='expected "prior" or "encoder"'):
        next(optimise_posterior(model, x, start="here"))
