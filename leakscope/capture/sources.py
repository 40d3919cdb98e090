"""The payload's source, made ready to run inside a target.

A payload file is an ordinary module: linted, type-checked, importing its siblings. In a target its
functions share one private namespace and nothing may be imported, so before a file is sent

* imports of siblings become an order of sending;
* `from module import name` becomes `name = borrow('module', 'name')` (see `payload/borrow.py`);
* docstrings, annotations and what only a type checker reads are dropped, so that compiling it
  holds the target up for less.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib import resources

_PACKAGE = "leakscope.capture.payload"
_TYPING_ONLY = {"__future__", "typing", "collections.abc"}


def sources_for(*names: str) -> tuple[tuple[str, str], ...]:
    """Return (name, text) of the payload files `names` and of all they build on, in that order.

    Every file comes after those whose functions it uses; `borrow` comes first.
    """
    ordered: dict[str, str] = {}
    for name in ("borrow", *names):
        _add(name, ordered)
    return tuple(ordered.items())


def _add(name: str, ordered: dict[str, str]) -> None:
    if name not in ordered:
        siblings, text = _prepared(name)
        for sibling in siblings:
            _add(sibling, ordered)
        ordered[name] = text


@cache
def _prepared(name: str) -> tuple[tuple[str, ...], str]:
    """Return the siblings that a payload file uses and its text as the target gets it."""
    source = resources.files(_PACKAGE).joinpath(f"{name}.py").read_text(encoding="utf-8")
    shortened = _Shortened(is_first=name == "borrow")
    tree = shortened.visit(ast.parse(source))
    return tuple(shortened.siblings), ast.unparse(ast.fix_missing_locations(tree))


class _Shortened(ast.NodeTransformer):
    """Rewrites one payload file as the module's docstring says, and notes its siblings."""

    def __init__(self, *, is_first: bool) -> None:
        self._is_first = is_first
        self.siblings: list[str] = []

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._without_docstring(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        value = self.visit(node.value)
        return ast.copy_location(ast.Assign(targets=[node.target], value=value), node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        """Keep the one `import sys` of `borrow`: what it names, every later file has."""
        return node if self._is_first else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        module = node.module or ""
        if module in _TYPING_ONLY:
            return []
        if module.startswith(_PACKAGE + "."):
            self.siblings.append(module.removeprefix(_PACKAGE + "."))
            return []
        return [
            ast.parse(f"{a.asname or a.name} = borrow({module!r}, {a.name!r})").body[0]
            for a in node.names
        ]

    def _without_docstring(
        self, node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef
    ) -> ast.AST:
        """Drop the bare strings of a body: its docstring and those that describe variables."""
        bare = [
            s
            for s in node.body
            if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        ]
        node.body = bare or [ast.Pass()]
        return self.generic_visit(node)
