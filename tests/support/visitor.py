"""A visitor without a browser: speaks to the app's server as Streamlit's page does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

__all__ = ["Visitor"]

_PATIENCE = 300.0  # seconds without a message from the server


class Visitor:
    """One session of the app, over its WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @classmethod
    @contextmanager
    def at(
        cls, address: str, headers: Mapping[str, str] | None = None, session: str = ""
    ) -> Iterator[Visitor]:
        """Opens a session at the app's address, which ends with the block.

        Args:
            address: of the app.
            headers: of the request, such as a cookie.
            session: an earlier session's id, to go on with it.
        """
        stream = address.replace("http", "ws", 1) + "/_stcore/stream"
        protocols = ["streamlit", *(["none", session] if session else [])]
        with connect(
            stream,
            subprotocols=protocols,
            additional_headers=headers,
            max_size=None,
            ping_interval=None,  # a busy machine may answer later than a client expects
        ) as socket:
            yield cls(socket)

    def open(
        self,
        page: str,
        query: str = "",
        widgets: Sequence[WidgetState] = (),
        known: Collection[str] = (),
    ) -> list[ForwardMsg]:
        """Opens a page by its name, or reruns it, and waits until it is complete.

        Args:
            page: name of the page's file, without its ending.
            query: what follows the "?" in its address.
            widgets: what the browser says of widgets.
            known: hashes of the messages that the browser says it has kept.

        Returns:
            All messages of the run; pictures and scripts that a browser would fetch are not.
        """
        asked = BackMsg()
        asked.rerun_script.query_string = query
        asked.rerun_script.page_name = page
        asked.rerun_script.widget_states.widgets.extend(widgets)
        asked.rerun_script.cached_message_hashes.extend(known)
        self._socket.send(asked.SerializeToString())
        messages = []
        while True:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(timeout=_PATIENCE))
            messages.append(message)
            if message.WhichOneof("type") == "script_finished":
                return messages
