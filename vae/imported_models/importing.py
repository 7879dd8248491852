"""Importing networks of one's own as a model that every page and command opens."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..checkpoint import save_card
from ..codes import decode, encode, write_reference
from ..datasets import Dataset, DatasetError, load_dataset
from ..exchange import ImportedModel, new_checkpoint
from ..files import open_archive
from ..imports import import_images
from .config import ImportedConfig
from .files import DECODER, ENCODER, save_imported
from .networks import OnnxNetwork, try_network
from .onnx_file import ImportedModelError, read_onnx_model
from .wrapped import NearestImages, WrappedModel
from .wrapping import describe

__all__ = ["import_networks", "read_codes"]

_LIMIT = 5_000  # reference images that are encoded
_SAMPLES = 400  # of a decoder that comes alone
_LARGEST_CODES = 200_000_000  # bytes of a file of codes
_LARGEST_CODE = 1e6
_TRIED = 32  # images whose reconstructions are compared
_SAME = 1e-5  # codes that differ by less than this share of their size are rounding
_LARGEST_PICTURES = 256_000_000

Tell = Callable[[float, str], None]


def import_networks(
    decoder: str | Path | None,
    encoder: str | Path | None = None,
    *,
    name: str,
    dataset: str | None = None,
    codes: str | Path | None = None,
    likelihood: str = "none",
    output: str | None = None,
    latent_shape: tuple[int, ...] | None = None,
    image_shape: tuple[int, int, int] | None = None,
    pixel_range: tuple[float, float] | None = None,
    encoder_output: str | None = None,
    spread: str | None = None,
    sigma: float = 0.1,
    limit: int = _LIMIT,
    tsne: bool = True,
    progress: Tell | None = None,
) -> ImportedModel:
    """Imports a decoder, an encoder, or both, as a checkpoint in the data folder.

    A decoder alone is shown with pictures that it makes of draws from N(0, I), which are kept as
    an import of their own, or with the images of a dataset and codes from a file. Codes with
    images but without a decoder are a model whose decoder gives the image of the nearest code.

    Args:
        decoder: path of an ONNX file, codes to images; None where there is none.
        encoder: path of an ONNX file, images to codes; None where there is none.
        name: name of the new checkpoint.
        dataset: name of the dataset with which the model is shown.
        codes: path of an `.npz` with `mean` `(N, D)` and perhaps `variance` `(N, D)` and `index`
            `(N,)`, rows of the held-out images; without `index` the first N.
        likelihood: as for `wrap_model`.
        output: as for `wrap_model`.
        latent_shape: as for `wrap_model`.
        image_shape: as for `wrap_model`, where there is no dataset.
        pixel_range: as for `wrap_model`.
        encoder_output: as for `wrap_model`.
        spread: as for `wrap_model`.
        sigma: as for `wrap_model`.
        limit: largest number of images that are encoded, of which the first are used.
        tsne: whether to compute the t-SNE map.
        progress: called with the fraction done, 0…1, and a message.

    Returns:
        The name, the folder, and messages on what was found out.

    Raises:
        ImportedModelError: if a file cannot be used, or something has to be said.
        CheckpointError: if the name is taken or cannot be used.
        DatasetError: if the dataset cannot be loaded, or has images of another shape.
    """
    tell = progress or (lambda fraction, words: None)
    if limit < 1:
        raise ImportedModelError(f"{limit:,} images would be encoded; expected --limit 1 or more.")
    if decoder is None and codes is None:
        raise ImportedModelError(
            "There is neither a decoder nor a file of codes; expected --decoder decoder.onnx, or "
            "--codes codes.npz."
        )
    if encoder is not None and codes is not None:
        raise ImportedModelError(
            "There are an encoder and a file of codes; expected one of them: the encoder gives "
            "the codes of the images."
        )
    if dataset is None and (encoder is not None or codes is not None):
        raise ImportedModelError(
            "Name the dataset whose images the model is shown with: --dataset NAME. "
            "python -m vae datasets lists the imported ones."
        )
    with new_checkpoint(name) as (folder, kept):
        tell(0.0, "checking the files")
        networks = {}
        for source, file in ((decoder, DECODER), (encoder, ENCODER)):
            if source is not None:
                networks[file] = _take(Path(source), folder / file)
        given = None if codes is None else read_codes(codes)
        data = None if dataset is None else _load(dataset, networks)
        images = None if data is None else data.images[:64]
        if DECODER in networks:
            config = describe(
                networks[DECODER],
                networks.get(ENCODER),
                likelihood=likelihood,
                latent_shape=latent_shape,
                image_shape=image_shape if data is None else data.images.shape[1:],
                pixel_range=pixel_range,
                output=output,
                encoder_output=encoder_output,
                spread=spread,
                sigma=sigma,
                images=images,
                codes=None if given is None else torch.from_numpy(given["mean"]),
            )
            model = WrappedModel(config, networks.get(ENCODER), networks[DECODER])
        else:
            assert data is not None and given is not None
            model = _nearest(data, given)
        if data is None:
            data, given = _samples(model, name)
        save_imported(model, folder)
        arrays = _codes(model, data, given, limit, tell)
        tell(0.8, "computing the map")
        card = {
            "dataset": data.name,
            "split": data.split,
            "fingerprint": data.fingerprint,
            "notices": list(data.notices),
            "samples": dataset is None,
            "imported": {"kind": model.config.kind, "no_density": model.config.no_density},
        }
        save_card(folder, card)
        write_reference(model, folder, data, tsne=tsne, codes=arrays)
        told = _told(model.config, model, data, arrays)
    return ImportedModel(name, kept, told)


def _take(source: Path, target: Path) -> OnnxNetwork:
    """Checks a file, puts it into the folder with all of its weights, and runs it once."""
    model = read_onnx_model(source)
    target.write_bytes(model.SerializeToString())
    try_network(target)
    return OnnxNetwork(target)


def _load(dataset: str, networks: dict[str, OnnxNetwork]) -> Dataset:
    """The held-out images, in the shape that the encoder takes where it says one."""
    shape = networks[ENCODER].input_shape if ENCODER in networks else None
    if shape is not None and len(shape) == 3:
        c, h, w = shape if shape[0] in (1, 3) else (shape[2], shape[0], shape[1])
        if c in (1, 3):
            return load_dataset(dataset, "test", image_shape=(c, h, w))
    return load_dataset(dataset, "test")


def read_codes(file: str | Path) -> dict[str, np.ndarray]:
    """Reads codes from an `.npz`.

    Args:
        file: path of the file, with `mean` `(N, D)`, and perhaps `variance` `(N, D)` and `index`
            `(N,)`.

    Returns:
        `mean`, `variance` (zeros where it is missing) and `index`.

    Raises:
        ImportedModelError: if the file cannot be read, or holds something else.
    """
    file = Path(file)
    expected = "expected an .npz with mean (N, D), and perhaps variance (N, D) and index (N,)"
    if not file.is_file() or file.stat().st_size > _LARGEST_CODES:
        raise ImportedModelError(f"{file} is missing or larger than 200 MB; {expected}.")
    try:
        with open_archive(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = {k: members[k] for k in ("mean", "variance", "index") if k in members}
            if sum(info.file_size for info in wanted.values()) > _LARGEST_CODES:
                raise ImportedModelError(f"{file.name} unpacks to more than 200 MB; {expected}.")
            arrays = {
                k: np.load(io.BytesIO(archive.read(info)), allow_pickle=False)
                for k, info in wanted.items()
            }
    except ImportedModelError:
        raise
    except Exception as error:  # numpy and zipfile raise many types on damaged bytes
        raise ImportedModelError(f"{file.name} is no .npz, or damaged; {expected}.") from error
    mean = arrays.get("mean", np.empty(0))
    count = len(mean)
    variance = arrays.get("variance", np.zeros_like(mean))
    index = arrays.get("index", np.arange(count))
    if (
        mean.ndim != 2
        or mean.dtype.kind != "f"
        or not mean.size
        or mean.shape[1] > 1_024
        or not (np.abs(mean) <= _LARGEST_CODE).all()
        or variance.shape != mean.shape
        or variance.dtype.kind != "f"
        or not ((variance >= 0) & (variance <= _LARGEST_CODE)).all()
        or index.shape != (count,)
        or index.dtype.kind not in "iu"
        or (count and index.min() < 0)
        or len(np.unique(index)) != count
    ):
        shapes = {name: f"{array.shape} {array.dtype}" for name, array in arrays.items()}
        raise ImportedModelError(
            f"{file.name} holds {shapes}; {expected}: finite numbers of at most 1,024 dimensions, "
            "and different rows."
        )
    return {
        "mean": mean.astype(np.float32),
        "variance": variance.astype(np.float32),
        "index": index.astype(np.int64),
    }


def _codes(
    model: WrappedModel,
    data: Dataset,
    given: dict[str, np.ndarray] | None,
    limit: int,
    tell: Tell,
) -> dict[str, np.ndarray]:
    if given is None:
        count = min(limit, len(data))
        return encode(
            model,
            data.images,
            limit=limit,
            progress=lambda done: tell(0.1 + 0.7 * done / count, "encoding the images"),
        )
    if given["mean"].shape[1] != model.latent_dim or given["index"].max() >= len(data):
        raise ImportedModelError(
            f"The codes have {given['mean'].shape[1]} dimensions, for images up to number "
            f"{given['index'].max():,}; expected {model.latent_dim}, and numbers below "
            f"{len(data):,}, the held-out images of {data.name}."
        )
    return given


def _nearest(data: Dataset, given: dict[str, np.ndarray]) -> WrappedModel:
    """A model whose decoder gives the image of the nearest code."""
    size = len(given["index"]) * int(np.prod(data.images.shape[1:]))
    if given["index"].max() >= len(data) or size > _LARGEST_PICTURES:
        raise ImportedModelError(
            f"There are {len(given['index']):,} codes, for images up to number "
            f"{given['index'].max():,}; expected numbers below {len(data):,}, the held-out images "
            f"of {data.name}, and images of at most {_LARGEST_PICTURES:,} bytes in all."
        )
    config = ImportedConfig(
        data.images.shape[1:],
        latent_dim=given["mean"].shape[1],
        encoder="none",
        decoder="nearest_image",
    )
    pictures = torch.stack([data.images.read(int(row)) for row in given["index"]])
    nearest = NearestImages(config, torch.from_numpy(given["mean"]), pictures)
    return WrappedModel(config, None, nearest)


def _samples(model: WrappedModel, name: str) -> tuple[Dataset, dict[str, np.ndarray]]:
    """Pictures that a decoder makes of draws from N(0, I), as an import, with their codes."""
    noise = torch.Generator().manual_seed(0)
    z = torch.randn((_SAMPLES + 1, model.latent_dim), generator=noise)
    pictures = decode(model, z).clamp(0, 1).mul(255).round().byte()
    try:
        made = import_images(
            pictures,
            f"{name[:56]}-samples",
            splits=["test"] * _SAMPLES + ["train"],  # an import needs both
            image_size=(pictures.shape[2], pictures.shape[3]),
            colour="grey" if pictures.shape[1] == 1 else "colour",
            exact=True,
            licence=f"Decoded by {name} from draws of N(0, I)",
        )
    except DatasetError as error:
        raise ImportedModelError(f"The samples of {name} cannot be kept. {error}") from error
    data = load_dataset(made.reference, "test")
    given = {
        "mean": z[:-1].numpy(),
        "variance": np.zeros((_SAMPLES, model.latent_dim), np.float32),
    }
    return data, given | {"index": np.arange(_SAMPLES)}


def _told(
    config: ImportedConfig, model: WrappedModel, data: Dataset, arrays: dict[str, np.ndarray]
) -> tuple[str, ...]:
    """What was found out, and what cannot be had."""
    told = []
    if config.decoder == "network":
        low, high = config.pixel_range
        told.append(
            f"The decoder takes codes {'×'.join(map(str, config.latent_shape))} and gives "
            f"{config.output}, pixels from {low:g} to {high:g}."
        )
    if config.encodes:
        beside = {"log_variance": "mean and log-variance", "deviation": "mean and deviation"}
        told.append(f"The encoder gives {beside.get(config.encoder, f'a {config.encoder}')}.")
    told += config.limits
    mean = arrays["mean"]
    if len(mean) > 1 and np.ptp(mean, 0).max() <= _SAME * max(1.0, np.abs(mean).max()):
        told.append(
            f"All {len(mean):,} codes are the same: the encoder does not tell these images apart. "
            "Look at --pixel-range, and whether it was trained on such images."
        )
    if config.decoder == "network":
        z = torch.randn(_TRIED, model.latent_dim, generator=torch.Generator().manual_seed(0))
        if np.ptp(decode(model, z).numpy(), 0).max() < 1 / 255:
            told.append(
                "The decoder gives the same picture for every code drawn from N(0, I): look at "
                "--output and --pixel-range, and whether the network was trained."
            )
    if config.decoder == "network" and config.encodes:
        rows = arrays["index"][:_TRIED]
        x = data.images[torch.from_numpy(rows)]
        error = (decode(model, arrays["mean"][:_TRIED]) - x).square().mean()
        if not error < (x - x.mean(0)).square().mean():
            told.append(
                "Its reconstructions are farther from the images than their average is: look at "
                "--output and --pixel-range, and whether it was trained on such images."
            )
    return tuple(told)
