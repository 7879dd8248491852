"""A zip of one's own in a real Chromium: upload, summary, training, map."""

from __future__ import annotations

import io

import numpy as np
from pictures import pack
from PIL import Image

KINDS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF"}


def archive(file, count=30):
    """Pictures of six formats in two class folders, and a table with an age of most."""
    rng = np.random.default_rng(0)
    files, rows = {}, ["file,age"]
    for k in range(count):
        ending = [*KINDS][k % len(KINDS)]
        out = io.BytesIO()
        picture = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
        picture.save(out, KINDS[ending])
        name = f"{'cats' if k % 2 else 'dogs'}/{k}.{ending}"
        files[name] = out.getvalue()
        rows.append(f"{name},{k if k % 5 else ''}")
    return pack(file, {**files, "metadata.csv": "\n".join(rows)})


def test_from_a_zip_of_mixed_formats_to_the_map(page, app, tmp_path):
    held = []
    page.route("**/live/components/uploader-*.js", lambda script: held.append(script))
    page.goto(f"{app}/library?shelf=import")
    page.locator(".uploader-files").set_input_files(archive(tmp_path / "pets.zip"))
    for script in held:  # the files were chosen before it was there
        script.continue_()
    page.get_by_text("27 to train on, 3 held out").wait_for()
    page.get_by_text("age: numbers from 1 to 29, 6 missing").wait_for()
    page.reload()  # what was uploaded is still there
    page.get_by_text("2 classes: cats (15), dogs (15)").wait_for()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("button", name="Train a model on it").click()
    page.get_by_text("30 pictures of 16×16, colour: gaussian likelihood").wait_for()
    page.get_by_text("Details", exact=True).click()
    page.get_by_text("Learn where the codes lie").click()
    epochs = page.get_by_label("Epochs", exact=True)
    epochs.fill("2")
    epochs.press("Enter")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Open in the map").click()
    page.wait_for_selector('.latent-map[data-ready^="pets-"]')
    page.locator(".st-key-colour input").click()
    page.get_by_role("option", name="Age").click()
    page.wait_for_selector(".map-scale")
    page.locator(".map-search").fill("dogs/")
    page.locator(".map-status", has_text="Found Real #").or_(
        page.locator(".map-status", has_text="images found")
    ).wait_for()
