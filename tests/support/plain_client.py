"""Requests as they are: no redirects followed, cookies kept by hand."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

__all__ = ["Answer", "Client"]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    text: str

    def json(self) -> object:
        """The text as JSON."""
        return json.loads(self.text)


class Client:
    """Speaks to a server at an address such as `http://127.0.0.1:8501`."""

    def __init__(self, address: str) -> None:
        self._place = urlsplit(address).netloc
        self.cookie = ""  # as `name=value`

    def ask(
        self, method: str, path: str, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Sends one request."""
        connection = http.client.HTTPConnection(self._place, timeout=30)
        cookies = {"Cookie": self.cookie} if self.cookie else {}
        connection.request(method, path, content or None, cookies | (headers or {}))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return Answer(answer.status, answer.headers, text)
