"""What the code does with a value it reads → a placeholder with which the code works.

``observe`` follows a value from the place where it is read – through names, arguments, returned
values, look-ups – and writes down what each use asks of it; ``sample`` then makes the plainest
text that satisfies all of them: exactly the keys that are looked up, numbers where there is
arithmetic, a date in the format that it is parsed with.
"""

from __future__ import annotations

import ast
import contextlib
import datetime
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.needs.code import Code, Function, Module, parameter, placeholder

_DEEP = 12
"""Uses of uses of uses … are followed this far."""

_DAY = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_CRON = "0 0 * * *"
_DATE = "2020-01-01"
_TIME = "2020-01-01T00:00:00"

NUMBER_CALLS = frozenset({"int", "float", "round", "abs", "range", "sleep", "Decimal"})
DECODERS = frozenset({"loads", "literal_eval", "safe_load", "full_load", "eval"})
SAME_VALUE = frozenset(
    {"str", "list", "tuple", "set", "sorted", "reversed", "dict", "OrderedDict", "deepcopy"}
)
SAME_TEXT = frozenset({"strip", "lstrip", "rstrip", "lower", "upper", "replace", "title"})
SPLITTERS: Mapping[str, str] = {"split": " ", "rsplit": " ", "splitlines": "\n"}
FINDERS = frozenset({"index", "rindex", "partition", "rpartition"})
LOOKUPS = frozenset({"get", "pop", "setdefault"})
LIST_METHODS = frozenset({"append", "extend", "sort", "insert", "index"})

CALL_SAMPLES: Mapping[str, str] = {
    "timezone": "UTC",
    "gettz": "UTC",
    "ZoneInfo": "UTC",
    "croniter": _CRON,
    "parse": _TIME,
    "isoparse": _TIME,
    "to_datetime": _TIME,
    "fromisoformat": _DATE,
}
"""Functions that accept only some texts, and one that each accepts."""

NAME_SAMPLES: Mapping[str, str] = {
    "schedule": _CRON,
    "schedule_interval": _CRON,
    "cron": _CRON,
    "cron_expression": _CRON,
    "date": _DATE,
    "start_date": _TIME,
    "end_date": _TIME,
    "timezone": "UTC",
    "tz": "UTC",
    "email": "nobody@example.com",
    "emails": "nobody@example.com",
    "trigger_rule": "all_success",
    "log_level": "INFO",
    "url": "http://localhost",
    "endpoint": "http://localhost",
}
"""Arguments and keys whose values Airflow or its operators check, by name."""

NUMBER_NAMES = frozenset(
    [
        *("retries", "concurrency", "max_active_runs", "max_active_tasks", "parallelism"),
        *("max_active_tis_per_dag", "task_concurrency", "pool_slots", "priority_weight"),
        *("poke_interval", "timeout", "port", "days", "hours", "minutes", "seconds", "weeks"),
        *("year", "month", "day", "hour", "minute", "second", "count", "size", "limit"),
    ]
)


@dataclass(kw_only=True, eq=False)
class Shape:
    """What is asked of one value. ``decoded``: it is data, not text (decoded from its text when
    it is the value itself). ``parts``: what it is split into, by ``separator``. ``demanding``:
    something is done with it that None would not survive. ``fields``: it is an object whose
    attributes count as keys."""

    decoded: bool = False
    number: bool = False
    mapping: bool = False
    fields: bool = False
    keys: dict[str, Shape] = field(default_factory=dict)
    any_key: Shape | None = None
    items: Shape | None = None
    length: int = 1
    separator: str = ""
    parts: Shape | None = None
    text: str = ""
    default: Any = None
    demanding: bool = False

    def key(self, name: str) -> Shape:
        self.demanding = True
        return self.keys.setdefault(name, Shape(decoded=True))

    def some_key(self) -> Shape:
        self.demanding = True
        self.any_key = self.any_key or Shape(decoded=True)
        return self.any_key

    def item(self, length: int = 1) -> Shape:
        self.demanding = True
        self.items = self.items or Shape(decoded=True)
        self.length = max(self.length, length)
        return self.items

    def split(self, separator: str) -> Shape:
        self.demanding = True
        self.separator = separator
        self.parts = self.parts or Shape(decoded=True)
        return self.parts


def observe(
    code: Code,
    module: Module,
    value: ast.expr,
    shape: Shape,
    *,
    caller: ast.Call | None = None,
) -> None:
    """Write into ``shape`` what is done with the value of this expression. When the function
    around it returns it, ``caller`` is the one call of that function that counts."""
    _Trail(code=code, caller=caller).follow(module, value, shape, 0)


def sample(shape: Shape, name: str) -> tuple[str, str]:
    """The kind of value ("text", "number", "json" or "list") and a placeholder for it."""
    if shape.parts is not None and not shape.decoded:
        parts = data(shape.parts, name)
        parts = parts if isinstance(parts, list) else [parts]
        return "list", shape.separator.join(str(part) for part in parts)
    value = data(shape, name)
    if isinstance(value, dict | list):
        return "json", json.dumps(value)
    if isinstance(value, str) and shape.decoded:
        return "json", json.dumps(value if shape.text else {})
    return ("text" if isinstance(value, str) else "number"), str(value)


def data(shape: Shape, name: str) -> Any:
    """Data of this shape. Never a boolean or null: JSON, YAML and Python write those apart."""
    if shape.keys or shape.any_key or shape.mapping:
        table = {key: data(inner, key) for key, inner in shape.keys.items()}
        if shape.any_key:
            table = table or {placeholder(name): data(shape.any_key, name)}
        return table
    if shape.items is not None:
        first = data(shape.items, name)
        more = range(2, shape.length + 1)
        return [first, *(f"{first}_{n}" if isinstance(first, str) else first for n in more)]
    if shape.parts is not None:
        return sample(Shape(separator=shape.separator, parts=shape.parts), name)[1]
    if shape.number:
        return int(shape.text) if shape.text.isdigit() else _number(name)
    if shape.text:
        return shape.text
    if shape.default is not None:
        return shape.default
    return _told_by_name(name) or placeholder(name)


def _told_by_name(name: str) -> str | int | None:
    """The last words of a name often say what it holds."""
    words = re.split(r"[^a-z]+", name.lower())
    for start in range(len(words)):
        ending = "_".join(words[start:])
        if ending in NAME_SAMPLES:
            return NAME_SAMPLES[ending]
        if ending in NUMBER_NAMES:
            return _number(ending)
    return None


def _number(name: str) -> int:
    return 2020 if name.endswith("year") else 1


@dataclass(kw_only=True, eq=False)
class _Trail:
    """One value being followed through the code; ``seen`` keeps it from going in circles."""

    code: Code
    caller: ast.Call | None = None
    seen: set[tuple[ast.AST, Shape]] = field(default_factory=set)

    def follow(self, module: Module, value: ast.expr, shape: Shape, depth: int) -> None:
        if depth > _DEEP or (value, shape) in self.seen:
            return
        self.seen.add((value, shape))
        deeper = depth + 1
        match module.parents.get(value):
            case ast.Assign(targets=targets):
                for target in targets:
                    self.bind(module, target, shape, deeper)
            case ast.AnnAssign(target=target):
                self.bind(module, target, shape, deeper)
            case ast.NamedExpr() as named:
                self.bind(module, named.target, shape, deeper)
                self.follow(module, named, shape, deeper)
            case ast.For(iter=source, target=target) if source is value:
                self.iterate(module, target, shape, deeper)
            case ast.comprehension(iter=source, target=target) as loop if source is value:
                self.iterate(module, target, shape, deeper)
                self.unpack(module, module.parents[loop], shape)
            case ast.Subscript(value=table, slice=key) as found if table is value:
                self.look_up(module, found, key, shape, deeper)
            case ast.Subscript(value=table):
                self.choose(module, table, shape)
            case ast.Attribute() as attribute:
                shape.demanding = True
                call = module.parents.get(attribute)
                if isinstance(call, ast.Call) and call.func is attribute:
                    self.method(module, call, attribute.attr, shape, deeper)
                elif shape.fields:
                    self.follow(module, attribute, shape.key(attribute.attr), deeper)
            case ast.Call() as call:
                self.give(module, call, value, None, shape, deeper)
            case ast.keyword(arg=None):
                shape.mapping = shape.demanding = True
            case ast.keyword(arg=name) as keyword:
                call = module.parents[keyword]
                if isinstance(call, ast.Call):
                    self.give(module, call, value, name, shape, deeper)
            case ast.Starred():
                shape.item()
            case ast.Dict(keys=keys, values=values) as table:
                entry = next(k for k, v in zip(keys, values, strict=True) if v is value)
                self.store(module, table, entry, shape, deeper)
            case ast.Tuple(elts=values) as pack:
                position = next(i for i, element in enumerate(values) if element is value)
                match module.parents.get(pack):
                    case ast.Assign(targets=[ast.Tuple(elts=names)]) if len(names) == len(values):
                        self.bind(module, names[position], shape, deeper)
            case ast.Compare() as compare:
                self.compare(module, compare, value, shape)
            case ast.BinOp() as operation:
                self.operate(operation, value, shape)
            case ast.UnaryOp(op=ast.USub()):
                shape.number = shape.demanding = True
            case ast.BoolOp() | ast.Await() as same:
                self.follow(module, same, shape, deeper)
            case ast.IfExp(test=test) as same if test is not value:
                self.follow(module, same, shape, deeper)
            case ast.Return() as returned:
                for where, call in self.receivers(module, returned):
                    self.follow(where, call, shape, deeper)

    def receivers(self, module: Module, returned: ast.Return) -> list[tuple[Module, ast.Call]]:
        """The calls that the value is returned to."""
        function = next(s for s in module.scopes(returned) if isinstance(s, Function))
        calls = self.code.callers.get(function, [])
        chosen = [(where, call) for where, call in calls if call is self.caller]
        return chosen or calls

    def bind(self, module: Module, target: ast.expr, shape: Shape, depth: int) -> None:
        """The value gets a name."""
        match target:
            case ast.Name():
                for where, use in self.code.uses(module, target):
                    self.follow(where, use, shape, depth)
            case ast.Attribute(attr=name):
                for use in module.attributes.get(name, ()):
                    self.follow(module, use, shape, depth)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self.bind(module, part, shape.item(len(parts)), depth)

    def iterate(self, module: Module, target: ast.expr, shape: Shape, depth: int) -> None:
        if shape.decoded:
            self.bind(module, target, shape.item(), depth)

    def unpack(self, module: Module, made: ast.AST, shape: Shape) -> None:
        """``made`` has one element for each of the value's; unpacking it tells how many."""
        match module.parents.get(made):
            case ast.Assign(targets=[ast.Tuple(elts=names)]) if shape.decoded:
                shape.item(len(names))

    def look_up(
        self, module: Module, found: ast.expr, key: ast.expr, shape: Shape, depth: int
    ) -> None:
        """``value[key]`` or ``value.get(key)``, whose own value is ``found``."""
        shape.demanding = True
        match key:
            case ast.Slice():
                self.follow(module, found, shape, depth)
            case ast.Constant(value=int(index)):
                self.follow(module, found, shape.item(index + 1), depth)
            case ast.UnaryOp(operand=ast.Constant(value=int(index))):
                self.follow(module, found, shape.item(index), depth)
            case _:
                names = self.code.texts(module, key)
                for name in names:
                    self.follow(module, found, shape.key(name), depth)
                if not names:
                    self.follow(module, found, shape.some_key(), depth)

    def choose(self, module: Module, table: ast.expr, shape: Shape) -> None:
        """The value is a key of a table: it has to be one that the table has."""
        for name in self.code.keys(module, table):
            shape.text = shape.text or name

    def method(self, module: Module, call: ast.Call, name: str, shape: Shape, depth: int) -> None:
        match name, call.args:
            case (("split" | "rsplit" | "splitlines"), args):
                separators = self.code.texts(module, args[0]) if args else []
                parts = shape.split(separators[0] if separators else SPLITTERS[name])
                self.follow(module, call, parts, depth)
            case (("get" | "pop" | "setdefault"), [key, *defaults]):
                self.look_up(module, call, key, shape, depth)
                for default in defaults:
                    self.default(module, key, default, shape)
            case (("items" | "values"), []):
                each = shape.some_key()
                for target in _loop_targets(module, call):
                    pair = isinstance(target, ast.Tuple) and len(target.elts) == 2
                    if name == "values":
                        self.bind(module, target, each, depth)
                    elif pair and isinstance(target, ast.Tuple):
                        self.bind(module, target.elts[1], each, depth)
            case "keys", []:
                shape.some_key()
            case _, [ast.Constant(value=str(part))] if name in FINDERS and not shape.decoded:
                shape.split(part).item(2)
            case _ if name in LIST_METHODS:
                shape.item()
            case _ if name in SAME_TEXT:
                self.follow(module, call, shape, depth)

    def default(self, module: Module, key: ast.expr, default: ast.expr, shape: Shape) -> None:
        """A look-up's own default is the best placeholder there is."""
        with contextlib.suppress(ValueError, TypeError):
            value = ast.literal_eval(default)
            if value and type(value) in (str, int, float, list, dict):
                for name in self.code.texts(module, key):
                    shape.key(name).default = json.loads(json.dumps(value))

    def give(
        self,
        module: Module,
        call: ast.Call,
        value: ast.expr,
        keyword: str | None,
        shape: Shape,
        depth: int,
    ) -> None:
        """The value is an argument."""
        name = getattr(call.func, "attr", "") or getattr(call.func, "id", "")
        functions = self.code.targets(module, call)
        for function in functions:
            own = parameter(call, function, value)
            for where, use in self.code.parameter_uses(function, own) if own else ():
                self.follow(where, use, shape, depth)
        if keyword is not None:
            self.named(keyword, shape)
            return
        if functions:
            return
        first = bool(call.args) and call.args[0] is value
        match name, call.args:
            case _ if name in DECODERS or (name == "load" and first):
                shape.decoded = shape.demanding = True
                self.follow(module, call, shape, depth)
            case _ if name in NUMBER_CALLS:
                shape.number = shape.demanding = True
                self.follow(module, call, shape, depth)
            case "strptime", [_, form] if first:
                shape.demanding = True
                for text in self.code.texts(module, form):
                    shape.text = _DAY.strftime(text)
            case (("datetime" | "date"), _):
                shape.demanding = True
                shape.text = shape.text or ("2020" if first else "1")
            case "map", [ast.Name(id=mapped), _]:
                item = shape.item()
                item.number = item.number or mapped in NUMBER_CALLS
                self.unpack(module, call, shape)
            case (("enumerate" | "zip"), _):
                for target in _loop_targets(module, call):
                    if isinstance(target, ast.Tuple):
                        position = 1 if name == "enumerate" else call.args.index(value)
                        self.bind(module, target.elts[position], shape.item(), depth)
            case "join", [_]:  # with more arguments it joins the parts of a path
                shape.item()
            case _ if name in CALL_SAMPLES:
                shape.demanding = True
                shape.text = shape.text or CALL_SAMPLES[name]
            case _ if name in SAME_VALUE:
                self.follow(module, call, shape, depth)

    def named(self, name: str, shape: Shape) -> None:
        """The value is an argument, or an entry of a table, of this name."""
        known = _told_by_name(name)
        if isinstance(known, int):
            shape.number = True
        elif known is not None:
            shape.text = shape.text or known

    def store(
        self, module: Module, table: ast.Dict, key: ast.expr | None, shape: Shape, depth: int
    ) -> None:
        """The value is an entry of a literal table; look-ups of that entry are its uses."""
        if key is None:
            shape.mapping = shape.demanding = True
            return
        for name in self.code.texts(module, key):
            self.named(name, shape)
            for where, found in self.code.lookups(module, table, name):
                self.follow(where, found, shape, depth)

    def compare(self, module: Module, compare: ast.Compare, value: ast.expr, shape: Shape) -> None:
        if compare.left is value:
            match compare.ops[0], compare.comparators[0]:
                case (
                    (ast.Gt() | ast.GtE() | ast.Lt() | ast.LtE()),
                    ast.Constant(value=int() | float()),
                ):
                    shape.number = shape.demanding = True
                case ((ast.Eq() | ast.NotEq()), other):
                    shape.text = shape.text or next(iter(self.code.texts(module, other)), "")
                case ((ast.In() | ast.NotIn()), other):
                    self.choose(module, other, shape)
        elif isinstance(compare.ops[0], ast.In | ast.NotIn) and shape.decoded:
            for name in self.code.texts(module, compare.left):
                shape.mapping = True
                shape.key(name)

    def operate(self, operation: ast.BinOp, value: ast.expr, shape: Shape) -> None:
        shape.demanding = True
        other = operation.right if operation.left is value else operation.left
        match operation.op, other:
            case ast.Add(), ast.Constant(value=int() | float()):
                shape.number = True
            case ast.Mult(), ast.Call() | ast.Constant(value=int() | float()):
                shape.number = True
            case (ast.Div(), ast.Constant(value=str()) | ast.JoinedStr()):
                pass  # a path
            case ((ast.Sub() | ast.Div() | ast.FloorDiv() | ast.Pow()), _):
                shape.number = True
            case ast.Mod(), ast.Constant(value=int()):
                shape.number = True


def _loop_targets(module: Module, source: ast.expr) -> Iterator[ast.expr]:
    match module.parents.get(source):
        case ast.For(target=target) | ast.comprehension(target=target):
            yield target
