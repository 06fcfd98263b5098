"""What ``default_args`` hold, however a text makes them."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from codemods.reading.reader import Facts


@dataclass(frozen=True, eq=False, kw_only=True)
class DefaultKey:
    """One key that ``default_args`` are given."""

    name: str
    place: ast.expr | ast.keyword  # where it stands
    value: ast.expr
    holder: ast.Dict | ast.Call | ast.Constant  # a display, dict(...), the key of an assignment


def _dict_call(node: ast.Call) -> bool:
    """``dict(...)`` or ``name.update(...)``."""
    func = node.func
    if isinstance(func, ast.Name):
        return func.id == "dict" and len(node.args) < 2
    return isinstance(func, ast.Attribute) and func.attr == "update" and len(node.args) < 2


def copied(node: ast.expr) -> ast.expr | None:
    """What ``name.copy()``, ``copy(name)`` and ``copy.deepcopy(name)`` copy."""
    if not isinstance(node, ast.Call) or node.keywords or len(node.args) > 1:
        return None
    func = node.func
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if name not in {"copy", "deepcopy"}:
        return None
    if node.args:
        return node.args[0]
    return func.value if isinstance(func, ast.Attribute) else None


def default_args(facts: Facts) -> tuple[list[DefaultKey], bool]:
    """The keys that ``default_args`` are given, and whether all of them are in sight."""
    found: list[DefaultKey] = []
    seen: set[int] = set()
    names: set[str] = set()
    sure = True

    def collect(node: ast.expr) -> None:
        nonlocal sure
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    collect(value)
                elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found.append(DefaultKey(name=key.value, place=key, value=value, holder=node))
                else:
                    sure = False
        elif isinstance(node, ast.Name) and node.id in facts.assigned:
            values = facts.assigned[node.id]
            sure = sure and len(values) == 1
            names.add(node.id)
            for value in values:
                collect(value)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            collect(node.left)
            collect(node.right)
        elif (original := copied(node)) is not None:
            collect(original)
        elif isinstance(node, ast.Call) and _dict_call(node):
            for part in [*node.args, *(k.value for k in node.keywords if k.arg is None)]:
                collect(part)
            for keyword in node.keywords:
                if keyword.arg is not None:
                    found.append(
                        DefaultKey(
                            name=keyword.arg, place=keyword, value=keyword.value, holder=node
                        )
                    )
        else:
            sure = False

    for call in facts.plain_calls:
        for keyword in call.keywords:
            if keyword.arg == "default_args":
                collect(keyword.value)
    for call in facts.plain_calls:
        changed = call.func.value if isinstance(call.func, ast.Attribute) else None
        if isinstance(changed, ast.Name) and changed.id in names and _dict_call(call):
            collect(call)
    for target, value in facts.items_set:
        if isinstance(target.value, ast.Name) and target.value.id in names:
            key = target.slice
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                found.append(DefaultKey(name=key.value, place=key, value=value, holder=key))
            else:
                sure = False
    return found, sure
