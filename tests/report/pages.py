"""How tests look at a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


def mark(page: Page, name: str, index: int) -> tuple[float, float]:
    """Where the middle of a mark of the map is, on the screen."""
    box = page.locator(f".plane g[data-set={name}] use").nth(index).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
