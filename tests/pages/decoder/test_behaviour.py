"""The decoder in the browser: what it does under haste, without a kernel, and when refused."""

from __future__ import annotations

import json
import time

import numpy as np
import torch
from decoding import (
    BASE,
    EXACT,
    FLAGSHIP,
    NETWORKS,
    codes,
    expected,
    numbers,
    pictures,
    random_network,
)

from pages.ui.server import packed
from vae.config import VAEConfig
from vae.decoder_graph import GraphError
from vae.model import VAE


def test_newest_wins_and_nothing_queues(page, opened):
    model = random_network(FLAGSHIP)
    opened("flagship", model)
    zs = codes(model, 500)
    shown, last = page.evaluate(
        """async ([zs, n]) => {
            const shown = []; let last;
            await new Promise((resolve) => {
                for (let i = 0; i < n; i++)
                    d.latest(zs.slice(i * d.latentDim, (i + 1) * d.latentDim), (picture) => {
                        shown.push(i); last = pack(picture.mean.data);
                        if (i === n - 1) resolve();
                    });
            });
            await new Promise((resolve) => setTimeout(resolve, 100));
            return [shown, last];
        }""",
        [zs.flatten().tolist(), 500],
    )
    assert shown[-1] == 499 and shown == sorted(shown)
    assert len(shown) <= 3  # what had begun, and the newest
    _, [want], _ = pictures(page, zs[-1:])
    assert (numbers(last, np.uint8) == want).all()


def test_strips_come_whole_and_newest_wins(page, opened):
    model = random_network(FLAGSHIP)
    opened("flagship", model)
    zs = codes(model, 10)
    asked, strips, last = page.evaluate(
        """async (zs) => {
            const strips = []; let last, i = 0, waiting = true;
            zs = Float32Array.from(zs);
            while (waiting && i < 1000) {
                const shift = ++i;
                d.latestMany(zs.map((v) => v + 0.001 * shift), 10, (pictures) => {
                    strips.push(shift); last = pictures.map((p) => pack(p.mean.data));
                });
                if (shift % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
                waiting = strips.length < 5;
            }
            while (strips.at(-1) !== i) await new Promise((resolve) => setTimeout(resolve, 5));
            return [i, strips, last];
        }""",
        zs.flatten().tolist(),
    )
    assert strips == sorted(strips) and strips[-1] == asked and len(strips) < asked
    _, want, _ = pictures(page, zs + 0.001 * asked)
    # The shift is added in 64 bits there and in 32 here: a grey level may round the other way.
    for one, other in zip(last, want, strict=True):
        assert np.abs(numbers(one, np.uint8).astype(int) - other).max() <= 1


def test_a_strip_does_not_keep_the_pointer_waiting(page, opened):
    opened("flagship", random_network(FLAGSHIP))
    order = page.evaluate(
        """async () => {
            const order = [];
            const zs = new Float32Array(200 * d.latentDim);
            const sheet = d.decodeMany(zs, 200).then(() => order.push("sheet"));
            const strip = new Promise((resolve) => d.latestMany(
                zs.subarray(0, 20 * d.latentDim), 20, () => resolve(order.push("strip"))));
            const move = new Promise((resolve) => d.latest(
                zs.subarray(0, d.latentDim), () => resolve(order.push("pointer"))));
            await Promise.all([sheet, strip, move]);
            return order;
        }"""
    )
    assert order == ["pointer", "strip", "sheet"]


def test_what_is_first_goes_to_a_busy_worker_at_once_and_before_what_waits(page, opened):
    model = random_network(FLAGSHIP)
    opened("flagship", model)
    zs = codes(model, 6)
    jobs, order, last = page.evaluate(
        """async (zs) => {
            const code = (i) => Float32Array.from(zs.slice(i * d.latentDim, (i + 1) * d.latentDim))
            const order = []; let last
            const many = [0, 1, 2, 3, 4].map((i) => d.decode(code(i)).then(() => order.push(i)))
            const first = d.decode(code(5), { first: true }).then((picture) => {
                order.push(5); last = pack(picture.mean.data)
            })
            const jobs = d.engine.runners.map(({ jobs }) => jobs)
            await Promise.all([...many, first])
            return [jobs, order, last]
        }""",
        zs.flatten().tolist(),
    )
    assert jobs == [2] and order == [0, 5, 1, 2, 3, 4]
    _, [want], _ = pictures(page, zs[-1:])
    assert (numbers(last, np.uint8) == want).all()


def heaps(page) -> dict[str, float]:
    """Bytes in use after a collection: of the page and of each worker, buffers included."""
    session = page.context.new_cdp_session(page)
    replies, targets = {}, []
    session.on("Target.attachedToTarget", lambda e: targets.append(e["sessionId"]))

    def receive(event):
        message = json.loads(event["message"])
        replies[event["sessionId"], message.get("id")] = message.get("result")

    session.on("Target.receivedMessageFromTarget", receive)
    session.send("HeapProfiler.collectGarbage")
    found = {"page": session.send("Runtime.getHeapUsage")}
    session.send(
        "Target.setAutoAttach",
        {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False},
    )
    for number, target in enumerate(targets):
        for id, method in enumerate(("HeapProfiler.collectGarbage", "Runtime.getHeapUsage")):
            message = json.dumps({"id": id, "method": method})
            session.send("Target.sendMessageToTarget", {"sessionId": target, "message": message})
            deadline = time.monotonic() + 10
            while (target, id) not in replies and time.monotonic() < deadline:
                page.wait_for_timeout(10)
        found[f"worker {number}"] = replies[target, 1]
    session.detach()
    return {who: use["usedSize"] + use.get("backingStorageSize", 0) for who, use in found.items()}


def test_heap_stays_flat_over_a_thousand_moves(page, opened):
    opened("flagship", random_network(FLAGSHIP))
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    move = """async (moves) => {
        const canvas = new OffscreenCanvas(64, 64).getContext("2d");
        const z = new Float32Array(d.latentDim);
        for (let i = 0; i < moves; i++) {
            z.fill(Math.sin(i));
            await new Promise((resolve) => d.latest(z, (picture) => {
                canvas.putImageData(picture.mean, 0, 0); resolve();
            }));
        }
    }"""
    page.evaluate(move, 300)
    before = heaps(page)
    page.evaluate(move, 1000)
    after = heaps(page)
    assert len(before) > 1, "no worker was seen"
    picture = 2 * 4 * 64 * 64
    for who in before:
        assert after[who] - before[who] < 10 * picture, (who, before, after)
    assert not requests


def same_within_rounding(page, model: VAE, zs: torch.Tensor) -> bool:
    want = expected(model, zs)[:, : model.config.image_shape[0]].transpose(0, 2, 3, 1)
    _, means, _ = pictures(page, zs)
    rgba = np.array(means).reshape(*want.shape[:3], 4)
    return bool(np.abs(rgba[..., :3] - want * 255).max() <= 0.5 + 255 * EXACT)


def test_no_simd_falls_back_to_the_server(page, opened, live):
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(live[0])
    model = random_network(NETWORKS["mlp-rgb-gaussian"])
    found = opened("no-simd", model)
    assert not found["exact"] and "SIMD" in found["reason"]
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    assert same_within_rounding(page, model, codes(model, 5))
    (who,) = {url.partition("?who=")[2] for url in sent}  # of one visitor
    assert len(who) > 5


def test_unknown_operators_fall_back_and_are_named(page, opened, monkeypatch):
    def refuse(model, most):
        raise GraphError("Einsum in node 14: an operator that the browser does not run")

    packed._load.clear()
    monkeypatch.setattr(packed, "decoder_bytes", refuse)
    model = random_network(NETWORKS["conv-grey"])
    found = opened("foreign", model)
    assert not found["exact"] and "Einsum in node 14" in found["reason"]
    assert same_within_rounding(page, model, codes(model, 5))


def test_large_decoders_fall_back_without_being_sent(page, opened, monkeypatch):
    packed._load.clear()
    monkeypatch.setattr(packed, "_MOST_BYTES", 100_000)
    model = random_network(NETWORKS["conv-grey"])
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    found = opened("large", model)
    assert not found["exact"] and "large" in found["reason"]
    assert not [url for url in sent if url.endswith(".safetensors")]
    assert same_within_rounding(page, model, codes(model, 1))


def test_of_a_large_decoder_it_is_told_how_much_has_come(page, opened):
    config = VAEConfig((1, 64, 64), latent_dim=2, channels=(), hidden=(300,))
    model = random_network(config)
    opened("heavy", model)
    told = page.evaluate(
        """async (base) => {
            const { openDecoder } = await import(`${base}/live/decoder.js?again`);
            const told = [];
            const progress = (part) => told.push(part);
            const other = await openDecoder(base, "heavy", { progress });
            await other.decode([0, 0]);
            other.close();
            return told;
        }""",
        BASE,
    )
    assert told == sorted(told) and told[-1] == 1 and told[0] < 1


def test_the_server_gets_at_most_two_requests_and_the_newest(page, opened, live):
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(live[0])
    app = live[1]
    model = random_network(NETWORKS["conv-grey"])
    opened("asked", model)
    app.most = app.count = 0
    app.delay = 0.05
    try:
        shown = page.evaluate(
            """async () => {
                const shown = [];
                for (let i = 0; i < 100; i++) {
                    d.latest(new Float32Array(d.latentDim).fill(i / 100), () => shown.push(i));
                    await new Promise((resolve) => setTimeout(resolve, 5));
                }
                while (shown.at(-1) !== 99) await new Promise((resolve) => setTimeout(resolve, 5));
                return shown;
            }"""
        )
    finally:
        app.delay = 0.0
    assert app.most <= 2
    assert shown == sorted(shown) and shown[-1] == 99
    assert app.count < 60  # moves that were overtaken were never asked for


def test_a_missing_checkpoint_is_refused_in_a_sentence(page, opened):
    sentence = page.evaluate(
        """async (base) => {
            const { openDecoder } = await import(`${base}/live/decoder.js`);
            return openDecoder(base, "nowhere").catch((error) => error.message);
        }""",
        BASE,
    )
    assert "no checkpoint of that name" in sentence


def test_components_share_workers_and_closing_rejects(page, opened):
    model = random_network(NETWORKS["conv-grey"])
    opened("shared", model)
    before = len(page.workers)
    outcome = page.evaluate(
        """async (base) => {
            const { openDecoder } = await import(`${base}/live/decoder.js`);
            const other = await openDecoder(base, "shared");
            const z = new Float32Array(d.latentDim);
            const busy = Array.from({ length: 20 }, () => other.decode(z).catch((e) => e.message));
            other.close();
            const mine = await d.decode(z);
            const late = await other.decode(z).catch((e) => e.message);
            return [await busy[19], late, mine.mean.width];
        }""",
        BASE,
    )
    assert outcome == ["This decoder was closed.", "This decoder was closed.", 28]
    assert len(page.workers) == before


def test_wrong_lengths_are_refused(page, opened):
    opened("shared", random_network(NETWORKS["conv-grey"]))
    sentence = page.evaluate(
        "() => { try { d.latest([1, 2, 3], () => {}) } catch (e) { return e.message } }"
    )
    assert sentence == "3 numbers; expected 1 × 8."
