"""Foreign names and foreign pages find the server's doors closed."""

from __future__ import annotations

import asyncio
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pages.ui.server.doors import Doors, from_environment


async def answers(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


def ask(doors: Doors, kind: str = "http", method: str = "GET", **headers: str):
    """(status or type of the first message, its headers, the body)."""
    sent = []

    async def send(message):
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "method": method, "headers": pairs, "path": "/", "query_string": b""}
    with ThreadPoolExecutor(1) as thread:  # this one may have a browser's event loop
        thread.submit(asyncio.run, doors(scope, None, send)).result()
    first = sent[0]
    kept = {name.decode().lower(): value.decode() for name, value in first.get("headers", [])}
    return first.get("status", first["type"]), kept, b"".join(m.get("body", b"") for m in sent)


OWN = ["localhost:8501", "LOCALHOST", "127.0.0.1", "[::1]:8501", "192.0.2.7:80"]
FOREIGN = ["evil.example", "localhost.evil.example", "", "[::1", "127.0.0.1.x", "127.0.0.1:1; x *"]


@pytest.mark.parametrize("host", [*OWN, socket.gethostname()])
def test_addresses_and_this_computers_names_are_answered(host):
    status, headers, body = ask(Doors(answers), host=host)
    assert (status, body) == (200, b"inside")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "object-src 'none'" in policy and "'unsafe-eval'" not in policy.split()
    assert f"connect-src 'self' ws://{host} wss://{host}" in policy


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_foreign_name_is_refused_with_what_to_do(kind, host):
    status, _, body = ask(Doors(answers), kind, host=host, origin=f"http://{host}")
    assert status == (421 if kind == "http" else "websocket.close")
    assert kind == "websocket" or b"LATENT_HOSTS" in body


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3000", "null", "x", "http://["]
)
def test_a_foreign_page_may_look_but_not_change(origin):
    doors, own = Doors(answers), {"host": "localhost:8501", "origin": origin}
    assert ask(doors, method="GET", **own)[0] == 200
    assert ask(doors, method="POST", **own)[0] == 421
    assert ask(doors, method="DELETE", **own)[0] == 421
    assert ask(doors, "websocket", **own)[0] == "websocket.close"
    own["origin"] = "http://localhost:8501"
    assert ask(doors, method="POST", **own)[0] == 200
    assert ask(doors, "websocket", **own)[0] == "websocket.accept"


def test_names_and_frames_are_set_by_whoever_starts_the_server(monkeypatch):
    assert from_environment()["names"] == []
    monkeypatch.setenv("LATENT_HOSTS", "vae.example, other.example")
    monkeypatch.setenv("LATENT_FRAMES", "https://school.example, self; script-src *")
    doors = Doors(answers, **from_environment())
    status, headers, _ = ask(doors, host="VAE.example")
    assert status == 200
    ancestors = headers["content-security-policy"].partition("frame-ancestors ")[2]
    assert ancestors == "https://school.example 'self' script-src *"  # no directive of its own
    proxied = {"host": "127.0.0.1:8501", "origin": "https://vae.example"}
    assert ask(doors, "websocket", **proxied)[0] == "websocket.accept"
    assert ask(doors, host="third.example")[0] == 421
    assert ask(Doors(answers, ["*"]), host="third.example")[0] == 200


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("my.host:8501", ["my.host"]),
        ("https://my.host", ["my.host"]),
        ("a.example b.example", ["a.example", "b.example"]),
        ("münchen.example", ["xn--mnchen-3ya.example"]),
        ("*.my.host, http://[", []),
        ("*", ["*"]),
    ],
)
def test_names_are_understood_or_named(monkeypatch, caplog, given, kept):
    monkeypatch.setenv("LATENT_HOSTS", given)
    assert from_environment()["names"] == kept
    assert bool(caplog.records) == (given not in ("*", "a.example b.example"))


def test_frames_that_are_no_sources_are_named(monkeypatch, caplog):
    monkeypatch.setenv("LATENT_FRAMES", "https://日本.example")
    doors = Doors(answers, **from_environment())
    assert ask(doors, host="localhost")[0] == 200
    assert "is no source" in caplog.text


def test_the_app_itself_is_behind_the_doors(app):
    request = urllib.request.Request(f"{app}/_stcore/health", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 421
    refused.value.close()
    with urllib.request.urlopen(f"{app}/_stcore/health", timeout=30) as reply:
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
    address = app.replace("http", "ws") + "/_stcore/stream"
    with pytest.raises(InvalidStatus):
        connect(address, subprotocols=["streamlit"], origin="http://evil.example", open_timeout=30)
    with connect(address, subprotocols=["streamlit"], origin=app, open_timeout=30):
        pass
