"""Pictures, folders and archives that tests write."""

import io
import zipfile

import numpy as np
from PIL import Image


def png(value=0, size=(20, 20), mode="RGB", **save):
    colour = value if mode in ("L", "I;16") else tuple(np.broadcast_to(value, len(mode)).tolist())
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, "png", **save)
    return stream.getvalue()


def fill(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def pack(file, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file


TWENTY = {f"{i:02}.png": png(10 * i) for i in range(20)}
