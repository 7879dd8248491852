"""The files that put the app on a server; nginx really runs before it, where it is installed."""

from __future__ import annotations

import http.client
import http.server
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from soak import always
from streamlit import config

from pages.ui.server import settings

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
needs_nginx = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")),
    reason="Needs nginx and openssl, which are not installed.",
)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def proxy(folder: Path, servers: str):
    """nginx with some `server` blocks, as an ordinary user's process of its own."""
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (folder / name).mkdir()
    temporary = "".join(
        f"{kind}_temp_path {folder / kind.partition('_')[0]}; "
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    ).replace(str(folder / "client"), str(folder / "body"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/errors; events {{ }}\n"
        f"http {{ access_log off; {temporary}\n{servers}\n}}\n"
    )
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with (folder / "out").open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    port = int(re.search(r"listen 127\.0\.0\.1:(\d+)", servers)[1])
    try:
        for _ in range(100):
            assert process.poll() is None, (folder / "out").read_text()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def certificate(folder: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", folder / "privkey.pem",
         "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


def own_name(folder: Path, plain: int, secure: int, replicas: list[int]) -> str:
    """`deploy/nginx.conf` with this machine's ports, names and certificate."""
    certificate(folder)
    text = (DEPLOY / "nginx.conf").read_text()
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;"),
        ("https://$host$", f"https://$host:{secure}$"),
        ("vae.example;", "localhost;"),
        ("/etc/ssl/vae.example", str(folder)),
        ("/var/log/nginx", str(folder)),
        ("include deploy/", f"include {DEPLOY}/"),
        ("127.0.0.1:8501", f"127.0.0.1:{replicas[0]}"),
        ("127.0.0.1:8502", f"127.0.0.1:{replicas[1]}"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def echo():
    """A replica that answers its own port."""

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = str(self.server.server_port).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def ask(port: int, cookie: str = "", path: str = "/") -> tuple[str, str]:
    """Who answers over HTTPS, and the cookie that it sets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
    connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
    reply = connection.getresponse()
    body = reply.read().decode()
    connection.close()
    return body, (reply.headers["Set-Cookie"] or "").partition(";")[0]


@needs_nginx
def test_visitors_stay_with_the_replica_that_they_came_to(tmp_path):
    with echo() as one, echo() as two:
        plain, secure = free_port(), free_port()
        with proxy(tmp_path, own_name(tmp_path, plain, secure, [one, two])):
            found = set()
            for _ in range(12):
                first, cookie = ask(secure)
                assert cookie.startswith("latent_replica=")
                assert {ask(secure, cookie)[0] for _ in range(2)} == {first}
                found.add(first)
            assert found == {str(one), str(two)}
            ask(secure, path="/?token=of-the-presenter")
        log = (tmp_path / "explorer.log").read_text()
        assert log.count('"GET /" 200') == 37 and "presenter" not in log


@needs_nginx
def test_the_app_answers_behind_nginx_with_https(tmp_path, app, browser):
    port, plain, secure = int(app.rpartition(":")[2]), free_port(), free_port()
    with proxy(tmp_path, own_name(tmp_path, plain, secure, [port, port])):
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.set_default_timeout(120_000)
        kept = {}
        page.on("response", lambda r: kept.update({r.url: r.headers.get("cache-control", "")}))
        page.goto(f"http://localhost:{plain}/?model=tiny-plane")  # leads to HTTPS
        page.wait_for_selector(".latent-map[data-ready]")  # over the WebSocket
        assert page.url.startswith(f"https://localhost:{secure}/")
        weights = [how for url, how in kept.items() if url.endswith(".safetensors")]
        assert weights and all("immutable" in how for how in weights)
        context.close()


@needs_nginx
def test_the_app_is_found_below_a_path_that_a_proxy_takes_away(tmp_path, app, page):
    listen, upgrade = (
        free_port(),
        "map $http_upgrade $connection_upgrade { default upgrade; '' close; }",
    )
    location = (DEPLOY / "nginx-location.conf").read_text()
    location = location.replace("location / {", "location /user/a/proxy/8501/ {")
    location = location.replace("http://explorer;", f"{app}/;")
    with proxy(tmp_path, f"{upgrade} server {{ listen 127.0.0.1:{listen}; {location} }}"):
        below = f"http://127.0.0.1:{listen}/user/a/proxy/8501/"
        lost = []
        page.on("response", lambda r: lost.append(r.url) if not r.url.startswith(below) else None)
        page.goto(f"{below}?model=tiny-plane")
        page.wait_for_selector(".latent-map[data-ready]")
        page.goto(f"{below}learn_plane")
        page.wait_for_selector(".plane-vae[data-steps]")
        assert [url for url in lost if url.startswith("http")] == []


@contextmanager
def served(data: Path, **settings: str):
    """The app in a process of its own; gives its port and the process."""
    port = free_port()
    own = {"LATENT_DATA": str(data), "LATENT_HOSTS": "localhost", **settings}
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)],
        cwd=ROOT, env=os.environ | own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    base = settings.get("STREAMLIT_SERVER_BASE_URL_PATH", "")
    health = f"http://localhost:{port}/{base}/_stcore/health".replace("//_", "/_")
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(health, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port, server
    finally:
        server.kill()
        server.wait(20)


@needs_nginx
@pytest.mark.soak
def test_the_app_answers_below_a_path(tmp_path, data, browser):
    listen = free_port()
    upgrade = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }"
    with served(data, STREAMLIT_SERVER_BASE_URL_PATH="explorer") as (port, _):
        text = (DEPLOY / "nginx-prefix.conf").read_text().replace("8501", str(port))
        block = f"{upgrade} server {{ listen 127.0.0.1:{listen}; {text} }}"
        with proxy(tmp_path, block):
            page = browser.new_page()
            page.goto(f"http://localhost:{listen}/explorer?model=tiny-plane")
            page.wait_for_selector(".latent-map[data-ready]", timeout=120_000)
            page.close()


@needs_nginx
@pytest.mark.soak
def test_two_replicas_share_what_visitors_make_and_one_goes_on_alone(tmp_path, data, browser):
    token, plain, secure = "of-the-presenter-alone", free_port(), free_port()
    with (
        served(data, LATENT_TOKEN=token, LATENT_ROOM="shared") as (one, first),
        served(data, LATENT_TOKEN=token, LATENT_ROOM="shared") as (two, second),
        proxy(
            tmp_path,
            own_name(tmp_path, plain, secure, [one, two]).replace(
                "$body_bytes_sent'", "$upstream_addr'"
            ),
        ),
    ):
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"http://localhost:{one}/?token={token}")
        page.get_by_text("The room may follow you").wait_for()
        pupil = browser.new_page()
        pupil.goto(f"http://localhost:{two}/learn_plane")
        pupil.get_by_text("Follow the presenter").click(timeout=120_000)
        page.goto(f"http://localhost:{one}/glossary")
        pupil.wait_for_url(f"http://localhost:{two}/glossary**")
        pupil.close()
        group = ".".join(map(str, range(600)))  # longer than an address
        page.goto(f"http://localhost:{one}/?model=digits&token={token}&group-a={group}")
        page.wait_for_url(re.compile("group-a=(~|%7E)[0-9a-f]{16}$"))
        kept = page.url.partition("?")[2]
        page.goto(f"http://localhost:{two}/?{kept}")  # the token counts there, too
        page.get_by_text("Group A: 600 images").first.wait_for()
        page.goto(f"https://localhost:{secure}/?model=tiny-plane")
        page.wait_for_selector(".latent-map[data-ready]")
        last = (tmp_path / "explorer.log").read_text().split()[-1]
        theirs = {f"127.0.0.1:{one}": first, f"127.0.0.1:{two}": second}[last]
        theirs.kill()  # the one that this visitor's session lives in
        page.reload()
        page.wait_for_selector(".latent-map[data-ready]")
        page.goto(f"https://localhost:{secure}/learn_plane")
        page.wait_for_selector(".plane-vae[data-steps]")
        context.close()


@always(
    "place",
    [
        "?model=tiny-plane&embed=true", "", "interpolate", "concepts", "train", "library",
        "learn_elbo", "learn_plane", "learn_codes", "glossary", "teachers",
    ],
    ["?model=tiny-plane&embed=true"],
)  # fmt: skip
def test_with_the_network_cut_pages_open(page, app, place):
    """Nothing but the app itself is asked for anything."""
    strangers = []

    def gate(route):
        if route.request.url.startswith((app, "data:", "blob:")):
            route.continue_()
        else:
            strangers.append(route.request.url)
            route.abort()

    page.context.route("**/*", gate)
    page.goto(f"{app}/{place}")
    page.locator(".latent-map[data-ready]" if "embed" in place else "h1").wait_for()
    page.locator("[data-testid='stStatusWidget']").wait_for(state="detached")
    assert not strangers


def test_the_image_holds_what_the_app_needs():
    """Every file that is copied exists, and whatever the app is made of is copied."""
    text = (ROOT / "Dockerfile").read_text()
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert all((ROOT / name).exists() for name in copied)
    assert set(copied) >= {"app.py", "pages", "vae", "checkpoints", ".streamlit"}
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"]
    for name in copied:
        assert any(Path(name).match(pattern) for pattern in kept), f"{name} is not sent to Docker"
    assert "USER explorer" in text and "HEALTHCHECK" in text and "VOLUME /data" in text


def test_every_setting_of_a_server_is_documented():
    used = set()
    for place in ("app.py", "pages", "vae"):
        files = [ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py")
        for file in files:
            used |= set(re.findall(r'"(LATENT_[A-Z]+)"', file.read_text("utf-8")))
    told = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    inner = {"LATENT_TICKET"}  # one process of ours to another
    assert {name for name in used if f"`{name}`" not in told} <= inner


def test_settings_of_the_environment_hold_under_uvicorn_too(monkeypatch):
    before = {option: config.get_option(option) for option in settings.VARIABLES.values()}
    for variable in settings.VARIABLES:
        monkeypatch.setenv(variable, "none")
    try:
        settings.read_environment()
        assert {config.get_option(option) for option in before} == {"none"}
    finally:
        for option, value in before.items():
            config.set_option(option, value)
