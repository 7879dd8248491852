"""The route by which browsers send data to import: straight to disk, in pieces."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pages.ui.shared import incoming, permissions
from vae.in_progress import in_progress

__all__ = ["HEADER", "upload_routes"]

HEADER = "X-Latent-Upload"  # another site's page cannot send it without asking first
_FLUSH = 4_000_000  # bytes that are gathered before they are written


def upload_routes(live: str) -> list[Route]:
    """Lists the routes.

    - `uploads/{token}?name=…`: POST of a file of an upload, which may lie in folders
    - `uploads/{token}`: DELETE of an upload

    Args:
        live: the folder of the app's own routes.
    """
    return [Route(f"{live}/uploads/{{token}}", _serve, methods=["POST", "DELETE"])]


class _Refused(Exception):
    """Nothing is kept; a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def _serve(request: Request) -> Response:
    headers = {"Cache-Control": "no-store"}
    try:
        if not permissions.may_change(request.cookies):
            raise _Refused(403, "In this room the presenter alone imports.")
        folder = incoming.folder_of(request.path_params["token"])
        given = folder is not None and incoming.is_given(folder.name)
        if request.headers.get(HEADER) != "1" or folder is None or not given:
            raise _Refused(403, "This upload was not begun on a page of the app.")
        if request.method == "DELETE":
            await run_in_threadpool(incoming.remove, folder.name)
            return JSONResponse({"removed": True}, headers=headers)
        size = await _receive(request, folder)
        return JSONResponse({"bytes": size}, headers=headers)
    except _Refused as refusal:
        return JSONResponse({"error": str(refusal)}, refusal.status, headers)
    except OSError as error:
        message = f"The file could not be written ({error.strerror}). Make room, and try again."
        return JSONResponse({"error": message}, 507, headers)
    except ClientDisconnect:  # cancelled: nobody reads the answer
        return Response(status_code=400)


async def _receive(request: Request, folder: Path) -> int:
    """Writes the body to its place, under another name until it is whole; its bytes."""
    path = incoming.safe_path(request.query_params.get("name", ""))
    if path is None:
        raise _Refused(400, "The file has no name that can be used; rename it.")
    await run_in_threadpool(incoming.clean)
    files, taken = await run_in_threadpool(incoming.counted, folder.name)
    if files >= incoming.MOST_FILES:
        raise _Refused(413, f"More than {incoming.MOST_FILES:,} files; pack them as a zip.")
    own = incoming.LARGEST - taken
    most = min(own, await run_in_threadpool(incoming.room))
    full = (
        f"The upload has more than {incoming.LARGEST / 1e9:.0f} GB. Import it on the server "
        "itself: python -m vae import."
        if most == own
        else "There is no room for it on this server now. Try again later."
    )
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise _Refused(413, full)
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with in_progress(incoming.part_of(target)) as part:
        with part.open("xb") as out:
            gathered = bytearray()
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise _Refused(413, full)
                gathered += chunk
                if len(gathered) >= _FLUSH:
                    await run_in_threadpool(out.write, bytes(gathered))
                    gathered.clear()
            out.write(gathered)
        os.replace(part, target)
        os.utime(folder)  # it is forgotten a day after it was last touched
    await run_in_threadpool(incoming.arrived, folder.name, size)  # it may wait for a count
    return size
