"""The presenter's link: its token becomes a cookie and leaves the address at once."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pages.ui.shared import permissions

__all__ = ["PARAMETER", "PresenterLink"]

PARAMETER = "token"  # of the address
_REFUSED = (
    "This is not the presenter's link of this server: a server that was started again has another "
    "one. Take it from the terminal, or open the address without it to look around."
)


class PresenterLink:
    """Answers an address with a token by the same address without it.

    The cookie lasts as long as the browser's session. No script reads it, and no other site's page
    has it sent.

    Args:
        app: what answers all else.
        base: path under which the app lies.
    """

    def __init__(self, app: ASGIApp, base: str = "") -> None:
        self._app, self._path = app, f"/{base}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pairs = []
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in pairs if name == PARAMETER]
        if not tokens:
            await self._app(scope, receive, send)
            return
        rest = urlencode([pair for pair in pairs if pair[0] != PARAMETER])
        response = self._answer(scope, tokens[-1], rest)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        await response(scope, receive, send)

    def _answer(self, scope: Scope, token: str, rest: str) -> Response:
        known = permissions.is_token(token)
        if not known and not permissions.for_one_person():
            return PlainTextResponse(_REFUSED, 403)
        # The same address but for its query, whatever part of its path a proxy has taken away.
        response = RedirectResponse(f"?{rest}", 303)
        if known:
            response.set_cookie(
                permissions.COOKIE,
                token,
                path=self._path,
                secure=scope["scheme"] == "https",
                httponly=True,
                samesite="strict",
            )
        return response
