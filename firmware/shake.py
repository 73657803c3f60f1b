"""What no module of an image names is not in it: functions, classes, methods, constants and imports fall out. CPython.

The rule: a definition stays where anything that stays may reach it, and in doubt it stays. One at the top of a module
is reached by its name in that module, by an import of it, or as an attribute in a module that has the module itself (or
its name in a text, as `Loaded` takes it; a module that is loaded by a composed name may be reached from everywhere). A
method is reached by any attribute or text of its name, wherever that stands. So the cloud's half of a codec that both
sides share costs a device nothing, and its source stays in one piece.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_WORD = re.compile(r"[A-Za-z_]\w*")
_PURE_CALLS = {"namedtuple", "const", "frozenset", "tuple", "set", "dict", "bytes"}


@dataclass
class _Module:
    """One module: its definitions at the top and in classes, and what it has of other modules."""

    name: str
    tree: ast.Module
    reach: set[str] = field(default_factory=set)  # modules that it has as modules
    first: dict[str, list[ast.stmt]] = field(default_factory=dict)  # name -> definitions at the top


def shake(
    sources: Mapping[str, str], entries: Mapping[str, Iterable[str]], open_to_all: Iterable[str]
) -> dict[str, str]:
    """Module -> source without what is never reached. `entries`: module -> names that are called from outside.

    `open_to_all`: modules that are loaded by a composed name.
    """
    modules = {name: _Module(name, _without_words(ast.parse(text))) for name, text in sources.items()}
    live = _Reached(modules, set(open_to_all))
    for module, names in entries.items():
        for name in names:
            live.top(module, name)
    live.all()
    return {name: ast.unparse(_Left(module, live).tree()) + "\n" for name, module in modules.items()}


class _Reached:
    """Marks what is reached, from the statements that a module runs when it is loaded."""

    def __init__(self, modules: dict[str, _Module], open_to_all: set[str]) -> None:
        self.modules = modules
        self.tops: set[tuple[str, str]] = set()  # (module, name)
        self.attributes: set[str] = set()
        self._in: dict[str, set[str]] = {name: set() for name in modules}  # attributes and texts, by module
        self._waiting: list[tuple[str, ast.AST]] = []
        self._methods: dict[str, list[tuple[str, ast.AST]]] = {}
        self._seen: set[int] = set()
        for module in modules.values():
            module.reach = set(_modules_of(module.tree, modules)) | open_to_all
            for statement in module.tree.body:
                names = list(_defines(statement))
                for name in names:
                    module.first.setdefault(name, []).append(statement)
                if not names:
                    self._waiting.append((module.name, statement))

    def top(self, module: str, name: str) -> None:
        """A name at the top of a module is reached."""
        if (module, name) in self.tops or name not in self.modules[module].first:
            return
        self.tops.add((module, name))
        for statement in self.modules[module].first[name]:
            if isinstance(statement, ast.ImportFrom):
                self._imported(statement, name)
            else:
                self._waiting.append((module, statement))

    def _imported(self, statement: ast.ImportFrom, name: str) -> None:
        source = statement.module or ""
        for alias in statement.names:
            if (alias.asname or alias.name) == name and source in self.modules:
                self.top(source, alias.name)

    def all(self) -> None:
        """Until nothing new is reached."""
        while self._waiting:
            module, node = self._waiting.pop()
            if id(node) not in self._seen:
                self._seen.add(id(node))
                self._walk(module, node)

    def _walk(self, module: str, node: ast.AST) -> None:
        if isinstance(node, ast.ClassDef):
            for part in [*node.bases, *node.decorator_list, *node.keywords]:
                self._walk(module, part)
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and not _is_dunder(inner.name):
                    self._method(module, inner)
                else:
                    self._walk(module, inner)
            return
        if isinstance(node, ast.Name):
            self.top(module, node.id)
        elif isinstance(node, ast.Attribute):
            self._attribute(module, node.attr)
        elif isinstance(node, ast.ImportFrom):  # within a function
            for alias in node.names:
                if node.module in self.modules:
                    self.top(node.module, alias.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for word in _WORD.findall(node.value):
                self._attribute(module, word)
                self._attribute(module, word.upper())
        elif isinstance(node, ast.keyword) and node.arg:
            self._attribute(module, node.arg)
        for child in ast.iter_child_nodes(node):
            self._walk(module, child)

    def _method(self, module: str, node: ast.FunctionDef) -> None:
        self._methods.setdefault(node.name, []).append((module, node))
        if node.name in self.attributes:
            self._waiting.append((module, node))

    def _attribute(self, module: str, name: str) -> None:
        if name not in self._in[module]:
            self._in[module].add(name)
            for other in self.modules[module].reach:
                self.top(other, name)
        if name not in self.attributes:
            self.attributes.add(name)
            self._waiting += self._methods.get(name, [])


class _Left:
    """A module's tree without what was not reached."""

    def __init__(self, module: _Module, live: _Reached) -> None:
        self._module, self._live = module, live

    def tree(self) -> ast.Module:
        body = [left for statement in self._module.tree.body if (left := self._left(statement)) is not None]
        return ast.Module(body, [])

    def _stays(self, name: str) -> bool:
        return (self._module.name, name) in self._live.tops

    def _left(self, statement: ast.stmt) -> ast.stmt | None:
        if isinstance(statement, ast.ImportFrom) and list(_defines(statement)):
            statement.names = [alias for alias in statement.names if self._stays(alias.asname or alias.name)]
            return statement if statement.names else None
        names = list(_defines(statement))
        if names and not any(self._stays(name) for name in names):
            return None
        if isinstance(statement, ast.ClassDef):
            statement.body = [inner for inner in statement.body if self._is_used(inner)] or [ast.Pass()]
        return statement

    def _is_used(self, inner: ast.stmt) -> bool:
        return not isinstance(inner, ast.FunctionDef) or _is_dunder(inner.name) or inner.name in self._live.attributes


def _without_words(tree: ast.Module) -> ast.Module:
    """Without docstrings and annotations, whose words reach nothing and which MicroPython does not keep either."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return tree


def _modules_of(tree: ast.AST, modules: Mapping[str, object]) -> Iterator[str]:
    """The modules that a module has as such: imported, or named in a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (name for alias in node.names if (name := f"{node.module}.{alias.name}") in modules)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in modules:
            yield node.value


def _defines(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top only defines, and does nothing else."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        if not statement.decorator_list and not _is_dunder(statement.name):
            yield statement.name
    elif isinstance(statement, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in statement.names)
    elif isinstance(statement, ast.Assign) and _is_pure(statement.value):
        targets = [part for target in statement.targets for part in getattr(target, "elts", [target])]
        if all(isinstance(target, ast.Name) for target in targets):
            yield from (target.id for target in targets)


def _is_pure(value: ast.expr) -> bool:
    return all(
        isinstance(node.func, ast.Name) and node.func.id in _PURE_CALLS
        for node in ast.walk(value)
        if isinstance(node, ast.Call)
    )


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
