"""What a set as large as CelebA costs: importing it, reading it, and a map of all its points.

    python benchmarks/large.py [--json] [--images 202599] [--folder FOLDER] [--no-map]

It writes JPEGs of 178×218 pixels with 40 attributes, made from the drawn faces, and measures:

- `import_ratio`: pictures a second of `import_source`, against one pass of torchvision's
  `ImageFolder` (resize, centre crop, `ToTensor`) with a `DataLoader` over the same files, half of
  it before the import and half after; `import_processor_ratio`: of the processor's time, which
  other work on the machine changes little;
- `peak_memory_mb` of the process that imports;
- `epoch_ratio`: images a second of the 64×64 network trained from the import, against the same
  images in memory; `textbook_ratio`: against the textbook's loop on the files. They take turns;
- `read_ratio`: batches a second from the import, against memory, without a network;
- `encode_per_second`, `neighbours_ms` and `pca_s` of all codes;
- of the map of all points, in a browser that renders in software: `map_first_open_s` before
  anybody has opened the model, `map_open_s` afterwards, and frames a second while the pointer
  moves over it and while it is dragged, of which `map_fps` is the lower.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

COUNT = 202_599  # pictures of CelebA
SIZE = (178, 218)
BATCH = 128
ATTRIBUTES = 40
BASES = 400  # faces that are drawn; every picture is one of them, changed
NETWORK = {"latent_dim": 32, "channels": (16, 32, 64), "hidden": (128,), "likelihood": "gaussian"}


def write_faces(folder: Path, count: int) -> None:
    """Writes the pictures and their table as CelebA has them, unless they are there."""
    pictures = folder / "img_align_celeba"
    if (folder / "list_attr_celeba.txt").exists():
        return
    pictures.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("fork").Pool() as pool:
        pool.starmap(_write, [(pictures, count, k, 64) for k in range(64)])
    import numpy as np

    values = np.random.default_rng(0).choice(["-1", " 1"], (count, ATTRIBUTES))
    names = " ".join(f"Attribute_{k}" for k in range(ATTRIBUTES))
    rows = "\n".join(f"{i + 1:06d}.jpg {' '.join(row)}" for i, row in enumerate(values))
    (folder / "list_attr_celeba.txt").write_text(f"{count}\n{names}\n{rows}\n")


def _write(folder: Path, count: int, first: int, step: int) -> None:
    import numpy as np
    from PIL import Image

    from vae import load_dataset

    faces = load_dataset("faces", "test").images.uint8[:BASES].numpy().transpose(0, 2, 3, 1)
    rng = np.random.default_rng(first)
    for i in range(first, count, step):
        face = Image.fromarray(faces[rng.integers(len(faces))]).resize((218, 218))
        left = int(rng.integers(0, 41))
        pixels = np.asarray(face)[:, left : left + SIZE[0]].astype(np.float32)
        pixels = pixels[:, :: rng.choice((-1, 1))] * rng.uniform(0.7, 1.2, 3)
        noise = rng.normal(0, 4, (SIZE[1] // 2, SIZE[0] // 2, 1)).repeat(2, 0).repeat(2, 1)
        picture = Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{i + 1:06d}.jpg", quality=90)


def processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    own, children = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def torchvision_pass(folder: Path, half: int) -> tuple[float, float]:
    """Seconds and processor time of a pass over the first or second half of the pictures."""
    from torch.utils.data import DataLoader, Subset
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import CenterCrop, Compose, Resize, ToTensor

    data = ImageFolder(str(folder), Compose([Resize(64), CenterCrop(64), ToTensor()]))
    middle = len(data) // 2
    rows = range(middle) if half == 0 else range(middle, len(data))
    start, used = time.perf_counter(), processor_seconds()
    for _ in DataLoader(Subset(data, rows), BATCH, num_workers=os.cpu_count() or 1):
        pass
    return time.perf_counter() - start, processor_seconds() - used


def import_in_process(folder: Path) -> tuple[float, float, float]:
    """Seconds and processor time of an import in a process of its own, and its peak MB."""
    code = (
        "import sys, time, resource\n"
        "from vae.imports import import_source\n"
        "start, used = time.perf_counter(), time.process_time()\n"
        "import_source(sys.argv[1], 'large')\n"
        "print(time.perf_counter() - start, time.process_time() - used,"
        " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, "-c", code, str(folder)]
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    seconds, used, memory = map(float, out.stdout.split())
    return seconds, used, memory


def textbook_batches(folder: Path) -> Iterator[Any]:
    """Shuffled batches as tutorials read them from files."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import CenterCrop, Compose, Resize, ToTensor

    data = ImageFolder(str(folder), Compose([Resize(64), CenterCrop(64), ToTensor()]))
    while True:
        for x, _ in DataLoader(data, BATCH, shuffle=True, num_workers=1):
            yield x


def textbook(folder: Path) -> Iterator[int]:
    """The loop that tutorials show; yields the images of each step."""
    import torch
    from torch.distributions import kl_divergence

    from vae import VAE, VAEConfig

    model = VAE(VAEConfig((3, 64, 64), **NETWORK))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for x in textbook_batches(folder):
        optimizer.zero_grad()
        posterior = model.encoder(x)
        likelihood = model.decoder(posterior.rsample())
        loss = (kl_divergence(posterior, model.prior) - likelihood.log_prob(x)).mean()
        loss.backward()
        optimizer.step()
        yield len(x)


def ours(images: Any) -> Iterator[int]:
    """The library's loop."""
    from vae import VAE, VAEConfig
    from vae.training import TrainingConfig, train

    model = VAE(VAEConfig((3, 64, 64), **NETWORK))
    for _ in train(model, images, TrainingConfig(epochs=1_000, batch_size=BATCH)):
        yield BATCH


def reading(images: Any) -> Iterator[int]:
    """Shuffled batches alone."""
    import torch

    from vae.training.data import batches
    from vae.training.distributed import Group

    group = Group(device=torch.device("cpu"))
    for x, _ in batches(images, BATCH, 0, 0, 1 << 40, group=group):
        yield len(x)


def rates(loops: dict[str, Iterator[int]], seconds: float, turns: int = 4) -> dict[str, float]:
    """Images a second of several loops, which take turns."""
    for loop in loops.values():
        for _ in range(3):
            next(loop)
    images, spent = dict.fromkeys(loops, 0), dict.fromkeys(loops, 0.0)
    for _ in range(turns):
        for name, loop in loops.items():
            start = time.perf_counter()
            while time.perf_counter() < start + seconds / turns:
                images[name] += next(loop)
            spent[name] += time.perf_counter() - start
    return {name: images[name] / spent[name] for name in loops}


def measure_codes(data_folder: Path) -> dict[str, float]:
    """Encodes everything, and leaves a checkpoint whose map shows it."""
    import numpy as np
    import torch

    from vae import VAE, VAEConfig, load_dataset, save_checkpoint
    from vae.checkpoint import save_card, save_codes
    from vae.codes import encode
    from vae.latent import neighbours
    from vae.projection import fit_pca

    torch.manual_seed(0)
    model = VAE(VAEConfig((3, 64, 64), **NETWORK)).eval()
    data = load_dataset("large@1", "train")
    start = time.perf_counter()
    codes = encode(model, data.images)
    seconds = time.perf_counter() - start
    codes["checksum"] = data.images.checksums(codes["index"])
    folder = data_folder / "checkpoints" / "large"
    save_checkpoint(model, folder)
    save_codes(folder, codes)
    card = {"dataset": "large@1", "split": "train", "fingerprint": data.fingerprint}
    save_card(folder, card)
    start = time.perf_counter()
    fit_pca(codes["mean"], NETWORK["latent_dim"])
    pca = time.perf_counter() - start
    times = []
    for row in np.linspace(0, len(data) - 1, 20).astype(int):
        start = time.perf_counter()
        neighbours(codes["mean"], codes["mean"][row], 12)
        times.append(time.perf_counter() - start)
    return {
        "points": len(data),
        "encode_per_second": len(data) / seconds,
        "neighbours_ms": 1_000 * statistics.median(times),
        "pca_s": pca,
    }


def measure_map() -> dict[str, float | None]:
    """Opens the map of all points in a browser, moves the mouse over it, and drags the map."""
    from latency import streamlit, wander
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as elsewhere:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(
            executable_path=path if Path(path).exists() else None,
            args=["--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader"],
        )
        with streamlit(HERE.parent / "app.py", folder=Path(elsewhere)) as url:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(300_000)  # on a busy machine
            ready = ".latent-map[data-ready]"
            page.goto(f"{url}/?model=digits")  # the app is warm, as on a server
            page.wait_for_selector(ready)
            start = time.perf_counter()
            page.goto(f"{url}/?model=large")
            page.wait_for_selector(ready)
            first = time.perf_counter() - start
            start = time.perf_counter()
            page.goto(f"{url}/?model=large")
            page.wait_for_selector(ready)
            again = time.perf_counter() - start
            page.evaluate(
                "() => { window.frames_seen = 0; const tick = () => {"
                " window.frames_seen += 1; requestAnimationFrame(tick); }; tick(); }"
            )
            rates = {}
            for gesture in ("hover", "drag"):
                if gesture == "drag":
                    page.mouse.down()
                page.evaluate("window.frames_seen = 0")
                seconds = wander(page, 8)
                rates[f"map_{gesture}_fps"] = page.evaluate("window.frames_seen") / seconds
            page.mouse.up()
        browser.close()
    opened = {"map_first_open_s": first, "map_open_s": again}
    return {**opened, **rates, "map_fps": min(rates.values())}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument("--images", type=int, default=COUNT, help="number of pictures")
    parser.add_argument("--folder", type=Path, help="where the pictures are, or will be, kept")
    parser.add_argument("--seconds", type=float, default=40, help="seconds for each loop")
    parser.add_argument("--no-map", action="store_true", help="leave the browser out")
    options = parser.parse_args()

    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["LATENT_DATA"] = str(place / "data")
        files = options.folder or place / "celeba"

        began = time.perf_counter()

        def say(text: str) -> None:
            print(f"{time.perf_counter() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

        say(f"Writing {options.images:,} pictures into {files}.")
        write_faces(files, options.images)
        say("A pass of torchvision over the first half.")
        first = torchvision_pass(files, 0)
        say("The import.")
        import_s, import_used, memory = import_in_process(files)
        say("A pass of torchvision over the second half.")
        second = torchvision_pass(files, 1)
        textbook_s, textbook_used = (a + b for a, b in zip(first, second, strict=True))
        found: dict[str, Any] = {}

        def keep(**figures: float | None) -> None:
            found.update(figures)
            for name, value in figures.items():
                print(f"{name:24} {value if value is None else f'{value:,.2f}'}", flush=True)

        keep(
            images=options.images,
            import_per_second=options.images / import_s,
            torchvision_per_second=options.images / textbook_s,
            import_ratio=textbook_s / import_s,
            import_processor_ratio=textbook_used / import_used,
            peak_memory_mb=memory,
        )
        from vae import load_dataset
        from vae.datasets import Images

        kept = load_dataset("large", "train").images
        held = Images(kept.uint8.clone())
        say("Batches, in turns.")
        alone = rates({"import": reading(kept), "memory": reading(held)}, options.seconds / 2)
        say("Training, in turns.")
        speeds = rates(
            {"import": ours(kept), "memory": ours(held), "textbook": textbook(files)},
            options.seconds,
        )
        del held
        keep(
            epoch_ratio=speeds["import"] / speeds["memory"],
            textbook_ratio=speeds["import"] / speeds["textbook"],
            read_ratio=alone["import"] / alone["memory"],
            images_per_second=speeds["import"],
        )
        say("Encoding all.")
        keep(**measure_codes(place / "data"))
        if options.no_map:
            keep(map_open_s=None, map_fps=None)
        else:
            say("The map.")
            keep(**measure_map())
        keep(whole_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
