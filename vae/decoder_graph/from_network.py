"""Networks of this library as graphs."""

from __future__ import annotations

import math

from torch import nn

from ..flow import VelocityField
from ..layers import Residual, Upsampling
from .graph import Activation, DecoderGraph, GraphBuilder, GraphError
from .simplify import simplified

__all__ = ["graph_of_field", "graph_of_images", "graph_of_layers"]


def graph_of_layers(layers: nn.Sequential, latent_dim: int) -> DecoderGraph:
    """The layers of a decoder, up to the parameters of its likelihood.

    Raises:
        GraphError: if a layer is of a kind that no decoder of this library has.
    """
    builder = GraphBuilder((latent_dim,), "cpu")
    return simplified(builder.graph(_chain(builder, "code", layers)))


def graph_of_images(layers: nn.Sequential, image_shape: tuple[int, int, int]) -> DecoderGraph:
    """Layers that take images: `code` is an image `(C, H, W)` in [0, 1], less 0.5 before them.

    Raises:
        GraphError: if a layer is of a kind that the browser does not run.
    """
    builder = GraphBuilder(image_shape, "cpu")
    image = builder.add("identity", "code", activation=Activation("affine", 1.0, -0.5))
    return simplified(builder.graph(_chain(builder, image, layers)))


def graph_of_field(field: VelocityField) -> DecoderGraph:
    """The network of a flow, whose input is `x`, then sines and cosines of the time."""
    builder = GraphBuilder((field.inward.in_features,), "cpu")

    def linear(value: str, layer: nn.Module) -> str:
        return _layer(builder, value, layer, 0)

    def silu(value: str) -> str:
        return builder.add("identity", value, activation=Activation("silu"))

    value = linear("code", field.inward)
    for block in field.blocks:
        inner = value
        for layer in block.children():
            inner = silu(inner) if isinstance(layer, nn.SiLU) else linear(inner, layer)
        value = builder.add("add", value, inner)
    return simplified(builder.graph(linear(silu(value), field.outward)))


def _chain(builder: GraphBuilder, value: str, layers: nn.Sequential) -> str:
    for number, layer in enumerate(layers):
        if isinstance(layer, Residual):
            value = builder.add("add", value, _chain(builder, value, layer.layers))
        else:
            value = _layer(builder, value, layer, number)
    return value


def _layer(builder: GraphBuilder, value: str, layer: nn.Module, number: int) -> str:
    if isinstance(layer, nn.Linear) and layer.bias is not None:
        constants = (builder.weight(layer.weight.T), builder.weight(layer.bias))
        return builder.add("linear", value, *constants)
    if isinstance(layer, nn.ReLU):
        return builder.add("identity", value, activation=Activation("leaky_relu"))
    if isinstance(layer, nn.Flatten):
        return builder.add("reshape", value, shape=(1, math.prod(builder.shape(value))))
    if isinstance(layer, nn.LeakyReLU):
        slope = Activation("leaky_relu", layer.negative_slope)
        return builder.add("identity", value, activation=slope)
    if isinstance(layer, nn.SiLU):
        return builder.add("identity", value, activation=Activation("silu"))
    if isinstance(layer, nn.GroupNorm):
        constants = (builder.weight(layer.weight), builder.weight(layer.bias))
        return builder.add(
            "group_norm", value, *constants, groups=layer.num_groups, epsilon=layer.eps
        )
    if isinstance(layer, nn.Unflatten):
        return builder.add("reshape", value, shape=(1, *layer.unflattened_size))
    if isinstance(layer, Upsampling) and layer.bias is not None:
        return builder.add(
            "conv_transpose",
            value,
            builder.weight(layer.transposed_weight()),
            builder.weight(layer.bias),
            strides=(2, 2),
            pads=(1, 1, 1, 1),
            dilations=(1, 1),
            groups=1,
        )
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
        op = "conv" if isinstance(layer, nn.Conv2d) else "conv_transpose"
        constants = (builder.weight(layer.weight), builder.weight(layer.bias))
        return builder.add(
            op,
            value,
            *constants,
            strides=layer.stride,
            pads=(*layer.padding, *layer.padding),
            dilations=layer.dilation,
            groups=layer.groups,
        )
    raise GraphError(f"{type(layer).__name__} in layer {number}: the browser does not run it")
