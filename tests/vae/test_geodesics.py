"""Shortest curves on surfaces whose shortest curves are known."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from vae import VAE, VAEConfig
from vae.geodesics import curve_length, follow, pictures_of, shortest_curve


def sphere(z: Tensor) -> Tensor:
    """The unit sphere, by stereographic projection from its north pole."""
    squared = z.square().sum(1, keepdim=True)
    return torch.cat([2 * z, squared - 1], 1) / (squared + 1)


@pytest.mark.parametrize("ends", [((1.4, 0.2), (-0.3, 1.5)), ((2.0, -0.5), (0.4, 1.1))])
def test_on_a_sphere_it_is_a_great_circle(ends):
    a, b = np.float32(ends)
    curve = shortest_curve(sphere, a, b, points=17, evaluations=60)
    at = sphere(torch.from_numpy(curve)).numpy()
    angle = np.arccos(at[0] @ at[-1])
    fine = np.linspace(0, 1, 400)
    line = curve_length(sphere, follow(np.stack([a, b]), fine))
    assert line > 1.02 * angle, "the straight line is a detour"
    assert curve_length(sphere, follow(curve, fine)) == pytest.approx(angle, rel=0.003)
    normal = np.cross(at[0], at[-1])
    assert np.abs(at @ normal).max() / np.linalg.norm(normal) < 0.005, "all in one plane"
    steps = np.linalg.norm(np.diff(at, axis=0), axis=1)
    assert steps == pytest.approx(np.full(16, steps.mean()), rel=0.02), "at constant speed"


def test_on_a_plane_it_is_the_straight_line():
    skewed = torch.tensor([[2.0, 0.3, 0.0], [0.0, 0.5, 1.0]])
    a, b = np.float32([[-1, 2], [3, 0.5]])
    curve = shortest_curve(lambda z: z @ skewed, a, b, points=7)
    assert curve == pytest.approx(np.linspace(a, b, 7), abs=1e-4)


def test_in_a_decoder_it_is_shorter_than_the_line_and_its_ends_are_exact():
    torch.manual_seed(0)
    config = VAEConfig((1, 8, 8), latent_dim=3, channels=(4,), hidden=(16,), likelihood="gaussian")
    model = VAE(config).eval().requires_grad_(False)
    for weight in model.decoder.parameters():
        weight.mul_(2.0)  # strongly curved
    surface = pictures_of(model)
    a, b = np.float32([[-3, 1, 2], [2.5, -2, -1]])
    curve = shortest_curve(surface, a, b, points=9)
    assert np.array_equal(curve[[0, -1]], np.stack([a, b]))
    drawn = surface(torch.from_numpy(curve))
    assert drawn.shape == (9, 2 * 64), "means and deviations"
    line = np.linspace(a, b, 9, dtype=np.float32)
    assert curve_length(surface, curve) < 0.98 * curve_length(surface, line)


def test_a_server_that_finds_one_does_without_torchs_compiler():
    """It takes two seconds and 150 MB, which stay."""
    script = (
        "import sys, numpy as np; from vae.geodesics import shortest_curve\n"
        "curve = shortest_curve(lambda z: z.sin(), *np.float32([[0, 0], [1, 2]]))\n"
        "print(len(curve), 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["13", "False"]


def test_a_curve_goes_on_straight_beyond_its_ends():
    curve = np.float32([[0, 0], [1, 0], [1, 1]])
    found = follow(curve, np.array([-0.5, 0, 0.25, 0.5, 0.75, 1, 1.5]))
    assert found == pytest.approx(
        np.array([[-1, 0], [0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [1, 2]])
    )
    with pytest.raises(ValueError, match="points is 1"):
        shortest_curve(sphere, curve[0], curve[1], points=1)
    same = shortest_curve(sphere, curve[1], curve[1], points=5)
    assert np.array_equal(same, np.repeat(curve[1:2], 5, 0))
