"""What changes of something that many watch at once, made by one reader for all of them.

A page offers what it shows; the stream below /live/feeds/ sends it to every browser that shows it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from urllib.parse import quote

__all__ = ["Feed", "end_all", "ended", "find", "offer"]


class Feed:
    """Parts of a page by name, each in JSON, and since when each is as it is.

    Args:
        read: makes all parts as they are now.
        pause: seconds between two looks.
    """

    def __init__(self, read: Callable[[], Mapping[str, bytes]], pause: float = 0.5) -> None:
        self._read, self.pause = read, pause
        self._parts: dict[str, tuple[int, bytes]] = {}
        self._last = -1, b""  # the event of whoever knows this version
        self.version = 0

    def look(self) -> bool:
        """Makes the parts anew; says whether any has changed."""
        parts = self._read()
        following = self.version + 1
        new = {
            name: (following, content)
            for name, content in parts.items()
            if self._parts.get(name, (0, None))[1] != content
        }
        if new:
            self._parts, self._last = self._parts | new, (-1, b"")
            self.version = following
        return bool(new)

    def since(self, version: int) -> bytes:
        """The parts that are newer than a version, as one JSON object; it is made once for all."""
        known, event = self._last
        if known != version:
            parts = [
                b'"%s":%s' % (name.encode(), content)
                for name, (changed, content) in self._parts.items()
                if changed > version
            ]
            event = b"{" + b",".join(parts) + b"}"
            self._last = version, event
        return event


_ended = threading.Event()
_feeds: dict[str, Feed] = {}
_MOST = 256  # feeds; whoever watches one that is gone has it offered again


def offer(name: str, identity: str, read: Callable[[], Mapping[str, bytes]]) -> str:
    """Makes a feed known, once for all who watch the same.

    Args:
        name: name of what is watched.
        identity: tells it from an earlier one of the same name.
        read: makes all its parts, as JSON by name; called in a thread without a visitor.

    Returns:
        The address of its stream below the app's base path.
    """
    key = f"{name}/{identity}"
    if key not in _feeds:
        if len(_feeds) >= _MOST:
            _feeds.pop(next(iter(_feeds)), None)
        _feeds[key] = Feed(read)
    return f"/live/feeds/{quote(key)}"


def find(key: str) -> Feed | None:
    """A feed by its name and identity, if it was offered in this process."""
    return _feeds.get(key)


def end_all() -> None:
    """Ends all streams: the server is to end, and would wait for them."""
    _ended.set()


def ended() -> bool:
    """Whether the server is to end."""
    return _ended.is_set()
