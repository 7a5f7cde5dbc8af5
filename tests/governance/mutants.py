"""A small mutator: a module with one comparison, boolean, constant or condition changed."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}


class Mutant(NamedTuple):
    """``tree``: the whole changed module; its lines are numbered as the unchanged one's."""

    line: int
    what: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of ``source``, in the order of its lines. Docstrings, annotations and messages stay."""
    tree = ast.parse(source)
    left_out = set(_meaningless(tree))
    for index, node in enumerate(ast.walk(tree)):
        if id(node) in left_out:
            continue
        for what, change in _changes(node):
            other = copy.deepcopy(tree)
            target = list(ast.walk(other))[index]
            change(target)
            ast.fix_missing_locations(other)
            yield Mutant(getattr(node, "lineno", 0), what, other)


def _meaningless(tree: ast.Module) -> Iterator[int]:
    """Nodes (by id) whose change changes no answer: imports for mypy, sizes of caches, words of messages."""
    for node in ast.walk(tree):
        for_types = isinstance(node, ast.If) and isinstance(node.test, ast.Name)
        is_cache = isinstance(node, ast.Call) and ast.unparse(node.func) == "lru_cache"
        if for_types or is_cache or isinstance(node, ast.JoinedStr):
            yield from (id(one) for one in ast.walk(node))


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:  # type: ignore[misc]
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for new in _COMPARISONS[type(operator)]:
                yield f"{type(operator).__name__} -> {new.__name__}", _set_op(place, new)
    elif isinstance(node, ast.BoolOp):
        new_op = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{type(node.op).__name__} -> {new_op.__name__}", _set("op", new_op())
        for place in range(len(node.values)):
            yield f"operand {place} left out", _drop(place)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not left out", _unwrap_not
    elif isinstance(node, ast.If | ast.IfExp):
        yield "condition always", _set("test", ast.Constant(True))
        yield "condition never", _set("test", ast.Constant(False))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        new_sign = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        if not _is_text(node):
            yield f"{type(node.op).__name__} -> {new_sign.__name__}", _set("op", new_sign())
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield f"{node.value} -> {node.value + 1}", _set("value", node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield f"{node.value} -> {not node.value}", _set("value", not node.value)


def _is_text(node: ast.BinOp) -> bool:
    """Whether it joins literals: of text there is nothing to subtract."""
    literals = [side for side in (node.left, node.right) if isinstance(side, ast.JoinedStr | ast.Constant)]
    return any(isinstance(side, ast.JoinedStr) or not isinstance(side.value, int) for side in literals)


def _set(name: str, value: object):  # type: ignore[no-untyped-def]
    return lambda node: setattr(node, name, value)


def _set_op(place: int, new: type[ast.cmpop]):  # type: ignore[no-untyped-def]
    return lambda node: node.ops.__setitem__(place, new())


def _drop(place: int):  # type: ignore[no-untyped-def]
    def change(node: ast.BoolOp) -> None:
        neutral = ast.Constant(isinstance(node.op, ast.And))
        node.values[place] = neutral

    return change


def _unwrap_not(node: ast.UnaryOp) -> None:
    """``not x`` -> ``not not x``."""
    node.operand = ast.UnaryOp(ast.Not(), node.operand)
