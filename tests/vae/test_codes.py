import numpy as np
import pytest
import torch

from vae import VAE, VAEConfig
from vae.codes import FittedGaussian, decode, encode

RNG = np.random.default_rng(0)


def test_fitted_gaussian_has_the_moments_and_distances_of_the_codes():
    codes = (RNG.normal(size=(4_000, 3)) @ RNG.normal(size=(3, 3)) + 5).astype("f4")
    points = np.zeros_like(codes)
    fitted = FittedGaussian.fit(codes, points)
    drawn = fitted.sample(40_000, seed=1)
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.15)
    assert np.mean(fitted.distance(codes) ** 2) == pytest.approx(3, rel=0.01)
    assert fitted.distance(codes.mean(0))[0] == pytest.approx(0, abs=1e-3)
    wider = FittedGaussian.fit(codes, points + 0.5)
    np.testing.assert_allclose(np.diag(wider.covariance - fitted.covariance), 0.5, rtol=1e-6)
    assert FittedGaussian.fit(codes[:, :1], points[:, :1]).sample(5, 0).shape == (5, 1)


def test_a_single_code_is_spread_as_its_posterior_is():
    fitted = FittedGaussian.fit(np.ones((1, 3), "f4"), np.full((1, 3), 0.25, "f4"))
    assert np.array_equal(fitted.covariance, 0.25 * np.eye(3))
    assert np.isfinite(fitted.sample(10, 0)).all() and fitted.distance(np.ones(3))[0] == 0


def test_a_code_is_as_unusual_as_the_share_of_codes_nearer_to_the_mean():
    codes = RNG.normal(size=(500, 3)) * [1, 2, 5]
    fitted = FittedGaussian.fit(codes, RNG.random((500, 3)))
    z = RNG.normal(size=(20, 3)) * [1, 2, 5]
    for code, share in zip(z, fitted.unusualness(z), strict=True):
        assert share == (fitted.distance(codes) < fitted.distance(code)).mean()
    assert fitted.unusualness(fitted.mean) == 0 and fitted.unusualness(fitted.mean + 99) == 1


def test_decode_gives_every_picture_in_order():
    model = VAE(VAEConfig((1, 8, 8), 2)).eval().requires_grad_(False)
    z = RNG.normal(size=(501, 2)).astype("f4")
    one = model.decoder(torch.from_numpy(z[[500]])).mean
    torch.testing.assert_close(decode(model, z)[500:], one)


def test_codes_are_the_same_with_and_without_the_bound():
    model = VAE(VAEConfig((1, 8, 8), 2)).eval().requires_grad_(False)
    x = torch.rand(7, 1, 8, 8)
    whole, codes = encode(model, x, batch=3), encode(model, x, batch=3, bound=False)
    assert set(whole) - set(codes) == {"kl", "elbo"}
    for name, values in codes.items():
        np.testing.assert_array_equal(values, whole[name])
    np.testing.assert_allclose(codes["mean"], model.encoder(x).mean, atol=1e-6)
    assert len(encode(model, x[:0], bound=False)["mean"]) == 0
