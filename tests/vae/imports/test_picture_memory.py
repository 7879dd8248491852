"""No picture takes more memory than is stated, and parts of one give what the whole would."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vae.datasets.base import DatasetError
from vae.imports import picture
from vae.imports.picture import Fit, decode_picture, read_picture, value_range

MAKE = """
import sys
from PIL import Image
mode, width, height, kind, small, large = sys.argv[1:]
Image.new(mode, (16, 16)).save(small, kind)
Image.new(mode, (int(width), int(height))).save(large, kind)
"""
MEASURE = """
import resource, sys
from vae.imports.picture import Fit, read_picture
for file in sys.argv[1:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open(file, "rb") as opened:
        read_picture(opened, "it", Fit((3, 64, 64)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def saved(image: Image.Image, kind: str = "PNG") -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind)
    file.seek(0)
    return file


@pytest.mark.skipif(sys.platform != "linux", reason="Measures memory in Linux's units.")
@pytest.mark.parametrize(
    ("mode", "width", "height", "kind"),
    [
        ("RGBA", 5400, 5500, "PNG"),
        pytest.param("F", 5000, 4900, "TIFF", marks=pytest.mark.soak),
        pytest.param("RGB", 4200, 4400, "WEBP", marks=pytest.mark.soak),
        pytest.param("P", 7000, 7000, "PNG", marks=pytest.mark.soak),
        pytest.param("CMYK", 5400, 5500, "TIFF", marks=pytest.mark.soak),
    ],
)
def test_the_largest_picture_of_a_kind_takes_300_megabytes(tmp_path, mode, width, height, kind):
    files = [str(tmp_path / "small"), str(tmp_path / "large")]
    make = [sys.executable, "-c", MAKE, mode, str(width), str(height), kind, *files]
    subprocess.run(make, check=True)
    command = [sys.executable, "-c", MEASURE, *files]  # a process's peak never falls
    measured = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(measured.stdout) < 300_000


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("RGB", "WEBP"), ("F", "TIFF")])
def test_a_larger_one_is_refused_with_what_to_do(monkeypatch, mode, kind):
    monkeypatch.setattr(picture, "_MEMORY", 10_000)
    file = saved(Image.new(mode, (100, 100)), kind)
    with pytest.raises(DatasetError, match=r"mine has 100 × 100 pixels.*Scale it down"):
        read_picture(file, "mine", Fit((3, 64, 64)))


def test_strips_give_what_the_whole_would(monkeypatch):
    random = np.random.default_rng(0)
    glass = Image.fromarray(random.integers(0, 256, (40, 30, 4), np.uint8))
    white = Image.new("RGBA", glass.size, "white")
    expected = np.asarray(Image.alpha_composite(white, glass).convert("RGB"))
    deep = random.normal(size=(40, 30)).astype(np.float32)
    deep[3, 4], deep[5, 6] = np.nan, np.inf
    fit = Fit((1, 40, 30), scale=(-1.0, 1.0))
    whole = fit(deep)
    monkeypatch.setattr(picture, "_STRIP", 100)  # three rows
    np.testing.assert_array_equal(np.asarray(decode_picture(saved(glass), "x")[0]), expected)
    finite = deep[np.isfinite(deep)]
    assert value_range(deep) == (finite.min(), finite.max())
    np.testing.assert_array_equal(fit(deep), whole)
    assert value_range(np.full((2, 2), np.nan, np.float32)) == (0.0, 0.0)
