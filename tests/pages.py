"""What a test sees of an HTML page: its elements with their text, as a browser's parser would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "input", "br", "img", "link", "hr"}
FETCHED = {"src", "srcset", "href", "xlink:href", "data", "poster", "action", "formaction", "background", "ping"}
"""Attributes whose address a browser may load."""


@dataclass
class Element:
    """A tag, its attributes, and all text inside."""

    tag: str
    attributes: dict[str, str]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its text, white space normalised."""
        return " ".join(" ".join(self.parts).split())


class Page(HTMLParser):
    """The elements of a page in the order they begin."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """See `HTMLParser`; every element is closed by its own tag."""
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        """See `HTMLParser`."""
        for element in self._open:
            element.parts.append(data)

    def found(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of a tag with these attributes; `class_` and `data_x` are written so."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.tag == tag
            and all(
                value in element.attributes.get(name, "").split()
                if name == "class"
                else element.attributes.get(name) == value
                for name, value in wanted.items()
            )
        ]
