"""The app's routes: what is served, what is refused, and how it may be cached."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from decoding import random_distribution
from starlette.applications import Starlette

from pages.ui.server import packed, routes, scripts
from pages.ui.shared import cache
from vae.checkpoint import load_checkpoint, save_checkpoint
from vae.code_distribution import FILE, save_code_distribution
from vae.config import VAEConfig
from vae.decoder_export import DEVIATION_WHITE, decoder_bytes
from vae.model import VAE

CONFIG = VAEConfig((3, 8, 12), latent_dim=3, likelihood="gaussian", channels=(4,), hidden=(5,))


@pytest.fixture(scope="module")
def site(serve, tmp_path_factory):
    """(address of the routes' folder, the folder that checkpoints lie in)."""
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        torch.manual_seed(3)
        save_checkpoint(VAE(CONFIG), data / "checkpoints" / "small")
        (data / "secret").mkdir()
        save_checkpoint(VAE(CONFIG), data / "secret")
        yield f"{serve(Starlette(routes=routes.live_routes('/app/')))}/app/live/", data


def ask(url, body=None, headers=None):
    """(status, headers, body) of one request."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def manifest(site):
    status, _, body = ask(site[0] + "decoders/small")
    assert status == 200
    return json.loads(body)


@pytest.mark.parametrize(
    ("name", "kind", "start"),
    [
        ("decoder.js", "text/javascript", b"//"),
        ("runners.js", "text/javascript", b"//"),
        ("worker.js", "text/javascript", b"//"),
        ("kernel.wasm", "application/wasm", b"\0asm"),
        ("kernel-relaxed.wasm", "application/wasm", b"\0asm"),
        ("plotly.min.js", "text/javascript", b"/**"),
    ],
)
def test_scripts_have_their_type_and_are_sent_once(site, name, kind, start):
    status, headers, body = ask(site[0] + name)
    assert status == 200 and body.startswith(start)
    assert headers["Content-Type"].split(";")[0] == kind
    again, _, nothing = ask(site[0] + name, headers={"If-None-Match": headers["ETag"]})
    assert (again, nothing) == (304, b"")
    assert ask(site[0] + name, headers={"If-None-Match": '"other"'})[0] == 200


def test_plotly_is_the_installed_one_and_compressed(site):
    from plotly.offline import get_plotlyjs

    scripts.compress_plotly()
    _, headers, body = ask(site[0] + "plotly.min.js", headers={"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip" and len(body) < 2_000_000
    assert gzip.decompress(body).decode() == get_plotlyjs()
    plain = ask(site[0] + "plotly.min.js")
    assert plain[1]["Content-Encoding"] is None and plain[2] == gzip.decompress(body)
    assert plain[1]["ETag"] != headers["ETag"]


def test_a_decoder_is_cached_for_ever_under_its_content(site):
    found = manifest(site)
    assert found["image_shape"] == [3, 8, 12] and found["latent_dim"] == 3
    assert found["reason"] is None and found["bytes"] > 1000
    status, headers, body = ask(site[0] + found["url"])
    assert status == 200 and "immutable" in headers["Cache-Control"]
    length = struct.unpack("<Q", body[:8])[0]
    assert "decoder" in json.loads(body[8 : 8 + length])["__metadata__"]

    shutil.rmtree(site[1] / "checkpoints" / "small")
    save_checkpoint(VAE(CONFIG), site[1] / "checkpoints" / "small")
    changed = manifest(site)
    assert changed["url"] != found["url"]
    assert ask(site[0] + changed["url"])[2] != body
    status, headers, body = ask(site[0] + found["url"])
    assert status == 404 and "reload" in json.loads(body)["error"]
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("folder", ["decoders", "decode"])
@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "..",
        "../secret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "..%5csecret",
        "small%00",
        "%2fetc%2fpasswd",
        "small%2f..%2fsmall",
        "SMALL",
    ],
)
def test_only_listed_names_are_served(site, folder, name):
    body = np.zeros(3, "<f4").tobytes() if folder == "decode" else None
    assert ask(f"{site[0]}{folder}/{name}", body)[0] == 404


def test_a_missing_checkpoint_is_a_sentence(site):
    status, headers, body = ask(site[0] + "decoders/nothing")
    assert status == 404 and headers["Content-Type"] == "application/json"
    assert json.loads(body)["error"].endswith(".")


def test_a_damaged_checkpoint_is_a_sentence_without_a_path(site):
    folder = site[1] / "checkpoints" / "damaged"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"not a model")
    status, _, body = ask(site[0] + "decoders/damaged")
    assert status == 404 and str(site[1]) not in body.decode()
    assert "damaged cannot be read" in json.loads(body)["error"]


def test_the_server_decodes_to_rounded_bytes(site):
    model = packed.open_decoder("small").decoder
    z = torch.tensor([0.5, -1.0, 2.0])
    status, headers, body = ask(site[0] + "decode/small", z.numpy().astype("<f4").tobytes())
    assert status == 200 and headers["Cache-Control"] == "no-store"
    with torch.inference_mode():
        likelihood = model(z[None])
    want = torch.cat([likelihood.mean, likelihood.stddev / DEVIATION_WHITE]).clamp(0, 1).numpy()
    found = np.frombuffer(body, np.uint8).reshape(want.shape) / 255
    assert np.abs(found - want).max() <= 0.5 / 255 + 1e-6


def test_what_browsers_run_themselves_is_no_network_in_memory(site):
    for opened in (packed.open_decoder("small"), packed.open_flow("digits")):
        held = vars(opened).values()
        assert opened.file in held and not any(isinstance(part, torch.nn.Module) for part in held)


def test_a_decoder_that_is_damaged_after_it_was_sent_is_a_sentence(site):
    file = site[1] / "checkpoints" / "spoilt" / "model.safetensors"
    shutil.copytree(file.parents[1] / "small", file.parent)
    times = file.stat()
    assert ask(site[0] + "decoders/spoilt")[0] == 200
    file.write_bytes(b"not a model")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # no look at the file tells
    status, _, body = ask(site[0] + "decode/spoilt", bytes(12))
    assert status == 404 and "cannot be read any more" in json.loads(body)["error"]


@pytest.mark.parametrize("values", [[], [1], [1, 2], [1, 2, 3, 4], [0] * 100_000])
def test_codes_of_another_length_are_refused(site, values):
    body = np.array(values, "<f4").tobytes()
    status, _, reply = ask(site[0] + "decode/small", body)
    assert status == 400 and "expected 12" in json.loads(reply)["error"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.1e6, -3e38])
def test_codes_that_are_not_finite_or_absurd_are_refused(site, value):
    status, _, reply = ask(site[0] + "decode/small", np.array([0, value, 0], "<f4").tobytes())
    assert status == 400 and "finite" in json.loads(reply)["error"]


def test_far_codes_give_a_picture(site):
    body = np.array([1e6, -1e6, 1e6], "<f4").tobytes()
    status, _, reply = ask(site[0] + "decode/small", body)
    assert status == 200 and len(reply) == 2 * 3 * 8 * 12


def test_a_flow_is_cached_for_ever_under_its_content(site):
    folder = site[1] / "checkpoints" / "small"
    assert manifest(site)["flow"] is None
    status, _, reply = ask(site[0] + "follow/small", np.zeros(3, "<f4").tobytes())
    assert status == 404 and "no learned distribution" in json.loads(reply)["error"]
    save_code_distribution(folder, random_distribution(3))
    found = manifest(site)["flow"]
    status, headers, body = ask(site[0] + found["url"])
    assert status == 200 and "immutable" in headers["Cache-Control"]
    length = struct.unpack("<Q", body[:8])[0]
    header = json.loads(body[8 : 8 + length])
    assert json.loads(header["__metadata__"]["flow"])["dim"] == 3
    assert header["floats"]["shape"] == [0] and header["halves"]["shape"][0] > 1000


@pytest.mark.parametrize("query", ["level=2", "level=x", "level=nan&noise=true", "until=-1"])
def test_levels_that_make_no_sense_are_refused(site, query):
    folder = site[1] / "checkpoints" / "small"
    save_code_distribution(folder, random_distribution(3))
    status, _, reply = ask(f"{site[0]}follow/small?{query}", np.zeros(3, "<f4").tobytes())
    assert status == 400 and "from 0 to 1" in json.loads(reply)["error"]
    (folder / FILE).unlink()


def test_decoding_needs_a_post(site):
    assert ask(site[0] + "decode/small")[0] == 405


def test_a_model_whose_name_has_a_slash_is_served_like_others(site):
    status, _, body = ask(site[0] + "decoders/lab/digits-beta-1")
    assert status == 200
    status, _, weights = ask(site[0] + json.loads(body)["url"])
    assert status == 200 and weights == decoder_bytes(load_checkpoint("lab/digits-beta-1"))
    z = np.zeros(2, "<f4").tobytes()
    assert len(ask(site[0] + "decode/lab/digits-beta-1", z)[2]) == 28 * 28
    stamp = cache.latent_space("lab/digits-beta-1").stamp
    status, _, figure = ask(f"{site[0]}maps/lab/digits-beta-1/{stamp}/codes.bin")
    assert status == 200 and len(figure) > 8 * 1_000
