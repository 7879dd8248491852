"""Writes a view as a folder: the page, its scripts, and all that these fetch from the app."""

from __future__ import annotations

import asyncio
import html
import json
import secrets
import shutil
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from starlette.routing import Router
from starlette.types import Message

from pages.ui.components.base import bundle, styles
from pages.ui.server.routes import live_routes
from pages.ui.site.snapshot import Part, SiteError, take
from pages.ui.site.views import VIEWS
from vae.locations import APP, all_checkpoints

__all__ = ["MARK", "write_site"]

MARK = "view.json"  # a folder with this file is one of ours, and may be written again
_HERE = Path(__file__).parent
_DECODER = _HERE.parent / "decoder"
_LIVE = "/live/"
_PER_PIN = ("about", "image", "tell", "token")  # of the app alone, for one pin at a time


def write_site(folder: Path, view: str, model: str, link: str = "") -> int:
    """Writes a view into a folder, all of it or nothing.

    Args:
        folder: a new or empty folder, or one that this function wrote.
        view: a key of `VIEWS`.
        model: name of a model, as the app lists it.
        link: what the page's address says after its `?`, beside the model and the view.

    Returns:
        Bytes of all files.

    Raises:
        SiteError: the folder is something else, or this view of this model needs the app.
    """
    names = [checkpoint.name for checkpoint in all_checkpoints()]
    if model not in names:
        raise SiteError(f"There is no model named {model!r}; choose one of {', '.join(names)}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not (folder / MARK).is_file():
            raise SiteError(f"{folder} holds something else. Name a new or an empty folder.")
    parts = take(VIEWS[view], model, link)
    files = _Files(model)
    for part in parts:
        files.localise(part.data)
    files.decoder(
        flow=any(_needs_flow(part.data) for part in parts),
        classifier=any("lattice" in part.data or part.data.get("tells") for part in parts),
    )
    if any(part.name == "latent_map" for part in parts):
        files.keep("plotly.min.js", "plotly.min.js")
    fresh = folder.absolute().with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        for name, content in (files.contents | _page(view, model, parts)).items():
            place = fresh / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder.absolute())
    except OSError as error:
        raise SiteError(f"{folder} cannot be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _needs_flow(data: dict[str, Any]) -> bool:
    return data.get("noise") is not None or data.get("level") is not None


class _Files:
    """Files that the page's scripts will ask for, below `live/`, as the app would answer."""

    def __init__(self, model: str) -> None:
        self._model, self._app = model, Router(live_routes())
        self._known: dict[str, str] = {}  # by address
        self.contents: dict[str, bytes | str] = {
            f"live/{file.name}": file.read_bytes()
            for kind in ("*.js", "*.wasm")
            for file in _DECODER.glob(kind)
        }

    def localise(self, data: dict[str, Any]) -> None:
        """Fetches what a component would, and tells it where that lies now."""
        if "base" in data:
            data["base"] = "."  # beside the page, wherever that is
        if tells := data.get("tells"):
            self.localise(tells)
        atlas = data.get("atlas")
        if atlas and not atlas["whole"]:  # the app cuts sheets as they are asked for
            atlas |= {"url": atlas["url"].replace("tiles.jpg", "atlas.jpg"), "whole": True}
        for key, value in data.items():
            if key in _PER_PIN:
                data[key] = ""
            elif isinstance(value, str) and value.startswith(_LIVE):
                data[key] = self._place(value)
            elif isinstance(value, dict) and str(value.get("url", "")).startswith(_LIVE):
                value["url"] = self._place(value["url"])

    def decoder(self, *, flow: bool, classifier: bool) -> None:
        """The model's decoder and, if needed, its distribution's flow and images' classifier."""
        about = json.loads(self._get(f"decoders/{quote(self._model)}"))
        if about["url"] is None:
            raise SiteError(f"The browser alone cannot decode {self._model}: {about['reason']}")
        about["url"] = self.keep(about["url"], "decoder.safetensors")
        if flow and about["flow"]:
            about["flow"]["url"] = self.keep(about["flow"]["url"], "flow.safetensors")
        else:
            about["flow"] = None
        if not classifier:
            about["classifier"] = None
        elif about["classifier"]:
            weights = self.keep(about["classifier"]["url"], "classifier.safetensors")
            about["classifier"]["url"] = weights
        self.contents[f"live/decoders/{self._model}"] = json.dumps(about)

    def keep(self, address: str, name: str) -> str:
        """Fetches an address below `live/` and keeps what it answers under a name."""
        self.contents[f"live/{name}"] = self._get(address)
        return name

    def _place(self, address: str) -> str:
        if address not in self._known:
            name = Path(address.partition("?")[0]).name
            number = sum(Path(known).name == name for known in self._known.values())
            where = f"map-{number + 1}/{name}" if number else name
            self._known[address] = _LIVE + self.keep(address.removeprefix(_LIVE), where)
        return self._known[address]

    def _get(self, address: str) -> bytes:
        path, _, query = address.partition("?")
        status, content = asyncio.run(_answer(self._app, f"{_LIVE}{unquote(path)}", query))
        if status != 200:
            raise SiteError(f"The app answered {status} for {address}: {content[:300].decode()}")
        return content


async def _answer(app: Router, path: str, query: str) -> tuple[int, bytes]:
    """What one of the app's routes answers: status and body."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    await app({**scope, "query_string": query.encode()}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def _page(view: str, model: str, parts: list[Part]) -> dict[str, bytes | str]:
    """The page itself: its text, its script, its styles, and what its components are."""
    about = VIEWS[view]
    title = about.title.format(model=model)
    words = {"title": title, "about": about.about}
    shell = (_HERE / "index.html").read_text("utf-8")
    for name, text in words.items():
        shell = shell.replace(f"{{{name}}}", html.escape(text))
    only = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in about.only)
    listed = [
        {"name": part.name, "html": part.html, "css": part.css, "isolated": part.isolated,
         "data": part.data}
        for part in parts
    ]  # fmt: skip
    return {
        "index.html": shell.replace("{only}", only).replace("{view}", view),
        "site.js": bundle(_HERE / "site.js"),
        "site.css": _themes() + styles(_HERE / "site.js"),
        MARK: json.dumps({"parts": listed}, ensure_ascii=False),
        **{f"parts/{part.name}.js": part.script for part in parts},
    }


def _themes() -> str:
    """The app's two themes as the variables that components read."""
    theme = tomllib.loads((APP / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
    names = {
        "primary-color": "primaryColor", "background-color": "backgroundColor",
        "secondary-background-color": "secondaryBackgroundColor", "text-color": "textColor",
        "border-color": "borderColor", "link-color": "linkColor",
    }  # fmt: skip
    rules = []
    for scheme in ("light", "dark"):
        variables = "".join(f"--st-{n}: {theme[scheme][k]}; " for n, k in names.items())
        rules.append(f"@media (prefers-color-scheme: {scheme}) {{ :root {{ {variables}}} }}\n")
    radii = f"--st-base-radius: {theme['baseRadius']}; --st-button-radius: {theme['buttonRadius']}"
    return f":root {{ {radii} }}\n" + "".join(rules)
