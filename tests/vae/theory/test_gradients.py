import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from vae import VAE, VAEConfig
from vae.config import LIKELIHOODS
from vae.theory.gradients import (
    ESTIMATORS,
    amortisation_gap,
    bound,
    encoder_gradients,
    encoding_seconds,
    gradients,
    pull,
    refine,
)

SHAPE = (1, 8, 8)


class Affine(nn.Module):
    """A linear mean and one deviation: as a decoder or as an encoder."""

    def __init__(self, weight, bias, sigma, shape):
        super().__init__()
        self.weight, self.bias, self.sigma, self.shape = weight, bias, sigma, shape

    def forward(self, x):
        mean = (x.flatten(1) @ self.weight.T + self.bias).reshape(-1, *self.shape)
        return Independent(Normal(mean, self.sigma.expand_as(mean)), len(self.shape))


@pytest.fixture
def linear():
    """A linear-Gaussian model, its exact posterior as the encoder, and five images.

    Columns of W are orthogonal, so the exact posterior has independent dimensions
    (probabilistic principal component analysis, Tipping and Bishop, 1999).
    """
    generator = torch.Generator().manual_seed(0)
    model = VAE(VAEConfig(SHAPE, 2, "gaussian_fixed", channels=(), hidden=(4,))).double()
    w = torch.linalg.qr(torch.randn(64, 2, generator=generator).double())[0]
    w = w * torch.tensor([1.5, 0.7]).double()
    b, s = torch.randn(64, generator=generator).double(), torch.tensor(0.4).double()
    precision = torch.eye(2).double() + w.T @ w / s**2
    gain = torch.linalg.solve(precision, w.T) / s**2
    model.decoder = Affine(w, b, s, SHAPE)
    model.encoder = Affine(gain, -gain @ b, precision.diagonal().rsqrt(), (2,))
    z = torch.randn(5, 2, generator=generator).double()
    noise = torch.randn(5, 64, generator=generator).double()
    return model, (z @ w.T + b + s * noise).reshape(5, *SHAPE), (w, b, s)


def network(likelihood):
    torch.manual_seed(0)
    model = VAE(VAEConfig(SHAPE, 3, likelihood, channels=(4,), hidden=(6,)))
    return model.eval().requires_grad_(False), torch.rand(4, *SHAPE)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_draw_passes_its_slope_on_and_finite_differences_agree(likelihood):
    model, x = network(likelihood)
    mean, sigma, noise = torch.randn(3), torch.rand(3) + 0.1, torch.randn(3)
    found = pull(model, x[0], mean, sigma, noise)
    torch.testing.assert_close(found.z, (mean + sigma * noise).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.by_mean, found.by_z)
    torch.testing.assert_close(found.by_sigma, found.by_z * noise.double())
    assert found.by_z.abs().max() > 1e-3
    assert found.disagreement < 1e-5
    part = pull(model, x[0], mean, sigma, noise, dimensions=(2, 0))
    torch.testing.assert_close(part.finite_mean, found.finite_mean[[2, 0]])
    torch.testing.assert_close(part.finite_sigma, found.finite_sigma[[2, 0]])
    assert model.decoder(torch.zeros(1, 3)).mean.dtype == torch.float32, "the model is left alone"


def test_the_slope_of_a_linear_model_is_the_written_one(linear):
    model, x, (w, b, s) = linear
    z = torch.tensor([0.3, -1.1]).double()
    found = pull(model, x[0], z, torch.ones(2), torch.zeros(2))
    torch.testing.assert_close(found.by_z, w.T @ (x[0].flatten() - w @ z - b) / s**2)
    assert found.by_sigma.abs().max() == 0, "without noise, sigma moves nothing"


def test_every_estimator_is_right_on_average(linear):
    model, x, (w, b, s) = linear
    q = model.encoder(x)
    sigma = q.base_dist.scale
    noise = torch.randn(5_000, 5, 2, generator=torch.Generator().manual_seed(1)).double()
    by_mean = (x.flatten(1) - q.mean @ w.T - b) @ w / s**2
    by_sigma = -sigma * (w**2).sum(0) / s**2
    for name in ESTIMATORS:
        found = gradients(model, x, noise, name)
        for estimates, truth in ((found.mean, by_mean), (found.sigma, by_sigma)):
            error = estimates.std(0) / len(noise) ** 0.5
            assert ((estimates.mean(0) - truth).abs() < 5 * error + 1e-9).all(), name


def test_the_slope_tells_more_than_the_value(linear):
    model, x, _ = linear
    noise = torch.randn(2_000, 5, 2, generator=torch.Generator().manual_seed(1)).double()
    variance = {e: gradients(model, x, noise, e).variance() for e in ESTIMATORS}
    assert (variance["score_function"] > 10 * variance["reparameterised"]).all()
    assert (variance["score_function"] > variance["score_function_baseline"]).all()
    assert (variance["score_function_baseline"] > variance["reparameterised"]).all()


def test_a_constant_added_to_the_likelihood_hurts_the_score_function_alone(linear):
    model, x, _ = linear
    noise = torch.randn(500, 5, 2, generator=torch.Generator().manual_seed(1)).double()
    before = {e: gradients(model, x, noise, e).variance() for e in ESTIMATORS}
    decoder = model.decoder

    class Shifted(nn.Module):
        def forward(self, z):
            p = decoder(z)
            original = p.log_prob
            p.log_prob = lambda value: original(value) - 1_000
            return p

    model.decoder = Shifted()
    after = {e: gradients(model, x, noise, e).variance() for e in ESTIMATORS}
    assert (after["score_function"] > 2 * before["score_function"]).all()
    for name in ("reparameterised", "score_function_baseline"):
        torch.testing.assert_close(after[name], before[name])


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_detached_draw_leaves_the_encoder_the_kl_alone(likelihood):
    model, x = network(likelihood)
    found = encoder_gradients(model, x, torch.randn(4, 3))
    assert found["reconstruction, detached"] == 0
    assert found["reconstruction"] > 0 < found["kl"]


def test_refining_finds_the_exact_posterior(linear):
    model, x, _ = linear
    q = model.encoder(x)
    answers = list(refine(model, x, 300, every=100, samples=16))
    assert [a.step for a in answers] == [0, 100, 200, 300]
    assert answers[0].mean.abs().max() == 0 and (answers[0].sigma == 1).all()
    torch.testing.assert_close(answers[-1].mean, q.mean, atol=0.05, rtol=0)
    torch.testing.assert_close(answers[-1].sigma, q.base_dist.scale, atol=0.05, rtol=0.15)
    assert (answers[-1].elbo > answers[0].elbo).all()
    assert answers[0].seconds == 0 < answers[1].seconds < answers[-1].seconds


def test_with_a_detached_draw_refining_forgets_the_image(linear):
    model, x, _ = linear
    last = list(refine(model, x, 300, start="encoder", detached=True, every=300))[-1]
    torch.testing.assert_close(last.mean, torch.zeros_like(last.mean), atol=0.02, rtol=0)
    torch.testing.assert_close(last.sigma, torch.ones_like(last.sigma), atol=0.02, rtol=0)


def test_the_same_seed_gives_the_same_search():
    model, x = network("bernoulli")
    a, b, c = (list(refine(model, x, 5, seed=seed))[-1].mean for seed in (0, 0, 1))
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
    worse = bound(model, x, q.mean + 0.3, q.base_dist.scale, noise).elbo
    assert (worse < bound(model, x, q.mean, q.base_dist.scale, noise).elbo).all()


def test_more_images_take_longer_to_encode():
    model, x = network("bernoulli")
    found = encoding_seconds(model, x, (1, 1_000))
    assert 0 < found[1] < found[1_000]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m, x: gradients(m, x, torch.randn(2, 4, 3), "magic"), "expected one of repara"),
        (lambda m, x: next(refine(m, x, start="here")), 'expected "prior" or "encoder"'),
    ],
)
def test_unknown_choices_are_refused_with_a_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call(*network("bernoulli"))
