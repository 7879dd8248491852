"""Small files that become large ones: memory stays bounded, and another visitor is answered."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import tiny
from PIL import Image
from serving import served
from soak import share
from streamlit.proto.WidgetStates_pb2 import WidgetState
from visitor import Visitor

from pages.ui.shared import cache

MEGABYTES, SECONDS = 600, 5.0  # of all bombs together; until another is answered
PAGE, QUERY = "learn_amortised", "model=tiny-plane&from=upload&answers=shown"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    tiny.make(data / "checkpoints", ("tiny-plane",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))
        # All is opened before anything is measured.
        with served(data, LATENT_MODE="room", LATENT_WARM="yes") as (address, process):
            yield address, process


def picture(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", (width, height), (0, 0, 0, 255)).save(out, "PNG")
    return out.getvalue()


def ask(address: str, method: str, path: str, body=None, headers=None) -> tuple[object, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def bring(address: str, content: bytes) -> list:
    """A visitor brings a picture, as Streamlit's page does; what is shown then."""
    answer, _ = ask(address, "GET", "/_stcore/health")
    cookie = answer.getheader("set-cookie").split(";")[0]
    with Visitor.at(address, {"Cookie": cookie}) as visitor:
        shown = visitor.open(PAGE, QUERY)
        session = next(
            m.new_session.initialize.session_id for m in shown if m.HasField("new_session")
        )
        (uploader,) = (
            m.delta.new_element.file_uploader.id
            for m in shown
            if m.delta.new_element.WhichOneof("type") == "file_uploader"
        )
        number, border = str(uuid.uuid4()), "bomb"
        head = f'--{border}\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{border}--\r\n".encode()
        place = f"/_stcore/upload_file/{session}/{number}"
        kind = f"multipart/form-data; boundary={border}"
        given = {"Cookie": cookie, "X-Xsrftoken": cookie.partition("=")[2], "Content-Type": kind}
        answer, words = ask(address, "PUT", place, body, given)
        assert answer.status == 204, words
        state = WidgetState(id=uploader)
        info = state.file_uploader_state_value.uploaded_file_info.add()
        info.file_id, info.name, info.size = number, "a.png", len(content)
        info.file_urls.file_id, info.file_urls.upload_url = number, place
        return visitor.open(PAGE, QUERY, [state])


def said(messages: list) -> str:
    return " ".join(m.delta.new_element.alert.body for m in messages if m.HasField("delta"))


def settled(process: int) -> float:
    """Megabytes of the server once it has opened what it opens by itself; resets its peak."""
    seen = [0.0]
    while len(seen) < 5 or max(seen[-5:]) - min(seen[-5:]) > 20:
        time.sleep(1)
        Path(f"/proc/{process}/clear_refs").write_text("5")
        seen.append(peak(process))
    return seen[-1]


def peak(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


@pytest.mark.skipif(sys.platform != "linux", reason="Measures memory in Linux's units.")
@share("bombs", 2, 6)
def test_pictures_that_unfold_cost_bounded_memory_and_nobody_else_waits(
    server, bombs, record_property
):
    address, process = server
    bomb = picture(5_400, 5_500)
    assert len(bomb) < 200_000
    stamp = cache.latent_space("tiny-plane").stamp
    small = bring(address, picture(28, 28))
    assert "pixels" not in said(small)
    done, waited = threading.Event(), []

    def another() -> None:
        """Pins one image after another, of which the server tells what it alone knows."""
        for row in itertools.cycle(range(200)):
            if done.is_set():
                return
            start = time.monotonic()
            path = f"/live/maps/tiny-plane/{stamp}/about.json?row={row}&who=another"
            answer, content = ask(address, "GET", path)
            assert answer.status == 200 and json.loads(content)
            waited.append(time.monotonic() - start)
            done.wait(0.1)

    before = settled(process)
    with ThreadPoolExecutor(bombs + 1) as pool:
        visitor = pool.submit(another)
        shown = list(pool.map(lambda _: bring(address, bomb), range(bombs)))
        done.set()
        visitor.result()
    grown = peak(process) - before
    assert not any("pixels" in said(messages) for messages in shown)  # all were within the limits
    record_property("MB", round(grown))
    record_property("ms another waited at most", round(1000 * max(waited)))
    assert 50 < grown < MEGABYTES
    assert len(waited) > 2 and max(waited) < SECONDS
