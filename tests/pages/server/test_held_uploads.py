"""Files in Streamlit's pickers: a session, and all together, hold a bounded part of memory."""

from __future__ import annotations

import asyncio
import http.client
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import tiny
from serving import served
from visitor import Visitor

from pages.ui.server.held_uploads import OF_ALL, OF_ONE, HeldUploads

LARGE = 45_000_000  # bytes


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    tiny.make(data / "checkpoints", ("tiny-plane",))
    with served(data, LATENT_MODE="room") as (address, _):
        yield address


def asked(address: str, method: str, path: str, body=None, headers=None) -> tuple:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, content, answer.getheader("set-cookie")


def test_a_session_holds_so_much_and_no_more_until_it_ends(address):
    cookie = asked(address, "GET", "/_stcore/health")[2].split(";")[0]
    border = "file"
    head = f'--{border}\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n'
    body = head.encode() + bytes(LARGE) + f"\r\n--{border}--\r\n".encode()
    given = {
        "Cookie": cookie,
        "X-Xsrftoken": cookie.partition("=")[2],
        "Content-Type": f"multipart/form-data; boundary={border}",
    }
    for _ in range(2):  # what the first session held is free when it has ended
        with Visitor.at(address, {"Cookie": cookie}) as visitor:
            shown = visitor.open("", "model=tiny-plane")
            (session,) = {
                m.new_session.initialize.session_id for m in shown if m.HasField("new_session")
            }
            places = [f"/_stcore/upload_file/{session}/{uuid.uuid4()}" for _ in range(3)]
            answers = [asked(address, "PUT", place, body, given) for place in places]
            assert [status for status, *_ in answers] == [204, 204, 413]
            assert "You have chosen 90 MB of files; expected at most 100 MB" in answers[2][1]
            assert asked(address, "DELETE", places[0], None, given)[0] == 204
            assert asked(address, "PUT", places[2], body, given)[0] == 204


def test_what_is_on_its_way_counts_as_well_and_all_sessions_together():
    arrived: list[str] = []
    go_on = asyncio.Event()

    async def app(scope, receive, send) -> None:
        arrived.append(scope["path"])
        await go_on.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})

    held = HeldUploads(app, "app", largest=LARGE)

    async def put(session: str, size: int | None, path: str = "/app/_stcore/upload_file/") -> int:
        statuses = []

        async def send(message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        length = [] if size is None else [(b"content-length", str(size).encode())]
        scope = {"type": "http", "method": "PUT", "path": f"{path}{session}/1", "headers": length}
        await held(scope, None, send)
        return statuses[0]

    async def all_of_them() -> None:
        first = [asyncio.create_task(put("a", size)) for size in (None, LARGE)]
        await asyncio.sleep(0)
        assert await put("a", 10_000_001) == 413 and len(arrived) == 2
        others = [asyncio.create_task(put(f"b{k}", OF_ONE)) for k in range(4)]
        await asyncio.sleep(0)
        assert await put("c", OF_ALL - 4 * OF_ONE - 2 * LARGE + 1) == 413 and len(arrived) == 6
        last = asyncio.create_task(put("c", OF_ALL - 4 * OF_ONE - 2 * LARGE))
        elsewhere = asyncio.create_task(put("a", OF_ALL, "/app/live/uploads/"))
        await asyncio.sleep(0)
        go_on.set()
        assert set(await asyncio.gather(*first, *others, last, elsewhere)) == {204}
        assert await put("a", OF_ONE) == 204  # all have arrived

    with ThreadPoolExecutor(1) as apart:  # from the loop of a browser's test
        apart.submit(lambda: asyncio.run(all_of_them())).result(60)
