"""PyTorch modules as ONNX files that give the same."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from .networks import ModuleNetwork, Network, OnnxNetwork
from .onnx_file import ImportedModelError, import_onnx_package
from .wrapped import WrappedModel, prepare

__all__ = ["export_networks"]

_OPSET = 17
_TRIED = 5  # inputs on which an export is compared; not the number that it was traced with
_TOLERANCE = 1e-3  # of the largest value


class _Outputs(nn.Module):
    """A network whose answer is a tuple of tensors, as an export needs it."""

    def __init__(self, network: ModuleNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(x))


def export_networks(model: WrappedModel, folder: str | Path) -> tuple[Path, Path | None]:
    """Writes the networks of a wrapped model as `decoder.onnx` and `encoder.onnx`.

    Args:
        model: model of `wrap_model`.
        folder: existing folder.

    Returns:
        The file of the decoder, and that of the encoder, or None where there is none. Networks
        that are ONNX files already stay where they are.

    Raises:
        ImportedModelError: if a network cannot be exported, or its export gives something else.
    """
    config, folder = model.config, Path(folder)
    noise = torch.Generator().manual_seed(0)
    z = torch.randn((_TRIED, *config.latent_shape), generator=noise)
    x = prepare(config, torch.rand((_TRIED, *config.image_shape), generator=noise))
    decoder = _export(model.decoder.network, z, folder / "decoder.onnx")  # type: ignore[arg-type]
    network = model.encoder.network
    return decoder, None if network is None else _export(network, x, folder / "encoder.onnx")  # type: ignore[arg-type]


@torch.no_grad()
def _export(network: Network, given: Tensor, file: Path) -> Path:
    if isinstance(network, OnnxNetwork):
        return network.file
    assert isinstance(network, ModuleNetwork)
    import_onnx_package()
    parameters = list(network.parameters())
    if parameters:
        given = given.to(parameters[0].device)
    wanted = network(given)
    label = type(network.module).__name__
    second = [name for name in network.names[1:2] if len(wanted) > 1]
    names = ["output", *(second or [f"output_{k}" for k in range(1, len(wanted))])]
    names = names[: len(wanted)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing and deprecations: the check below decides
            torch.onnx.export(
                _Outputs(network).eval(),
                (given[:2],),
                str(file),
                dynamo=False,  # needs nothing but onnx, and starts in no time
                opset_version=_OPSET,
                input_names=["input"],
                output_names=names,
                dynamic_axes={name: {0: "batch"} for name in ("input", *names)},
            )
    except Exception as error:  # the exporter raises errors of many types
        words = " ".join(str(error).split())[:300]
        raise ImportedModelError(
            f"{label} cannot be exported as ONNX: {words}. Export it yourself, and give the file."
        ) from error
    exported = OnnxNetwork(file)
    found = exported(given.cpu())
    exported.session.close()
    for a, b in zip(found, wanted, strict=True):
        difference = (a - b.cpu()).abs().max().item()
        if not difference <= _TOLERANCE * max(b.abs().max().item(), 1e-6):
            raise ImportedModelError(
                f"The export of {label} gives values that differ by {difference:.3g} from its "
                "own; expected the same. Does it draw at random, or depend on the batch's size?"
            )
    return file
