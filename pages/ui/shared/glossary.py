"""The terms of the field as the program uses them; `docs/glossary.md` is written from them.

python -m pages.ui.shared.glossary > docs/glossary.md
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Term", "explain", "glossary", "links_to", "markdown", "terms_in"]


@dataclass(frozen=True)
class Term:
    """One term.

    Args:
        name: name of the term in running text.
        sentence: definition of the term.
        formula: LaTeX.
        where: file of the page that shows it best.
        symbol: LaTeX or plain text of the letter that stands for it, if one does.
    """

    name: str
    sentence: str
    formula: str
    where: str
    symbol: str = ""

    @property
    def anchor(self) -> str:
        """The term's place on the page of the glossary."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


@functools.cache
def glossary() -> dict[str, Term]:
    """All terms by name, in the order in which they build on each other."""
    file = Path(__file__).with_name("glossary.toml")
    terms = tomllib.loads(file.read_text(encoding="utf-8"))["term"]
    return {fields["name"]: Term(**fields) for fields in terms}


def explain(name: str, more: str = "") -> str:
    """What a term means, for a tooltip, with a link to its entry on the page of the glossary.

    Args:
        name: name of the term in `glossary.toml`.
        more: text that is added in this place.
    """
    term = glossary()[name]
    return " ".join(filter(None, [term.sentence, more, _link(term, f"Glossary: {term.name}")]))


def in_plain_words(name: str, more: str = "") -> tuple[str, str]:
    """What a term means, without Markdown, and the address of its entry; see `explain`."""
    term = glossary()[name]
    return " ".join(filter(None, [term.sentence, more])), _address(term)


def terms_in(texts: Iterable[str]) -> list[str]:
    """Names of the terms that some texts use, in the order of the glossary."""
    whole = "\n".join(texts)
    return [
        name
        for name in glossary()
        if re.search(rf"(?<![\w\\-]){re.escape(name)}s?(?![\w-])", whole, re.IGNORECASE)
    ]


def links_to(names: Iterable[str]) -> str:
    """Terms, each with a link to its entry on the page of the glossary, as Markdown."""
    return " · ".join(_link(glossary()[name], name) for name in names)


def _link(term: Term, words: str) -> str:
    return f"[{words}]({_address(term)})"


def _address(term: Term) -> str:
    return f"glossary#{term.anchor}"


def markdown() -> str:
    """The glossary as a document."""
    head = (
        "# Glossary\n\nOne name for one thing, on pages, in code and in commits. Written from "
        "`pages/ui/shared/glossary.toml`, which the app shows as well.\n"
    )
    parts = [
        f"\n**{term.name}**. {term.sentence}\n\n$${term.formula}$$\n\n"
        f"Seen on `pages/{term.where}`.\n"
        for term in sorted(glossary().values(), key=lambda term: term.name.lower())
    ]
    return head + "".join(parts)


if __name__ == "__main__":
    print(markdown(), end="")
