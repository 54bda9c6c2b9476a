"""Sphinx: one page for each room of the package, made from its docstrings."""

import inspect
import re
import sys
from enum import Enum
from pathlib import Path

from docutils.nodes import SkipNode

sys.path.insert(0, str(Path(__file__).parent))

from docstrings import document
from latex2mathml.converter import convert
from sphinx.pycode import ModuleAnalyzer

import genjax

project = "genjax-lab"
author = copyright = "The genjax-lab authors"  # noqa: A001, Sphinx's own name
release = genjax.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
templates_path = ["templates"]
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["equations.css"]
html_math_renderer = "mathml"
html_title = "genjax-lab"
html_copy_source = False
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # the arguments are listed with their shapes
autosummary_ignore_module_all = False
toc_object_entries_show_parents = "hide"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["templates"]


def _docstring(app, what, name, obj, options, lines):
    """Replace a docstring by its reStructuredText; a module ends with the list of its names."""
    text = inspect.cleandoc("\n".join(lines))
    if what == "data" and text == inspect.cleandoc(type(obj).__doc__ or ""):  # a value has no text of its own
        text = (
            f"A ready-made `{type(obj).__name__}`."
            if hasattr(obj, "_fields")
            else ", ".join(f"`{key}`" for key in obj)
        )
    scope = name if what == "module" else name.rpartition(".")[0]
    if text.strip():
        lines[:] = document(text, scope, obj)
    if what == "module":
        names = [n for n in obj.__all__ if not inspect.ismodule(getattr(obj, n))]
        lines += [".. autosummary::", "   :nosignatures:", "", *(f"   {n}" for n in names), ""]
        described = ModuleAnalyzer.for_module(name).find_attr_docs()
        for n in names:
            if not callable(getattr(obj, n)) and ("", n) not in described:
                lines += [f".. autodata:: {name}.{n}", "   :no-value:", ""]


def _signature(app, what, name, obj, options, signature, result):
    """A protocol or an enumeration is not called; a default that a factory makes is not shown."""
    if inspect.isclass(obj) and (getattr(obj, "_is_protocol", False) or issubclass(obj, Enum)):
        return "", None
    return signature and signature.replace("<factory>", "..."), result


def _skip(app, what, name, obj, skip, options):
    """Leave out the fields of a named tuple, which are listed as its arguments."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _markdown(app, name, text):
    """Make links of the public names in the pages that are written by hand."""
    if name.startswith(("index", "migration")):
        text[0] = re.sub(r"`genjax\.([\w.]+)(\([^`]*\))?`", r"{py:obj}`\1\2 <genjax.\1>`", text[0])


def _math(writer, node):
    """Write a formula in MathML, which browsers show by themselves."""
    signs = r"(<mo[^>]*>(?:&#x00028;|\[|&#x0002C;|;|=|&#x0003D;|&#x02264;|&#x02265;)</mo>)<mo>&#x02212;</mo>"
    writer.body.append(re.sub(signs, r'\1<mo form="prefix">&#x02212;</mo>', convert(node.astext())))
    raise SkipNode


def setup(app):
    """Join the parts."""
    app.add_html_math_renderer("mathml", inline_renderers=(_math, None))
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    app.connect("source-read", _markdown)
