"""Draw equations as SVG when the site is built, so that they need neither a script, a font nor a network."""

from __future__ import annotations

import html
from typing import Any
from xml.etree import ElementTree

import ziamath
from docutils import nodes
from sphinx.application import Sphinx

SIZE = 17.0
"""Font size in pixels."""
ziamath.config.svg2 = False  # paths instead of symbols, whose ids would repeat on a page


def drawing(latex: str, inline: bool) -> str:
    """An equation as an SVG element in the colour of the text, its baseline that of the line."""
    svg = ziamath.Latex(latex, size=SIZE, inline=inline, color="currentColor").svgxml()
    _, top, _, height = (float(number) for number in svg.attrib["viewBox"].split())
    svg.attrib |= {"role": "img", "aria-label": latex, "style": f"vertical-align: {-(top + height):.2f}px"}
    return ElementTree.tostring(svg, encoding="unicode")


def inline(writer: Any, node: nodes.math) -> None:
    """Write an equation within a line."""
    writer.body.append(f'<span class="math">{drawing(node.astext(), inline=True)}</span>')
    raise nodes.SkipNode


def block(writer: Any, node: nodes.math_block) -> None:
    """Write an equation on a line of its own, with its number if it has a label."""
    number = f'<span class="eqno">({html.escape(str(node["number"]))})</span>' if node["number"] else ""
    anchor = f' id="{node["ids"][0]}"' if node["ids"] else ""
    writer.body.append(f'<div class="math equation"{anchor}>{drawing(node.astext(), inline=False)}{number}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer `svg`."""
    app.add_html_math_renderer("svg", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
