"""Which branch of a ``try``/``except ImportError`` counts on the target."""

from __future__ import annotations

import ast

from codemods.reading.scopes import Binding
from codemods.rules._imports.moves import Moves


def dead_branch(moves: Moves, binding: Binding) -> bool:
    """In a ``try``/``except ImportError`` only the branch that the target takes is touched.

    Both count where the one that is tried is not Airflow's: whether it fails nobody knows.
    One that fails with nothing in its place behind it counts too: that it fails is to be said.
    """
    tower, in_handler = binding.tower, binding.in_handler
    while tower is not None:
        tried = [b for b in tower.body if b.airflow]
        fails = any(_gone(moves, one) for one in tried)
        settled = tower.settled and not _none_is_called(moves, binding)
        other_way = in_handler or tower.handlers or settled
        if tried and fails != in_handler and other_way:
            return True
        in_handler, tower = tower.in_handler, tower.parent
    return False


def _gone(moves: Moves, binding: Binding) -> bool:
    """Whether an import must fail on the target, whatever is made of it."""
    base = binding.alias.name if binding.dotted else binding.path
    if moves.target.resolve(base).removed is None:
        return False
    found = [moves.found(use, base) for use in binding.uses]
    return not found or any(f is None or f[1].removed is not None for f in found)


def _none_is_called(moves: Moves, binding: Binding) -> bool:
    """Whether a name that is None where its import fails is called all the same, unasked."""
    name, source = binding.name, moves.source
    values = source.assigned.get(name, [])
    if not values or not all(isinstance(v, ast.Constant) and v.value is None for v in values):
        return False
    needed = [call.func for call in source.plain_calls]
    needed += [base for cls, _ in source.classes for base in cls.bases]
    asked = any(
        isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert | ast.BoolOp)
        and any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(_test(node)))
        for node in source.nodes
    )
    return not asked and any(isinstance(n, ast.Name) and n.id == name for n in needed)


def _test(node: ast.If | ast.IfExp | ast.While | ast.Assert | ast.BoolOp) -> ast.expr:
    return node.values[0] if isinstance(node, ast.BoolOp) else node.test
