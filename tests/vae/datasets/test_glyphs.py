import json

import numpy as np
import torch
from PIL import ImageFont

from vae.datasets import glyphs, load_dataset


def family(name):
    return " ".join(word for word in name.split()[:-1] if word not in ("Bold", "Italic"))


def test_held_out_letters_are_of_families_that_are_never_trained_with():
    train, test = load_dataset("glyphs", "train"), load_dataset("glyphs", "test")
    assert train.images.shape[1:] == test.images.shape[1:] == (1, 32, 32)
    assert len(train) + len(test) == glyphs.COUNT
    assert not {*map(family, train.names)} & {*map(family, test.names)}
    assert len({*map(family, test.names)}) >= 10
    images = [image.numpy().tobytes() for data in (train, test) for image in data.images.uint8]
    assert len(set(images)) == glyphs.COUNT
    for data in (train, test):
        assert len(set(data.names)) == len(data)
        assert data.labels.bincount().eq(len(data) // 26).all()  # every font has all letters
        for name in glyphs.ATTRIBUTES:
            assert 0.3 < data.attributes[name].float().mean() < 0.7


def test_names_and_attributes_agree():
    data = load_dataset("glyphs")
    for row, name in enumerate(data.names):
        assert name.endswith(f" {data.classes[data.labels[row]]}")
        assert ("Bold" in name.split()) == bool(data.attributes["bold"][row])
        assert ("Italic" in name.split()) == bool(data.attributes["italic"][row])


def test_bold_letters_have_more_ink_than_their_partners():
    data = load_dataset("glyphs", "train")
    rows = {name: row for row, name in enumerate(data.names)}
    pairs = [
        (row, rows[bold])
        for name, row in rows.items()
        if (bold := f"{name[:-2]} Bold{name[-2:]}") in rows
    ]
    assert len(pairs) > 1000
    ink = data.images[:].sum((1, 2, 3))
    plain, bold = torch.tensor(pairs).T
    assert (ink[bold] > ink[plain]).float().mean() > 0.97


def test_each_font_and_its_licence_are_named():
    notice = glyphs.FILE.with_name("LICENCE-glyphs.txt").read_text()
    notice = " ".join(notice.split())
    fonts = json.loads(glyphs.FONTS.read_text())
    assert all(f"{font['family']} ({font['package']})" in notice for font in fonts)
    assert all(f"{font['licence']}:" in notice for font in fonts)


def test_build_draws_the_letters_of_a_font(tmp_path, monkeypatch):
    font = ImageFont.load_default(20)
    (tmp_path / "font.ttf").write_bytes(font.path.getvalue())
    (tmp_path / "gone.ttf").symlink_to(tmp_path / "nowhere.ttf")
    table = tmp_path / "fonts.json"
    table.write_text(json.dumps([{"family": font.getname()[0], "serif": False}]))
    monkeypatch.setattr(glyphs, "FONTS", table)
    assert glyphs.build(tmp_path, tmp_path / "glyphs.npz") == 26
    found = np.load(tmp_path / "glyphs.npz")
    images = found["images"]
    assert images.shape == (26, 32, 32) and sorted(found["letter"]) == list(range(26))
    assert (images.max((1, 2)) > 250).all() and (images[:, [0, -1]] == 0).all()
    across = (images * np.arange(32)).sum((1, 2)) / images.sum((1, 2))
    assert abs(across[found["letter"] == 14] - 15.5) < 0.5, "O is in the middle"
