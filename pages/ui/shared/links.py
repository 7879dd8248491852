"""What an address says: one table of all that a link carries, read and written here alone.

A value is checked when a page first reads it after the visitor came to an address: one that
cannot be used is named in a notice, one out of range becomes the nearest that can be. From then
on the page decides, and its address follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import streamlit as st

from pages.ui.shared import visitor
from pages.ui.shared.foreign_text import message, plain
from pages.ui.shared.link_store import keep, kept
from pages.ui.shared.link_table import TABLE
from pages.ui.shared.visitor import Visitor
from vae.files import explain_refusal

__all__ = [
    "amend",
    "arrive",
    "base_path",
    "choice",
    "compose",
    "flag",
    "live",
    "number",
    "numbers_text",
    "put",
    "query",
    "read_names",
    "read_numbers",
    "read_start",
    "take",
    "token",
    "tokens",
    "using",
]

T = TypeVar("T")
_LONGEST = 1_500  # characters of a value that stands in the address itself
_MOST_NAMED = 6  # options that a notice lists


_BY_NAME = {parameter.name: parameter for parameter in TABLE}


def live(model: str, stamp: str) -> str:
    """Where the app's own routes for a model's codes and images lie, below the base path."""
    return f"/live/maps/{quote(model, safe='')}/{stamp}"


def base_path() -> str:
    """The app's base path without a slash at its end: "" for an app at the root."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


# Coming to an address ---------------------------------------------------------------------------


def arrive(page: str, *, back: bool) -> None:
    """Begins a run of a whole page: its address is read if the visitor has just come to it.

    Args:
        page: name of the page in its address.
        back: whether the visitor came by the browser's own buttons. The address then says all.
    """
    address = visitor.current().address
    if back or address.page != page or address.query is None:
        address.page, address.back, address.arrived = page, back, True
        address.query, address.written = _query(), None
        address.read.clear()
        address.arrivals += 1
        if len(model := address.query.get("model", [])) == 1 and model[0]:
            visitor.current().asked = model[0]
    address.shown.clear()
    address.share = address.python = None


def _query() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def take(
    name: str, parse: Callable[[str], T | None], expected: str, without: T | None = None
) -> T | None:
    """Reads a value once after the visitor came to an address.

    Args:
        name: name of the parameter.
        parse: gives the value of a text, or None where it makes no sense.
        expected: description of valid values, for the notice.
        without: the value where Back or Forward led to an address that has none.

    Returns:
        The value; None where the address has none, several, or none that can be used, and at each
        later call.
    """
    address = visitor.current().address
    if address.query is None:  # a page by itself, as in tests
        address.query = _query()
    if name in address.read:
        return None
    address.read.add(name)
    values = address.query.get(name, [])
    if not values and address.back:
        return without
    if len(values) == 1 and values[0].startswith("~"):
        values = [kept(values[0][1:]) or values[0]]
    value = parse(values[0]) if len(values) == 1 and values[0] else None
    if value is None and any(values):  # an empty one asks for nothing
        _notice(name, ", ".join(values), f"expected {expected}. It is left out.")
    return value


@contextmanager
def using(name: str) -> Iterator[None]:
    """Takes a value and uses it: it is taken again if the run is cut off meanwhile.

    A run may be cut off by the next one at each access to the session's state.

    Args:
        name: name of the parameter.
    """
    address = visitor.current().address
    new = name not in address.read
    try:
        yield
    except BaseException:
        if new:
            address.read.discard(name)
        raise


def read_numbers(name: str, count: int, low: float, high: float) -> tuple[float, ...] | None:
    """Reads so many numbers with commas between them, each in low…high, as `take` does."""

    def parse(text: str) -> tuple[float, ...] | None:
        values = tuple(map(_number, text.split(",")))
        if len(values) != count or not all(map(math.isfinite, values)):
            return None
        near = tuple(min(max(value, low), high) for value in values)
        if near != values:
            _notice(name, text, f"the nearest that can be shown is {numbers_text(near)}.")
        return near

    several = f"{count} numbers with commas between them," if count > 1 else "a number"
    return take(name, parse, f"{several} from {low:,} to {high:,}")


def read_names(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Reads names with commas between, the same until the visitor comes to another address.

    Args:
        name: name of the parameter.
        known: names that may be among them.
    """

    def parse(text: str) -> tuple[str, ...] | None:
        names = tuple(dict.fromkeys(text.split(",")))
        return names if set(names) <= set(known) else None

    address = visitor.current().address
    place, first = (address.page, name), name not in address.read
    names = take(name, parse, f"names among {', '.join(known)}, with commas between")
    if first:
        address.starts[place] = names or ()
    return address.starts.get(place, ())


def read_start(name: str, count: int, low: float, high: float) -> tuple[float, ...] | None:
    """As `read_numbers`, and the same again until the visitor comes to another address."""
    address = visitor.current().address
    place, first = (address.page, name), name not in address.read
    numbers = read_numbers(name, count, low, high)
    if first:
        address.starts[place] = numbers
    return address.starts.get(place)


# Widgets ----------------------------------------------------------------------------------------


def choice(
    name: str,
    options: Iterable[T],
    default: T,
    *,
    text: Callable[[T], str] = str,
    labels: Callable[[T], str] | None = None,
) -> dict[str, Any]:
    """Ties a widget with options to the address.

    Args:
        name: name of the parameter and key of the widget.
        options: options of the widget.
        default: shown where nobody has chosen; not written into the address.
        text: function that returns the text of an option in the address.
        labels: function that returns the label of an option, as in addresses of earlier versions.

    Returns:
        The key that the widget takes. Give it no default of its own.
    """
    options = list(options)
    texts = _unique([text(option) for option in options])
    by_text = dict(zip(texts, options, strict=True))
    by_label = {} if labels is None else {labels(o).casefold(): o for o in options}
    old = _BY_NAME[name].old

    def parse(linked: str) -> T | None:
        linked = old.get(linked, linked)
        by_case = {t.casefold(): o for t, o in by_text.items()}
        for known, key in ((by_text, linked), (by_case, linked.casefold())):
            if key in known:
                return known[key]
        return by_label.get(linked.casefold())

    listed = ", ".join(texts[:_MOST_NAMED]) + ", …" * (len(texts) > _MOST_NAMED)
    first_read = name not in visitor.current().address.read
    texts_of = {option: t for t, option in by_text.items() if isinstance(option, Hashable)}
    with using(name):
        linked = take(name, parse, f"one of {listed}")
        return _tie(
            name, first_read, linked, default, lambda v: v in options, texts_of.__getitem__
        )


def number(
    name: str, default: float, low: float, high: float, *, whole: bool = False
) -> dict[str, Any]:
    """Ties a widget with a number in low…high to the address, as `choice` does."""

    def parse(text: str) -> float | None:
        value = _number(text)
        if not math.isfinite(value):
            return None
        near = min(max(value, low), high)
        near = round(near) if whole else near
        if near != value:
            _notice(name, text, f"the nearest that can be shown is {near:,}.")
        return near

    def valid(value: object) -> bool:
        return isinstance(value, int | float) and low <= value <= high

    first_read = name not in visitor.current().address.read
    kind = int if whole else float
    with using(name):
        linked = take(name, parse, f"a {'whole ' * whole}number from {low:,} to {high:,}")
        linked = None if linked is None else kind(linked)
        return _tie(name, first_read, linked, kind(default), valid, lambda v: numbers_text([v]))


def flag(name: str) -> dict[str, Any]:
    """Ties a toggle to the address, as `choice` does."""
    return choice(name, (True, False), False, text=lambda on: str(on).lower())


def _tie(
    name: str,
    first_read: bool,
    linked: Any,
    default: Any,
    valid: Callable[[Any], bool],
    text: Callable[[Any], str],
) -> dict[str, Any]:
    address = visitor.current().address
    place, state = (address.page, name), st.session_state
    last, address.defaults[place] = address.defaults.get(place, default), default
    if linked is not None:
        state[name] = linked
    elif first_read and address.back:  # the address says all
        state[name] = default
    elif name not in state or (first_read and address.arrivals > 1):
        state[name] = address.chosen.get(place, default)
    elif state[name] == last != default:  # nobody has chosen it
        state[name] = default
    if not valid(state[name]):  # an option of another model
        state[name] = default

    def now() -> str | None:
        value = st.session_state.get(name, default)
        if value is None or value == default:
            address.chosen.pop(place, None)
            return None
        address.chosen[place] = value
        return text(value)

    address.shown[name] = now
    return {"key": name}


def token(name: str) -> str:
    """A name as an address has it: lower case, without blanks."""
    return "_".join(name.lower().split())


def tokens(names: Iterable[str]) -> dict[str, str]:
    """Names as an address lists them, with dots between: no two alike, and no dot within."""
    known = list(names)
    written = [token(name).replace(".", "%2e").replace("~", "%7e") for name in known]
    return dict(zip(known, _unique(written), strict=True))


def _unique(texts: Sequence[str]) -> list[str]:
    """Texts of which no two are equal: a second one gets a number."""
    counts: dict[str, int] = {}
    unique = []
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
        unique.append(text if counts[text] == 1 else f"{text}~{counts[text]}")
    return unique


# Writing ----------------------------------------------------------------------------------------


def put(name: str, text: str | Callable[[], str | None] | None) -> None:
    """Says what the address has of something that no single widget holds.

    Args:
        name: name of the parameter.
        text: text of the value, or a function that returns it at the end of a run, or None.
    """
    visitor.current().address.shown[_BY_NAME[name].name] = text


def query() -> list[tuple[str, str]]:
    """Names and values of all that belongs into the address now."""
    known, parameters = visitor.current(), {}
    if (model := known.asked or known.model) is not None:
        parameters["model"] = model
    for name, entry in known.address.shown.items():
        text = entry() if callable(entry) else entry
        try:
            if text and (short := _short(text)) is not None:
                parameters[name] = short
        except OSError as problem:
            if not known.address.told_unkept:
                known.address.told_unkept = True
                st.toast(f"Links lack what you made here. {message(explain_refusal(problem))}")
    return list(parameters.items())


def _short(text: str) -> str | None:
    """A text as an address has it; None where it is too long to be kept."""
    if len(text) <= _LONGEST:
        return text
    kept_as = keep(text)
    return None if kept_as is None else f"~{kept_as}"


def compose() -> dict[str, Any]:
    """The address as it should be now; call it at the end of a run.

    Returns:
        What the address component is sent: `query`, whether it is a step of its own (`push`), and
        numbers that tell a later message from an earlier one.
    """
    known = visitor.current()
    with known.lock:
        return _compose(known, query())


def amend(known: Visitor, name: str, text: str) -> dict[str, Any] | None:
    """Changes one value of a visitor's address between two runs, or during one.

    Args:
        known: the visitor.
        name: name of the parameter.
        text: text of its value; "" for none.

    Returns:
        As `compose`; None where the page that is shown does not say this in its address, or a run
        is about to say it.
    """
    with known.lock:
        address = known.address
        if address.written is None or name not in address.shown:
            return None
        now = dict(address.written)
        now.pop(name, None)
        try:
            if text and (short := _short(text)) is not None:
                now[name] = short
        except OSError:  # the next run says so
            return None
        return _compose(known, list(now.items()))


def _compose(known: Visitor, now: list[tuple[str, str]]) -> dict[str, Any]:
    address = known.address
    written, before = dict(now), address.written
    if written != before:
        changed = set(now) ^ set((before or {}).items())
        address.push = before is not None and any(_BY_NAME[name].pushed for name, _ in changed)
        address.written = written
        address.count += 1
    return {
        "query": now,
        "push": address.push,
        "count": address.count,
        "arrivals": address.arrivals,
        "session": known.token,
    }


def numbers_text(values: Sequence[float]) -> str:
    """Numbers as `read_numbers` reads them, with three digits after the decimal point."""
    return ",".join(f"{value:.3f}".rstrip("0").rstrip(".") for value in values)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _notice(name: str, value: str, then: str) -> None:
    st.toast(
        f"This link says {plain(name)} = “{plain(value, longest=40)}”; {plain(then, longest=240)}",
        icon=":material/link_off:",
        duration="long",
    )
