"""How much of what visitors choose in Streamlit's pickers the server may hold in its memory."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import runtime
from streamlit.web.server.starlette.starlette_routes import BASE_ROUTE_UPLOAD_FILE

from pages.ui.server.places import folder, within

__all__ = ["OF_ALL", "OF_ONE", "HeldUploads"]

OF_ONE, OF_ALL = 100_000_000, 500_000_000  # bytes of a session, and of all together


class HeldUploads:
    """Refuses files that would take a session, or all together, beyond what may be held.

    Streamlit keeps them until a session ends, as many as it sends; each is bounded by its own
    `server.maxUploadSize`, which is what one counts for that does not say how long it is.

    Args:
        app: what answers all else.
        base: path under which the app lies.
        largest: bytes of a file.
    """

    def __init__(self, app: ASGIApp, base: str = "", largest: int = 50 << 20) -> None:
        self._app, self._largest = app, largest
        self._place = folder(base, BASE_ROUTE_UPLOAD_FILE)
        self._coming: dict[str, int] = {}  # bytes on their way, by session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = within(scope, self._place) if scope.get("method") == "PUT" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        session, size = name.partition("/")[0], self._size(scope)
        held = _held()
        together = sum(held.values()) + sum(self._coming.values())
        for given, most, whose in (
            (held.get(session, 0) + self._coming.get(session, 0), OF_ONE, "You have"),
            (together, OF_ALL, "All visitors together have"),
        ):
            if given + size > most:
                sentence = (
                    f"{whose} chosen {given / 1e6:.0f} MB of files; expected at most "
                    f"{most / 1e6:.0f} MB with this one. Take some back, or reload the page."
                )
                await PlainTextResponse(sentence, 413)(scope, receive, send)
                return
        self._coming[session] = self._coming.get(session, 0) + size
        try:
            await self._app(scope, receive, send)
        finally:
            self._coming[session] -= size
            if not self._coming[session]:
                del self._coming[session]

    def _size(self, scope: Scope) -> int:
        length = Headers(scope=scope).get("content-length", "")
        return int(length) if length.isascii() and length.isdigit() else self._largest


def _held() -> dict[str, int]:
    """Bytes that Streamlit holds, by session."""
    if not runtime.exists():
        return {}
    storage = runtime.get_instance().uploaded_file_mgr.file_storage
    return {
        session: sum(len(file.data) for file in list(files.values()))
        for session, files in list(storage.items())
    }
