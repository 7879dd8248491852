r"""The words and numbers of the lessons: data beside the widgets, a file for each lesson.

`texts/en/<lesson>.toml` holds every word that a lesson shows, and `texts/numbers.toml` what a
lesson starts with in any language. Another language is one file, `texts/<language>.toml`, with a
table for each lesson that holds what the lesson's file does; what it lacks is shown in English.

In a text, `{name}` is filled in by the page; `\textcolor{kl}` in a formula takes the colour of a
term (`plot_style.TERMS`); a line break is a space, unless a blank line or a list item follows.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pages.ui.shared import plot_style, visitor

__all__ = [
    "DEFAULT",
    "FOLDER",
    "Lesson",
    "language",
    "languages",
    "lesson",
    "numbers",
    "read",
    "words_in",
]

DEFAULT = "en"
FOLDER = Path(__file__).parent
_COLOUR = re.compile(r"\\textcolor{([a-z]+)}")
_BREAK = re.compile(r"(?<!\n)\n(?!\n|- )")


class Lesson:
    """All words and numbers of one lesson in one language.

    Args:
        name: name of the lesson and of its file.
        words: texts by key, and lists of texts.
        numbers: initial values of the lesson, by key.
    """

    def __init__(
        self, name: str, words: dict[str, str | tuple[str, ...]], numbers: dict[str, Any]
    ) -> None:
        self.name, self._words, self._numbers = name, words, numbers

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key.

        Args:
            key: tables and names with dots between them.
            values: texts that replace `{name}`.
        """
        text = self._words[key]
        if not isinstance(text, str):
            raise TypeError(f"{self.name}: {key} is a list of texts; expected one text.")
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return _COLOUR.sub(lambda m: rf"\textcolor{{{plot_style.TERMS[m[1]]}}}", text)

    def all(self, key: str) -> tuple[str, ...]:
        """The texts of a list, in their order."""
        texts = self._words[key]
        if isinstance(texts, str):
            raise TypeError(f"{self.name}: {key} is one text; expected a list of texts.")
        whole = "\0".join(texts)
        whole = _COLOUR.sub(lambda m: rf"\textcolor{{{plot_style.TERMS[m[1]]}}}", whole)
        return tuple(whole.split("\0"))

    def texts(self) -> Iterator[str]:
        """All its texts, one after the other."""
        for words in self._words.values():
            yield from (words,) if isinstance(words, str) else words

    def number(self, key: str) -> Any:
        """A number, name or list that the lesson starts with."""
        return self._numbers[key]


def languages() -> tuple[str, ...]:
    """The languages that the lessons are written in, the default one first."""
    others = sorted(file.stem for file in FOLDER.glob("*.toml"))
    return (DEFAULT, *(name for name in others if name != "numbers"))


def language() -> str:
    """The visitor's language, if it is one of ours; else the default one."""
    chosen = visitor.current().language
    return chosen if chosen in languages() else DEFAULT


def lesson(name: str) -> Lesson:
    """The words and numbers of a lesson in the visitor's language.

    Args:
        name: such as "elbo"; "frame" for what all lessons have in common.
    """
    words = words_in(DEFAULT, name) | words_in(language(), name)
    return Lesson(name, words, numbers(name))


def words_in(language: str, name: str) -> dict[str, str | tuple[str, ...]]:
    """The texts of a lesson that there are in a language, by key.

    Args:
        language: one of `languages()`.
        name: the lesson, as for `lesson`.
    """
    if language == DEFAULT:
        return read(FOLDER / DEFAULT / f"{name}.toml")
    texts, own = read(FOLDER / f"{language}.toml"), f"{name}."
    return {key.removeprefix(own): text for key, text in texts.items() if key.startswith(own)}


def read(file: Path) -> dict[str, str | tuple[str, ...]]:
    """All texts of a file by key, with dots between the names of tables.

    Raises:
        ValueError: something in it is neither a text nor a list of texts.
    """
    return _read(file, file.stat().st_mtime_ns)


@functools.lru_cache(64)
def _read(file: Path, changed: int) -> dict[str, str | tuple[str, ...]]:
    texts: dict[str, str | tuple[str, ...]] = {}

    def add(prefix: str, table: dict[str, Any]) -> None:
        for name, value in table.items():
            key = f"{prefix}{name}"
            if isinstance(value, dict):
                add(f"{key}.", value)
            elif isinstance(value, str):
                texts[key] = _joined(value)
            elif isinstance(value, list) and all(isinstance(text, str) for text in value):
                texts[key] = tuple(map(_joined, value))
            else:
                raise ValueError(f"{file}: {key} is {value!r}; expected a text or a list of them.")

    add("", tomllib.loads(file.read_text(encoding="utf-8")))
    return texts


def numbers(name: str) -> dict[str, Any]:
    """What a lesson starts with in any language: models, images, settings of its widgets."""
    return _numbers().get(name, {})


@functools.cache
def _numbers() -> dict[str, dict[str, Any]]:
    return tomllib.loads((FOLDER / "numbers.toml").read_text(encoding="utf-8"))


def _joined(text: str) -> str:
    return _BREAK.sub(" ", text.strip())
