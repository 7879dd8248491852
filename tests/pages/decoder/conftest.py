"""An empty page that decodes, and the server behind it."""

from __future__ import annotations

import threading

import pytest
from decoding import BASE
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from pages.ui.server import routes
from vae.checkpoint import save_checkpoint
from vae.model import VAE


class Counted:
    """An ASGI app that counts the decodes asked of it, and slows them down if told."""

    def __init__(self, app) -> None:
        self.app, self.delay, self.now, self.most, self.count = app, 0.0, 0, 0, 0
        self.lock = threading.Lock()

    async def __call__(self, scope, receive, send):
        import anyio

        if scope["type"] != "http" or "/live/decode/" not in scope["path"]:
            return await self.app(scope, receive, send)
        self.now += 1
        self.count += 1
        self.most = max(self.most, self.now)
        await anyio.sleep(self.delay)
        try:
            await self.app(scope, receive, send)
        finally:
            self.now -= 1


@pytest.fixture(scope="module")
def live(serve, tmp_path_factory):
    """(address of an empty page, the app, the folder its checkpoints lie in)."""
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_DATA", str(data))

        async def empty(request):
            return HTMLResponse("<!doctype html><title>Empty</title><link rel=icon href=data:,>")

        app = Counted(Starlette(routes=[Route(f"{BASE}/page", empty), *routes.live_routes(BASE)]))
        yield f"{serve(app)}{BASE}/page", app, data / "checkpoints"


@pytest.fixture
def opened(page, live):
    """A function that saves a model as a checkpoint and opens it in the page as `window.d`."""
    address, _, folder = live
    page.goto(address)

    def open_decoder(name: str, model: VAE | None = None) -> dict:
        if model is not None:
            save_checkpoint(model, folder / name, overwrite=True)
        return page.evaluate(
            """async ([base, name]) => {
                window.pack = (numbers) => { // as base64
                    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset,
                                                 numbers.byteLength);
                    let text = "";
                    for (let i = 0; i < bytes.length; i += 8192)
                        text += String.fromCharCode(...bytes.subarray(i, i + 8192));
                    return btoa(text);
                };
                window.d?.close();
                const { openDecoder } = await import(`${base}/live/decoder.js`);
                window.d = await openDecoder(base, name, { flow: true, classifier: true });
                const { exact, reason, latentDim, shape, likelihood } = d;
                return { exact, reason, latentDim, shape, likelihood };
            }""",
            [BASE, name],
        )

    return open_decoder
