"""What a browser may ask of its session: in a room, nothing that reaches other sessions."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

from pages.ui.shared import permissions

__all__ = ["OwnSessionOnly"]

_OWN = ("rerun_script", "stop_script", "file_urls_request", "app_heartbeat", "load_git_info")
_OPERATIONS = ("deferred_file", "dataframe_chunk")


class OwnSessionOnly:
    """Drops messages of Streamlit's protocol that clear the cache of all, or change files.

    Args:
        app: what answers all else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or permissions.for_one_person():
            await self._app(scope, receive, send)
            return

        async def own() -> Message:
            while True:
                message = await receive()
                content = message.get("bytes")
                if message["type"] != "websocket.receive" or content is None or _is_own(content):
                    return message

        await self._app(scope, own, send)


def _is_own(content: bytes) -> bool:
    message = BackMsg()
    try:
        message.ParseFromString(content)
    except DecodeError:  # Streamlit says so in its log
        return True
    kind = message.WhichOneof("type")
    if kind == "backend_operation_request":
        request = message.backend_operation_request
        return any(request.HasField(name) for name in _OPERATIONS)
    return kind is None or kind in _OWN
