"""Networks of one's own in the library: what they return is found out, or asked for."""

from __future__ import annotations

from types import SimpleNamespace

import onnx_models
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from vae import elbo, load_dataset, log_evidence
from vae.bounds import estimate_elbo, estimate_evidence
from vae.codes import decode, encode
from vae.evaluation import evaluate
from vae.imported_models.onnx_file import ImportedModelError
from vae.imported_models.wrapping import wrap_model

D = 5


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return load_dataset("digits", "test").images[:40]


class Encoder(nn.Module):
    """Gives a mean and a log-variance in one of many ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way = way
        self.mean, self.log_variance = nn.Linear(784, D), nn.Linear(784, D)
        nn.init.constant_(self.log_variance.bias, -2.0)

    def forward(self, x: torch.Tensor) -> object:
        x = x if self.way == "flat" else x.flatten(1)
        mean, log_variance = self.mean(x), self.log_variance(x)
        deviation = (log_variance / 2).exp()
        return {
            "flat": (mean, log_variance),
            "tuple": (mean, log_variance),
            "packed": torch.cat([mean, log_variance], 1),
            "dictionary": {"mean": mean, "logvar": log_variance},
            "object": SimpleNamespace(embedding=mean, log_covariance=log_variance),
            "distribution": Independent(Normal(mean, deviation), 1),
            "deviation": (mean, deviation),
        }[self.way]


class Decoder(nn.Module):
    def __init__(self, last: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer, self.last = nn.Linear(D, 784), last or nn.Sigmoid()

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.last(self.layer(z)).view(-1, 1, 28, 28)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: 255 * x, "from 0 to 255; expected 0 to 1"),
        (lambda x: x * float("nan"), "nan"),
        (lambda x: x[:0], "one or more"),
        (lambda x: [x[0]], "images is list"),
    ],
)
def test_images_of_another_kind_are_refused(x, change, words):
    with pytest.raises(ImportedModelError, match=words):
        wrap_model(Decoder(), Encoder("flat"), images=change(x))
    assert wrap_model(Decoder(), Encoder("flat"), images=x.numpy()).image_shape == (1, 28, 28)


@pytest.mark.parametrize(
    "way", ["flat", "tuple", "packed", "dictionary", "object", "distribution"]
)
def test_what_an_encoder_returns_is_found_out(x, way):
    own = Encoder(way)
    model = wrap_model(Decoder(), own, likelihood="bernoulli", latent_shape=D, images=x)
    posterior = model.encoder(x)
    assert torch.allclose(posterior.mean, own.mean(x.flatten(1)), atol=1e-6)
    assert torch.allclose(posterior.variance.log(), own.log_variance(x.flatten(1)), atol=1e-4)
    assert model.latent_dim == D and model.image_shape == (1, 28, 28)


def test_a_deviation_is_asked_for_and_then_taken(x):
    own, decoder = Encoder("deviation"), Decoder()
    with pytest.raises(ImportedModelError, match=r"encoder_output='log_variance' or 'deviation'"):
        wrap_model(decoder, own, images=x)
    model = wrap_model(decoder, own, images=x, encoder_output="deviation")
    assert torch.allclose(model.encoder(x).stddev, own(x)[1], atol=1e-6)


def test_all_of_the_library_takes_a_wrapped_module(x):
    model = wrap_model(Decoder(), Encoder("tuple"), likelihood="bernoulli", images=x)
    bound = elbo(model, x[:4]).elbo
    evidence = log_evidence(model, x[:4], 100)
    exact = estimate_evidence(model, x[0], decodes=100)
    assert torch.isfinite(bound).all() and (evidence > bound - 1).all()
    assert exact.value > estimate_elbo(model, x[0], decodes=100).elbo.value - 1
    codes = encode(model, load_dataset("digits", "test").images, limit=20)
    assert codes["mean"].shape == (20, D) and (codes["kl"] > 0).all()
    assert decode(model, codes["mean"]).shape == (20, 1, 28, 28)
    report = evaluate(model, dataset="digits", images=20, evidence_images=0)
    assert report["n"] == 20 and report["elbo"] == pytest.approx(codes["elbo"].mean(), abs=3)
    with pytest.raises(ValueError, match="dataset"):
        evaluate(model)
    with pytest.raises(ValueError, match="no card"):
        evaluate(model, dataset="digits", save=True)


def test_without_a_likelihood_there_are_no_nats(x):
    model = wrap_model(Decoder(), Encoder("tuple"), images=x)
    assert not model.config.variational and "likelihood" in model.config.no_density
    with pytest.raises(ValueError, match="no likelihood was named"):
        elbo(model, x[:2])
    with pytest.raises(ImportedModelError, match="no likelihood"):
        model.decoder(torch.zeros(1, D)).log_prob(x[:1])


def test_logits_probabilities_and_ranges_give_the_same_picture(x):
    z = torch.randn(6, D, generator=torch.Generator().manual_seed(0))
    wanted = Decoder()(z)

    class Stretched(Decoder):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(z) - 1

    cases = [
        wrap_model(Decoder(), likelihood="bernoulli"),
        wrap_model(Decoder(nn.Identity()), likelihood="bernoulli"),
        wrap_model(Decoder(nn.Identity()), likelihood="gaussian_fixed", output="logits"),
        wrap_model(Stretched(), likelihood="gaussian_fixed", pixel_range=(-1, 1)),
    ]
    for model in cases:
        assert torch.allclose(model.decoder(z).mean, wanted, atol=1e-6)
    with pytest.raises(ImportedModelError, match="say what they are"):
        wrap_model(Decoder(nn.Identity()), likelihood="gaussian_fixed")


def test_the_deviation_of_each_pixel_is_taken(x):
    class Both(Decoder):
        def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            mean = super().forward(z)
            return mean, mean - 3

    model = wrap_model(Both(), likelihood="gaussian", pixel_range=(0, 1))
    z = torch.randn(3, D)
    assert torch.allclose(model.decoder(z).variance.log(), Both()(z)[1], atol=1e-4)

    class Positive(Decoder):
        def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            mean = super().forward(z)
            return mean, mean / 4 + 0.1

    with pytest.raises(ImportedModelError, match="spread='log_variance' or 'deviation'"):
        wrap_model(Positive(), likelihood="gaussian")
    model = wrap_model(Positive(), likelihood="gaussian", spread="deviation")
    assert torch.allclose(model.decoder(z).stddev, Positive()(z)[1], atol=1e-6)


def test_networks_that_do_not_fit_are_refused_in_a_sentence(x):
    class Odd(Decoder):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return super().forward(z)[:, :, :-1]

    class NotFinite(Decoder):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return super().forward(z) / 0

    class Rows(Decoder):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return super().forward(z)[:1]

    encoder = Encoder("tuple")
    for decoder, words in [
        (Odd(), "expected an image"),
        (NotFinite(), "not finite"),
        (Rows(), "one row for each"),
        (nn.Sequential(nn.Linear(3, 784), nn.Sigmoid()), "does not take"),
        ("nowhere.onnx", "no such file"),
        (3, "expected an nn.Module or an ONNX file"),
    ]:
        with pytest.raises(ImportedModelError, match=words):
            wrap_model(decoder, encoder, images=x)


@pytest.mark.parametrize("layout", ["CHW", "HWC", "flat"])
def test_an_onnx_file_gives_what_its_layers_give(tmp_path, x, layout):
    made = onnx_models.decoder(layout=layout)
    files = onnx_models.write(tmp_path, decoder=made, encoder=onnx_models.encoder())
    model = wrap_model(files["decoder"], files["encoder"], likelihood="bernoulli", images=x)
    weights = {t.name: torch.from_numpy(onnx_array(t)) for t in made.graph.initializer}
    z = torch.randn(70, 4, generator=torch.Generator().manual_seed(0))
    wanted = torch.sigmoid(z @ weights["w"] + weights["b"]).view(-1, 1, 28, 28)
    assert torch.allclose(model.decoder(z).mean, wanted, atol=1e-5)
    assert model.config.encoder == "log_variance"

    def picture(z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(z @ weights["w"] + weights["b"]).view(-1, 1, 28, 28)

    seen, z = x[:3].round(), z[:3].requires_grad_()
    wanted = torch.distributions.Bernoulli(picture(z)).log_prob(seen).sum()
    slopes = [
        torch.autograd.grad(value, z)[0]
        for value in (model.decoder(z).log_prob(seen).sum(), wanted)
    ]
    assert torch.allclose(*slopes, rtol=1e-3, atol=1e-2)


def onnx_array(tensor):
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor).copy()
