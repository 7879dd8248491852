"""Streamlit's own files are answered as Streamlit does, but compressed and without its layers."""

from __future__ import annotations

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.middleware.gzip import GZipMiddleware
from streamlit import file_util
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_handler

from pages.ui.server.streamlit_files import StreamlitFiles

ROOT = Path(file_util.get_static_dir())


def ask(
    app, path: str, method: str = "GET", accepts: str = "", kind: str = "*/*", known: str = ""
) -> tuple[int, dict, bytes]:
    sent = []

    async def send(message) -> None:
        sent.append(message)

    async def receive() -> dict:
        await asyncio.Event().wait()  # nobody goes away
        return {}

    headers = [(b"accept", kind.encode())]
    headers += [(b"if-none-match", known.encode())] if known else []
    headers += [(b"accept-encoding", accepts.encode())] if accepts else []
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    scope |= {"root_path": "", "query_string": b""}
    with ThreadPoolExecutor(1) as apart:  # from the loop of a browser's test
        apart.submit(lambda: asyncio.run(app(scope, receive, send))).result(60)
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, b"".join(m.get("body", b"") for m in sent[1:])


async def elsewhere(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def files():
    return StreamlitFiles(elsewhere)


def some() -> list[str]:
    """A file of each kind, and the largest."""
    found = sorted((p for p in (ROOT / "static").rglob("*") if p.is_file()), key=lambda p: p.name)
    kinds = {path.suffix: path for path in found}
    chosen = {*kinds.values(), max(found, key=lambda p: p.stat().st_size)}
    return sorted(path.relative_to(ROOT).as_posix() for path in chosen)


@pytest.mark.parametrize("name", some())
def test_it_answers_as_streamlit_does(files, name):
    theirs = create_streamlit_static_handler(str(ROOT), "")
    status, told, body = ask(files, f"/{name}")
    expected, their, their_body = ask(theirs, f"/{name}")
    assert (status, body) == (expected, their_body)
    for header in ("content-type", "cache-control", "content-length"):
        assert told[header] == their[header]
    status, again, packed = ask(files, f"/{name}", accepts="br, gzip")
    if again.get("content-encoding") == "gzip":
        assert len(packed) < len(body) and gzip.decompress(packed) == body
    else:
        assert packed == body
    assert int(again["content-length"]) == len(packed)
    status, head, nothing = ask(files, f"/{name}", "HEAD")
    assert (status, head, nothing) == (200, told, b"")


def test_scripts_of_the_page_are_a_third_of_their_size():
    files = StreamlitFiles(elsewhere)
    assert len(files._files) > 20, "they are read before anybody asks"
    plain = sum(len(file.plain) for file in files._files.values())
    packed = sum(len(file.compressed or file.plain) for file in files._files.values())
    assert packed < 0.4 * plain


@pytest.mark.parametrize(
    "path",
    [
        "/static/", "/static/../index.html", "/static/js/../../index.html", "/index.html",
        "/static/%2e%2e/index.html", "/static//etc/passwd", "/static/none.js", "/statics/a.js",
    ],
)  # fmt: skip
def test_all_else_is_left_to_streamlit(files, path):
    assert ask(files, path)[0] == 418


def test_a_file_can_only_be_read(files):
    assert ask(files, f"/{some()[0]}", "POST")[0] == 418


def test_the_app_may_lie_below_a_path():
    below = StreamlitFiles(elsewhere, "class/vae")
    assert ask(below, f"/class/vae/{some()[0]}")[0] == 200
    assert ask(below, f"/{some()[0]}")[0] == 418


def test_the_page_has_the_chart_library_fetched_early():
    theirs = create_streamlit_static_handler(str(ROOT), "")
    ours = StreamlitFiles(GZipMiddleware(theirs, 100))  # as Streamlit's own compresses pages
    status, told, page = ask(ours, "/interpolate", "GET", "gzip", "text/html")
    assert status == 200 and int(told["content-length"]) == len(page)
    assert page.count(b'as="script" href="./live/plotly.min.js"') == 1
    assert page.count(b"__streamlit = { BACKEND_BASE_URL") == 1
    again = ask(ours, "/", "GET", "gzip", "text/html", told["etag"])
    assert again == (status, told, page), "whether ours has changed, Streamlit does not know"
    assert ask(theirs, "/", known=told["etag"])[0] == 304
    without = ask(theirs, "/interpolate")[2]
    assert len(without) < len(page)
    assert page.startswith(without.partition(b"</title>")[0])
