"""A visitor without a browser: speaks to the app's server as Streamlit's page does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

__all__ = ["Visitor"]

_PATIENCE = 300.0  # seconds without a message from the server


class Visitor:
    """One session of the app, over its WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @classmethod
    @contextmanager
    def at(cls, address: str) -> Iterator[Visitor]:
        """Opens a session at the app's address, which ends with the block."""
        stream = address.replace("http", "ws", 1) + "/_stcore/stream"
        with connect(stream, subprotocols=["streamlit"], max_size=None) as socket:
            yield cls(socket)

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
