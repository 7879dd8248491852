"""A transposed convolution along one axis as plain ones, one for each position in a stride."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Taps", "taps_of"]


@dataclass(frozen=True)
class Taps:
    """The outputs at one position in each stride.

    Args:
        kernel: indices of the kernel that contribute, in the order of the inputs they multiply.
        first: input that the first of them multiplies, for the first output.
        step: inputs from one of them to the next.
        count: outputs.
    """

    kernel: list[int]
    first: int
    step: int
    count: int


def taps_of(kernel: int, stride: int, dilation: int, pad: int, size: int) -> list[Taps]:
    """Splits a transposed convolution; each input adds to outputs `stride` apart.

    Args:
        kernel: width of the kernel.
        stride: outputs from one input's to the next one's.
        dilation: outputs from one number of the kernel to the next.
        pad: outputs that are cut off at the start.
        size: number of outputs.
    """
    found = []
    for place in range(min(stride, size)):
        hits = [k for k in range(kernel) if (place + pad - k * dilation) % stride == 0]
        hits.reverse()
        inputs = [(place + pad - k * dilation) // stride for k in hits]
        step = inputs[1] - inputs[0] if len(inputs) > 1 else 1
        count = (size - place + stride - 1) // stride
        found.append(Taps(hits, inputs[0] if inputs else 0, step, count))
    return found
