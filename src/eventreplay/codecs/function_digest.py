"""A digest of what a function does: of its code, and of everything of its author's that it uses.

Code is taken as Python parses it, so that layout, comments, docstrings and annotations have no part, and
a release of Python has none either. Names it uses are looked up: functions and classes of the author count
by their code, constants by their values, what comes with Python or with Arrow by its name.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial

import numpy as np

_FOREIGN = frozenset({"attr", "attrs", "google", "numpy", "pandas", "polars", "pyarrow"})
"""Packages whose functions count by their names: their releases are written down elsewhere."""
_OWN = "eventreplay"
_FUNCTIONS_MAX = 1000
"""Functions and classes looked into for one digest; those beyond count by their names."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_NOT_CODE = frozenset({"annotation", "returns", "kind", "type_comment", "type_ignores", "type_params"})
_PLAIN = (bool, int, float, complex, str, bytes, Decimal, type(None), type(...))


@lru_cache(maxsize=1024)
def function_digest(function: types.FunctionType) -> str:
    """Hex SHA-256 of what a function does; another one for any change of its code or of what it uses.

    What a function finds out only when it runs (by `getattr` with a made-up name, from files, from an
    object that hides its content) cannot be seen here.
    """
    lines = "\n".join(_Walk(function.__module__).function(function))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


def value_digest(value: object) -> str:
    """The same for an object that can be called, a `partial` say: its class, its fields, what they do."""
    walk = _Walk(type(value).__module__)
    lines = "\n".join([*walk.value("class", type(value)), *walk.value("value", value)])
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


class _Walk:
    """One pass over a function and what it uses; each thing is described once."""

    def __init__(self, module: str) -> None:
        self._root = module.partition(".")[0]
        self._seen: set[object] = set()
        self._inside: list[int] = []

    def function(self, function: types.FunctionType) -> Iterator[str]:
        """Lines that describe a function."""
        name = f"{function.__module__}.{function.__qualname__}"
        yield f"function {name}"
        if function in self._seen or len(self._seen) >= _FUNCTIONS_MAX or not self._is_looked_into(function):
            return
        self._seen.add(function)
        tree = _parsed(function)
        yield _bytecode(function.__code__) if tree is None else _shape(tree)
        for number, default in enumerate(function.__defaults__ or ()):
            yield from self.value(f"{name} default {number}", default)
        for keyword, default in sorted((function.__kwdefaults__ or {}).items()):
            yield from self.value(f"{name} default {keyword}", default)
        cells = function.__closure__ or ()
        known = dict(function.__globals__)
        for free, cell in zip(function.__code__.co_freevars, cells, strict=True):
            try:
                known[free] = cell.cell_contents
            except ValueError:  # not filled yet: the function is being defined
                continue
        yield from self._used(name, _chains(tree) if tree is not None else _names(function.__code__), known)

    def _used(self, name: str, chains: list[tuple[str, ...]], known: Mapping[str, object]) -> Iterator[str]:
        for chain in chains:
            if chain[0] not in known:
                continue
            value, followed = known[chain[0]], 1
            while followed < len(chain) and isinstance(value, (types.ModuleType, type)):
                if not hasattr(value, chain[followed]):
                    break
                value, followed = getattr(value, chain[followed]), followed + 1
            yield from self.value(f"{name} uses {'.'.join(chain[:followed])}", value)

    def value(self, label: str, value: object) -> Iterator[str]:
        """Lines that describe a value."""
        yield label
        if isinstance(value, types.FunctionType):
            yield from self.function(value)
        elif isinstance(value, type):
            yield from self._class(value)
        elif isinstance(value, partial):
            yield from self.value("partial", value.func)
            yield from self.value("arguments", value.args)
            yield from self.value("keywords", value.keywords)
        elif isinstance(value, types.MethodType):
            yield from self.value("method", value.__func__)
            yield from self.value("of", value.__self__)
        elif isinstance(value, _PLAIN) and not isinstance(value, Enum):
            yield f"{type(value).__name__} {value!r}"
        else:
            yield from self._composed(value)

    def _composed(self, value: object) -> Iterator[str]:
        if id(value) in self._inside:
            yield "itself"
            return
        self._inside.append(id(value))
        yield from self._parts(value)
        self._inside.pop()

    def _parts(self, value: object) -> Iterator[str]:
        kind = type(value)
        if isinstance(value, Mapping):
            items = sorted(("\n".join(self.value("key", key)), item) for key, item in value.items())
            for key, item in items:
                yield key
                yield from self.value("item", item)
        elif isinstance(value, (tuple, list)):
            yield f"{type(value).__name__} of {len(value)}"
            for item in value:
                yield from self.value("item", item)
        elif isinstance(value, (set, frozenset)):
            yield from sorted("\n".join(self.value("member", item)) for item in value)
        elif isinstance(value, re.Pattern):
            yield f"pattern {value.pattern!r} {value.flags}"
        elif isinstance(value, np.ndarray) and value.dtype != object:
            yield f"array {value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
        elif not isinstance(value, (types.ModuleType, Enum)) and self._is_looked_into(kind):
            yield from self._class(kind)
            slots = [name for each in kind.__mro__ for name in _slots(each) if hasattr(value, name)]
            for name in sorted({*slots, *getattr(value, "__dict__", ())}):
                yield from self.value(name, getattr(value, name))
        else:
            # A module, a type of Arrow, a member of an enum: what it says of itself, without its address.
            yield f"{kind.__module__}.{kind.__qualname__} {_said(value)}"

    def _class(self, value: type) -> Iterator[str]:
        yield f"class {value.__module__}.{value.__qualname__}"
        if value in self._seen or len(self._seen) >= _FUNCTIONS_MAX or not self._is_looked_into(value):
            return
        self._seen.add(value)
        tree = _parsed(value)
        yield "no source" if tree is None else _shape(tree)
        module = sys.modules.get(value.__module__)
        known = {} if module is None else vars(module)
        yield from self._used(value.__qualname__, [] if tree is None else _chains(tree), known)

    def _is_looked_into(self, thing: types.FunctionType | type) -> bool:
        top = thing.__module__.partition(".")[0]
        if top == self._root:
            return True
        return top not in _FOREIGN and top != _OWN and top not in sys.stdlib_module_names


def _slots(kind: type) -> tuple[str, ...]:
    found = kind.__dict__.get("__slots__", ())
    names = (found,) if isinstance(found, str) else tuple(found)
    return tuple(name for name in names if name not in {"__weakref__", "__dict__"})


def _said(value: object) -> str:
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, (types.BuiltinFunctionType, np.ufunc)):
        return value.__name__
    return _ADDRESS.sub("", repr(value))


def _parsed(thing: types.FunctionType | type) -> ast.AST | None:
    """The syntax tree; None if there is no source, or it stands in the middle of something else."""
    try:
        # Of the code itself: a decorated function would be taken for the one that it wraps.
        source = inspect.getsource(thing if isinstance(thing, type) else thing.__code__)
        tree = ast.parse(textwrap.dedent(source))
    except (OSError, TypeError, SyntaxError):
        return None
    found = tree.body[0] if tree.body else None
    name = thing.__name__ if isinstance(thing, type) else thing.__code__.co_name
    named = isinstance(found, ast.FunctionDef | ast.ClassDef) and found.name == name
    return found if named else None


def _shape(node: object) -> str:
    """A syntax tree as text: what is empty, positions, annotations and docstrings left out."""
    if isinstance(node, list):
        return f"[{','.join(_shape(item) for item in node)}]"
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__}:{node!r}"
    parts = []
    for name in node._fields:
        value = getattr(node, name, None)
        if name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            value = _without_docstring(node.body)
        if value is None or value == [] or (name in _NOT_CODE and not isinstance(node, ast.AnnAssign)):
            continue
        parts.append(f"{name}={_shape(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_text and isinstance(first.value.value, str) else body  # type: ignore[union-attr]


def _chains(tree: ast.AST) -> list[tuple[str, ...]]:
    """Names that are read, each with the attributes that are read of it: `a.b.c`; sorted, each once."""
    found = set()
    for node in ast.walk(tree):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value  # noqa: PLW2901 - down to the name
        if isinstance(node, ast.Name):
            found.add((node.id, *reversed(parts)))
    return sorted(found)


def _names(code: types.CodeType) -> list[tuple[str, ...]]:
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    mine = {(name,) for name in (*code.co_names, *code.co_freevars)}
    return sorted(mine.union(*(_names(part) for part in inner)))


def _bytecode(code: types.CodeType) -> str:
    """Without source: what the interpreter runs, which another release of Python would write otherwise."""
    parts = [_bytecode(part) if isinstance(part, types.CodeType) else repr(part) for part in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} [{', '.join(parts)}]"
