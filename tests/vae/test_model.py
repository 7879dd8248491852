import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from vae import VAE, ConfigError, VAEConfig, elbo
from vae.config import LIKELIHOODS
from vae.layers import Residual, Upsampling
from vae.model import Delta
from vae.objective import objective

SHAPES = [
    ((1, 8, 8), (), (), 0),
    ((1, 8, 8), (), (5,), 0),
    ((3, 32, 24), (6, 10), (12,), 0),
    ((3, 32, 24), (6, 10), (12,), 2),
    ((3, 256, 256), (4, 4, 4, 4, 4), (8, 6), 0),
    ((3, 128, 128), (4, 4, 4, 4), (8, 6), 1),
]


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize(("shape", "channels", "hidden", "blocks"), SHAPES)
def test_networks_return_distributions_of_the_promised_shapes(
    likelihood, shape, channels, hidden, blocks
):
    torch.manual_seed(0)
    config = VAEConfig(shape, 3, likelihood, channels=channels, hidden=hidden, blocks=blocks)
    model = VAE(config)
    x = torch.rand(2, *shape)
    posterior = model.encoder(x)
    p = model.decoder(posterior.mean)
    assert (posterior.batch_shape, posterior.event_shape) == ((2,), (3,))
    assert (p.batch_shape, p.event_shape) == ((2,), shape)
    assert model.prior.event_shape == (3,)
    assert 0 <= p.mean.min() and p.mean.max() <= 1
    assert (p.variance > 0).all()
    assert sum(t.numel() for t in model.parameters()) == config.parameter_count()


@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize(("shape", "channels", "hidden", "blocks"), SHAPES)
def test_codes_keep_32_bits_where_networks_multiply_in_16(
    variational, shape, channels, hidden, blocks
):
    torch.manual_seed(0)
    networks = {"channels": channels, "hidden": hidden, "blocks": blocks}
    config = VAEConfig(shape, 3, variational=variational, **networks)
    model, seen = VAE(config), []
    for layer in (model.encoder.network[-1], model.decoder.network[0]):
        layer.register_forward_hook(lambda layer, given, out: seen.append((given[0], out)))
    with torch.autocast("cpu", torch.bfloat16):
        z = model.encoder(torch.rand(2, *shape)).rsample()
        p = model.decoder(z)
        p.mean.sum().backward()
    (features, code), (given, out) = seen
    assert code.dtype == out.dtype == z.dtype == p.mean.dtype == torch.float32
    head, first = model.encoder.network[-1], model.decoder.network[0]
    linear = torch.nn.functional.linear
    torch.testing.assert_close(code, linear(features.float(), head.weight, head.bias))
    torch.testing.assert_close(out, linear(given, first.weight, first.bias))


def shaken(model: VAE) -> VAE:
    """The model with all weights changed, as if trained: what starts at 0 or 1 matters then."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("blocks", [0, 2])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_graph_computes_what_the_decoder_computes(likelihood, blocks):
    config = VAEConfig((3, 16, 16), 5, likelihood, channels=(4, 6), hidden=(7,), blocks=blocks)
    decoder = shaken(VAE(config)).decoder
    z = torch.randn(2, 5)
    torch.testing.assert_close(decoder.graph().run(z), decoder.network(z).detach())


def test_a_residual_decoder_enlarges_by_repeating_pixels():
    layer = Upsampling(3, 5)
    x = torch.randn(2, 3, 4, 6)
    large = torch.nn.functional.interpolate(x, scale_factor=2)
    wanted = torch.nn.functional.conv2d(large, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), wanted)


def test_residual_blocks_start_as_the_identity():
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(Residual(8)(x), x)


@pytest.mark.parametrize("fields", [{"blocks": 1, "channels": ()}, {"blocks": 5}, {"blocks": 1.5}])
def test_impossible_residual_networks_are_refused(fields):
    with pytest.raises(ConfigError, match=r"blocks is .*expected"):
        VAEConfig((1, 8, 8), 3, **{"channels": (4,), **fields})


@pytest.mark.parametrize("blocks", [0, 1])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("variational", [True, False])
def test_every_parameter_gets_a_gradient_from_the_objective(likelihood, variational, blocks):
    torch.manual_seed(0)
    networks = {"channels": (4, 6), "hidden": (7,), "blocks": blocks}
    model = VAE(VAEConfig((1, 16, 16), 3, likelihood, variational, **networks))
    for _ in range(2):  # a Gaussian's deviation starts with weights of zero
        x = model.observe(torch.rand(8, 1, 16, 16))
        model.zero_grad()
        (-objective(model, x, torch.randn(8, 3)).value).backward()
        torch.optim.SGD(model.parameters(), 1e-6).step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_kl_sends_the_decoder_no_gradient_and_the_encoder_some():
    model = VAE(VAEConfig((1, 8, 8), 3, channels=(4,), hidden=(6,)))
    elbo(model, torch.rand(4, 1, 8, 8)).kl.sum().backward()
    assert all(p.grad is None for p in model.decoder.parameters())
    assert all(p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_reparameterised_gradients_are_those_of_the_chain_rule():
    torch.manual_seed(1)
    model = VAE(VAEConfig((1, 8, 8), 3, channels=(), hidden=(6,))).double().requires_grad_(False)
    x = model.observe(torch.rand(4, 1, 8, 8, dtype=torch.float64))
    posterior = model.encoder(x)
    mu = posterior.mean.clone().requires_grad_()
    sigma = posterior.stddev.clone().requires_grad_()
    eps = torch.randn_like(mu)
    z = mu + sigma * eps
    z.retain_grad()
    model.decoder(z).log_prob(x).sum().backward()
    torch.testing.assert_close(mu.grad, z.grad)
    torch.testing.assert_close(sigma.grad, z.grad * eps)
    mu.grad = sigma.grad = None
    q = Independent(Normal(mu, sigma), 1)
    prior = Independent(Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1)
    kl_divergence(q, prior).sum().backward()
    torch.testing.assert_close(mu.grad, mu.detach())
    torch.testing.assert_close(sigma.grad, sigma.detach() - 1 / sigma.detach())


def test_bernoulli_codes_do_not_depend_on_who_thresholds():
    model = VAE(VAEConfig((1, 8, 8), 3, channels=(4,), hidden=(6,)))
    x = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(model.encoder(x).mean, model.encoder((x >= 0.5).float()).mean)


def test_gaussian_starts_with_one_sigma_and_keeps_its_floor():
    model = VAE(VAEConfig((3, 16, 16), 4, "gaussian", sigma_floor=0.05))
    sigma = model.decoder(torch.randn(6, 4)).stddev.detach()
    assert sigma.min() == pytest.approx(sigma.max().item())
    _, bias, half = model.decoder.sigma_head()
    bias.data[half:] = -100
    lowest = model.decoder(torch.randn(6, 4)).stddev.min().item()
    assert lowest == pytest.approx(0.05)


def test_autoencoder_encodes_to_points():
    model = VAE(VAEConfig((1, 8, 8), 3, variational=False))
    q = model.encoder(torch.rand(5, 1, 8, 8))
    assert isinstance(q, Delta) and (q.batch_shape, q.event_shape) == ((5,), (3,))
    assert torch.equal(q.rsample(), q.mean) and q.variance.abs().sum() == 0
    assert q.rsample((7,)).shape == (7, 5, 3)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"image_shape": (2, 28, 28)}, "image_shape"),
        ({"image_shape": (1, 7, 28)}, "image_shape"),
        ({"image_shape": (1, 257, 256)}, "image_shape"),
        ({"image_shape": "big"}, "image_shape"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"latent_dim": 2.5}, "latent_dim"),
        ({"latent_dim": True}, "latent_dim"),
        ({"likelihood": "poisson"}, "bernoulli"),
        ({"channels": (8, 8, 8)}, "divisible by 8"),
        ({"channels": (0,)}, "channels"),
        ({"hidden": (10**9,)}, "hidden"),
        ({"hidden": (4096,) * 6, "channels": ()}, "parameters"),
        ({"sigma_floor": 0}, "sigma_floor"),
        ({"sigma": math.nan}, "sigma"),
        ({"variational": "no"}, "variational"),
    ],
)
def test_bad_configs_say_what_is_wrong(fields, word):
    with pytest.raises(ConfigError, match=word):
        VAEConfig(**{"image_shape": (1, 28, 28)} | fields)


def test_config_survives_json_and_refuses_strangers():
    config = VAEConfig((3, 64, 64), 40, "gaussian", channels=(24, 48), hidden=(9,))
    assert VAEConfig.from_dict(config.to_dict()) == config
    for fields in ({}, [], {"image_shape": [1, 28, 28], "layers": 3}):
        with pytest.raises(ConfigError):
            VAEConfig.from_dict(fields)
