"""What a test leaves in its tab is not there for the next."""

from __future__ import annotations

import pytest
from tabs import Tab


@pytest.fixture
def tab(profile):
    tab = Tab(profile)
    yield tab
    tab.page.close()


def test_an_emptied_tab_keeps_nothing(tab, app):
    asked = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.page.goto(f"{app}/_stcore/health")
    tab.page.evaluate("sessionStorage.setItem('mine', 'here')")
    tab.page.evaluate("setTimeout(() => { throw new Error('late') })")
    tab.page.wait_for_timeout(50)
    assert tab.errors and tab.emptied()
    assert tab.page.url == "about:blank" and not tab.errors and not tab.origins
    heard = len(asked)
    tab.page.goto(f"{app}/_stcore/health")
    assert tab.page.evaluate("sessionStorage.length") == 0
    assert len(asked) == heard > 0, "nobody listens to what the next asks for"


def test_one_that_was_changed_is_for_nobody_else(tab, app):
    tab.page.goto(f"{app}/_stcore/health")
    tab.page.set_viewport_size({"width": 300, "height": 300})
    assert not tab.emptied()


def test_nor_is_one_that_saw_two_servers(tab, app):
    for address in (app, app.replace("127.0.0.1", "localhost")):
        tab.page.goto(f"{address}/_stcore/health")
    assert not tab.emptied()
