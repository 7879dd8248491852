"""A room under attack: whoever has no token changes nothing, by whatever way it is tried."""

from __future__ import annotations

import hashlib
import http.client
import json
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import small_run
import tiny
from plain_client import Client
from serving import served
from soak import sample, share
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from visitor import Visitor

from pages.ui.shared import permissions
from vae import import_images

TOKEN = "the-token-of-the-presenter"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "ODD")
GET, POST = frozenset(("GET", "HEAD")), frozenset(("POST",))
OWN = {  # the app's own routes below /live/: what they answer to, and how an attacker asks
    **{name: (GET, name) for name in ("decoder.js", "kernel.wasm", "kernel-relaxed.wasm")},
    "plotly.min.js": (GET, "plotly.min.js"),
    "components/{file}": (GET, "components/..%2f..%2fapp.py"),
    "decoders/{name:path}/{digest}.safetensors": (GET, "decoders/../state/x.safetensors"),
    "decoders/{name:path}": (GET, "decoders/..%2fruns%2fone"),
    "flows/{name:path}/{digest}.safetensors": (GET, "flows/tiny-plane/x.safetensors"),
    "classifiers/{name:path}/{digest}.safetensors": (GET, "classifiers/tiny-plane/x.safetensors"),
    "follow/{name:path}": (POST, "follow/tiny-plane"),
    "decode/{name:path}": (POST, "decode/tiny-plane"),
    **{
        f"maps/{{name:path}}/{{stamp}}/{file}": (GET, f"maps/tiny-plane/x/{file}")
        for file in (
            "figure.json", "places.bin", "marks.bin", "codes.bin", "likely.bin", "noise.bin",
            "nats.bin", "tiles.jpg", "names.json", "image.png", "atlas.jpg",
        )
    },
    "maps/{name:path}/{stamp}/about.json": (GET | POST, "maps/tiny-plane/x/about.json"),
    "maps/{name:path}/{stamp}/pins": (POST, "maps/tiny-plane/x/pins"),
    "uploads/{token}": (POST | {"DELETE"}, "uploads/{upload}?name=a.zip"),
    "room": (GET, "room"),
    "room/lead": (POST, "room/lead"),
    "room/answer": (POST, "room/answer"),
    "feeds/{name}/{identity}": (GET, "feeds/..%5cruns/one"),
    "downloads/{token}/{name}": (GET, "downloads/..%5c..%5cruns/config.json"),
}  # fmt: skip
PRETENDED = (  # headers by which somebody might pass for somebody else
    {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
    {"X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/x"},
    {"X-HTTP-Method-Override": "DELETE", "X-Original-URL": "/live/room/lead"},
    {"Cookie": f"{permissions.COOKIE}="},
    {"Cookie": f"{permissions.COOKIE}=an-old-token-of-an-earlier-server"},
    {"Cookie": f"{permissions.COOKIE}={TOKEN[:-1]}; {permissions.COOKIE}={TOKEN}x"},
    {"Cookie": f"{permissions.COOKIE.upper()}={TOKEN.upper()}"},
    {"Authorization": "Bearer guessed", "X-Token": "guessed", "Remote-User": "presenter"},
)
FOREIGN = (
    {"Host": "evil.example"},
    {"Host": "evil.example", "Origin": "http://evil.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
)
VIEWS = (
    *(("library", f"shelf={shelf}") for shelf in ("models", "datasets", "runs", "import", "draw")),
    ("train", "run=one"),
    ("train", "run=three"),
    ("room", ""),
)
HOSTILE = (
    {"value": None, "count": 10**9}, {"value": {"address": "/", "token": "x"}, "count": 1},
    {"lead": {"address": "//evil.example"}}, [], "x" * 10_000, {"count": -1, "value": [1e308] * 9},
)  # fmt: skip
UPLOAD = "0123456789abcdef" * 2
LEAD = b'{"address": "/train"}'
STREAMLITS = {  # Streamlit's own routes; the last holds the files of its page
    "/_stcore/health", "/_stcore/metrics", "/_stcore/host-config",
    "/media/{file_id:path}", "/_stcore/upload_file/{session_id}/{file_id}",
    "/component/{path:path}", "/_stcore/bidi-components/{path:path}", "/_stcore/stream",
    "/auth/login", "/auth/logout", "/oauth2callback", "/_stcore/agent/interact",
    "/_stcore/agent/openapi.json", "/_stcore/agent/mcp", "",
}  # fmt: skip
STREAMLITS_OWN = (
    "/_stcore/health", "/_stcore/metrics", "/_stcore/host-config", "/media/..%2f..%2fapp.py",
    "/_stcore/upload_file/nobodys/1", "/component/x/..%2f..%2fapp.py",
    "/_stcore/bidi-components/..%2f..%2fapp.py", "/_stcore/stream", "/auth/login", "/auth/logout",
    "/oauth2callback", "/_stcore/agent/interact", "/_stcore/agent/openapi.json",
    "/_stcore/agent/mcp", "/", "/train", "/..%2fapp.py",
)  # fmt: skip
PRESENTER = {"Cookie": f"{permissions.COOKIE}={TOKEN}"}


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A served room: its address, and the data folder, with something of each kind in it."""
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        tiny.make(data / "checkpoints", ("tiny-plane",))
        import_images(np.zeros((20, 28, 28), np.uint8), "pictures")
        small_run.train(data / "runs" / "one", small_run.CONFIG)
        small_run.train(data / "runs" / "two", small_run.CONFIG)
        paused = lambda step: small_run.Control(state="stopped")  # noqa: E731
        small_run.train(data / "runs" / "three", small_run.CONFIG, control=paused)
        (data / "incoming" / UPLOAD).mkdir(parents=True)
        with served(data, LATENT_MODE="room", LATENT_TOKEN=TOKEN) as (address, _):
            yield address, data


def everybodys(data: Path) -> str:
    """What everybody sees, as one text that changes with it."""
    digest = hashlib.sha256()
    for folder in ("checkpoints", "datasets", "runs", "incoming"):
        for file in sorted((data / folder).rglob("*")):
            digest.update(f"{file.relative_to(data)}".encode())
            digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()


def served_routes() -> dict[str, set[str]]:
    """The routes of the app as it is served, and the methods of each."""
    listing = """
import json
import select
import socket
import app
from pages.ui.server.routes import live_routes
kept = {}
for route in [*app.app._build_starlette_app().routes, *live_routes()]:
    kept.setdefault(route.path, []).extend(getattr(route, "methods", None) or ["ANY"])
print(json.dumps(kept))
"""
    done = subprocess.run(
        [sys.executable, "-c", listing], check=True, capture_output=True, text=True
    )
    return {
        path: set(methods) for path, methods in json.loads(done.stdout.splitlines()[-1]).items()
    }


def status_of(address: str, method: str, path: str, headers: dict[str, str], body=b"x") -> int:
    """The status of the answer to one request, whose body may go on for ever."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    given = {"X-Latent-Upload": "1", "Content-Length": str(len(body))} | headers
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in given.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


@share("requests_tried", 50)
def test_each_route_answers_to_its_methods_alone_and_changes_nothing(room, requests_tried):
    address, data = room
    before = everybodys(data)
    routes = served_routes()
    own = {path.removeprefix("/live/"): m for path, m in routes.items() if "/live/" in path}
    scripts = {name for name in own if name.endswith(".js") and "/" not in name}
    assert {name: set(GET) for name in scripts} | {
        name: set(m) for name, (m, _) in OWN.items()
    } == own
    assert set(routes) - {f"/live/{name}" for name in own} == STREAMLITS
    asked = {name: (GET, name) for name in scripts} | OWN
    tries = [
        (method, name, headers)
        for name in asked
        for method in METHODS
        for headers in ({}, *PRETENDED, *FOREIGN)
    ]
    for method, name, headers in sample(tries, requests_tried):
        allowed, path = asked[name]
        path = "/live/" + path.format(upload=UPLOAD)
        status = status_of(address, method, path, headers)
        what = (method, name, headers, status)
        foreign = "evil.example" in headers.get("Host", "") or (
            "Origin" in headers and method not in ("GET", "HEAD", "OPTIONS")
        )
        if foreign and method != "ODD":
            assert status == 421, what
        elif method not in allowed:
            assert status in (400, 404, 405), what  # no method that HTTP knows, or no route
        elif name in ("uploads/{token}", "room/lead"):
            assert status == 403, what
        else:
            assert status < 500 and (method != "POST" or status >= 400), what
    assert everybodys(data) == before
    own_token = {**PRESENTER, "Content-Type": "application/json"}
    assert status_of(address, "POST", "/live/room/lead", own_token, LEAD) == 204
    assert status_of(address, "POST", f"/live/uploads/{UPLOAD}?name=a.zip", PRESENTER) == 200
    assert everybodys(data) != before, "the attack would have gone unnoticed"


@pytest.mark.parametrize("path", STREAMLITS_OWN)
def test_streamlits_own_routes_change_nothing_for_others(room, path):
    address, data = room
    before = everybodys(data)
    for method in METHODS:
        for headers in ({}, *FOREIGN):
            status = status_of(address, method, path, headers)
            assert status != 500, (method, headers)
            if method in ("POST", "PUT", "PATCH", "DELETE"):
                assert status >= 400 or path.startswith("/_stcore/upload_file"), (method, status)
    assert everybodys(data) == before


def widgets_of(messages: list[ForwardMsg]) -> dict[str, set[str]]:
    """Ids of the buttons and components of a page, by kind."""
    found: dict[str, set[str]] = {"button": set(), "bidi_component": set(), "text_area": set()}
    for message in messages:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind in found:
            found[kind].add(getattr(element, kind).id)
    return found


def clicked(widget: str) -> WidgetState:
    return WidgetState(id=widget, trigger_value=True)


def session_of(messages: list[ForwardMsg]) -> str:
    return next(m.new_session.initialize.session_id for m in messages if m.HasField("new_session"))


@share("views", 1)
def test_what_the_presenters_pages_send_does_nothing_for_another(room, views):
    address, data = room
    before, known, sessions = everybodys(data), {}, {}
    for page, query in VIEWS:
        with Visitor.at(address, PRESENTER) as presenter:
            shown = presenter.open(page, query)
        known[page, query], sessions[page, query] = widgets_of(shown), session_of(shown)
    buttons = {view: found["button"] for view, found in known.items()}
    labels = " ".join(set().union(*buttons.values()))
    for must in ("delete-tiny-plane", "do-rename-pictures", "do-measure-one", "resume", "save"):
        assert must in labels, labels
    assert sum(map(len, buttons.values())) >= 20
    for page, query in sample(VIEWS, views):
        widgets = known[page, query]
        for who in ({}, {"headers": PRETENDED[4]}, {"session": sessions[page, query]}):
            with Visitor.at(address, **who) as visitor:
                visitor.open(page, query)
                for widget in widgets["button"]:
                    visitor.open(page, query, [clicked(widget)])
                for widget in widgets["bidi_component"]:
                    for content in HOSTILE:
                        state = WidgetState(id=widget, json_value=json.dumps(content))
                        visitor.open(page, query, [state])
            assert everybodys(data) == before, (page, query, who)
    (keep,) = (widget for widget in buttons["train", "run=one"] if widget.endswith("-keep-note"))
    (note,) = known["train", "run=one"]["text_area"]
    for text in ("a note", ""):
        with Visitor.at(address, PRESENTER) as presenter:
            presenter.open("train", "run=one")
            said = WidgetState(id=note, string_value=text)
            presenter.open("train", "run=one", [said, clicked(keep)])
        assert (everybodys(data) != before) == bool(text), "the attack would have gone unnoticed"


def test_guessed_tokens_open_nothing_and_none_is_written_anywhere(room):
    address, data = room
    client = Client(address)
    for guess in ("", "guessed", TOKEN[:-1], TOKEN.upper(), TOKEN + "%00", "%ff"):
        answer = client.ask("GET", f"/?token={guess}")
        assert answer.status == 403 and "set-cookie" not in answer.headers, guess
        assert guess == "" or guess not in answer.text
    answer = client.ask("GET", f"/train?run=one&token={TOKEN}")
    assert answer.status == 303 and TOKEN not in answer.headers["location"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    for path in ("/", "/train", "/live/decoder.js", "/_stcore/health", "/nowhere"):
        assert client.ask("GET", path).headers["referrer-policy"] == "same-origin", path
    client.cookie = PRESENTER["Cookie"]
    for path in ("/", f"/nowhere?x={TOKEN}", "/live/nowhere", "/live/decoders/nothing"):
        assert TOKEN not in client.ask("GET", path).text
    with Visitor.at(address, PRESENTER) as presenter:
        shown = presenter.open("room", "answers=shown")
        assert not any(TOKEN.encode() in message.SerializeToString() for message in shown)
        session = session_of(shown)
    log = (data / "log").read_text()
    assert TOKEN not in log and session not in log
    kept = [f for f in data.rglob("*") if f.is_file() and TOKEN.encode() in f.read_bytes()]
    assert not kept


@pytest.mark.parametrize("path", ["decode/tiny-plane", "follow/tiny-plane", "room/lead",
                                  "room/answer", f"uploads/{UPLOAD}?name=a.zip",
                                  "maps/tiny-plane/x/about.json"])  # fmt: skip
def test_a_body_without_end_is_not_read_to_its_end(room, path):
    """64 MB without a declared length: what nobody may send is refused before most of it came."""
    address, data = room
    before = everybodys(data)
    with socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)) as line:
        line.settimeout(60)
        line.sendall(
            f"POST /live/{path} HTTP/1.1\r\nHost: localhost\r\nX-Latent-Upload: 1\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        sent, part = 0, b"10000\r\n" + bytes(0x10000) + b"\r\n"
        try:
            while sent < 64_000_000 and not select.select([line], [], [], 0)[0]:
                line.sendall(part)
                sent += 0x10000
            answer = line.recv(1 << 16).decode(errors="replace")
        except ConnectionError:
            answer = ""
    assert sent < 64_000_000, sent
    assert not answer or answer.split()[1].startswith("4"), answer
    assert everybodys(data) == before
