"""Every kind of picture: bits, transparency, orientation, size and colour."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sources import GREY, encoded, everything, fill, picture

from vae.imports import import_source, inspect_source


@pytest.mark.parametrize("suffix", ["png", "jfif", "webp", "bmp", "gif", "tif", "pgm", "avif"])
def test_each_kind_of_picture_is_read(tmp_path, suffix):
    kinds = {"jfif": "JPEG", "tif": "TIFF", "pgm": "PPM"}
    mode = "L" if suffix == "pgm" else "RGB"
    for i in range(3):
        content = encoded(i, kinds.get(suffix, suffix.upper()), mode=mode, size=(24, 24))
        (tmp_path / f"{i}.{suffix}").write_bytes(content)
    import_source(tmp_path, "it")
    for name, (pixels, _) in everything("it").items():
        expected = np.atleast_3d(np.asarray(picture(int(name[0]), (24, 24), mode)))
        assert abs(pixels.astype(int) - expected.transpose(2, 0, 1)).mean() < 12


@pytest.mark.parametrize(
    ("suffix", "array"),
    [
        ("png", (GREY.astype(np.uint16) * 16)),
        ("tif", (GREY.astype(np.uint16) * 16)),
        ("tif", (GREY.astype(np.float32) / 100 - 1)),
    ],
)
def test_more_than_8_bits_share_one_scale_which_is_told(tmp_path, suffix, array):
    for i in range(10):
        Image.fromarray(array[i]).save(tmp_path / f"{i}.{suffix}")
    made = import_source(tmp_path, "deep")
    low, high = float(array[:10].min()), float(array[:10].max())
    assert made.card["scale"] == pytest.approx([low, high])
    assert any("one scale for all" in notice for notice in made.card["notices"])
    assert made.shape[1] == 1
    for name, (pixels, _) in everything("deep").items():
        expected = (array[int(name[0])] - low) / (high - low) * 255
        assert abs(pixels[0] - expected).max() <= 1
    assert inspect_source(tmp_path).pictures.max() == 255


def test_transparency_palettes_and_orientation_stay_right(tmp_path):
    clear = Image.new("RGBA", (12, 12), (255, 0, 0, 0))
    clear.save(tmp_path / "0.png")
    picture(1).convert("P").save(tmp_path / "1.png")
    turned = picture(2, (12, 24))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned.save(tmp_path / "2.png", exif=exif)
    import_source(tmp_path, "it", image_size=(12, 24), fit="stretch")
    found = everything("it")
    assert (found["0.png"][0] == 255).all()
    upright = np.asarray(turned.transpose(Image.Transpose.ROTATE_270)).transpose(2, 0, 1)
    assert np.array_equal(found["2.png"][0], upright)


@pytest.mark.parametrize(
    ("fit", "white", "said"),
    [
        ("crop", False, "33% is cut off at top and bottom"),
        ("pad", True, "padded"),
        ("stretch", True, "stretched"),
    ],
)
def test_what_does_not_fit_is_cropped_padded_or_stretched_as_told(tmp_path, fit, white, said):
    for i in range(4):
        image = picture(i, (64, 96)).point(lambda v: v // 2)
        image.paste("white", (20, 0, 44, 12))
        image.save(tmp_path / f"{i}.png")
    made = import_source(tmp_path, "it", fit=fit)
    assert made.shape == (4, 3, 64, 64)
    assert any(said in notice for notice in made.card["notices"])
    top = [pixels[:, :8].min(0).max() > 240 for pixels, _ in everything("it").values()]
    assert all(top) is white


def test_a_part_that_stays_is_never_called_nothing(tmp_path):
    for i in range(4):
        picture(i, (2, 1_000)).save(tmp_path / f"{i}.png")
    notices = import_source(tmp_path, "it").card["notices"]
    assert any("more than 99% is cut off" in notice for notice in notices)


@pytest.mark.parametrize(
    ("size", "options", "shape"),
    [
        ((28, 28), {}, (3, 28, 28)),
        ((50, 30), {}, (3, 32, 52)),
        ((5, 5), {}, (3, 8, 8)),
        ((65, 64), {}, (3, 64, 64)),
        ((100, 75), {}, (3, 64, 64)),
        ((100, 75), {"image_size": 30}, (3, 32, 32)),
        ((20, 20), {"image_size": 128, "colour": "grey"}, (1, 128, 128)),
    ],
)
def test_the_size_is_the_pictures_own_or_one_that_the_network_can_halve(
    tmp_path, size, options, shape
):
    fill(tmp_path / "set", 3, size=size)
    made = import_source(tmp_path / "set", "it", **options)
    assert made.shape[1:] == shape
    halved = size in ((50, 30), (5, 5)) or options.get("image_size") == 30
    assert any("halve" in notice for notice in made.card["notices"]) is halved
    if size == (50, 30):  # padded, so that every pixel stays as it is
        pixels, _ = everything("it")["000.png"]
        assert np.array_equal(
            pixels[:, 1:31, 1:51], np.asarray(picture(0, size)).transpose(2, 0, 1)
        )


def test_grey_stays_grey_though_a_file_has_three_channels(tmp_path):
    for i in range(6):
        picture(i, (24, 24), "L").convert("RGB").save(tmp_path / f"{i}.jpg", quality=90)
    assert import_source(tmp_path, "grey").shape[1] == 1
    assert import_source(tmp_path, "both", colour="colour").shape[1] == 3
    picture(7, (24, 24)).save(tmp_path / "7.jpg")
    assert import_source(tmp_path, "colour").shape[1] == 3
    assert inspect_source(tmp_path).image_shape == (3, 24, 24)
