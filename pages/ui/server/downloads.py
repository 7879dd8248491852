"""The route by which browsers fetch what was exported for them, however large."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from pages.ui.shared import outgoing

__all__ = ["download_routes"]


def download_routes(live: str) -> list[Route]:
    """Lists the route, `downloads/{token}/{name}`.

    Args:
        live: the folder of the app's own routes.
    """
    return [Route(f"{live}/downloads/{{token}}/{{name}}", _serve)]


async def _serve(request: Request) -> Response:
    file = outgoing.served_file(request.path_params["token"], request.path_params["name"])
    if file is None:
        message = "This export is no longer here: make it again on the page of the library."
        return JSONResponse({"error": message}, 404, {"Cache-Control": "no-store"})
    headers = {"Cache-Control": "no-store", "Content-Encoding": "identity"}
    return FileResponse(file, filename=file.name, headers=headers)
