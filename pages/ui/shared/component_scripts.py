"""The components' scripts: what runs in the browser, under addresses that it keeps for ever.

Streamlit would send the script of a component with each of its messages.
"""

from __future__ import annotations

import hashlib

__all__ = ["loader", "script", "served_script"]

_scripts: dict[str, str] = {}  # by a component's name


def loader(name: str, content: str, base: str) -> str:
    """Makes a component's script known.

    Args:
        name: the component's.
        content: a JavaScript module.
        base: the app's base path, "" or "/folder".

    Returns:
        A module that fetches it and exports the same.
    """
    _scripts[name] = content
    file = f"live/components/{name}-{_digest(content)}.js"
    page = """document.querySelector('script[src*="static/js/"]')?.src"""  # as `addressOf` has it
    place = f'{page} ? "../../{file}" : "{base}/{file}", {page} ?? location.href'
    fetched = f"await import(new URL({place}).href)"
    return f"const {{ default: mount }} = {fetched}\nexport default mount\n"


def script(name: str) -> str:
    """The script of a component that was made known."""
    return _scripts[name]


def served_script(file: str) -> str | None:
    """The script of an address's file; None where there is none, or it is another by now."""
    name, _, digest = file.removesuffix(".js").rpartition("-")
    content = _scripts.get(name)
    return content if content is not None and _digest(content) == digest else None


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]
