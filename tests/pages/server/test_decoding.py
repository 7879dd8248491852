"""What the server decodes for browsers that cannot: in turn, bounded, for those who are there."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from starlette.applications import Starlette

from pages.ui.server import decoding, routes
from pages.ui.shared.waiting_line import WaitingLine
from vae.checkpoint import save_checkpoint
from vae.config import VAEConfig
from vae.model import VAE


class Slow:
    """Decodes one picture for each release, and notes whose it was by the first number."""

    def __init__(self) -> None:
        self.go, self.order = threading.Semaphore(0), []

    def __call__(self, decoder, z: torch.Tensor) -> bytes:
        assert self.go.acquire(timeout=30)
        self.order.append(int(z[0]))
        return b"picture"


@pytest.fixture
def slow(monkeypatch, tmp_path, serve):
    """(address that decodes, its line, what decodes there)."""
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    config = VAEConfig((1, 8, 8), latent_dim=2, channels=(4,), hidden=(5,))
    save_checkpoint(VAE(config), tmp_path / "checkpoints" / "small")
    line, decoder = WaitingLine(1, 3, each=3), Slow()
    monkeypatch.setattr(decoding, "DECODES", line)
    monkeypatch.setattr(decoding, "_picture", decoder)
    yield f"{serve(Starlette(routes=routes.live_routes()))}/live/decode/small", line, decoder
    decoder.go.release(100)


def until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def size(line: WaitingLine) -> int:
    return len(line._working) + sum(map(len, line._lines.values()))


def code(number: int) -> bytes:
    return np.array([number, 0], "<f4").tobytes()


def ask(url: str, who: str, number: int) -> bytes:
    with urllib.request.urlopen(f"{url}?who={who}", code(number), timeout=60) as reply:
        return reply.read()


def asked(slow, who: str, number: int) -> threading.Thread:
    """A request that has come to the line."""
    url, line, _ = slow
    before = size(line)
    thread = threading.Thread(target=ask, args=(url, who, number))
    thread.start()
    until(lambda: size(line) > before)
    return thread


def test_visitors_take_turns_and_who_comes_to_a_full_line_is_told(slow):
    url, line, decoder = slow
    threads = [asked(slow, who, n) for n, who in enumerate("aaab")]
    for who, words in (("c", "Try again in a moment"), ("a", "Try again")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(url, who, 9)
        with refused.value as reply:
            assert reply.code == 503 and int(reply.headers["Retry-After"]) > 0
            assert words in reply.read().decode()
    decoder.go.release(4)
    for thread in threads:
        thread.join(30)
    assert decoder.order == [0, 1, 3, 2]
    assert size(line) == 0


def test_one_visitor_cannot_fill_the_line(slow):
    url, _, decoder = slow
    threads = [asked(slow, "a", n) for n in range(3)]
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(url, "a", 9)
    refused.value.close()
    assert refused.value.code == 503
    threads.append(asked(slow, "b", 3))
    decoder.go.release(4)
    for thread in threads:
        thread.join(30)
    assert sorted(decoder.order) == [0, 1, 2, 3]


def test_a_request_whose_browser_has_gone_is_not_decoded(slow):
    url, line, decoder = slow
    first = asked(slow, "a", 0)
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as browser:
        head = f"POST {address.path}?who=b HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n"
        browser.sendall(head.encode() + code(1))
        until(lambda: size(line) == 2)
    until(lambda: size(line) == 1)
    last = asked(slow, "c", 2)
    decoder.go.release(3)
    first.join(30)
    last.join(30)
    assert decoder.order == [0, 2]
