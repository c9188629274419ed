"""Settings of the documentation: ``make docs``.

The pages ask no other machine: fonts are the reader's own, and formulas are MathML.
"""

import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

project = "diffmvr"
author = "The diffmvr authors"
copyright = author
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
release = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]
version = release

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "extending/*.py"]

html_theme = "furo"
html_title = f"diffmvr {release}"
html_static_path = ["_static"]
html_css_files = ["diffmvr.css"]
html_show_sphinx = False
html_math_renderer = "mathml"
templates_path: list[str] = []

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "attrs_block"]
myst_heading_anchors = 3
# Notebooks are executed by `make notebooks` and kept with what they showed.
nb_execution_mode = "off"
nb_render_text_lexer = "none"
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_default_options = {"members": True, "show-inheritance": False, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

copybutton_prompt_text = r">>> |\$ "
copybutton_prompt_is_regexp = True


def _inline_formula(self: Any, node: nodes.math) -> None:
    self.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _formula(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Write formulas as MathML, which needs no script from elsewhere."""
    app.add_html_math_renderer("mathml", (_inline_formula, None), (_formula, None))
