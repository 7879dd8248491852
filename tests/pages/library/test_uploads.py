"""Uploads: what arrives as a whole is kept, what is refused or broken off leaves nothing."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from starlette.applications import Starlette

from pages.ui.server import uploads
from pages.ui.shared import incoming, outgoing


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def address(serve):
    return serve(Starlette(routes=uploads.upload_routes("/live")))


def send(address, token, name="a.zip", body=b"abc", method="POST", header="1"):
    """Status and answer of one request."""
    request = urllib.request.Request(
        f"{address}/live/uploads/{token}?name={quote(name)}",
        data=body,
        headers={uploads.HEADER: header},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_files_arrive_in_their_folders_and_are_removed_on_request(data, address):
    token = incoming.new_token()
    assert send(address, token, "set/cat/1.png", b"12345") == (200, {"bytes": 5})
    assert send(address, token, "set/labels.csv", b"x") == (200, {"bytes": 1})
    assert incoming.files_in(token) == [("set/cat/1.png", 5), ("set/labels.csv", 1)]
    folder = incoming.folder_of(token)
    assert (folder / "set/cat/1.png").read_bytes() == b"12345"
    assert incoming.source_in(token) == (folder, None)
    assert send(address, token, method="DELETE", body=None)[0] == 200
    assert incoming.files_in(token) == [] and not folder.exists()


def test_an_archive_with_a_table_beside_it_is_the_source(data, address):
    token = incoming.new_token()
    send(address, token, "mine.zip")
    send(address, token, "labels.csv")
    folder = incoming.folder_of(token)
    assert incoming.source_in(token) == (folder / "mine.zip", folder / "labels.csv")


@pytest.mark.parametrize(
    "name", ["", "../a", "/etc/a", "a/../../b", ".hidden", "a//b", "a\\..\\b", "C:x", "a\nb",
             "x" * 201, "/".join("a" * 9)]
)  # fmt: skip
def test_names_that_lead_away_are_refused(data, address, name):
    token = incoming.new_token()
    status, answer = send(address, token, name)
    assert status == 400 and "rename" in answer["error"]
    assert [*data.rglob("*.part")] == [] and incoming.files_in(token) == []


def test_only_pages_of_the_app_may_upload(data, address):
    token = incoming.new_token()
    assert send(address, token, header="")[0] == 403
    assert send(address, "abc")[0] == 403
    assert send(address, "0" * 32)[0] == 403, "nobody makes a token up"
    assert not (data / "incoming").exists()


def test_what_is_too_large_is_refused_and_leaves_nothing(data, address, monkeypatch):
    token = incoming.new_token()
    monkeypatch.setattr(incoming, "LARGEST", 10)
    assert send(address, token, "a.zip", b"123456")[0] == 200
    status, answer = send(address, token, "b.zip", b"123456")
    assert status == 413 and "python -m vae import" in answer["error"]
    monkeypatch.setattr(incoming, "room", lambda: 2)
    status, answer = send(address, token, "c.zip", b"123")
    assert status == 413 and "no room" in answer["error"]
    assert [name for name, _ in incoming.files_in(token)] == ["a.zip"]
    assert [*data.rglob("*.part")] == []


def test_an_upload_of_many_files_is_not_counted_for_each_of_them(data, address, monkeypatch):
    monkeypatch.setattr(incoming, "_REST", 1e9)
    monkeypatch.setattr(incoming, "LARGEST", 10)
    token = incoming.new_token()
    assert send(address, token, "a.png", b"12345")[0] == 200
    assert incoming.counted(token) == (1, 5)
    counted = []
    rglob = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda *about: counted.append(about) or rglob(*about))
    assert send(address, token, "b.png", b"1234")[0] == 200
    assert incoming.counted(token) == (2, 9)
    assert send(address, token, "c.png", b"12")[0] == 413
    assert counted == []
    assert send(address, token, method="DELETE", body=None)[0] == 200
    assert incoming.counted(token) == (0, 0)
    assert send(address, token, "c.png", b"1234567890")[0] == 200, "there is room again"


def test_an_upload_that_breaks_off_leaves_nothing(data, address):
    token = incoming.new_token()
    host = urlsplit(address)
    with socket.create_connection((host.hostname, host.port)) as client:
        head = f"POST /live/uploads/{token}?name=a.zip HTTP/1.1\r\nHost: x\r\n"
        client.sendall(f"{head}{uploads.HEADER}: 1\r\nContent-Length: 99\r\n\r\nabc".encode())
        folder = incoming.folder_of(token)
        until = time.monotonic() + 20
        while not [*folder.glob(".*.part")] and time.monotonic() < until:
            pass
        assert [*folder.glob(".*.part")]
    while [*folder.rglob("*")] and time.monotonic() < until:
        pass
    assert [*folder.rglob("*")] == []


def test_uploads_that_nobody_touched_for_a_day_are_forgotten(data, address):
    old, new = incoming.new_token(), incoming.new_token()
    send(address, old)
    day_ago = time.time() - 25 * 3600
    os.utime(incoming.folder_of(old), (day_ago, day_ago))
    send(address, new)
    assert incoming.files_in(old) == [] and len(incoming.files_in(new)) == 1
    assert isinstance(incoming.folder_of(new), Path)


def test_where_there_is_no_room_the_oldest_upload_gives_way_if_nobody_uses_it(
    data, address, monkeypatch
):
    used, idle, new = (incoming.new_token() for _ in range(3))
    for token in (used, idle):
        send(address, token, "a.zip", b"x" * 60)
    ago = time.time() - 2 * 3600
    os.utime(incoming.folder_of(idle), (ago, ago))
    monkeypatch.setattr(incoming, "LARGEST", 60)
    monkeypatch.setattr(incoming, "_MOST_TOGETHER", 150)
    assert send(address, new, "b.zip", b"x" * 60)[0] == 200
    assert incoming.files_in(idle) == []
    assert incoming.files_in(used) and incoming.files_in(new)
    assert send(address, incoming.new_token(), "c.zip", b"x" * 60)[0] == 413


def test_exports_are_bounded_together(data, monkeypatch):
    monkeypatch.setattr(outgoing, "_MOST_TOGETHER", 100)
    files = []
    for age in (3, 2, 0):
        files.append(outgoing.make_file("a.zip", lambda file: file.write_bytes(b"x" * 60)))
        ago = time.time() - age * 3600
        os.utime(files[-1].parent, (ago, ago))
    outgoing.make_file("b.zip", lambda file: file.write_bytes(b""))
    assert [file.exists() for file in files] == [False, False, True]
