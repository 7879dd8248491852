"""Visitors who speak Streamlit's own protocol over WebSockets and fetch what a browser would."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.BidiComponent_pb2 import BidiComponent
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PAGES = ("interpolate", "concepts", "learn_elbo")  # that a visitor goes to between maps
STAYED = 0.7  # seconds after which a browser asks for more of a pin
OPENING = 180.0  # seconds that a first visit may take
DIMENSIONS = 40  # of the message's code, as the faces model has


@dataclass
class Seen:
    """What all visitors saw.

    Args:
        opens: seconds until a first page was complete.
        pins: seconds until Python had a pin.
        errors: runs that showed an exception, by what it said.
        lost: sessions that ended before the visitor left.
    """

    opens: list[float] = field(default_factory=list)
    pins: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lost: int = 0


@dataclass
class Session:
    """One visitor: a connection, and where the map's component is."""

    connection: ClientConnection
    seen: Seen
    fetcher: Fetcher
    component: str = ""
    fragment: str = ""
    pins: int = 0
    about: dict[str, Any] = field(default_factory=dict)  # addresses of what a pin needs

    async def run(self, page: str, query: str = "") -> None:
        """Opens a page and waits until it is complete."""
        asked = BackMsg()
        asked.rerun_script.query_string = query
        asked.rerun_script.page_name = page
        await self._ask(asked)

    async def pin(self, row: int) -> None:
        """Clicks a point and waits until Python has it."""
        self.pins += 1
        click = {
            "count": self.pins,
            "model": "faces",
            "kind": "real",
            "row": row,
            "z": [0.123456789] * DIMENSIONS,
            "approximate": False,
        }
        clicks = [click]
        if self.about:
            told = {"token": self.about["token"], "view": "map", "clicks": clicks}
            answer = json.loads(await self.fetcher.get(self.about["tell"], json.dumps(told)))
            if not answer["anew"]:
                return
            clicks = []
        asked = BackMsg()
        asked.rerun_script.fragment_id = self.fragment
        state = asked.rerun_script.widget_states.widgets.add(id=self.component)
        state.json_value = json.dumps({"pinned": {"value": clicks, "count": self.pins}})
        await self._ask(asked)

    async def _ask(self, asked: BackMsg) -> None:
        await self.connection.send(asked.SerializeToString())
        while True:
            message = ForwardMsg.FromString(await self.connection.recv())
            kind = message.WhichOneof("type")
            if kind == "script_finished":
                return
            if kind != "delta":
                continue
            element = message.delta.new_element
            if element.WhichOneof("type") == "exception":
                self.seen.errors.append(element.exception.message)
            is_map = element.WhichOneof("type") == "bidi_component" and (
                element.bidi_component.component_name.endswith(("latent_map", "empty"))
            )
            if is_map:
                self.component = element.bidi_component.id
                if not self.about and "latent_map" in element.bidi_component.component_name:
                    self.about = _addresses(element.bidi_component)
                self.fragment = message.delta.fragment_id


def _addresses(component: BidiComponent) -> dict[str, Any]:
    """Where the map fetches what it shows of a pin, and tells of it; its token and first pin."""
    (data,) = json.loads(component.json or component.mixed.json)
    places = {name: data["base"] + data[name] for name in ("image", "about", "tell")}
    return places | {"token": data["token"], "first": data["pins"]["value"][0]["row"]}


class Fetcher:
    """Fetches over one connection that stays open, as a browser does."""

    def __init__(self, address: str, cookie: str = "") -> None:
        self._place, self._cookie = address.removeprefix("http://"), cookie
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, body: str | None = None) -> bytes:
        """What is answered, to a POST where there is a body; it must not be an error."""
        async with self._turn:
            try:
                head, content = await self._get(path, body)
            except (OSError, asyncio.IncompleteReadError):  # the server let go of an idle one
                self.close()
                head, content = await self._get(path, body)
        if " 200 " not in head.partition("\r\n")[0]:
            raise ConnectionError(f"{path}: {head.partition(chr(13))[0]}")
        return content

    async def _get(self, path: str, body: str | None) -> tuple[str, bytes]:
        if self._streams is None:
            host, _, port = self._place.partition(":")
            self._streams = await asyncio.open_connection(host, int(port))
        reader, writer = self._streams
        method, content = "GET" if body is None else "POST", (body or "").encode()
        length = "" if body is None else f"Content-Length: {len(content)}\r\n"
        own = f"Cookie: {self._cookie}\r\n" if self._cookie else ""
        request = f"{method} {path} HTTP/1.1\r\nHost: {self._place}\r\n{own}{length}\r\n"
        writer.write(request.encode() + content)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].split("\r\n")[0])
        return head, await reader.readexactly(length)

    def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def look(session: Session, fetcher: Fetcher, row: int, who: object, stay: float) -> None:
    """What a browser fetches of a pin that it shows, until another is pinned."""
    number = session.pins
    await fetcher.get(f"{session.about['image']}?row={row}")
    wait: float | None = stay
    while wait is not None:
        await asyncio.sleep(wait)
        if session.pins != number:
            return
        answer = await fetcher.get(f"{session.about['about']}?row={row}&who={who}")
        wait = json.loads(answer)["again"] if stay else None


async def visit(address: str, seen: Seen, options: argparse.Namespace, start: float) -> None:
    """One visitor from coming to leaving."""
    # A browser has several connections: what it shows does not hold up what it tells.
    chance, fetcher, browser = random.Random(start), Fetcher(address), Fetcher(address)
    looking: list[asyncio.Task[None]] = []

    async def show(row: int) -> None:
        if session.about:
            done = [task for task in looking if task.done()]
            looking[:] = [task for task in looking if task not in done]
            await asyncio.gather(*done)  # what failed is lost
            looking.append(asyncio.create_task(look(session, browser, row, start, STAYED)))

    await asyncio.sleep(start)
    stream = address.replace("http", "ws", 1) + "/_stcore/stream"
    begun = time.monotonic()
    end = begun + options.seconds
    try:
        async with connect(
            stream, subprotocols=["streamlit"], max_size=None, open_timeout=OPENING
        ) as connection:
            session = Session(connection, seen, fetcher)
            await session.run("", "model=faces")
            seen.opens.append(time.monotonic() - begun)
            if not session.component:
                seen.errors.append("the page has no map")
                return
            row = session.about.get("first", 0)
            await show(row)
            page_until = time.monotonic() + 60 * chance.uniform(0.5, 1)
            next_pin = time.monotonic() + options.every * chance.random()
            while (now := time.monotonic()) < end:
                if now > page_until and address.endswith(options.app_port):
                    await session.run(chance.choice(PAGES))
                    await session.run("", "model=faces")
                    await show(row)
                    page_until = time.monotonic() + 60
                await asyncio.sleep(max(0.0, min(next_pin, end) - time.monotonic()))
                sent = time.monotonic()
                if sent >= end:
                    break
                row = chance.randrange(500)
                await session.pin(row)
                seen.pins.append(time.monotonic() - sent)
                await show(row)
                next_pin = max(next_pin + options.every, time.monotonic())
    except (ConnectionClosed, OSError, TimeoutError, asyncio.IncompleteReadError):
        seen.lost += 1
    finally:
        for task in looking:
            task.cancel()
        fetcher.close()
        browser.close()


async def visit_all(address: str, options: argparse.Namespace) -> Seen:
    """All visitors, who come one after another within half a minute or a quarter of the time."""
    seen, within = Seen(), min(30.0, options.seconds / 4)
    starts = [within * k / options.visitors for k in range(options.visitors)]
    await asyncio.gather(*(visit(address, seen, options, start) for start in starts))
    return seen
