"""A model with its train images behind the held-out ones, and the job that encodes them."""

from __future__ import annotations

import io
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from starlette.applications import Starlette

from pages.ui.server.map_data import map_routes
from pages.ui.shared import all_images, cache, jobs, scatter
from pages.ui.shared.pins import as_text, from_text, real_pin, refound
from vae import load_dataset
from vae.codes import encode
from vae.datasets import Dataset, Images

TRAINED = 60


@pytest.fixture
def space(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    tiny.make(tmp_path / "checkpoints", ("tiny-gaussian",))
    held_out = load_dataset("digits", "test")
    labels = held_out.labels[-TRAINED:].clone()
    images = Images(held_out.images.uint8[-TRAINED:])
    train = Dataset("digits", "train", images, labels, held_out.classes)
    monkeypatch.setattr(all_images, "_train", lambda space: train)
    return cache.latent_space("tiny-gaussian")


def ended(job: jobs.Job) -> jobs.Job:
    for thread in threading.enumerate():
        if thread.name == job.key:
            thread.join(60)
    return job


def test_train_images_come_behind_the_others_with_numbers_of_their_own(space):
    assert all_images.ready(space) is None
    assert all_images.cost(space)[0] == TRAINED
    assert ended(all_images.begin(space)).state == "done"
    whole, count = all_images.ready(space), len(space)
    assert len(whole) == count + TRAINED and whole.trained == TRAINED
    assert np.array_equal(whole.mean[:count], space.mean)
    own = encode(space.model, all_images._train(space).images)["mean"]
    assert np.allclose(whole.mean[count:], own, atol=1e-6)
    assert whole.title(0) == space.title(0)
    first = whole.classes[whole.class_of[count]]
    assert whole.title(count) == f"train #0 · {first}"
    assert torch.equal(whole.image(count), all_images._train(space).images[0])
    assert torch.equal(whole.image(5), space.image(5))
    for name in scatter.projections(whole):
        places = scatter.positions(whole, name, (0, 1))
        assert places.shape == (count + TRAINED, 2) and np.isfinite(places).all()
    # Train points are hollow, and the legend names each class once.
    traces = scatter.map_figure(whole, "pca", (0, 1), "class")["data"]
    trace_of, _ = scatter.marks(whole, "class")
    hollow = np.array([trace["marker"].get("symbol", "").endswith("-open") for trace in traces])
    assert np.array_equal(hollow[trace_of], np.arange(len(whole)) >= count)
    named = np.array([trace["name"] for trace in traces])[trace_of]
    assert named.tolist() == [whole.classes[k] for k in whole.class_of]
    shown = [trace["name"] for trace in traces if trace["showlegend"]]
    assert sorted(shown) == sorted(whole.classes)


def test_a_pinned_train_image_stays_a_picture_where_only_others_are_shown(space):
    ended(all_images.begin(space))
    whole = all_images.ready(space)
    pin = real_pin(whole, len(space) + 3)
    assert refound(whole, from_text(whole, as_text(whole, pin))).row == pin.row
    elsewhere = refound(space, pin)
    assert elsewhere.kind == "upload" and elsewhere.row == -1
    assert torch.equal(elsewhere.image, whole.image(pin.row))


def test_the_map_fetches_them_once_they_are_encoded(space, serve):
    address = serve(Starlette(routes=map_routes("/live")))
    place = f"{address}/live/maps/tiny-gaussian/{space.stamp}{all_images.ALL}/codes.bin"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(place)
    ended(all_images.begin(space))
    with urllib.request.urlopen(place) as answer:
        assert len(answer.read()) == (len(space) + TRAINED) * (5 + 2) * 4


def test_pictures_of_a_large_map_are_fetched_as_they_are_asked_for(space, serve):
    address = serve(Starlette(routes=map_routes("/live")))
    place = f"{address}/live/maps/tiny-gaussian/{space.stamp}/tiles.jpg?rows="
    rows = [3, 7, 120]
    with urllib.request.urlopen(place + ".".join(map(str, rows))) as answer:
        sheet = np.asarray(Image.open(io.BytesIO(answer.read()))).astype(float) / 255
    assert sheet.shape == (56, 56)  # two in a row
    for k, row in enumerate(rows):
        y, x = 28 * (k // 2), 28 * (k % 2)
        assert np.abs(sheet[y : y + 28, x : x + 28] - space.image(row)[0].numpy()).mean() < 0.03
    for wrong in ("", "x", "300", "1..2", "-1", "9" * 40, ".".join(["1"] * 201)):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(place + wrong)


def test_a_job_stops_when_asked_and_says_why_it_failed():
    begun, seen = threading.Event(), []

    def endless(job: jobs.Job) -> None:
        while True:
            begun.set()
            job.tell(0.5, "half")

    job = jobs.start("endless", "It", endless)
    assert begun.wait(20) and jobs.start("endless", "It", seen.append) is job
    job.stop()
    assert ended(job).state == "stopped" and not seen

    def wrong(job: jobs.Job) -> None:
        raise ValueError("said")

    assert ended(jobs.start("known", "It", wrong, (ValueError,))).problem == "said"
    assert "did not expect" in ended(jobs.start("unknown", "It", wrong)).problem
    jobs.forget("known")
    assert jobs.find("known") is None
