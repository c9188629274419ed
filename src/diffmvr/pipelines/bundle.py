"""The product's own code in one file, for places where the package is not installed.

diffusers runs a custom pipeline from a single Python file beside the weights.  That file is made of
the very modules that run here, so that both compute the same.
"""

import ast
import importlib.util
from pathlib import Path

PACKAGE = "diffmvr"


def bundle_source(module: str) -> str:
    """Return a module and everything of the package that it needs as one Python source.

    Args:
        module: full name of a module of this package.

    Raises:
        ValueError: if two of the modules use one name for different things, or import each other
            in a way that cannot be merged.
    """
    order: list[str] = []
    _visit(module, order, ())
    imports: set[str] = set()
    bodies: list[str] = []
    owners: dict[str, tuple[str, str]] = {}
    for name in order:
        text = _source(name)
        removed: set[int] = set()
        for index, node in enumerate(ast.parse(text).body):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            if isinstance(node, ast.Import | ast.ImportFrom):
                removed |= set(lines)
                if not _inner(node):
                    imports |= _statements(node)
            elif index == 0 and isinstance(node, ast.Expr):
                removed |= set(lines)  # the module's docstring
            else:
                _claim(node, name, owners)
        kept = [line for number, line in enumerate(text.splitlines(), 1) if number not in removed]
        bodies.append(f"# {name}\n\n" + "\n".join(kept).strip())
    body = "\n\n\n".join(bodies)
    return "\n".join(sorted(imports)) + f"\n\n\n{body}\n"


def _visit(module: str, order: list[str], above: tuple[str, ...]) -> None:
    """Append a module after everything it needs."""
    if module in above:
        raise ValueError(f"{module} imports itself by way of {above[-1]}")
    if module in order:
        return
    tree = ast.parse(_source(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and _inner(node):
            whole = isinstance(node, ast.Import)
            renamed = any(alias.asname for alias in node.names)
            nested = node not in tree.body
            if whole or renamed or nested:
                raise ValueError(
                    f"{module}, line {node.lineno}: only `from {PACKAGE}.module import name` at "
                    "the top of a module can be merged"
                )
            _visit(str(node.module), order, (*above, module))  # type: ignore[union-attr]
    order.append(module)


def _inner(node: ast.Import | ast.ImportFrom) -> bool:
    names = (
        [str(node.module)] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
    )
    return any(name.split(".")[0] == PACKAGE for name in names)


def _statements(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Return one import statement for each imported name."""
    single = []
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            single.append(ast.unparse(ast.ImportFrom(node.module, [alias], node.level)))
        else:
            single.append(ast.unparse(ast.Import([alias])))
    return set(single)


def _claim(node: ast.stmt, module: str, owners: dict[str, tuple[str, str]]) -> None:
    """Note the names that a statement binds, and refuse two meanings of one name."""
    names: list[str] = []
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        names = [node.name]
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [one.id for target in targets for one in ast.walk(target) if _bound(one)]  # type: ignore[attr-defined]
    text = ast.unparse(node)
    for name in names:
        before, owner = owners.setdefault(name, (text, module))
        if before != text:
            raise ValueError(f"{name} means one thing in {owner} and another in {module}")


def _bound(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or spec.submodule_search_locations:
        raise ValueError(f"{module}: expected a module of {PACKAGE} with a file of its own")
    return Path(spec.origin).read_text(encoding="utf-8")
