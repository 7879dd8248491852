"""What several test modules share: a real Chromium, and a server for small apps."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes of tests run side by side
os.environ["LATENT_NICE"] = "0"  # a test waits for the runs that it starts

import tiny
from serving import served

# The headless shell has no window to draw: a page costs it half the processor time.
CHROMIUM = next(
    filter(
        None,
        map(
            shutil.which,
            ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"),
        ),
    ),
    None,
)
_PATIENCE = 120_000  # milliseconds; no test waits so long, but on a busy machine
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="session")
def profile():
    """What a headless Chromium keeps on its disk; tests are skipped where there is none.

    With scripts that it has compiled before, a page costs it two thirds of the processor time.
    """
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        sync_playwright = None
    if CHROMIUM is None or sync_playwright is None:
        missing = "chromium-headless-shell" if CHROMIUM is None else "the playwright package"
        sentence = f"Needs a browser: {missing} is not installed."
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(sentence)
        pytest.skip(sentence)
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            "",  # a folder that ends with it
            executable_path=CHROMIUM,
            args=QUIET,
            viewport={"width": 1440, "height": 900},
            reduced_motion="reduce",  # nothing moves but what a test moves
        )
        yield context
        context.close()


@pytest.fixture(scope="session")
def browser(profile):
    """The same Chromium, for contexts of their own, which keep nothing."""
    return profile.browser


@pytest.fixture(scope="session")
def tabs() -> list:
    """The tab that the last test left empty, if it did."""
    return []


@pytest.fixture
def page(profile, tabs):
    """An empty page, with no cookies and nothing stored; what it throws fails the test."""
    from tabs import Tab

    tab = tabs.pop() if tabs else Tab(profile)
    page = tab.page
    page.set_default_timeout(_PATIENCE)
    yield page
    profile.unroute_all(behavior="ignoreErrors")
    profile.set_offline(False)
    profile.clear_permissions()
    errors, origins = list(tab.errors), set(tab.origins)
    if tab.emptied():
        tabs.append(tab)
    for opened in profile.pages[1:]:  # the first one keeps the browser
        if not tabs or opened is not page:
            opened.close()
    profile.clear_cookies()
    session = profile.new_cdp_session(profile.pages[0])
    for origin in origins:
        asked = {"origin": origin, "storageTypes": "local_storage,indexeddb,cache_storage"}
        session.send("Storage.clearDataForOrigin", asked)
    session.detach()
    assert not errors, errors


@pytest.fixture(scope="session")
def serve():
    """A function that serves an ASGI app on a free port and gives its address."""
    import uvicorn

    running = []

    def start(app) -> str:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", ws="none", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        running.append((server, thread, listener))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """The data folder of the app under test, with tiny models beside the shipped ones."""
    folder = tmp_path_factory.mktemp("data")
    tiny.make(folder / "checkpoints")
    return folder


@pytest.fixture(scope="session")
def app(app_and_process) -> str:
    """The address of the app, served as `make run` does."""
    return app_and_process[0]


@pytest.fixture(scope="session")
def app_and_process(data) -> Iterator[tuple[str, int]]:
    """The same, and the id of its process."""
    with served(data, LATENT_MODE="single-user") as (address, process):
        yield address, process
