"""Settings of Sphinx: `make docs` builds the site from the pages of this folder."""

from importlib.metadata import version as version_of

project = "spex"
author = "The spex authors"
release = version = version_of("spex-explain")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]

# Pages are written for the code host, whose anchors have the words of the heading.
myst_heading_anchors = 3

# In a docstring a word in backticks is a link where it is a public name, else code.
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [("py:obj", r"(?s)(?!spex\.[A-Z]).*"), ("py:class", r"(?!spex\.).*")]
autodoc_member_order = "bysource"
# Docstrings give types with their shapes and units; those of arrays are unreadable in signatures.
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = "spex"
html_show_copyright = False
html_copy_source = False
exclude_patterns = ["_build"]
