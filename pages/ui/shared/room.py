"""What a room shares while the server runs: where the presenter is, a question, its answers.

It is nameless, lies in the memory of this process alone, and the latest of each counts.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter, deque
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from pages.ui.shared.permissions import presenter_only
from vae.latent import LARGEST_CODE

__all__ = [
    "ROOM",
    "Answer",
    "Lead",
    "Pin",
    "Pointer",
    "Question",
    "Room",
    "ask",
    "end_question",
]

_MOST_VOTERS = 5_000
_MOST_DRAWINGS = 600  # the oldest goes first
_LARGEST_DRAWING = 65_536  # bytes
_Text = Annotated[str, Meta(max_length=300)]
_Finite = Annotated[float, Meta(ge=-1e9, le=1e9)]


class Pointer(Struct, forbid_unknown_fields=True):
    """Where the presenter's pointer is on a map: a place, and the id of an image there."""

    view: Annotated[str, Meta(max_length=40)]
    x: _Finite
    y: _Finite
    id: int | None = None


class Pin(Struct, forbid_unknown_fields=True):
    """What the presenter pinned last on a map; `count` tells one from the next."""

    view: Annotated[str, Meta(max_length=40)]
    count: int
    row: int
    z: Annotated[
        list[Annotated[float, Meta(ge=-LARGEST_CODE, le=LARGEST_CODE)]], Meta(max_length=1024)
    ]
    approximate: bool


class Lead(Struct, forbid_unknown_fields=True):
    """Where the presenter is: an address within the app, and what happens on its map."""

    address: Annotated[str, Meta(max_length=8_000, pattern=r"^/(?![/\\])")]
    model: Annotated[str, Meta(max_length=200)] | None = None
    pointer: Pointer | None = None
    pin: Pin | None = None


class Question(Struct, forbid_unknown_fields=True):
    """A question to the room, and what may be answered."""

    number: int
    text: _Text
    options: list[_Text]


class Answer(Struct, forbid_unknown_fields=True):
    """What a pupil answers: the question's number, an option's, and who, without a name."""

    number: int
    option: int
    voter: Annotated[str, Meta(pattern="^[0-9a-f]{16,64}$")]


class Room:
    """What is shared; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._lead: Lead | None = None
        self._question: Question | None = None
        self._votes: dict[str, int] = {}
        self._drawings: deque[bytes] = deque(maxlen=_MOST_DRAWINGS)
        self._came = 0
        self.version = 0
        self.closed = False
        self._content = b"{}"

    def snapshot(self) -> tuple[int, bytes]:
        """The version, which grows with every change, and what pupils see, as JSON."""
        with self._lock:
            return self.version, self._content

    def close(self) -> None:
        """Ends what still goes out to the room: the server ends."""
        self.closed = True
        self.version += 1

    def lead(self, lead: Lead) -> None:
        """Takes where the presenter is now."""
        with self._lock:
            self._lead = lead
            self._changed()

    def ask(self, text: str, options: list[str]) -> None:
        """Poses a question in place of the last one."""
        with self._lock:
            self._question = Question(next(self._numbers), text, options)
            self._votes = {}
            self._changed()

    def end_question(self) -> None:
        """Takes the question back."""
        with self._lock:
            self._question = None
            self._votes = {}
            self._changed()

    def answer(self, answer: Answer) -> bool:
        """Takes a pupil's answer in place of the last one; False where it answers nothing."""
        with self._lock:
            asked = self._question
            fits = asked is not None and asked.number == answer.number
            known = answer.voter in self._votes or len(self._votes) < _MOST_VOTERS
            if not (fits and known and 0 <= answer.option < len(asked.options)):
                return False
            self._votes[answer.voter] = answer.option
            return True

    def question(self) -> tuple[Question, list[int]] | None:
        """The question, and how many chose each option; None where there is none."""
        with self._lock:
            if self._question is None:
                return None
            counts = Counter(self._votes.values())
            return self._question, [counts[k] for k in range(len(self._question.options))]

    def gather(self, drawing: bytes) -> bool:
        """Takes a drawing, a PNG; False for one that is too large."""
        if len(drawing) > _LARGEST_DRAWING:
            return False
        with self._lock:
            self._drawings.append(drawing)
            self._came += 1
        return True

    def gathered(self) -> list[bytes]:
        """The drawings, in the order in which they came."""
        with self._lock:
            return list(self._drawings)

    def gathered_since(self, number: int) -> tuple[int, list[bytes]]:
        """How many drawings have come in all, and those after so many of them."""
        with self._lock:
            new = min(max(self._came - number, 0), len(self._drawings))
            return self._came, list(self._drawings)[len(self._drawings) - new :]

    def forget_drawings(self) -> None:
        """Forgets all drawings."""
        with self._lock:
            self._drawings.clear()

    def _changed(self) -> None:
        self.version += 1
        self._content = msgspec.json.encode({"lead": self._lead, "question": self._question})


ROOM = Room()
ask = presenter_only(ROOM.ask)
end_question = presenter_only(ROOM.end_question)
forget_drawings = presenter_only(ROOM.forget_drawings)
