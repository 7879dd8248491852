"""A Plotly figure that is redrawn in place when its data change.

`st.plotly_chart` takes a figure with other data for another chart, and builds it from nothing:
twice a second, that flickers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas  # noqa: F401  all of it, before Plotly meets what another thread has half imported
import plotly.graph_objects as go

from pages.ui.components.base import Component
from pages.ui.components.messages import page as messages
from pages.ui.shared import links
from pages.ui.shared.foreign_text import plain
from pages.ui.shared.plot_style import COLOURS

__all__ = ["Drawn", "chart", "drawn", "part_of"]

# Without isolated styles: inside a shadow root Plotly's events break.
_CHART = Component(
    "chart",
    Path(__file__).with_name("chart.js"),
    messages.ChartData,
    isolate_styles=False,
    live=True,
)
_HEIGHT = 420  # in CSS pixels, of figures that name none


@dataclass(frozen=True)
class Drawn:
    """A figure as it is sent, which many visitors may share.

    Args:
        content: Plotly's JSON.
        height: in CSS pixels.
    """

    content: str
    height: float


def drawn(figure: go.Figure) -> Drawn:
    """Makes a figure ready to be sent."""
    figure.layout.template = None  # the page has its own
    return Drawn(figure.to_json(), figure.layout.height or _HEIGHT)


def chart(figure: go.Figure | Drawn, *, key: str, alt: str, feed: str = "") -> None:
    """Shows a figure in the page's colours.

    Args:
        figure: colours of text, lines and ground are the page's wherever it names none.
        key: key of the component, and name of the part in the feed.
        alt: alternative text for screen readers.
        feed: address of the feed that it follows, as `feeds.offer` gives it; none by default.
    """
    sent = figure if isinstance(figure, Drawn) else drawn(figure)
    data = {
        "base": links.base_path(),
        "feed": feed,
        "part": key,
        "now": part_of(sent, alt),
        "height": sent.height,
        "colours": COLOURS,
    }
    _CHART.show(data, key=key)


def part_of(figure: Drawn, alt: str) -> dict[str, str]:
    """A figure as a feed sends it: `messages.page.Figure`."""
    return {"figure": figure.content, "alt": plain(alt, "text", longest=200)}
