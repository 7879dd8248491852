"""Where a request goes, below the path under which the app lies."""

from __future__ import annotations

from starlette.types import Scope

__all__ = ["folder", "within"]


def folder(base: str, name: str) -> str:
    """The path of a folder of the app.

    Args:
        base: path under which the app lies, "" at the root.
        name: path of the folder within the app.
    """
    return f"/{base}/{name}/".replace("//", "/")


def within(scope: Scope, place: str) -> str | None:
    """What a request asks for within a folder; None where it asks for something else.

    Args:
        scope: of the request.
        place: path as `folder` gives it.
    """
    path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
    return path.removeprefix(place) if path.startswith(place) else None
