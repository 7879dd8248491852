"""New decoders answer with the average image; trained ones are left as they are."""

from __future__ import annotations

import pytest
import torch

from vae import VAE, VAEConfig, load_dataset
from vae.config import LIKELIHOODS
from vae.training import TrainingConfig, train
from vae.training.start import start_at_average


def pictures(count: int = 40) -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    grey = torch.randint(0, 256, (count, 3, 8, 8), generator=source) // 2
    grey[:, :, 0] = 0  # black in every image
    return grey.to(torch.uint8)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("channels", [(), (4,)])
def test_a_decoder_without_a_signal_gives_the_average(likelihood, channels):
    x = pictures()
    model = VAE(VAEConfig((3, 8, 8), 2, likelihood, channels=channels, hidden=(5,)))
    start_at_average(model, x)
    with torch.no_grad():  # neither code nor weights say anything
        last = [m for m in model.decoder.network if hasattr(m, "weight")][-1]
        last.weight.zero_()
        mean = model.decoder(torch.zeros(1, 2)).mean[0]
    average = (x.double() / 255).mean(0).clamp(1 / 255, 1 - 1 / 255).float()
    expected = average.mean((1, 2), keepdim=True).expand(3, 8, 8) if channels else average
    torch.testing.assert_close(mean, expected, atol=1e-4, rtol=0)


def test_one_that_was_trained_stays():
    model = VAE(VAEConfig((3, 8, 8), 2, channels=(), hidden=(5,)))
    with torch.no_grad():
        model.decoder.mean_biases()[3] = 0.5
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start_at_average(model, pictures())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_training_starts_there_whatever_holds_the_images():
    images = load_dataset("digits", "train").images
    first = []
    for held in (images, images.uint8):
        torch.manual_seed(0)
        model = VAE(VAEConfig((1, 28, 28), 8, channels=(), hidden=(32,)))
        progress = next(train(model, held, TrainingConfig(epochs=1, learning_rate=1e-8)))
        first.append(progress.reconstruction)
    assert first[0] == first[1] > -400, "784 coins have -543 nats, and pixels of no image are lit"
