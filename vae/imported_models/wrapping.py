"""What a model's networks take and give: found out by running them, or asked for in a sentence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .config import ENCODERS, SPREADS, ImportedConfig
from .networks import Network, network_of
from .onnx_file import ImportedModelError
from .wrapped import WrappedModel, prepare

__all__ = ["describe", "wrap_model"]

Shape = tuple[int, ...]
_TRIED = 32  # images and codes with which networks are tried
_SLACK = 1e-3  # beyond 0…1, by which rounding may take probabilities


def wrap_model(
    decoder: Any,
    encoder: Any = None,
    *,
    likelihood: str = "none",
    latent_shape: Shape | int | None = None,
    image_shape: tuple[int, int, int] | None = None,
    pixel_range: tuple[float, float] | None = None,
    output: str | None = None,
    encoder_output: str | None = None,
    spread: str | None = None,
    sigma: float = 0.1,
    images: Tensor | None = None,
) -> WrappedModel:
    """Wraps networks of one's own into a model that the whole library accepts.

    The encoder may return a mean; a mean and a log-variance or a standard deviation, as a tuple,
    a dictionary, an object, a distribution, or in one tensor; or a point. Which of these it is,
    whether images and codes are flat, and what the decoder returns, is found out by running them.

    Args:
        decoder: `nn.Module` or path of an ONNX file, codes `(B, *latent_shape)` to images; or a
            module with the methods `encode` and `decode`, which is both.
        encoder: likewise, images to codes; None where there is none.
        likelihood: p(x|z): `"bernoulli"`, `"gaussian_fixed"` or `"gaussian"`; `"none"` gives no
            nats.
        latent_shape: shape of a code, such as 16 or (4, 8, 8), where it is not found out.
        image_shape: (C, H, W), likewise.
        pixel_range: values of black and white in the encoder's input and the decoder's output,
            (0, 1) by default.
        output: what the decoder returns: `"probabilities"`, `"logits"` or `"mean"`.
        encoder_output: what the encoder returns: `"mean"`, `"log_variance"` or `"deviation"`
            beside the mean, or `"point"`.
        spread: what the decoder returns beside the mean for `gaussian`: `"log_variance"` or
            `"deviation"`.
        sigma: standard deviation of `gaussian_fixed`, for pixels in [0, 1].
        images: some images `(N, C, H, W)` in [0, 1], on which the networks are tried.

    Returns:
        A model with `encoder(x)`, `decoder(z)`, `prior`, `config`, `latent_dim` and `image_shape`.
        PyTorch modules are put into eval mode.

    Raises:
        ImportedModelError: if the networks do not fit together, or something has to be said; the
            message names the argument.
        ConfigError: if an argument has an invalid value.
    """
    if images is not None:
        images = _pictures(images)
    both = encoder is None and isinstance(decoder, nn.Module) and hasattr(decoder, "encode")
    decode = network_of(decoder, "decode")
    encode = network_of(decoder if both else encoder, "encode") if both or encoder else None
    with torch.no_grad():
        config = describe(
            decode,
            encode,
            likelihood=likelihood,
            latent_shape=(latent_shape,) if isinstance(latent_shape, int) else latent_shape,
            image_shape=tuple(images.shape[1:]) if images is not None else image_shape,  # type: ignore[arg-type]
            pixel_range=pixel_range,
            output=output,
            encoder_output=encoder_output,
            spread=spread,
            sigma=sigma,
            images=images,
        )
    return WrappedModel(config, encode, decode)


def _pictures(images: Tensor) -> Tensor:
    """Images as `describe` takes them.

    Raises:
        ImportedModelError: if they are of another kind, or not between 0 and 1.
    """
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(images)
    if not isinstance(images, Tensor) or images.ndim != 4 or not len(images):
        found = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ImportedModelError(
            f"images is {found}; expected a tensor (N, C, H, W) of one or more images, in [0, 1]."
        )
    low, high = images.min().item(), images.max().item()
    if not (0 <= low <= high <= 1):  # NaN, too
        raise ImportedModelError(
            f"images has values from {low:g} to {high:g}; expected 0 to 1. Divide bytes by 255; "
            "say pixel_range where the networks themselves take other values."
        )
    return images.float()


def describe(
    decoder: Network,
    encoder: Network | None,
    *,
    likelihood: str,
    latent_shape: Shape | None,
    image_shape: tuple[int, int, int] | None,
    pixel_range: tuple[float, float] | None,
    output: str | None,
    encoder_output: str | None,
    spread: str | None,
    sigma: float,
    images: Tensor | None,
    codes: Tensor | None = None,
) -> ImportedConfig:
    """Finds out what networks take and give; arguments as for `wrap_model`.

    Args:
        decoder: network of the decoder.
        encoder: network of the encoder, or None.
        likelihood: as for `wrap_model`.
        latent_shape: as for `wrap_model`.
        image_shape: as for `wrap_model`.
        pixel_range: as for `wrap_model`.
        output: as for `wrap_model`.
        encoder_output: as for `wrap_model`.
        spread: as for `wrap_model`.
        sigma: as for `wrap_model`.
        images: as for `wrap_model`.
        codes: some codes `(N, D)` where there is no encoder.

    Returns:
        The configuration.

    Raises:
        ImportedModelError: if they do not fit together, or something has to be said.
    """
    shape = latent_shape or decoder.input_shape
    image_shape = image_shape or _image_shape_of(encoder)
    if encoder is None and shape is None:
        shape = _first_width(decoder)
    if image_shape is None and shape is not None:
        noise = torch.randn((2, *shape), generator=torch.Generator().manual_seed(0))
        image_shape = _image_shape(_run(decoder, noise, "decoder"), likelihood)
    if image_shape is None:
        raise ImportedModelError(
            "The shape of an image cannot be found out; say it: image_shape=(1, 28, 28)."
        )
    config = ImportedConfig(
        image_shape,
        latent_dim=math.prod(shape or (1,)),
        latent_shape=shape or (1,),
        likelihood=likelihood,
        encoder="none",
        pixel_range=pixel_range or (0.0, 1.0),
        output=output or "mean",
        sigma=sigma,
        sigma_floor=1e-3,
    )
    z = torch.randn((_TRIED, config.latent_dim), generator=torch.Generator().manual_seed(0))
    if codes is not None:
        if codes.shape[1] != config.latent_dim:
            raise ImportedModelError(
                f"The codes have {codes.shape[1]} dimensions; the decoder takes "
                f"{config.latent_dim}."
            )
        z = codes[:_TRIED]
    if encoder is not None:
        config, z = _describe_encoder(config, encoder, encoder_output, shape, images)
    return _describe_decoder(config, decoder, z, output, pixel_range, spread)


def _run(network: Network, x: Tensor, role: str) -> list[Tensor]:
    """The outputs; raises a sentence where the network does not take such inputs."""
    try:
        return network(x)
    except ImportedModelError:
        raise
    except Exception as error:  # a module of somebody else may raise anything
        words = " ".join(str(error).split())[:200]
        raise ImportedModelError(
            f"The {role} does not take {tuple(x.shape)}: {words}. Say latent_shape or image_shape."
        ) from error


def _image_shape_of(encoder: Network | None) -> tuple[int, int, int] | None:
    shape = encoder.input_shape if encoder is not None else None
    if shape is None or len(shape) != 3:
        return None
    c, h, w = shape if shape[0] in (1, 3) else (shape[2], shape[0], shape[1])
    return (c, h, w) if c in (1, 3) else None


def _image_shape(outputs: list[Tensor], likelihood: str) -> tuple[int, int, int] | None:
    shape = tuple(outputs[0].shape[1:])
    if len(shape) != 3:
        return None
    c, h, w = shape if shape[0] in (1, 2, 3, 6) else (shape[2], *shape[:2])
    if likelihood == "gaussian" and len(outputs) == 1:
        c //= 2
    return (c, h, w) if c in (1, 3) else None


def _first_width(decoder: Network) -> Shape:
    layer = next(
        (
            m
            for m in decoder.modules()
            if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
        ),
        None,
    )
    if not isinstance(layer, nn.Linear):
        raise ImportedModelError(
            "The shape of a code cannot be found out; say it: latent_shape=16, or (4, 8, 8)."
        )
    return (layer.in_features,)


def _input_layout(config: ImportedConfig, encoder: Network, x: Tensor) -> str:
    c, h, w = config.image_shape
    if (shape := encoder.input_shape) is not None:
        if shape == (h, w, c) and shape != (c, h, w):
            return "HWC"
        if math.prod(shape) != c * h * w:
            raise ImportedModelError(
                f"The encoder takes {shape}; expected images of {config.image_shape}. Name a "
                "dataset of such images."
            )
        return "CHW" if shape == (c, h, w) else "flat"
    try:
        encoder(prepare(config, x[:2]))
    except ImportedModelError:
        raise
    except Exception:  # it may want the image flat; if not, its own words come next
        _run(encoder, prepare(replace(config, input_layout="flat"), x[:2]), "encoder")
        return "flat"
    return "CHW"


def _describe_encoder(
    config: ImportedConfig,
    encoder: Network,
    told: str | None,
    shape: Shape | None,
    images: Tensor | None,
) -> tuple[ImportedConfig, Tensor]:
    """The configuration with what the encoder returns, and codes of images."""
    x = images[:_TRIED] if images is not None else None
    if x is None:
        x = torch.rand((4, *config.image_shape), generator=torch.Generator().manual_seed(0))
    config = replace(config, input_layout=_input_layout(config, encoder, x))
    outputs = _run(encoder, prepare(config, x), "encoder")
    if not all(torch.isfinite(t).all() for t in outputs):
        raise ImportedModelError("The encoder gives values that are not finite; train it again.")
    sizes, first = [tuple(t.shape[1:]) for t in outputs], outputs[0].flatten(1)
    pair = len(outputs) > 1 and sizes[1] == sizes[0]
    if shape is None:
        packed = told in SPREADS and not pair
        half = (sizes[0][0] // 2, *sizes[0][1:])
        shape = half if packed else sizes[0]
    d = math.prod(shape)
    if first.shape[1] == d and pair:
        second: Tensor | None = outputs[1].flatten(1)
    elif first.shape[1] == 2 * d:
        first, second = first.chunk(2, 1)
    elif first.shape[1] == d:
        second = None
    else:
        raise ImportedModelError(
            f"The encoder returns {', '.join(map(str, sizes))} for an image, and the decoder "
            f"takes {shape}; expected a mean of that size, and perhaps a variance beside it. Say "
            "latent_shape, if the decoder takes another."
        )
    if told is not None:
        if told not in ENCODERS or (told in SPREADS and second is None):
            raise ImportedModelError(
                f"encoder_output is {told!r}, and the encoder returns {sizes}; expected one of "
                f"{', '.join(ENCODERS[1:])} that fits."
            )
        kind = told
    else:
        kind = "mean" if second is None else _spread(second, encoder.names[1:2], "encoder_output")
    return replace(config, encoder=kind, latent_dim=d, latent_shape=shape), first


def _spread(second: Tensor, names: tuple[str, ...], option: str) -> str:
    """Whether values are log-variances or deviations: by their name, or because some are < 0."""
    name = names[0].lower() if names else ""
    if "log" in name or (second < 0).any():
        return "log_variance"
    if any(word in name for word in ("std", "sigma", "dev", "scale")):
        return "deviation"
    raise ImportedModelError(
        "What is returned beside the mean is above 0 everywhere, so it may be a deviation or a "
        f"log-variance; say which: {option}='log_variance' or 'deviation'."
    )


def _describe_decoder(
    config: ImportedConfig,
    decoder: Network,
    z: Tensor,
    told: str | None,
    pixel_range: tuple[float, float] | None,
    spread: str | None,
) -> ImportedConfig:
    if decoder.input_shape is not None and math.prod(decoder.input_shape) != config.latent_dim:
        raise ImportedModelError(
            f"The decoder takes {decoder.input_shape}; expected codes of {config.latent_shape}."
        )
    outputs = _run(decoder, z.reshape(len(z), *config.latent_shape), "decoder")
    c, h, w = config.image_shape
    first, gaussian = outputs[0], config.likelihood == "gaussian"
    found, packed = tuple(first.shape[1:]), gaussian and len(outputs) < 2
    deep = 2 * c if packed else c
    layouts: dict[Shape, str] = {(deep, h, w): "CHW", (h, w, deep): "HWC"}
    layout = layouts.get(found, "flat" if first[0].numel() == deep * h * w else "")
    if not layout:
        more = " with a mean and a deviation for each pixel" if packed else ""
        raise ImportedModelError(
            f"The decoder returns {found} for a code; expected an image of {config.image_shape}"
            f"{more}."
        )
    if gaussian:
        axis = -1 if layout == "HWC" else 1
        first, second = first.chunk(2, axis) if packed else outputs[:2]
        spread = spread or _spread(second, decoder.names[1:2], "spread")
        config = replace(config, spread=spread)
    if not torch.isfinite(first).all():
        raise ImportedModelError("The decoder gives values that are not finite; train it again.")
    return replace(
        config,
        output_layout=layout,
        output=told or _output(first, config.likelihood, pixel_range),
    )


def _output(first: Tensor, likelihood: str, pixel_range: tuple[float, float] | None) -> str:
    low, high = first.min().item(), first.max().item()
    if pixel_range is not None and tuple(pixel_range) != (0, 1):
        return "mean"
    if -_SLACK <= low and high <= 1 + _SLACK:
        return "probabilities"
    if likelihood == "bernoulli":
        return "logits"
    raise ImportedModelError(
        f"The decoder returns values from {low:.3g} to {high:.3g}; say what they are: "
        "output='logits', or pixel_range=(-1, 1) or the values that are black and white."
    )
