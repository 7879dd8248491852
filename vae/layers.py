"""Layers of the networks, and how their weights start."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .decoder_graph.upsampling import UPSAMPLED

__all__ = ["SLOPE", "Residual", "Upsampling", "initialised", "normalisation"]

SLOPE = 0.1  # negative slope of every LeakyReLU


def initialised(layers: list[nn.Module]) -> nn.Sequential:
    """Chains layers whose initial weights preserve the variance of the signal.

    torch's default initialisation reduces it at every layer, and a deep network then learns
    several times more slowly.

    References:
        Delving deep into rectifiers (He et al., 2015).
    """
    gain = nn.init.calculate_gain("leaky_relu", SLOPE)
    for layer, follower in pairwise([*layers, None]):
        if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            continue
        if layer.weight.is_meta:  # loaded later; initialising would import torch's compiler
            continue
        inputs = layer.weight[0].numel()
        if isinstance(layer, nn.ConvTranspose2d):  # each output uses one in stride² weights
            inputs = layer.weight[:, 0].numel() // math.prod(layer.stride)
        scale = gain if isinstance(follower, nn.LeakyReLU) else 1.0
        nn.init.normal_(layer.weight, 0, scale / math.sqrt(inputs))
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def normalisation(width: int) -> nn.GroupNorm:
    """Normalisation of groups of channels, eight where the width can be divided so."""
    return nn.GroupNorm(math.gcd(width, 8), width)


class Upsampling(nn.Conv2d):
    """Repeats every pixel in a square of 2×2, then convolves with a kernel of 3×3.

    Together they are a transposed convolution with a kernel of 4×4 and a stride of 2, whose
    weights are sums of these; it takes 4 multiplications where a convolution of the large image
    takes 9.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def transposed_weight(self) -> Tensor:
        """The kernel of the transposed convolution, `(inputs, outputs, 4, 4)`."""
        sums = self.weight.new_tensor(UPSAMPLED)
        return torch.einsum("ak,bl,oikl->ioab", sums, sums, self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The enlarged image `(B, outputs, 2H, 2W)` of one `(B, inputs, H, W)`."""
        return F.conv_transpose2d(x, self.transposed_weight(), self.bias, 2, 1)


class Residual(nn.Module):
    """x + f(x), where f is twice a normalisation, SiLU and a convolution, and starts at 0.

    References:
        Identity mappings in deep residual networks (He et al., 2016); group normalization (Wu
        and He, 2018).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [normalisation(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)]
        self.layers = initialised(layers)
        last = layers[-1]
        assert isinstance(last, nn.Conv2d)
        if not last.weight.is_meta:
            nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """An image of the same shape, `(B, width, H, W)`."""
        return x + self.layers(x)
