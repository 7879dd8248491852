"""What the commands say of arguments of the library."""

from __future__ import annotations

import pytest

from vae.data_commands import _with_options


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Say latent_shape or image_shape.", "Say --latent-shape or --image-shape."),
        ("say it: image_shape=(1, 28, 28).", "say it: --image-shape 1,28,28."),
        ("output='logits' or 'mean', pixel_range=(-1, 1)",
         "--output logits or 'mean', --pixel-range -1,1"),
        ("the output, with a likelihood", "the output, with a likelihood"),
        ("--latent-shape 4,8,8", "--latent-shape 4,8,8"),
    ],
)  # fmt: skip
def test_arguments_are_named_as_options(words, said):
    assert _with_options(words) == said
