"""ONNX files of strangers: read and checked before anything in them is computed.

An ONNX file holds no code, but it can be damaged, claim sizes that it does not have, or name other
files. What is checked here needs no run; what a network does with time and memory is bounded where
it runs, in `session.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checkpoint import CheckpointError
from .protobuf_size import fits

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

__all__ = ["INSTALL", "LARGEST", "ImportedModelError", "import_onnx_package", "read_onnx_model"]

INSTALL = 'pip install "latent-space-explorer[onnx]", or pip install onnx onnxruntime'
LARGEST = 400_000_000
"""Largest size in bytes of an ONNX file, with the weights that lie beside it."""

_MOST_NODES = 5_000
_MOST_NUMBERS = 100_000_000  # of one tensor
_RANDOM = (
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
    *("Multinomial", "Bernoulli"),
)
_BYTES = {  # bytes of a number, by the type's name
    **dict.fromkeys(("BOOL", "INT8", "UINT8"), 1),
    **dict.fromkeys(("FLOAT16", "BFLOAT16", "INT16", "UINT16"), 2),
    **dict.fromkeys(("FLOAT", "INT32", "UINT32"), 4),
    **dict.fromkeys(("DOUBLE", "INT64", "UINT64"), 8),
}
_FIELDS = {"FLOAT": "float_data", "INT64": "int64_data", "DOUBLE": "double_data"}


class ImportedModelError(CheckpointError):
    """A model of one's own that cannot be used; the message says what was found and expected."""


def import_onnx_package(name: str = "onnx") -> Any:
    """The package `onnx` or `onnxruntime`, which the library itself does not need.

    Args:
        name: name of the package.

    Returns:
        The package.

    Raises:
        ImportedModelError: if it is not installed; the message gives the command.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise ImportedModelError(
            f"This model is an ONNX file, which needs the package {name}. Install it: {INSTALL}"
        ) from None


def read_onnx_model(path: str | Path) -> ModelProto:
    """Reads an ONNX file and checks it, without computing anything in it.

    Args:
        path: path of the file. Weights may lie in files of the same folder, as PyTorch writes
            them, and are read into the result.

    Returns:
        The model, which holds all of its weights: one input, standard operators of a known
        version in an order in which each finds what it needs, weights of the sizes that they
        claim; no subgraphs, no functions, no operator that draws at random. What no output needs
        is left out, and so are outputs drawn at random where there are others.

    Raises:
        ImportedModelError: if the file is missing, damaged, too large, or holds something else;
            the message names the operator or the tensor.
    """
    onnx, file = import_onnx_package(), Path(path)
    label = file.name[:80]
    model = _parse(onnx, file, label)
    version = _version(onnx, model, label)
    if model.functions:
        raise ImportedModelError(
            f"{label} has functions of its own ({_short(model.functions[0].name)}); expected "
            "standard operators alone. Inline them: onnx.inliner.inline_local_functions(model)."
        )
    if model.graph.sparse_initializer:
        raise ImportedModelError(f"{label} has sparse weights; expected dense ones.")
    _check_order(model.graph, label)
    for place, node in enumerate(model.graph.node):
        _check_node(onnx, node, place, version, label)
    _keep_needed(model.graph, label)
    _settle_weights(onnx, model, file, label)
    _check_input(onnx, model.graph, label)
    return model


def _parse(onnx: Any, file: Path, label: str) -> ModelProto:
    if not file.is_file():
        raise ImportedModelError(f"{file}: no such file; expected an ONNX file.")
    if (size := file.stat().st_size) > LARGEST:
        raise ImportedModelError(f"{label} has {size:,} bytes; expected at most {LARGEST:,}.")
    try:
        content = file.read_bytes()
        if not fits(content, onnx.ModelProto.DESCRIPTOR):
            raise ImportedModelError(
                f"{label} has far more nodes, inputs or small numbers than networks have; it may "
                "have been made to do harm. Export it again."
            )
        model = onnx.ModelProto.FromString(content)
    except ImportedModelError:
        raise
    except Exception as error:  # protobuf's own types differ between its versions
        raise ImportedModelError(
            f"{label} is no ONNX file that can be read ({_short(error)}). Export it again."
        ) from error
    if not model.graph.node:
        raise ImportedModelError(f"{label} holds no network; expected an ONNX file with nodes.")
    if (count := len(model.graph.node)) > _MOST_NODES:
        raise ImportedModelError(f"{label} has {count:,} nodes; expected at most {_MOST_NODES:,}.")
    return model


def _version(onnx: Any, model: ModelProto, label: str) -> int:
    """The version of the standard operators."""
    newest = onnx.defs.onnx_opset_version()
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if len(versions) != 1 or not 7 <= versions[0] <= newest:
        raise ImportedModelError(
            f"{label} names {versions or 'no version'} of the standard operators; expected one "
            f"from 7 to {newest}. Export it with such an opset_version."
        )
    return versions[0]


def _check_order(graph: GraphProto, label: str) -> None:
    """Refuses cycles, and names that are given twice or never."""
    known = {tensor.name for tensor in graph.initializer}
    if len(known) != len(graph.initializer):
        raise ImportedModelError(f"{label} gives two weights one name; expected one each.")
    known |= {entry.name for entry in graph.input} | {""}
    for place, node in enumerate(graph.node):
        for name in node.input:
            if name not in known:
                raise ImportedModelError(
                    f"{_where(node, place)} of {label} needs {_short(name)!r}, which nothing "
                    "before it gives; expected nodes in an order in which they can be computed."
                )
        for name in filter(None, node.output):
            if name in known:
                raise ImportedModelError(
                    f"{_where(node, place)} of {label} gives {_short(name)!r}, which is there "
                    "already; expected each name once."
                )
            known.add(name)
    if not graph.output or any(entry.name not in known for entry in graph.output):
        raise ImportedModelError(f"{label} has an output that no node gives, or none.")


def _keep_needed(graph: GraphProto, label: str) -> None:
    """Removes what no output needs, and outputs drawn at random where others are not.

    Encoders often give a draw beside mean and log-variance.
    """
    drawn: set[str] = set()
    for node in graph.node:
        if node.op_type in _RANDOM or drawn.intersection(node.input):
            drawn.update(node.output)
    kept = [entry for entry in graph.output if entry.name not in drawn]
    if not kept:
        place, node = next((k, n) for k, n in enumerate(graph.node) if n.op_type in _RANDOM)
        raise ImportedModelError(
            f"{_where(node, place)} of {label} draws at random; expected a network that gives the "
            "same for the same. Export mean and log-variance of an encoder, not a draw."
        )
    needed, nodes = {entry.name for entry in kept}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    for field, left in (("output", kept), ("node", nodes[::-1]), ("initializer", weights)):
        if len(left) == len(getattr(graph, field)):
            continue
        copies = [type(entry).FromString(entry.SerializeToString()) for entry in left]
        graph.ClearField(field)
        getattr(graph, field).extend(copies)


def _check_node(onnx: Any, node: NodeProto, place: int, version: int, label: str) -> None:
    where = f"{_where(node, place)} of {label}"
    if any(a.type in (a.GRAPH, a.GRAPHS) or a.HasField("g") or a.graphs for a in node.attribute):
        raise ImportedModelError(
            f"{where} holds a network of its own, as loops and branches do; expected a network "
            "that takes the same steps for every input."
        )
    if node.domain not in ("", "ai.onnx"):
        raise ImportedModelError(
            f"{where} is an operator of {_short(node.domain)!r}; expected standard operators."
        )
    try:
        schema = onnx.defs.get_schema(node.op_type, version)
    except Exception:
        raise ImportedModelError(
            f"{where} is not among the standard operators of version {version}; expected one."
        ) from None
    if schema.deprecated:
        raise ImportedModelError(f"{where} is withdrawn in version {version}; export it anew.")


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _settle_weights(onnx: Any, model: ModelProto, file: Path, label: str) -> None:
    """Holds weights to their sizes, and reads those that lie in files beside the model."""
    total, kinds = 0, {number: name for name, number in onnx.TensorProto.DataType.items()}
    for tensor in _tensors(model.graph):
        where = f"The weights {_short(tensor.name)!r} of {label}"
        kind = kinds.get(tensor.data_type, "?")
        if kind not in _BYTES:
            raise ImportedModelError(f"{where} are of type {kind}; expected numbers.")
        if len(tensor.dims) > 8 or any(d < 0 for d in tensor.dims):
            raise ImportedModelError(f"{where} have the shape {list(tensor.dims)[:9]}.")
        count = math.prod(tensor.dims)
        total += count * _BYTES[kind]
        if count > _MOST_NUMBERS or total > LARGEST:
            raise ImportedModelError(
                f"{where} claim {count:,} numbers; expected at most {_MOST_NUMBERS:,} in one "
                f"tensor, and {LARGEST:,} bytes in all."
            )
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            tensor.raw_data = _read_beside(tensor, file, where, count * _BYTES[kind])
            tensor.data_location = tensor.DEFAULT
            del tensor.external_data[:]
        if tensor.HasField("raw_data"):
            found, unit = len(tensor.raw_data), _BYTES[kind]
        else:
            found, unit = len(getattr(tensor, _FIELDS.get(kind, "int32_data"))), 1
            if kind in ("UINT32", "UINT64"):
                found = len(tensor.uint64_data)
        if found != count * unit:
            raise ImportedModelError(
                f"{where} have the shape {list(tensor.dims)} and {found:,} "
                f"{'bytes' if unit > 1 else 'entries'}; expected {count * unit:,}."
            )


def _read_beside(tensor: TensorProto, file: Path, where: str, size: int) -> bytes:
    told = {entry.key: entry.value for entry in tensor.external_data}
    name = told.get("location", "")
    beside = file.parent / name
    if not name or name != Path(name).name or name in (".", "..") or "\\" in name:
        raise ImportedModelError(
            f"{where} lie in {_short(name)!r}; expected a file in the folder of the model."
        )
    if beside.is_symlink() or not beside.is_file():
        raise ImportedModelError(
            f"{where} lie in {_short(name)!r}, which is not in the folder of the model. Put it "
            "there, or export the model with external_data=False."
        )
    try:
        offset, length = int(told.get("offset", 0)), int(told.get("length", size))
    except ValueError:
        offset = length = -1
    if offset < 0 or length != size or offset + length > beside.stat().st_size:
        raise ImportedModelError(
            f"{where} claim {size:,} bytes of {_short(name)!r} from {offset:,} on, which it does "
            "not have. Export the model again."
        )
    with beside.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


def _check_input(onnx: Any, graph: GraphProto, label: str) -> None:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(_short(entry.name) for entry in inputs[:5])
        raise ImportedModelError(
            f"{label} has {len(inputs)} inputs{f' ({names})' if names else ''}; expected one: "
            "codes for a decoder, images for an encoder."
        )
    kind = inputs[0].type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT:
        raise ImportedModelError(
            f"The input of {label} is not of 32-bit floating-point numbers; expected those."
        )
    sides = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    if not 2 <= len(sides) <= 4 or any(side is None or side < 1 for side in sides[1:]):
        shown = [side or "?" for side in sides]
        raise ImportedModelError(
            f"The input of {label} has the shape {shown}; expected a batch first, and then one to "
            "three sizes that are known. Export it with fixed sizes, the batch apart."
        )
    if sides[0] is not None and not 1 <= sides[0] <= 1_024:
        raise ImportedModelError(
            f"The input of {label} has a batch of {sides[0]}; expected any, or 1 to 1,024."
        )


def _where(node: NodeProto, place: int) -> str:
    return f"{_short(node.op_type)} in node {place}"


def _short(what: object) -> str:
    """A piece of foreign text for a message: one line, not long."""
    text = " ".join(str(what).split())
    return f"{text[:60]}…" if len(text) > 60 else text
