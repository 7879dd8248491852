"""An empty page that can import the components' scripts as they are, without Streamlit."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pages.ui.components import base

COMPONENTS = Path(base.__file__).parent


@pytest.fixture(scope="session")
def scripts(serve) -> str:
    """The address of an empty page; the scripts lie beside it."""

    async def empty(request):
        return HTMLResponse("<!doctype html><title>Empty</title><link rel=icon href=data:,>")

    routes = [Route("/page", empty), Mount("/", StaticFiles(directory=COMPONENTS))]
    return serve(Starlette(routes=routes))


@pytest.fixture
def run(page, scripts):
    """A function that runs JavaScript with the names that a script exports.

    `run("sliders/weightings.js", "codesAt(data, [0.5])", data={…})` gives the expression's value;
    typed arrays come back as lists.
    """
    page.goto(f"{scripts}/page")

    def evaluate(script: str, body: str, **given):
        return page.evaluate(
            """async ([script, body, given]) => {
                const { default: mount, ...names } = await import(script)
                const all = { ...names, ...given }
                const plain = (value) => ArrayBuffer.isView(value) ? Array.from(value)
                    : Array.isArray(value) ? value.map(plain) : value
                const source = body.includes("return ") ? body : `return (${body})`
                const made = new Function(...Object.keys(all), source)
                return plain(await made(...Object.values(all)))
            }""",
            [f"/{script}", body, given],
        )

    return evaluate
