"""Settings of the documentation site; `make docs` builds it."""

from __future__ import annotations

import sys
from pathlib import Path

from xltransfer.utils.version import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "xltransfer"
author = "The xltransfer developers"
project_copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "equations",
    "generated_reference",
]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "svg"
smartquotes = False

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "__init__, __new__, sample_seed, split_seed"}
autodoc_preserve_defaults = True
default_role = "code"

html_theme = "furo"
html_title = f"xltransfer {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
copybutton_exclude = ".linenos, .gp, .go, .c1"
