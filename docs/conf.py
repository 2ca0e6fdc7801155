"""How Sphinx builds the documentation (`make docs`). Nothing here asks the network."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.highlighting import lexers
from sphinx.util.nodes import make_refnode

from wsproxy import __version__

if TYPE_CHECKING:
    import click
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "wsproxy"
author = "the wsproxy contributors"
release = __version__
version = ".".join(release.split(".")[:2])

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "example"]

# -- what counts as a mistake: `make docs` makes errors of all warnings --------------------
nitpicky = True
# Annotations name classes of other projects, whose indexes are not downloaded, and of ours that
# are not documented. Those stay text. What a docstring refers to is checked.
nitpick_ignore_regex = [("py:class", r"\w+(\.\w+)+")]
nitpick_ignore = [("py:class", "DataFrame")]  # of pandas, which is imported for types only

# -- text ------------------------------------------------------------------------------
default_role = "literal"  # docstrings and help texts are written for people who read the code
smartquotes = False  # -- begins an option
myst_heading_anchors = 3
lexers["mermaid"] = TextLexer()  # forges draw the diagrams; here they are text
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_custom_sections = [("Attributes", "params_style")]  # one line may describe several
copybutton_prompt_text = "$ "  # of console examples only the commands are copied
copybutton_only_copy_prompt_lines = True

# -- HTML --------------------------------------------------------------------------------
html_theme = "furo"
html_title = f"wsproxy {release}"
html_show_sphinx = False
html_copy_source = False


MADE_HERE = {"wsproxy.Message", "wsproxy.Recorder", "wsproxy.Served"}
# Files outside of docs/, and the page that includes each.
OTHER_PAGES = {
    r"benchmarks/[A-Z]+\.md": "figures.md",
    r"CHANGELOG\.md": "changelog.md",
    r"CONTRIBUTING\.md": "contributing.md",
    r"SECURITY\.md": "reporting.md",
}


def setup(app: Sphinx) -> None:
    app.connect("source-read", link_to_pages)
    app.connect("sphinx-click-process-description", mark_examples)
    app.connect("sphinx-click-process-options", escape_options)
    app.connect("autodoc-process-signature", write_defaults)
    app.connect("autodoc-process-docstring", shorten_modules)
    app.connect("autodoc-process-docstring", read_properties, priority=400)  # before napoleon
    app.connect("missing-reference", find_public_name)


def link_to_pages(app: Sphinx, document: str, source: list[str]) -> None:
    """Lead links that leave docs/ to the page that includes the file.

    On a forge they lead to the file itself.
    """
    for path, page in OTHER_PAGES.items():
        source[0] = re.sub(rf"\]\(\.\./{path}(#[^)]*)?\)", f"]({page})", source[0])


def mark_examples(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Turn blocks that click does not rewrap (after a line with a backspace) into code."""
    marked = []
    in_example = False
    for line in lines:
        begins = line.startswith("| ") and not in_example
        in_example = line.startswith("| ")
        if begins:
            marked += ["", ".. code-block:: text", ""]
        marked.append(f"   {line[2:]}" if in_example else escaped(line))
    lines[:] = marked


def escape_options(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Help texts are plain text: what reStructuredText would read in them means nothing."""
    lines[:] = [line if line.startswith("..") else escaped(line) for line in lines]


def escaped(line: str) -> str:
    """A line of help, with what is between backquotes as it is."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(p if p.startswith("`") else re.sub(r"([*|])", r"\\\1", p) for p in parts)


def write_defaults(
    app: Sphinx, what: str, name: str, thing: object, options: object, *parts: str | None
) -> tuple[str | None, ...]:
    """Write the defaults that a dataclass makes itself as something that Python can read.

    Of classes that only wsproxy makes, the arguments are left out.
    """
    if name in MADE_HERE:
        return ("", None)
    return tuple(part and part.replace("<factory>", "...") for part in parts)


def shorten_modules(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Keep the first paragraph of a package's docstring: the rest is for who works on it."""
    if what == "module" and "" in lines:
        del lines[lines.index("") :]


def read_properties(
    app: Sphinx, what: str, name: str, thing: object, options: Any, lines: list[str]
) -> None:
    """Read the docstring of a property as that of a method.

    Napoleon takes what stands before its first colon for a type, and recognizes no sections there.
    """
    if what == "property":
        text = GoogleDocstring(lines, app.config, app, "method", name, thing, options)
        lines[:] = ["..", "", *text.lines()]


def find_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.Element | None:
    """Resolve what is named by its class alone, or by the module that defines it.

    Classes are documented in the package that exports them, and named otherwise in `Raises:`
    and in annotations.
    """
    if node.get("refdomain") != "py":
        return None
    last = node["reftarget"].rpartition(".")[2]
    domain: Any = env.domains["py"]
    found: Iterable[Any] = {
        (entry.docname, entry.node_id, entry.objtype)
        for name, entry in domain.objects.items()
        if name.rpartition(".")[2] == last and entry.objtype in {"class", "exception"}
    }
    if len(list(found)) != 1:
        return None
    ((page, anchor, _),) = found
    return make_refnode(app.builder, node["refdoc"], page, anchor, text, last)
