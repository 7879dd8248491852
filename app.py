"""Latent Space Explorer: `streamlit run app.py`, or `uvicorn app:app` for many visitors.

Importing torch takes longer than a browser takes to fetch the page, so both happen at once: this
module imports it in a thread, and whoever needs it waits for that thread.
"""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType

import streamlit as st
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from pages.ui import components
from pages.ui.server import settings
from pages.ui.server.allocator import bound_arenas, bound_primitives, give_back
from pages.ui.server.doors import Doors, from_environment
from pages.ui.server.held_uploads import HeldUploads
from pages.ui.server.places import folder, within
from pages.ui.server.presenter import PresenterLink
from pages.ui.server.scripts import plotly
from pages.ui.server.session_messages import OwnSessionOnly
from pages.ui.server.streamlit_files import StreamlitFiles
from pages.ui.shared import feeds, permissions

bound_arenas()
bound_primitives()
settings.read_environment()
_PLOTLY = request_response(plotly)
_BASE = st.get_option("server.baseUrlPath").strip("/")


class Live:
    """Answers what lies below /live/ by the app's own routes, which need no layer of Streamlit's.

    Args:
        app: what answers all else.
        base: path under which the app lies.
    """

    def __init__(self, app: ASGIApp, base: str = "") -> None:
        self._app, self._base, self._place = app, base, folder(base, "live")
        self._own: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = within(scope, self._place) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        if name == "plotly.min.js" and scope["method"] == "GET":  # which needs no further module
            await _PLOTLY(scope, receive, send)
            return
        if self._own is None:
            self._own = await run_in_threadpool(self._open)
        await self._own(scope, receive, send)

    def _open(self) -> ASGIApp:
        routes = importlib.import_module("pages.ui.server.routes").live_routes(self._base)
        return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, compresslevel=5)])


def _warm() -> None:
    """Opens the shipped models before they are asked for, the first page's before all others.

    Last comes the lattice that the lesson on the ELBO sums over. With `LATENT_WARM=no` none is.
    """
    thread = threading.current_thread()  # of no visitor, which Streamlit would warn of each time
    log = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")
    log.addFilter(lambda record: threading.current_thread() is not thread)
    models = os.environ.get("LATENT_WARM") != "no"
    routes = importlib.import_module("pages.ui.server.routes")
    routes.tidy()
    if models:
        routes.warm()
    for module in pkgutil.iter_modules(components.__path__, f"{components.__name__}."):
        importlib.import_module(module.name)  # whose scripts another replica's pages may ask for
    if models:
        importlib.import_module("pages.ui.learn.elbo").warm()


def _end_streams_first() -> None:
    """Ends streams of events when the server is to end, which would wait for them."""

    def wrapped(before: Callable[[int, FrameType | None], None]) -> Callable[..., None]:
        def end(number: int, frame: FrameType | None) -> None:
            feeds.end_all()
            before(number, frame)

        return end

    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(number, wrapped(before))


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Answers at once and warms up meanwhile."""
    # Streamlit sets uvicorn's loggers up anew, so its own option for this would do nothing.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    if not permissions.for_one_person() and not os.environ.get(permissions.TOKEN):
        logging.getLogger(__name__).warning(
            "Visitors explore, and nobody may train, import or delete: set %s to a token of %d "
            "characters or more, and open /?token=… with it.",
            permissions.TOKEN,
            permissions.SHORTEST,
        )
    _end_streams_first()
    ended = threading.Event()
    threading.Thread(target=_warm, name="warm", daemon=True).start()
    threading.Thread(target=give_back, args=(ended,), name="give back", daemon=True).start()
    yield
    ended.set()


app = st.App(
    "pages/router.py",
    lifespan=lifespan,
    middleware=[
        Middleware(Doors, **from_environment()),
        Middleware(StreamlitFiles, base=_BASE),
        Middleware(Live, base=_BASE),
        Middleware(PresenterLink, base=_BASE),
        Middleware(OwnSessionOnly),
        Middleware(HeldUploads, base=_BASE, largest=st.get_option("server.maxUploadSize") << 20),
    ],
)
