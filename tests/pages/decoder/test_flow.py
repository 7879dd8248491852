"""The flow beside the decoder: codes and noise as the library has them, and as it is dragged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from decoding import (
    BASE,
    EXACT,
    NETWORKS,
    expected,
    numbers,
    random_distribution,
    random_network,
)

from vae.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from vae.code_distribution import CodeDistribution, load_code_distribution, save_code_distribution
from vae.latent import slerp

CLOSE = 1e-3  # of a code's standard deviation
LEVELS = (1.0, 0.7, 0.5, 0.0)

FOLLOW = """async ([zs, n, level, until]) => {
    const noise = await d.toNoise(Float32Array.from(zs), n, level);
    const flat = new Float32Array(zs.length);
    noise.forEach((u, i) => flat.set(u, i * d.latentDim));
    const pictures = await Promise.all(noise.map((u) =>
        d.decode(u, { raw: true, flow: { level, until } })));
    return [pack(flat), ...pictures.map((p) => [pack(p.code), p.raw && pack(p.raw)])];
}"""


def save(folder, model, distribution: CodeDistribution) -> None:
    save_checkpoint(model, folder, overwrite=True)
    save_code_distribution(folder, distribution)


def compare(page, model, distribution, z, level, until=1.0) -> None:
    """Holds what the page makes of codes `(n, D)` against the library."""
    deviation = np.linalg.norm(distribution.root, axis=1)  # of a code, in each dimension
    noise, *pictures = page.evaluate(FOLLOW, [z.flatten().tolist(), len(z), level, until])
    want = distribution.to_noise(z, level)
    found = numbers(noise, np.float32).reshape(want.shape)
    assert np.abs(found - want).max() < CLOSE
    codes = np.array([numbers(code, np.float32) for code, _ in pictures])
    back = distribution.from_noise(want, level, until)
    assert (np.abs(codes - back) / deviation).max() < CLOSE
    if pictures[0][1]:
        raw = np.array([numbers(picture, np.float32) for _, picture in pictures])
        shown = expected(model, torch.from_numpy(codes))
        assert np.abs(raw.reshape(shown.shape) - shown).max() < EXACT


@pytest.fixture(scope="module")
def folder(live):
    return live[2]


@pytest.mark.parametrize("name", ["conv-grey", "odd-channels", "one-dimension"])
def test_noise_and_codes_are_those_of_the_library(page, opened, folder, name):
    model = random_network(NETWORKS[name])
    distribution = random_distribution(model.latent_dim)
    save(folder / f"flow-{name}", model, distribution)
    assert opened(f"flow-{name}")["exact"]
    z = np.random.default_rng(1).standard_normal((3, model.latent_dim)).astype(np.float32)
    moved = distribution.to_noise(z) - distribution.whiten(z)
    assert np.abs(moved).max() > 0.1, "it bends"
    for level in LEVELS:
        compare(page, model, distribution, z, level)
    compare(page, model, distribution, z, 1.0, until=0.3)


def test_the_shipped_faces_are_followed_as_the_library_does(page, opened):
    place = find_checkpoint("faces")
    model, distribution = load_checkpoint(place), load_code_distribution(place)
    assert opened("faces")["exact"]
    z = distribution.sample(3, seed=2)
    compare(page, model, distribution, z, 1.0)
    compare(page, model, distribution, z, 0.5)


def test_without_a_kernel_the_server_follows(page, opened, live, folder):
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(live[0])
    model = random_network(NETWORKS["conv-grey"])
    distribution = random_distribution(model.latent_dim)
    save(folder / "flow-server", model, distribution)
    assert not opened("flow-server")["exact"]
    z = np.random.default_rng(1).standard_normal((2, model.latent_dim)).astype(np.float32)
    compare(page, model, distribution, z, 0.5)
    compare(page, model, distribution, z, 1.0, until=0.25)


def test_an_arc_in_noise_is_decoded_live_and_the_newest_wins(page, opened):
    """The whole way on the shipped faces: ends to noise once, then a pointer that moves."""
    distribution = load_code_distribution(find_checkpoint("faces"))
    opened("faces")
    ends = distribution.sample(2, seed=3)
    arc = np.asarray(slerp(*distribution.to_noise(ends, 0.5), 60))
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    code, shown, quickest = page.evaluate(
        """async ([ends, arc]) => {
            await d.toNoise(Float32Array.from(ends), 2, 0.5);
            const shown = [], times = [];
            let code;
            for (let i = 0; i < 60; i++) await new Promise((resolve) => {
                const u = Float32Array.from(arc[i]);
                d.latest(u, (picture) => {
                    shown.push(i);
                    times.push(picture.ms);
                    code = pack(picture.code);
                    resolve();
                }, { level: 0.5 });
            });
            return [code, shown, Math.min(...times)];
        }""",
        [ends.flatten().tolist(), arc.tolist()],
    )
    assert shown == list(range(60)) and not requests, "nobody is asked while one drags"
    end = distribution.from_noise(arc[-1], 0.5)[0]
    assert np.abs(numbers(code, np.float32) - end).max() < CLOSE
    assert quickest < 16, "flow and decoder take less than a frame where the machine is free"


def test_a_model_without_a_flow_says_so(page, opened):
    opened("flowless", random_network(NETWORKS["conv-grey"]))
    assert page.evaluate("d.flow") is None


def test_whatever_asks_without_wanting_the_flow_is_not_sent_it(page, live):
    page.goto(live[0])
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate(
        """async (base) => {
            const { openDecoder } = await import(`${base}/live/decoder.js`);
            (await openDecoder(base, "faces")).close();
        }""",
        BASE,
    )
    assert any("/decoders/faces/" in url for url in sent)
    assert not any("/flows/" in url for url in sent)
