"""A visitor without a browser: speaks to the app's server as Streamlit's page does."""

from __future__ import annotations

import contextlib
from types import TracebackType

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

__all__ = ["Visitor"]

_PATIENCE = 300.0  # seconds without a message from the server


class Visitor:
    """One session of the app, over its WebSocket.

    Args:
        address: of the app.
    """

    def __init__(self, address: str) -> None:
        self._address = address.replace("http", "ws", 1) + "/_stcore/stream"

    def __enter__(self) -> Visitor:
        with contextlib.ExitStack() as stack:
            self._socket = stack.enter_context(
                connect(self._address, subprotocols=["streamlit"], max_size=None)
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def open(self, page: str, query: str = "") -> list[ForwardMsg]:
        """Opens a page by its name, or reruns it, and waits until it is complete.

        Returns:
            All messages of the run; pictures and scripts that a browser would fetch are not.
        """
        asked = BackMsg()
        asked.rerun_script.query_string = query
        asked.rerun_script.page_name = page
        self._socket.send(asked.SerializeToString())
        messages = []
        while True:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(timeout=_PATIENCE))
            messages.append(message)
            if message.WhichOneof("type") == "script_finished":
                return messages
