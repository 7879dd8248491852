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

RUN = """async ([script, body, given]) => {
    const { default: mount, ...names } = await import(script)
    const all = { ...names, ...given }
    const AsyncFunction = (async () => {}).constructor
    const source = body.includes("return ") ? body : `return (${body})`
    const plain = (value) => ArrayBuffer.isView(value) ? Array.from(value)
        : Array.isArray(value) ? value.map(plain) : value
    return plain(await new AsyncFunction(...Object.keys(all), source)(...Object.values(all)))
}"""


@pytest.fixture(scope="session")
def scripts(serve) -> str:
    """The address of an empty page; the scripts lie beside it."""

    async def empty(request):
        return HTMLResponse("<!doctype html><title>Empty</title><link rel=icon href=data:,>")

    routes = [Route("/page", empty), Mount("/", StaticFiles(directory=COMPONENTS))]
    return serve(Starlette(routes=routes))


@pytest.fixture
def runner(scripts):
    """A function that gives a page the scripts, and a function that runs JavaScript with them.

    `run("sliders/weightings.js", "codesAt(data, [0.5])", data={…})` gives the expression's value,
    or what the body returns; a script's exports are there by their names.
    """

    def prepare(page):
        page.goto(f"{scripts}/page")

        def run(script: str, body: str, **given):
            return page.evaluate(RUN, [f"/{script}", body, given])

        return run

    return prepare


@pytest.fixture(scope="module")
def blank(browser):
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def run(runner, blank):
    """The same for a page that tests of pure functions share."""
    return runner(blank)
