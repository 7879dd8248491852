"""In a room the presenter's token alone decides who may change what others see."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from plain_client import Client
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.testing.v1 import AppTest

from pages.ui.library import drawing
from pages.ui.server import uploads
from pages.ui.server.presenter import PresenterLink
from pages.ui.server.session_messages import OwnSessionOnly
from pages.ui.shared import changes, incoming, jobs, permissions
from vae import launcher

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "a-token-of-the-presenter"


@pytest.fixture
def room(monkeypatch, tmp_path):
    """A server for a room; the function that it gives lets the visitor bring a cookie."""
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setenv(permissions.MODE, permissions.ROOM)
    monkeypatch.setenv(permissions.TOKEN, TOKEN)

    def bring(text: str | None) -> None:
        cookies = {} if text is None else {permissions.COOKIE: text}
        context = SimpleNamespace(cookies=cookies, headers={}, ip_address=None)
        monkeypatch.setattr(permissions.st, "context", context)

    bring(None)
    return bring


GUARDED = [getattr(changes, name) for name in changes.__all__]


@pytest.mark.parametrize(
    "function", [*GUARDED, drawing.keep_drawing, drawing.undo], ids=lambda f: f.__name__
)
def test_what_changes_something_refuses_whoever_has_no_token(room, function):
    with pytest.raises(permissions.NotAllowedError, match="presenter"):
        function()
    room(TOKEN)
    with pytest.raises(TypeError):  # the function itself, which misses its arguments
        function()


@pytest.mark.parametrize(
    ("mode", "hosts", "token", "cookie", "allowed"),
    [
        ("single-user", "", None, None, True),
        ("single-user", "explorer.example", None, None, False),  # behind a proxy
        ("room", "", TOKEN, None, False),
        ("room", "", TOKEN, TOKEN, True),
        ("room", "", TOKEN, TOKEN + "x", False),
        ("room", "", TOKEN, "\xfc", False),
        ("room", "", None, "", False),
        ("room", "", "", "", False),
        ("room", "", "short", "short", False),
        ("anything else", "", TOKEN, None, False),
    ],
)
def test_the_token_decides_and_one_person_needs_none(
    room, monkeypatch, mode, hosts, token, cookie, allowed
):
    monkeypatch.setenv(permissions.MODE, mode)
    monkeypatch.setenv(permissions.HOSTS, hosts)
    if token is None:
        monkeypatch.delenv(permissions.TOKEN)
    else:
        monkeypatch.setenv(permissions.TOKEN, token)
    room(cookie)
    assert permissions.may_change() == allowed


def test_a_server_of_which_nothing_is_said_is_a_room(monkeypatch):
    monkeypatch.delenv(permissions.MODE, raising=False)
    monkeypatch.setattr(permissions.runtime, "exists", lambda: True)
    served = object.__new__(permissions.Runtime)
    monkeypatch.setattr(permissions.runtime, "get_instance", lambda: served)
    assert not permissions.for_one_person()


def test_crafted_requests_upload_nothing(room, serve):
    token = incoming.new_token()
    client = Client(serve(Starlette(routes=uploads.upload_routes("/live"))))
    place, own = f"/live/uploads/{token}?name=a.zip", {uploads.HEADER: "1"}
    for cookie in ("", f"{permissions.COOKIE}=guessed"):
        client.cookie = cookie
        assert client.ask("POST", place, b"abc", own).status == 403
    assert incoming.files_in(token) == []
    client.cookie = f"{permissions.COOKIE}={TOKEN}"
    assert client.ask("POST", place, b"abc", own).json() == {"bytes": 3}
    client.cookie = ""
    assert client.ask("DELETE", place, headers=own).status == 403 and incoming.files_in(token)


def test_the_token_becomes_a_cookie_and_leaves_the_address(room, serve):
    shown = Route("/{path:path}", lambda request: PlainTextResponse(str(request.url)))
    client = Client(serve(Starlette(routes=[shown], middleware=[Middleware(PresenterLink)])))
    answer = client.ask("GET", f"/map?model=faces&token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "?model=faces")
    cookie, *rest = answer.headers["set-cookie"].split("; ")
    assert cookie == f"{permissions.COOKIE}={TOKEN}"
    assert {part.lower() for part in rest} == {"httponly", "path=/", "samesite=strict"}
    assert answer.headers["referrer-policy"] == "no-referrer"
    outside = client.ask("GET", f"//evil.example/?token={TOKEN}")
    assert outside.headers["location"] == "?", "never another host"
    wrong = client.ask("GET", "/map?token=guessed")
    assert wrong.status == 403 and "set-cookie" not in wrong.headers
    assert "guessed" not in wrong.text
    assert client.ask("GET", "/map?model=faces").text.endswith("/map?model=faces")


def test_a_job_has_the_rights_of_its_starter_who_alone_may_stop_it(room, monkeypatch):
    go = threading.Event()

    def work(job: jobs.Job) -> bool:
        go.wait(30)
        return permissions.may_change()

    monkeypatch.setattr(jobs, "_session", lambda: "one")
    for key, cookie in (("presenter's", TOKEN), ("pupil's", None)):
        room(cookie)
        jobs.start(key, "Waiting", work, remembered=False)
    room(None)
    assert jobs.find("pupil's").may_stop()
    monkeypatch.setattr(jobs, "_session", lambda: "another")
    with pytest.raises(permissions.NotAllowedError):
        jobs.find("pupil's").stop()
    go.set()
    for thread in threading.enumerate():
        if thread.name in ("presenter's", "pupil's"):
            thread.join(30)
    assert jobs.find("presenter's").result and jobs.find("pupil's").result is False


def test_a_crafted_message_reaches_no_other_session(room):
    def message(**fields) -> dict:
        content = BackMsg(**fields).SerializeToString()
        return {"type": "websocket.receive", "bytes": content}

    install = {"request_id": "1", "install_skills": {}}
    chunk = {"request_id": "1", "dataframe_chunk": {}}
    sent = [
        message(clear_cache=True),
        message(set_run_on_save=True),
        message(backend_operation_request=install),
        message(backend_operation_request=chunk),
        message(rerun_script={"page_name": "map"}),
        {"type": "websocket.disconnect"},
    ]
    heard = []

    async def receive() -> dict:
        return sent.pop(0)

    async def app(scope, receive, send) -> None:
        while not heard or heard[-1]["type"] != "websocket.disconnect":
            heard.append(await receive())

    with ThreadPoolExecutor(1) as pool:  # where no browser's loop runs
        pool.submit(
            lambda: asyncio.run(OwnSessionOnly(app)({"type": "websocket"}, receive, None))
        ).result()
    kinds = [BackMsg.FromString(m["bytes"]).WhichOneof("type") for m in heard[:-1]]
    assert kinds == ["backend_operation_request", "rerun_script"]


@pytest.mark.parametrize("shelf", ["import", "draw", "models"])
def test_the_library_says_what_only_the_presenter_does(room, monkeypatch, shelf):
    monkeypatch.undo()
    monkeypatch.setenv(permissions.MODE, permissions.ROOM)
    at = AppTest.from_file(ROOT / "pages" / "library.py", default_timeout=60)
    at.session_state["shelf"] = shelf
    at.run()
    assert not at.exception and any("the presenter" in c.value for c in at.caption)
    assert not [b for b in at.button if b.label == "Import"]


def test_a_crafted_click_starts_no_run(room, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    monkeypatch.setenv(permissions.MODE, permissions.ROOM)
    at = AppTest.from_file(ROOT / "pages" / "train.py", default_timeout=60).run()
    assert at.button(key="start").disabled and at.button(key="estimate").disabled
    monkeypatch.setattr(permissions, "explain", lambda what: True)
    at.run().button(key="start").click().run()  # as if the button had been forgotten
    assert not list(tmp_path.glob("runs/*")) and at.exception


def test_the_command_prints_both_links_and_opens_a_room(monkeypatch, tmp_path, capsys):
    for name in ("LATENT_MODE", "LATENT_TOKEN", "LATENT_ADDRESS", "LATENT_HOSTS", "LATENT_DATA"):
        monkeypatch.setenv(name, "")  # so that what the command sets is taken back
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def served(app, **options):
        raise KeyboardInterrupt(options["host"])

    module = SimpleNamespace(run=served)
    monkeypatch.setattr(launcher, "import_module", lambda name: module)
    start = ["--data", str(tmp_path / "data"), "--port", "0"]
    with pytest.raises(KeyboardInterrupt, match=r"127\.0\.0\.1"):
        launcher.main(start)
    assert permissions.for_one_person() and "token" not in capsys.readouterr().out
    with pytest.raises(KeyboardInterrupt, match=r"0\.0\.0\.0"):
        launcher.main([*start, "--present"])
    printed = capsys.readouterr().out
    token = printed.partition("token=")[2].split()[0]
    assert permissions.is_token(token) and not permissions.for_one_person()
    room = printed.splitlines()[1]
    assert room.startswith("    http://") and "token" not in room and "localhost" not in room
