"""Models of one's own as the library takes them: encoder and decoder return distributions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal, constraints

from ..decoder_graph import DecoderGraph, GraphError, OutputRule, graph_of_onnx
from ..model import VAE, Delta
from .config import ImportedConfig
from .networks import Network, OnnxNetwork
from .onnx_file import ImportedModelError, read_onnx_model

__all__ = ["ImportedDecoder", "ImportedEncoder", "NearestImages", "Pictures", "WrappedModel"]

_CHUNK = 256


class Pictures(Distribution):
    """Pictures without a density: what a decoder without a likelihood returns.

    Args:
        pictures: `(B, C, H, W)`, with event `(C, H, W)`.
    """

    arg_constraints = {}  # noqa: RUF012
    support = constraints.independent(constraints.real, 3)
    has_rsample = True

    def __init__(self, pictures: Tensor, validate_args: bool | None = None) -> None:
        self.pictures = pictures
        super().__init__(pictures.shape[:-3], pictures.shape[-3:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The pictures."""
        return self.pictures

    @property
    def variance(self) -> Tensor:
        """Zero."""
        return torch.zeros_like(self.pictures)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """The pictures, repeated for every sample."""
        return self.pictures.expand(torch.Size(sample_shape) + self.pictures.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Raises an error, for there is no density.

        Raises:
            ImportedModelError: always.
        """
        raise ImportedModelError(
            "This model has no likelihood, so no picture has a density. Name one: "
            "likelihood='bernoulli', 'gaussian_fixed' or 'gaussian'."
        )


class ImportedEncoder(nn.Module):
    """q(z|x) from a network of any origin.

    Args:
        config: what the network takes and gives.
        network: the network, or None where there is none.
    """

    def __init__(self, config: ImportedConfig, network: Network | None) -> None:
        super().__init__()
        self.config = config
        self.network = network

    def forward(self, x: Tensor, validate_args: bool | None = None) -> Independent | Delta:
        """Returns q(z|x) with batch `(B,)` and event `(D,)`.

        Args:
            x: images `(B, C, H, W)` in [0, 1].
            validate_args: whether the distribution checks its arguments; torch's default if None.

        Raises:
            ImportedModelError: if the model has no encoder.
        """
        config = self.config
        if self.network is None:
            raise ImportedModelError(
                "There is no encoder, so no picture can be encoded. Import it again with "
                "one: --encoder encoder.onnx."
            )
        outputs = self.network(prepare(config, x))
        first = outputs[0].flatten(1)
        if config.encoder not in ("log_variance", "deviation"):
            return Delta(first[:, : config.latent_dim], validate_args)
        packed = first.shape[1] == 2 * config.latent_dim
        mean, second = first.chunk(2, 1) if packed else (first, outputs[1].flatten(1))
        if config.encoder == "log_variance":
            sigma = torch.exp(0.5 * second.clamp(-20, 20))
        else:
            sigma = second.clamp(min=4.5e-5)  # e⁻¹⁰, as above
        return Independent(Normal(mean, sigma, validate_args), 1, validate_args)


def prepare(config: ImportedConfig, x: Tensor) -> Tensor:
    """Images `(B, C, H, W)` in [0, 1] as an encoder takes them."""
    low, high = config.pixel_range
    if (low, high) != (0, 1):
        x = low + (high - low) * x
    if config.input_layout == "HWC":
        return x.permute(0, 2, 3, 1)
    return x.flatten(1) if config.input_layout == "flat" else x


class ImportedDecoder(nn.Module):
    """p(x|z) from a network of any origin, or pictures alone where no likelihood is named.

    Args:
        config: what the network takes and gives.
        network: the network.
    """

    def __init__(self, config: ImportedConfig, network: Network) -> None:
        super().__init__()
        self.config = config
        self.network = network

    def forward(self, z: Tensor, validate_args: bool | None = None) -> Independent | Pictures:
        """Returns p(x|z) with batch `(B,)` and event `(C, H, W)`.

        Args:
            z: codes `(B, D)`.
            validate_args: whether the distribution checks its arguments; torch's default if None.
        """
        config = self.config
        outputs = self.network(z.reshape(len(z), *config.latent_shape))
        raw, second = split_output(config, outputs)
        if config.likelihood == "bernoulli" and config.output == "logits":
            return Independent(Bernoulli(logits=raw, validate_args=validate_args), 3)
        low, high = config.pixel_range
        if config.output == "logits":
            mean = torch.sigmoid(raw)
        elif config.output == "mean":
            mean = (raw - low) / (high - low)
        else:
            mean = raw
        if config.likelihood == "none":
            return Pictures(mean, validate_args)
        if config.likelihood == "bernoulli":
            return Independent(Bernoulli(mean.clamp(0, 1), validate_args=validate_args), 3)
        if config.likelihood == "gaussian":
            assert second is not None
            if config.spread == "log_variance":
                second = torch.exp(0.5 * second.clamp(-20, 20))
            sigma = (second / (high - low)).clamp(min=config.sigma_floor)
        else:
            sigma = torch.full_like(mean, config.sigma)
        return Independent(Normal(mean, sigma, validate_args), 3, validate_args)

    def graph(self) -> DecoderGraph:
        """The network and what its outputs mean, with weights in 16 bits.

        Raises:
            GraphError: if the browser cannot run it.
        """
        config = self.config
        if not isinstance(self.network, OnnxNetwork):
            raise GraphError("The decoder is a PyTorch module, and no ONNX file")
        rule = OutputRule(
            config.image_shape,
            config.output,
            config.pixel_range,
            config.output_layout,
            config.spread if config.likelihood == "gaussian" else None,
            config.sigma_floor,
        )
        model = read_onnx_model(self.network.file)
        return graph_of_onnx(model, config.latent_shape, rule).rounded()


def split_output(config: ImportedConfig, outputs: list[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Mean `(B, C, H, W)` and, for `gaussian`, what goes with it, from a decoder's outputs."""
    first, second = outputs[0], outputs[1] if len(outputs) > 1 else None
    c, h, w = config.image_shape
    if config.likelihood == "gaussian" and first[0].numel() == 2 * c * h * w:
        axis = -1 if config.output_layout == "HWC" else 1
        first, second = first.chunk(2, axis)

    def arranged(x: Tensor) -> Tensor:
        if config.output_layout == "HWC":
            return x.reshape(len(x), h, w, c).permute(0, 3, 1, 2)
        return x.reshape(len(x), c, h, w)

    mean = arranged(first)
    return mean, arranged(second) if config.likelihood == "gaussian" else None  # type: ignore[arg-type]


class NearestImages(nn.Module):
    """The image of the nearest code, in place of a decoder.

    Args:
        config: configuration of the model.
        codes: codes `(N, D)`.
        pictures: their images `(N, C, H, W)`, uint8.
    """

    codes: Tensor
    pictures: Tensor

    def __init__(self, config: ImportedConfig, codes: Tensor, pictures: Tensor) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("codes", codes)
        self.register_buffer("pictures", pictures)

    def forward(self, z: Tensor, validate_args: bool | None = None) -> Pictures:
        """Returns the images of the codes nearest to `z` `(B, D)`."""
        rows = [torch.cdist(part, self.codes).argmin(1) for part in z.split(_CHUNK)]
        return Pictures(self.pictures[torch.cat(rows)].float() / 255, validate_args)

    def graph(self) -> DecoderGraph:
        """There is none.

        Raises:
            GraphError: always.
        """
        raise GraphError("This model has no decoder; the nearest image is shown")


class WrappedModel(VAE):
    """A model of one's own: its encoder and decoder return distributions, as those of `VAE` do.

    Its prior is N(0, I). Without a likelihood, or a variance from the encoder, there is no density
    and `config.variational` is False; `config.no_density` says why.

    Args:
        config: what its networks take and give.
        encoder: network of the encoder, or None.
        decoder: network of the decoder, or the images that take its place.
    """

    config: ImportedConfig
    digest: Tensor

    def __init__(
        self,
        config: ImportedConfig,
        encoder: Network | None,
        decoder: Network | NearestImages,
    ) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.prior_logits = None
        self.encoder = ImportedEncoder(config, encoder)  # type: ignore[assignment]
        if isinstance(decoder, NearestImages):
            self.decoder = decoder  # type: ignore[assignment]
        else:
            self.decoder = ImportedDecoder(config, decoder)  # type: ignore[assignment]
        self.register_buffer("_zero", torch.zeros(config.latent_dim), persistent=False)
        files = [n.file for n in (encoder, decoder) if isinstance(n, OnnxNetwork)]
        marks = np.concatenate([_digest(file) for file in files]) if files else np.zeros(0, "u1")
        self.register_buffer("digest", torch.from_numpy(marks))


def _digest(file: object) -> np.ndarray:
    import hashlib

    with open(str(file), "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").digest()
    return np.frombuffer(found, np.uint8).copy()
