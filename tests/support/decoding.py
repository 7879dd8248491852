"""Networks to decode, and what a page gives for them."""

from __future__ import annotations

import base64

import numpy as np
import torch

from vae.code_distribution import CodeDistribution
from vae.config import VAEConfig
from vae.flow import VelocityField
from vae.model import VAE

EXACT = 1e-4  # of full scale
BASE = "/some/where"  # not at the root, so that every address has to be resolved

FLAGSHIP = VAEConfig(
    (3, 64, 64), latent_dim=40, likelihood="gaussian", channels=(24, 48, 96, 128), hidden=(256,)
)
NETWORKS = {
    "mlp-grey": VAEConfig((1, 28, 28), latent_dim=2, channels=(), hidden=(100, 30)),
    "mlp-rgb-gaussian": VAEConfig(
        (3, 12, 20), latent_dim=3, likelihood="gaussian", channels=(), hidden=(17,)
    ),
    "mlp-linear": VAEConfig(
        (1, 8, 8), latent_dim=1, likelihood="gaussian_fixed", channels=(), hidden=()
    ),
    "conv-grey": VAEConfig((1, 28, 28), latent_dim=8, channels=(32, 64), hidden=(128,)),
    "one-dimension": VAEConfig(
        (1, 16, 16), latent_dim=1, likelihood="continuous_bernoulli", channels=(8,), hidden=(9,)
    ),
    "odd-channels": VAEConfig(
        (3, 24, 16), latent_dim=17, likelihood="continuous_bernoulli", channels=(5, 9, 13)
    ),
    "one-pixel-core": VAEConfig(
        (1, 8, 8), latent_dim=3, likelihood="gaussian", channels=(20, 7, 3), hidden=(5, 6, 7)
    ),
    "wide-block": VAEConfig((3, 8, 40), latent_dim=40, channels=(33, 67), hidden=(33,)),
    "no-hidden": VAEConfig(
        (3, 32, 32), latent_dim=40, likelihood="gaussian_fixed", channels=(16, 24), hidden=()
    ),
    "flagship": FLAGSHIP,
    "largest": VAEConfig(
        (3, 128, 128), latent_dim=17, likelihood="gaussian", channels=(12, 24, 24, 24, 24)
    ),
    "largest-mlp": VAEConfig((1, 128, 128), latent_dim=2, channels=(), hidden=(20,)),
}


def random_network(config: VAEConfig, seed: int = 0, half: bool = True) -> VAE:
    """A network whose pictures have contrast, with weights that 16 bits hold exactly."""
    generator = torch.Generator().manual_seed(seed)
    model = VAE(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        inputs = parameter[0].numel() if parameter.dim() > 1 else 1
        if parameter.dim() == 4 and parameter.shape[-1] == 4:  # transposed: (in, out, 4, 4)
            inputs = parameter.shape[0] * 4
        scale = (3 / inputs) ** 0.5 if name.endswith("weight") else 0.3
        values = torch.randn(parameter.shape, generator=generator) * scale
        parameter.copy_(values.half().float() if half else values)
    return model


def random_distribution(dim: int, width: int = 29, blocks: int = 2) -> CodeDistribution:
    """An untrained flow that bends whatever follows it, with weights that 16 bits hold."""
    torch.manual_seed(4)
    field = VelocityField(dim, width, blocks).requires_grad_(False).eval()
    for parameter in field.parameters():
        parameter.copy_((torch.randn(parameter.shape) * 1.2 / parameter.shape[-1] ** 0.5).half())
    rng = np.random.default_rng(5)
    root = np.eye(dim) + 0.3 * rng.standard_normal((dim, dim))
    return CodeDistribution(
        rng.standard_normal(dim).astype(np.float32), root.astype(np.float32), field
    )


def expected(model: VAE, zs: torch.Tensor) -> np.ndarray:
    """Mean and, for `gaussian`, deviation: (n, P·C, H, W)."""
    with torch.inference_mode():
        likelihood = model.decoder(zs)
        parts = [likelihood.mean]
        if model.config.likelihood == "gaussian":
            parts.append(likelihood.stddev)
    return torch.cat(parts, 1).numpy()


def codes(model: VAE, n: int = 2, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, model.latent_dim, generator=generator) * 1.5


def numbers(text: str | None, dtype) -> np.ndarray | None:
    """What `pack` gave in the page."""
    return None if text is None else np.frombuffer(base64.b64decode(text), dtype)


def pictures(page, zs: torch.Tensor):
    """Lists of the raw numbers and the bytes of mean and deviation, as the page decodes `zs`."""
    found = page.evaluate(
        """async ([zs, n]) => {
            const pictures = await d.decodeMany(Float32Array.from(zs), n, { raw: true });
            return pictures.map((p) => [
                p.raw && pack(p.raw), pack(p.mean.data), p.deviation && pack(p.deviation.data)]);
        }""",
        [zs.flatten().tolist(), len(zs)],
    )
    kinds = (np.float32, np.uint8, np.uint8)
    return [[numbers(f[i], kind) for f in found] for i, kind in enumerate(kinds)]


def worst(page, model: VAE, zs: torch.Tensor) -> float:
    want = expected(model, zs)
    raw, _, _ = pictures(page, zs)
    return float(np.abs(np.reshape(raw, want.shape) - want).max())
