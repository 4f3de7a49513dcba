"""How tests look at a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


def mark(page: Page, name: str, index: int) -> tuple[float, float]:
    """Where the middle of a mark of the map is, on the screen."""
    found: list[list[float]] = page.evaluate(
        """(set) => [...document.querySelectorAll("figure.map .mark-symbol path")]
            .filter((path) => path.__data__?.datum?.set === set)
            .map((path) => path.getBoundingClientRect())
            .map((box) => [box.x + box.width / 2, box.y + box.height / 2])""",
        name,
    )
    x, y = found[index]
    return x, y


def drawn(page: Page) -> None:
    """Wait until every chart is drawn."""
    page.locator(".drawing:not([tabindex])").first.wait_for(state="detached")
