"""The capital letters of about 200 free fonts, with which of them are bold, italic and serif.

`build("fonts")` recreates the shipped file from the fonts of the Debian packages that
`data/glyphs.json` names, unpacked into a folder: for each of them `apt-get download PACKAGE` and
`dpkg-deb --extract PACKAGE*.deb fonts`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from .base import Dataset, Images, Progress
from .files import read_arrays

__all__ = ["FILE", "build", "load_glyphs"]

FILE = Path(__file__).parent / "data" / "glyphs.npz"
FONTS = FILE.with_suffix(".json")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
ATTRIBUTES = ("bold", "italic", "serif")
COUNT = 5304  # images in the file
LICENCE = "Drawn from free fonts; LICENCE-glyphs.txt beside the file names each and its licence"

_COLUMNS = ("letter", "family", *ATTRIBUTES, "test")
_SIDE = 32  # pixels
_BOX = 28.0  # pixels that the widest and the highest letter of a font fit into
_HELD_OUT = 5  # every fifth family with serifs, and without
_STYLES = {  # what fonts call themselves: whether they are bold, and italic
    **dict.fromkeys(("regular", "book", "roman", "medium", "10pt"), (0, 0)),
    **dict.fromkeys(("bold", "10ptbold"), (1, 0)),
    **dict.fromkeys(("italic", "oblique", "10ptitalic"), (0, 1)),
    **dict.fromkeys(("bolditalic", "boldoblique", "10ptbolditalic"), (1, 1)),
}


def load_glyphs(split: str, progress: Progress | None = None) -> Dataset:
    """Reads the capital letters of fonts, `(N, 1, 32, 32)`, white on black.

    Every fifth family is held out with all its letters, so that test letters are of fonts that
    were never trained with. The same letter of one family differs in nothing but boldness and
    slant: these are real pairs.

    Raises:
        DatasetError: if the shipped file is missing or damaged.
    """
    shapes = {name: (COUNT,) for name in _COLUMNS}
    arrays = read_arrays(FILE, images=(COUNT, _SIDE, _SIDE), **shapes)
    rows = arrays["test"].astype(bool)
    if split == "train":
        rows = ~rows
    kept = {name: values[rows] for name, values in arrays.items()}
    families = [font["family"] for font in _fonts()]
    names = tuple(
        " ".join([families[family], *["Bold"] * bold, *["Italic"] * italic, LETTERS[letter]])
        for family, bold, italic, letter in zip(
            kept["family"], kept["bold"], kept["italic"], kept["letter"], strict=True
        )
    )
    return Dataset(
        name="glyphs",
        split=split,
        images=Images(torch.from_numpy(kept["images"]).unsqueeze(1)),
        labels=torch.from_numpy(kept["letter"]).long(),
        classes=LETTERS,
        attributes={name: torch.from_numpy(kept[name]).bool() for name in ATTRIBUTES},
        names=names,
        licence=LICENCE,
    )


def build(fonts: str | Path, file: str | Path = FILE) -> int:
    """Draws the letters and writes the shipped file.

    Args:
        fonts: a folder with the packages' files.
        file: path of the file to be written.

    Returns:
        The number of images.
    """
    found = _find(Path(fonts))
    table = _fonts()
    held_out = {
        font["family"]
        for serif in (False, True)
        for font in [font for font in table if font["serif"] == serif][2::_HELD_OUT]
    }
    images, rows = [], []
    for number, font in enumerate(table):
        for (bold, italic), path in sorted(found[font["family"]].items()):
            images += _letters(path)
            test = font["family"] in held_out
            rows += [(k, number, bold, italic, font["serif"], test) for k in range(len(LETTERS))]
    order = np.random.default_rng(0).permutation(len(images))  # so that any slice has all letters
    columns = dict(zip(_COLUMNS, np.array(rows, np.uint8)[order].T.copy(), strict=True))
    np.savez_compressed(file, images=np.stack(images)[order], **columns)
    return len(images)


def _fonts() -> list[dict[str, Any]]:
    return json.loads(FONTS.read_text(encoding="utf-8"))


def _find(folder: Path) -> dict[str, dict[tuple[int, int], Path]]:
    """Files of each family by whether they are bold and italic, the first of several."""
    found: dict[str, dict[tuple[int, int], Path]] = {font["family"]: {} for font in _fonts()}
    for path in sorted(path for path in folder.rglob("*.[ot]tf") if path.is_file()):
        family, style = ImageFont.truetype(str(path), _SIDE).getname()
        kind = _STYLES.get((style or "").lower().replace(" ", ""))
        if family in found and kind is not None:
            found[family].setdefault(kind, path)
    return found


def _letters(path: Path) -> list[np.ndarray]:
    """The letters of a font, `(32, 32)` each, in one size and on one line, centred."""
    large = ImageFont.truetype(str(path), 1000, layout_engine=ImageFont.Layout.BASIC)
    boxes = [large.getbbox(letter, anchor="ls") for letter in LETTERS]
    widest = max(right - left for left, _, right, _ in boxes)
    highest = max(-top for _, top, _, _ in boxes)
    # 4 times as large and averaged, so that edges fall on quarters of a pixel
    scale = 4 * _BOX / max(widest, 1.2 * highest)
    font = ImageFont.truetype(str(path), 1000 * scale, layout_engine=ImageFont.Layout.BASIC)
    line = 2 * _SIDE + round(scale * highest / 2)
    drawn = []
    for letter in LETTERS:
        left, _, right, _ = font.getbbox(letter, anchor="ls")
        image = Image.new("L", (4 * _SIDE, 4 * _SIDE))
        place = (2 * _SIDE - (left + right) / 2, line)
        ImageDraw.Draw(image).text(place, letter, 255, font, anchor="ls")
        drawn.append(np.asarray(image.reduce(4)))
    return drawn
