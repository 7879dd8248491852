"""The app's own routes, under /live/: decoders for the browser, and the scripts that run them."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import logging
import time
from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pages.ui.server.decoding import decode, follow
from pages.ui.server.downloads import download_routes
from pages.ui.server.feeds import feed_routes
from pages.ui.server.map_data import map_routes
from pages.ui.server.packed import Refusal, open_classifier, open_decoder, open_flow
from pages.ui.server.room import room_routes
from pages.ui.server.scripts import cached, compress_plotly, plotly
from pages.ui.server.uploads import upload_routes
from pages.ui.shared import cache, component_scripts, incoming, outgoing
from vae.in_progress import remove_leftovers
from vae.locations import list_checkpoints

__all__ = ["live_routes", "tidy", "warm"]

_DECODER = Path(__file__).parents[1] / "decoder"
_FIRST_VISIT = (
    5.0  # seconds in which the first visitor has the processor, before all else is opened
)
_FOR_EVER = "public, max-age=31536000, immutable"
_SCRIPTS = {
    "kernel.wasm": "application/wasm",
    "kernel-relaxed.wasm": "application/wasm",
    **{file.name: "text/javascript" for file in sorted(_DECODER.glob("*.js"))},
}


def live_routes(base: str = "") -> list[Route]:
    """Lists the routes for `st.App`.

    - `decoder.js`, `worker.js` and what they import, `kernel.wasm` and `kernel-relaxed.wasm`: what
      decodes in the browser
    - `plotly.min.js`: from the installed `plotly`
    - `components/{name}-{digest}.js`: the script of a component, cached for ever
    - `decoders/{name}`: JSON that describes a checkpoint's decoder and where it lies
    - `decoders/{name}/{digest}.safetensors`: the decoder, cached for ever
    - `flows/{name}/{digest}.safetensors`: the flow of its learned distribution, likewise
    - `classifiers/{name}/{digest}.safetensors`: the classifier of its images, likewise
    - `follow/{name}`: POST of one code likewise, which `?level=…&noise=true` takes to noise of a
      level, or of noise, which `?level=…&until=…` takes to a code; answers with D such numbers
    - `decode/{name}`: POST of one code as D little-endian float32 numbers; answers with C·H·W
      bytes for the mean and, for `gaussian`, as many for the deviation

    `follow` and `decode` have `?who=…`, which tells one visitor from others: their turns come in
    `DECODES`, and where too many wait they are answered by 503.

    Args:
        base: the app's base path, as in Streamlit's `server.baseUrlPath`.
    """
    live = f"/{base.strip('/')}/live".replace("//", "/")
    return [
        *(Route(f"{live}/{name}", _answer(_script(name))) for name in _SCRIPTS),
        Route(f"{live}/plotly.min.js", plotly),
        Route(f"{live}/components/{{file}}", _answer(_component)),
        # Names such as lab/digits-beta-1 have a slash.
        Route(f"{live}/decoders/{{name:path}}/{{digest}}.safetensors", _answer(_weights)),
        Route(f"{live}/decoders/{{name:path}}", _answer(_manifest)),
        Route(f"{live}/flows/{{name:path}}/{{digest}}.safetensors", _answer(_flow_weights)),
        Route(f"{live}/classifiers/{{name:path}}/{{digest}}.safetensors", _answer(_judge)),
        Route(f"{live}/follow/{{name:path}}", _answer(follow), methods=["POST"]),
        Route(f"{live}/decode/{{name:path}}", _answer(decode), methods=["POST"]),
        *map_routes(live),
        *upload_routes(live),
        *room_routes(live),
        *feed_routes(live),
        *download_routes(live),
    ]


def tidy() -> None:
    """Removes what imports, uploads and exports left that an earlier process was killed in."""
    with contextlib.suppress(OSError):  # a data folder that cannot be written to
        remove_leftovers()
        incoming.remove_abandoned()
        outgoing.remove_abandoned()


def warm() -> None:
    """Opens what the first page shows, then the other shipped models."""
    shipped = [checkpoint.name for checkpoint in list_checkpoints() if checkpoint.shipped]
    for others, names in enumerate((shipped[:1], shipped[1:])):
        if others:
            time.sleep(_FIRST_VISIT)
            cache.keep()  # which stops all for a fifth of a second
        for name in names:
            try:
                cache.warm(name)
                open_decoder(name)
                open_flow(name)
            except Refusal:
                continue  # the page that opens it says why
            except Exception:  # one damaged model must not keep the others cold
                logging.getLogger(__name__).exception("The model %s could not be opened.", name)
    cache.keep()
    compress_plotly()
    importlib.import_module("pandas")  # as Streamlit will, when a page first needs it


def _answer(handle):  # noqa: ANN001, ANN202
    async def endpoint(request: Request) -> Response:
        try:
            return await handle(request)
        except Refusal as refusal:
            headers = {"Cache-Control": "no-store"}
            if refusal.status == 503:
                headers["Retry-After"] = "1"
            return JSONResponse({"error": str(refusal)}, refusal.status, headers)

    return endpoint


def _script(name: str):  # noqa: ANN202
    async def script(request: Request) -> Response:
        content = (_DECODER / name).read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        return cached(request, content, tag, _SCRIPTS[name])

    return script


async def _component(request: Request) -> Response:
    content = component_scripts.served_script(request.path_params["file"])
    if content is None:
        raise Refusal(404, "This script is another one by now: reload the page.")
    return Response(content, media_type="text/javascript", headers={"Cache-Control": _FOR_EVER})


async def _manifest(request: Request) -> Response:
    name = request.path_params["name"]
    opened = await run_in_threadpool(open_decoder, name)
    place = quote(name, safe="")
    url = f"decoders/{place}/{opened.digest}.safetensors" if opened.file else None
    where = {"name": name, "url": url, "decode": f"decode/{place}", "digest": opened.digest}
    where |= {"reason": opened.reason, "bytes": len(opened.file or b"")}
    flow = await run_in_threadpool(open_flow, name)
    if flow is not None and flow.distribution.dim == opened.info["latent_dim"]:
        weights = f"flows/{place}/{flow.digest}.safetensors"
        where["flow"] = {"url": weights, "follow": f"follow/{place}", "digest": flow.digest}
    else:
        where["flow"] = None
    where["classifier"] = None
    if (judge := await run_in_threadpool(open_classifier, name)) is not None:
        weights = f"classifiers/{place}/{judge.digest}.safetensors"
        about = {"names": judge.names, "exclusive": judge.exclusive}
        where["classifier"] = {"url": weights, "digest": judge.digest, **about}
    return JSONResponse({**where, **opened.info}, headers={"Cache-Control": "no-cache"})


async def _weights(request: Request) -> Response:
    opened = await run_in_threadpool(open_decoder, request.path_params["name"])
    if opened.file is None:
        raise Refusal(404, opened.reason or "The app decodes it.")
    if request.path_params["digest"] != opened.digest:
        raise Refusal(404, "This decoder has changed since the page was opened: reload the page.")
    return _kept(opened.file)


async def _flow_weights(request: Request) -> Response:
    flow = await run_in_threadpool(open_flow, request.path_params["name"])
    if flow is None or request.path_params["digest"] != flow.digest:
        raise Refusal(404, "This distribution has changed since the page was opened: reload it.")
    return _kept(flow.file)


async def _judge(request: Request) -> Response:
    judge = await run_in_threadpool(open_classifier, request.path_params["name"])
    if judge is None or request.path_params["digest"] != judge.digest:
        raise Refusal(404, "This classifier has changed since the page was opened: reload it.")
    return _kept(judge.file)


def _kept(content: bytes) -> Response:
    """Weights, whose address says what is in them.

    They do not shrink; "identity" keeps Streamlit's middleware from trying at every request.
    """
    headers = {"Cache-Control": _FOR_EVER, "Content-Encoding": "identity"}
    return Response(content, media_type="application/octet-stream", headers=headers)
