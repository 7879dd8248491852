"""A tab of the browser that one test after another has, emptied between them."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Error

__all__ = ["Tab"]

# What a test changes with these lasts as long as the page.
LASTING = (
    "add_init_script",
    "emulate_media",
    "expose_function",
    "route",
    "set_viewport_size",
)


class Tab:
    """An empty page; in one that ran scripts before, they cost two thirds of the time.

    Args:
        context: whose page it is.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.errors: list[str] = []
        self.origins: set[str] = set()
        self._changed = False
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("framenavigated", lambda frame: self._went(frame.url))
        self._heard: list[tuple] = []
        self._listen = self.page.on
        self.page.on = self._on
        for name in LASTING:
            setattr(self.page, name, self._noting(getattr(self.page, name)))

    def _went(self, url: str) -> None:
        if url.startswith("http"):
            self.origins.add("/".join(url.split("/")[:3]))

    def _on(self, event: str, listener) -> None:
        self._heard.append((event, listener))
        self._listen(event, listener)

    def _noting(self, method):
        def call(*arguments, **options):
            self._changed = True
            return method(*arguments, **options)

        return call

    def emptied(self) -> bool:
        """Leaves what was open; whether nothing of it is left for whoever comes next."""
        if self._changed or self.page.is_closed() or len(self.origins) != 1:
            return False
        try:
            self.page.goto(f"{next(iter(self.origins))}/_stcore/health", timeout=20_000)
            self.page.evaluate("sessionStorage.clear()")  # which lasts as long as the tab
            self.page.goto("about:blank")
        except Error:  # the server is gone, or the page hangs
            return False
        while self._heard:
            self.page.remove_listener(*self._heard.pop())
        self.page.mouse.move(-1, -1)
        self.errors.clear()
        self.origins.clear()
        return True
