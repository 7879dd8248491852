"""The autoencoder of latent diffusion, `diffusers.AutoencoderKL`: codes of 4×8×8.

Pixels go from −1 to 1. A small configuration is trained on drawn faces; a trained one is loaded
with `AutoencoderKL.from_pretrained(FOLDER)` instead. It needs `pip install diffusers`.

python examples/models/latent_diffusion.py --explore
"""

from __future__ import annotations

import sys

from recipe import run
from torch import nn

HOW = {"likelihood": "gaussian_fixed", "latent_shape": (4, 8, 8), "pixel_range": (-1, 1)}


def build() -> tuple[nn.Module, None]:
    """The module, which is both: 64×64 pixels, three halvings."""
    try:
        from diffusers import AutoencoderKL
    except ImportError:
        sys.exit("This recipe needs the package diffusers. Install it: pip install diffusers")
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 16, 32, 32),
        latent_channels=4,
        norm_num_groups=4,
    ), None


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Trains it; gives the ELBO before and after."""
    return run(build, __doc__, arguments, dataset="faces", rate=1e-3, **HOW)


if __name__ == "__main__":
    main()
