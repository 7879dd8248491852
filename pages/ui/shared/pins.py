"""A pin: one place of a latent space that a visitor keeps, and what is known of it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from pages.ui.shared.latent_space import LatentSpace
from pages.ui.shared.samples import SHORT, distributions, draw_samples
from vae.latent import LARGEST_CODE

__all__ = [
    "AUTOMATIC",
    "KIND_BADGES",
    "Pin",
    "as_text",
    "drawn_pin",
    "from_text",
    "original",
    "real_pin",
    "refound",
    "upload_pin",
]


@dataclass(frozen=True, eq=False)
class Pin:
    """A place that a visitor keeps.

    Args:
        model: the checkpoint's name.
        kind: "real" (an image of the dataset), "upload", "sample" or "generated".
        z: code `(D,)`; the posterior mean of real and uploaded images.
        title: title for visitors, such as "Real #17 · seven".
        row: its row among the reference images; -1 for everything but "real".
        variance: posterior variances `(D,)` of a real or uploaded image, else None.
        image: `(C, H, W)` in [0, 1], of an upload, else None.
        approximate: decoded as a mean of nearby codes, as between the points of a t-SNE map.
        automatic: pinned by a page; it gives way to the first pin that the visitor makes.
        clicked: shown by the map without the server, as all that was clicked on one.
        number: tells a visitor's pins apart.
        seed: seed of a sample that `drawn_pin` drew, else -1.
    """

    model: str
    kind: str
    z: np.ndarray
    title: str
    row: int = -1
    variance: np.ndarray | None = None
    image: Tensor | None = None
    approximate: bool = False
    automatic: bool = False
    clicked: bool = False
    number: int = 0
    seed: int = -1


AUTOMATIC = (
    "Pinned automatically: a typical image that this model reconstructs well. Click another "
    "point, or remove it under Pins."
)
KIND_BADGES = {  # what it is, colour, icon
    "real": ("Real image", "green", ":material/photo_camera:"),
    "upload": ("Your picture", "orange", ":material/upload:"),
    "sample": ("Generated", "blue", ":material/casino:"),
    "generated": ("Generated", "blue", ":material/auto_awesome:"),
}


_DRAWN = "n"  # and a seed, in an address
_FILE = "f"  # and the name of a file, likewise
_LONGEST = 100  # characters of such a name
_LETTERS = {"g": "generated", "s": "sample", "u": "upload"}  # in an address
_BIAS = 64


def refound(space: LatentSpace, pin: Pin) -> Pin | None:
    """A pin as its model is now: a real image may lie in another row, or be gone (None).

    A train image that is not shown at the moment stays a picture with its code.
    """
    if pin.row < 0 or (pin.row < len(space) and np.array_equal(space.mean[pin.row], pin.z)):
        return pin
    same_size = pin.z.shape == space.mean.shape[1:]
    rows = np.flatnonzero((space.mean == pin.z).all(1)) if same_size else ()
    if len(rows):
        return replace(pin, row=int(rows[0]))
    return None if pin.image is None else replace(pin, row=-1, kind="upload")


def as_text(space: LatentSpace, pin: Pin) -> str:
    """A pin in an address: a real image's file or id, a draw's seed, or the code of anything else.

    The name of a file stays right where pictures were added and its id is another one.
    Each number of a code takes 16 bits, with one exponent for all: they are exact to 2⁻¹⁶ of the
    smallest power of two that is above the largest of them.
    """
    if pin.row >= 0:
        name = space.file_names[pin.row] if space.file_names is not None else ""
        written = _written(name)
        if name and not _is_number(name) and len(written) <= _LONGEST:
            return _FILE + written
        return str(int(space.index[pin.row]))
    if pin.seed >= 0:
        return f"{_DRAWN}{pin.seed}"
    letter = next((k for k, kind in _LETTERS.items() if kind == pin.kind), "g")
    exponent = int(np.clip(np.frexp(np.abs(pin.z).max(initial=0.0))[1], -_BIAS, _BIAS))
    whole = np.rint(np.ldexp(pin.z.astype(np.float64), 15 - exponent)).clip(-32768, 32767)
    raw = bytes([exponent + _BIAS]) + whole.astype("<i2").tobytes()
    return letter + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def from_text(space: LatentSpace, text: str) -> Pin | None:
    """Reads what `as_text` wrote, and codes of 32-bit numbers as earlier versions wrote them.

    Returns:
        None where it makes no sense for this model.
    """
    if _is_number(text):
        rows = np.flatnonzero(space.index == int(text))
        return real_pin(space, int(rows[0])) if len(rows) else None
    if text.startswith(_FILE):
        name = _read(text[1:])
        known = space.file_names is not None and name in space.file_names
        return real_pin(space, space.file_names.index(name)) if known else None
    if text.startswith(_DRAWN) and _is_number(text[1:]):
        return drawn_pin(space, int(text[1:]))
    d = space.mean.shape[1]
    if text[:1] not in _LETTERS or len(text) > 8 * d + 8:
        return None
    try:
        raw = base64.b64decode(
            text[1:] + "=" * (-len(text[1:]) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        return None
    if len(raw) == 1 + 2 * d:
        z = np.ldexp(np.frombuffer(raw, "<i2", offset=1).astype(np.float64), raw[0] - _BIAS - 15)
    elif len(raw) == 4 * d:
        z = np.frombuffer(raw, "<f4")
    else:
        return None
    if not (np.abs(z) <= LARGEST_CODE).all():  # nan is not below anything
        return None
    kind = _LETTERS[text[0]]
    titles = {"generated": "point", "sample": "sample", "upload": "code of a picture"}
    return Pin(space.name, kind, z.astype(np.float32), f"{titles[kind]} from the link")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _written(name: str) -> str:
    """A name of letters, digits, _ and - alone: the bytes of all else are ~ and hex digits."""
    return re.sub(
        r"[^A-Za-z0-9_-]", lambda found: "".join(f"~{b:02x}" for b in found[0].encode()), name
    )


def _read(text: str) -> str:
    """The name that `_written` wrote."""
    return re.sub(
        r"(?:~[0-9a-f]{2})+",
        lambda found: bytes.fromhex(found[0].replace("~", "")).decode("utf-8", "replace"),
        text,
    )


def original(space: LatentSpace, pin: Pin) -> Tensor | None:
    """The image `(C, H, W)` behind a pin, None for one that was generated."""
    return space.image(pin.row) if pin.row >= 0 else pin.image


def real_pin(space: LatentSpace, row: int) -> Pin:
    """A reference image as a pin."""
    variance = space.variance[row] if space.variational else None
    image = space.image(row) if row >= len(space) - space.trained else None
    title = space.title(row)
    return Pin(space.name, "real", space.mean[row], title, row, variance=variance, image=image)


def drawn_pin(space: LatentSpace, seed: int) -> Pin:
    """The draw with this seed of the distribution nearest to a model's codes, as a pin."""
    source = distributions(space)[0]
    z = draw_samples(space, source, 1, seed)[0]
    return Pin(space.name, "sample", z, f"Draw {seed} · {SHORT[source]}", seed=seed)


def upload_pin(space: LatentSpace, x: Tensor, title: str) -> Pin:
    """A picture `(C, H, W)` that is none of the reference images as a pin, encoded."""
    posterior = space.model.encoder(x[None])
    variance = posterior.variance[0].numpy() if space.variational else None
    z = posterior.mean[0].numpy()
    return Pin(space.name, "upload", z, title, variance=variance, image=x)
