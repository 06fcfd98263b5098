"""Names that live elsewhere on the target are imported from there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from codemods.base import Example, Note, Place, Rule
from codemods.changes import Change, NewImport, Rebind, Replace, Step
from codemods.class_paths import path_end
from codemods.constructors import baseline
from codemods.hops import (
    CORE,
    Resolution,
    all_hops,
    core_modules,
    distribution_of,
    family_advice,
)
from codemods.rules._text import lines, sentence
from codemods.rules.internal_names import has_successor, succeeded
from codemods.rules.trigger_dag_run import defines_order
from codemods.scopes import Binding, Use
from codemods.settling import settle
from codemods.source import Source
from codemods.target import Target
from codemods.web_interface import goes

ID = "moved-import"
REMOVED = "removed-import"
# Its operators find the hook by the connection's type, among what is installed.
_COMMON_SQL = "airflow.providers.common.sql."
_FROM = re.compile(
    r"^[ \t]*from[ \t]+(airflow[\w.]*)[ \t]+import[ \t]+(\([^)]*\)?|[^\n#;]+)", re.MULTILINE
)
# Source: airflow/models/__init__.py of 2.5.1, whose ``__all__`` has a name that is not there, and
# of 1.10.15.
_NO_STAR = ("airflow.models", "apache-airflow==2.5.*")
_MODELS = frozenset(
    (
        "BaseOperator",
        "BaseOperatorLink",
        "Connection",
        "DAG",
        "DagBag",
        "DagModel",
        "DagPickle",
        "DagRun",
        "DagTag",
        "ID_LEN",
        "Log",
        "Pool",
        "RenderedTaskInstanceFields",
        "SkipMixin",
        "SlaMiss",
        "TaskFail",
        "TaskInstance",
        "TaskReschedule",
        "Variable",
        "XCOM_RETURN_KEY",
        "XCom",
        "clear_task_instances",
    )
)
_PREFIX = re.compile(r"airflow\.(?:\w+\.)+")
_OLDER = "mind its spelling, or look for what an older release had there in the target's providers"


def _split(path: str) -> tuple[str, str]:
    head, _, tail = path.rpartition(".")
    return head, tail


def _message(old: str, new: str) -> str:
    return f"{old} is {new} on the target"


def _note(node: Place, message: str, advice: str, rule: str = REMOVED) -> Note:
    return Note.at(node, rule=rule, message=message, fix=sentence(advice))


def _absent(node: Place, path: str, advice: str) -> Note:
    return _note(node, f"{path} does not exist on the target", advice)


def _found(end: Callable[[str], Resolution], use: Use, base: str) -> tuple[int, Resolution] | None:
    """The longest part of a use below ``base`` that the table knows: its depth and its end."""
    parts = use.path.split(".")
    fixed = base.count(".") + 1
    root = len(parts) - len(use.nodes)
    for length in range(len(parts), fixed, -1):
        resolution = end(".".join(parts[:length]))
        if resolution.hops or resolution.moved:
            return length - root - 1, resolution
    return None


class _Moves:
    """The import changes of one source, binding by binding."""

    def __init__(self, source: Source, target: Target) -> None:
        self.source = source
        self.target = target
        self.hooks: set[str] = set()  # of the binding at hand: whose connections it uses

    def find(self) -> Iterator[Change]:
        for binding in self.source.bindings:
            if (
                binding.airflow
                and not self._dead_branch(binding)
                and not goes(self.source, binding)
                and not defines_order(self.source, binding)
                and not succeeded(binding)
            ):
                self.hooks = set()
                yield from self._binding(binding)
        yield from self._strings()
        yield from self._texts()

    def _end(self, path: str) -> Resolution:
        end = settle(self.target, self.source, path)
        if end.replaced and end.path.startswith(_COMMON_SQL):
            self.hooks |= {distribution_of(hop.new) for hop in end.hops} - {CORE}
        return end

    # -- which branch counts -----------------------------------------------------------------

    def _gone(self, binding: Binding) -> bool:
        """Whether an import must fail on the target, whatever is made of it."""
        base = binding.alias.name if binding.dotted else binding.path
        if self.target.resolve(base).removed is None:
            return False
        found = [_found(self._end, use, base) for use in binding.uses]
        return not found or any(f is None or f[1].removed is not None for f in found)

    def _dead_branch(self, binding: Binding) -> bool:
        """In a ``try``/``except ImportError`` only the branch that the target takes is touched.

        Both count where the one that is tried is not Airflow's: whether it fails nobody knows.
        One that fails with nothing in its place behind it counts too: that it fails is to be said.
        """
        tower, in_handler = binding.tower, binding.in_handler
        while tower is not None:
            tried = [b for b in tower.body if b.airflow]
            fails = any(map(self._gone, tried))
            settled = tower.settled and not self._none_is_called(binding)
            other_way = in_handler or tower.handlers or settled
            if tried and fails != in_handler and other_way:
                return True
            in_handler, tower = tower.in_handler, tower.parent
        return False

    def _none_is_called(self, binding: Binding) -> bool:
        """Whether a name that is None where its import fails is called all the same, unasked."""
        name, source = binding.name, self.source
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

    # -- one binding -------------------------------------------------------------------------

    def _binding(self, binding: Binding) -> Iterator[Change]:
        if binding.name == "*":
            yield from self._star(binding)
            return
        if binding.dotted:
            yield from self._dotted(binding)
            return
        resolution = self._end(binding.path)
        known = binding.path in _modules() or (
            binding.path in self.target.plugin_modules and not resolution.moved
        )
        if known and (resolution.hops or self._known_below(binding)):
            yield from self._module(binding, resolution)
        elif resolution.removed is not None:
            yield self._lost(binding, binding.path, resolution.removed.advice)
        elif resolution.moved:
            yield from self._symbol(binding, resolution.path)
        elif not resolution.hops:
            advice = self._unknown(binding.path)
            if advice:
                yield _absent(binding.alias, binding.path, advice)

    def _unknown(self, path: str) -> str:
        """What to do about a path that no row knows, where its package is gone; else empty."""
        parts = path.split(".")
        inside = _split(path)[0]
        if parts[:2] == ["airflow", "contrib"] and not {path, inside} & _modules():
            return f"Airflow 1.10.15 has no module {inside} either: {_OLDER}"
        if parts[:2] == ["airflow", "contrib"] or self.target.resolve(inside).hops:
            never = "It was never public: look for what it did in its module's successor"
            if inside.count(".") == 2:  # a package: what it served it served by the table
                never = f"Airflow 1.10.15 has none in {inside} either: {_OLDER}"
            return family_advice(path) or never
        if len(parts) < 3 or parts[1] not in {"operators", "sensors", "hooks"}:
            return ""
        module = ".".join(parts[:3])
        if module in core_modules() or module in _modules():
            return ""
        return (
            f"Airflow 2 serves no {parts[1]} of plugins here: import the class from the module "
            "that defines it (plugins/ is on the path)"
        )

    def _lost(self, binding: Binding, path: str, advice: str) -> Change:
        """An import that fails on the target: it goes where nothing needs it, else it is said."""
        if not self.source.unused(binding):
            return _absent(binding.alias, path, advice)
        return Step(
            rule=REMOVED,
            line=binding.alias.lineno,
            message=f"{path} does not exist on the target, and nothing here uses it",
            operations=(Rebind(binding=binding, imports=()),),
        )

    def _known_below(self, binding: Binding) -> bool:
        return any(_found(self._end, use, binding.path) for use in binding.uses)

    def _symbol(self, binding: Binding, path: str) -> Iterator[Change]:
        module, name = _split(path)
        old, line = binding.path, binding.alias.lineno
        if binding.alias.asname or name == binding.name:
            asname = binding.name if binding.name != name else ""
            new = NewImport(module=module, name=name, asname=asname)
            yield self._step(line, old, path, Rebind(binding=binding, imports=(new,)))
        elif self._may_rename(binding, module, name):
            new = NewImport(module=module, name=name)
            renames = tuple(
                Replace(node=use.root, code=name)
                for use in binding.uses
                if self.source.segment(use.root) == binding.name
            )
            yield self._step(line, old, path, Rebind(binding=binding, imports=(new,)), *renames)
        else:
            new = NewImport(module=module, name=name, asname=binding.name)
            yield self._step(line, old, path, Rebind(binding=binding, imports=(new,)))

    def _may_rename(self, binding: Binding, module: str, name: str) -> bool:
        """Whether every use can bear the new name: else the import keeps the old one by ``as``."""
        source = self.source
        siblings = binding.scope.imports[binding.name]
        ends = {self._end(b.path).path for b in siblings}
        if len(ends) > 1 or not binding.uses or binding.name in source.words:
            return False
        if any(b.tower is not None or b.alias.asname for b in siblings if b is not binding):
            return False  # another branch binds the old name as well, and goes on to
        if any(not use.sure for use in binding.uses):
            return False
        if any(source.segment(use.root) != binding.name for use in binding.uses):
            return False
        if name not in source.names:
            return True
        # The name is there already: fine if it is the same thing, imported in the same scope.
        same = binding.scope.imports.get(name, ())
        return (
            bool(same)
            and all(self.target.resolve(b.path).path == f"{module}.{name}" for b in same)
            and name not in source.module.others
        )

    def _step(
        self, line: int, old: str, new: str, first: Rebind | Replace, *others: Replace
    ) -> Step:
        if isinstance(first, Rebind):
            first = replace(first, needs=frozenset(self.hooks))
        return Step(rule=ID, line=line, message=_message(old, new), operations=(first, *others))

    # -- modules -----------------------------------------------------------------------------

    def _module(self, binding: Binding, own: Resolution) -> Iterator[Change]:
        """``from airflow.operators import python_operator`` and ``import a.b.c as m``."""
        ends: list[tuple[Use, int, str]] = []
        gone: list[Use] = []
        loose = False
        for use in binding.uses:
            found = _found(self._end, use, binding.path)
            if has_successor(use):
                loose = True
            elif found is None and own.removed is not None:
                gone.append(use)
            elif found is None:
                loose = True
                if own.moved and not self._settled_here(use):
                    yield from self._not_known(use, binding.path)
            elif found[1].removed is not None:
                yield _note_at(use, found[1])
                loose = True
            else:
                ends.append((use, found[0], found[1].path))
        homes = Counter(_split(path)[0] for _, _, path in ends)
        line, old = binding.alias.lineno, binding.path
        if not ends:
            if own.removed is not None:
                if not loose:
                    yield self._lost(binding, old, own.removed.advice)
            elif own.moved and not any(map(self._settled_here, binding.uses)):
                new = self._as_module(own.path, binding)
                yield self._step(line, old, own.path, Rebind(binding=binding, imports=(new,)))
            return
        yield from (_note_at(use, own, use.path) for use in gone)
        depth = {d for _, d, _ in ends}
        stays = loose and not own.hops
        if len(homes) == 1 and depth == {1} and not stays:
            (home,) = homes
            new = self._as_module(home, binding)
            renames = tuple(
                Replace(node=use.nodes[1], code=f"{new.local}.{_split(path)[1]}")
                for use, _, path in ends
                if use.path.split(".")[-len(use.nodes) + 1] != _split(path)[1]
            )
            yield self._step(line, old, home, Rebind(binding=binding, imports=(new,)), *renames)
            return
        imports: dict[str, NewImport] = {}
        renames_: list[Replace] = []
        for use, at, path in ends:
            if path not in imports:
                module, name = _split(path)
                local = self._free(name)
                imports[path] = NewImport(
                    module=module, name=name, asname=local if local != name else ""
                )
            renames_.append(Replace(node=use.nodes[at], code=imports[path].local))
        news = tuple(imports.values())
        if stays:
            news = (_as_it_is(binding), *news)
        ends_text = ", ".join(imports)
        yield self._step(line, old, ends_text, Rebind(binding=binding, imports=news), *renames_)

    def _as_module(self, path: str, binding: Binding) -> NewImport:
        module, name = _split(path)
        if isinstance(binding.statement, ast.Import) or not module:
            return NewImport(module=path, asname=binding.name)
        return NewImport(
            module=module, name=name, asname=binding.name if binding.name != name else ""
        )

    def _free(self, name: str) -> str:
        local = name
        if name in self.source.names:
            same = self.source.module.imports.get(name, ())
            ends = {self.target.resolve(b.path).path for b in same}
            if not any(_split(e)[1] == name for e in ends):
                local = self.source.free_name(name)
        return local

    # -- import a.b.c ------------------------------------------------------------------------

    def _dotted(self, binding: Binding) -> Iterator[Change]:
        full = binding.alias.name
        own = self.target.resolve(full)
        homes: dict[str, None] = {}
        renames: list[Replace] = []
        gone: list[Use] = []
        stays = False
        for use in binding.uses:
            if not (use.path + ".").startswith(full + ".") or self._nearer(binding, use):
                continue
            found = _found(self._end, use, full)
            if has_successor(use):
                stays = True
            elif found is None and own.moved and not self._settled_here(use):
                homes[own.path] = None
                renames.append(Replace(node=use.nodes[full.count(".")], code=own.path))
                yield from self._not_known(use, full)
            elif found is None and own.removed is not None:
                gone.append(use)
            elif found is None:
                stays = True
            elif found[1].removed is not None:
                yield _note_at(use, found[1])
                stays = True
            elif found[1].moved:
                homes[_split(found[1].path)[0]] = None
                renames.append(Replace(node=use.nodes[found[0]], code=found[1].path))
            else:
                stays = True
        if not homes and own.moved and not any(map(self._settled_here, binding.uses)):
            homes[own.path] = None
            stays = False
        if not homes:
            advice = "" if own.hops else self._unknown(f"{full}.*")
            if own.removed is not None and not stays:
                yield self._lost(binding, full, own.removed.advice)
            elif advice:
                yield self._lost(binding, full, advice)
            return
        yield from (_note_at(use, own, use.path) for use in gone)
        stays = stays or full == "airflow"
        kept = (NewImport(module=full),) if stays and not own.hops else ()
        news = kept + tuple(NewImport(module=home) for home in homes)
        yield self._step(
            binding.alias.lineno,
            full,
            ", ".join(homes),
            Rebind(binding=binding, imports=news),
            *renames,
        )

    def _not_known(self, use: Use, module: str) -> Iterator[Note]:
        """A name that no row has, of a module that is elsewhere."""
        path = ".".join(use.path.split(".")[: module.count(".") + 2])
        if path != module:
            message = f"{path} is not known, and its module is elsewhere on the target"
            advice = self._unknown(path) or "See that the module has it there"
            yield _note(use.node, message, advice)

    def _settled_here(self, use: Use) -> bool:
        """Whether a use names a replaced class that stays, because a call cannot be mapped."""
        resolution = self.target.resolve(use.path)
        return resolution.replaced and self._end(use.path).path == use.path

    def _nearer(self, binding: Binding, use: Use) -> bool:
        """Whether another ``import a.b.c`` brings in more of what the use names."""
        return any(
            b.dotted
            and len(b.alias.name) > len(binding.alias.name)
            and (use.path + ".").startswith(b.alias.name + ".")
            for b in use.bindings
        )

    # -- from a.b import * -------------------------------------------------------------------

    def _star(self, binding: Binding) -> Iterator[Change]:
        module = _split(binding.path)[0]
        broken = module == _NO_STAR[0] and self.target.has(_NO_STAR[1])
        known = members().get(module, frozenset()) | (_MODELS if broken else frozenset())
        known |= {name for home, name in map(_split, self.target.plugins) if home == module}
        ends: dict[str, str] = {}
        said = False
        for name in self.source.unbound:
            if name not in known:
                continue
            resolution = self._end(f"{module}.{name}")
            if resolution.removed is not None:
                use = self.source.unbound[name][0]
                yield _note_at(use, resolution, f"{module}.{name}")
                said = True
            else:
                ends[name] = resolution.path
        own = self.target.resolve(module)
        gone = "" if broken or own.hops else self._unknown(f"{module}.*")
        stays = not own.hops and not broken and not gone
        if stays and all(_split(p)[0] == module for p in ends.values()):
            return
        line = binding.alias.lineno
        homes = {_split(path)[0] for path in ends.values()}
        same = all(_split(path)[1] == name for name, path in ends.items())
        if not ends:
            if broken:
                yield _note(
                    binding.alias,
                    f"the star import of {module} fails on the target: its __all__ is broken",
                    "name what other files take from here",
                )
            elif (own.removed is not None and not said) or gone:
                advice = own.removed.advice if own.removed is not None else gone
                yield self._lost(binding, f"{module}.*", advice)
            elif own.moved:
                star = NewImport(module=own.path, name="*")
                yield self._step(line, module, own.path, Rebind(binding=binding, imports=(star,)))
            return
        if len(homes) == 1 and same and own.hops:
            (home,) = homes
            star = NewImport(module=home, name="*")
            yield self._step(line, module, home, Rebind(binding=binding, imports=(star,)))
            return
        news = tuple(
            NewImport(
                module=_split(path)[0],
                name=_split(path)[1],
                asname=name if _split(path)[1] != name else "",
            )
            for name, path in sorted(ends.items())
            if not (stays and path == f"{module}.{name}")  # the star brings it
        )
        if stays:
            news = (NewImport(module=module, name="*"), *news)
        yield self._step(
            line, module, ", ".join(sorted(homes)), Rebind(binding=binding, imports=news)
        )

    # -- dotted paths in strings -------------------------------------------------------------

    def _strings(self) -> Iterator[Change]:
        patched = {id(a) for call in self.source.plain_calls if _patches(call) for a in call.args}
        for node in self.source.strings:
            value = str(node.value)
            end = path_end(self.target, value)
            if value.count(".") == 2 and value in self.target.plugin_modules:
                yield self._plugin_module(node, value)
            elif end.advice:
                yield _absent(node, value, end.advice)
            elif end.by is not None and end.by.replaced:
                advice = f"name {end.path}, which takes other arguments"
                yield _note(node, f"another class is in the place of {value}", advice)
            elif end.by is not None and end.by.warns:
                yield _note(node, f"{end.by.path} is deprecated on the target", end.by.warns)
            elif id(node) in patched and end.by is not None and self._looked_up(end.by):
                message = f"{value} is patched where its module looks it up, not where it lives"
                looked = self.target.resolve(_split(end.by.start)[0]).path
                advice = f"patch {looked}.{_split(end.by.path)[1]} if the target looks it up there"
                yield _note(node, message, advice, ID)
            elif advice := self._not_along(value, end.path):
                yield _note(node, f"{_message(value, end.path)}, a name in it is not", advice)
            elif end.path != value:
                code = self.source.segment(node)
                new = code.replace(value, end.path) if code.count(value) == 1 else repr(end.path)
                if "#" not in code:
                    yield self._step(node.lineno, value, end.path, Replace(node=node, code=new))
        for call in self.source.plain_calls:
            prefix = _put_together(call)
            if prefix and any(f"{module}.".startswith(prefix) for module in _modules()):
                message = f"a path below {prefix} is put together here"
                yield _note(call, message, "Make it lead to where the target has the class", ID)

    def _looked_up(self, by: Resolution) -> bool:
        """Whether a module of 1.10 only imports the name, and another has it on the target: who
        patches it means the module that uses it."""
        own = self.target.resolve(_split(by.start)[0])
        foreign = baseline().home(by.start) != by.start or not by.path.startswith("airflow.")
        return by.moved and own.moved and foreign and _split(by.path)[0] != own.path

    def _plugin_module(self, node: ast.Constant, value: str) -> Change:
        """The module that 1.10 made of a plugin, in a string: where all that it had lives now."""
        inside = (p for p in self.target.plugins if p.rpartition(".")[0] == value)
        homes = sorted({self.target.plugins[path].rpartition(".")[0] for path in inside})
        code = self.source.segment(node)
        if len(homes) == 1 and code.count(value) == 1:
            new = code.replace(value, homes[0])
            return self._step(node.lineno, value, homes[0], Replace(node=node, code=new))
        fix = f"name the module that holds what is looked for: {', '.join(homes)}"
        return _note(node, f"{value} is made by a plugin of 1.10 alone", fix, ID)

    def _texts(self) -> Iterator[Note]:
        """Imports in strings that become files of their own, such as generated DAGs."""
        for node in self.source.texts:
            gone, moved = [], []
            for path in _imported(str(node.value)):
                end = path_end(self.target, path)
                if end.advice:
                    gone.append(f"{path}: {end.advice}")
                elif end.path != path:
                    moved.append("from {} import {}".format(*_split(end.path)))
            fix = "; ".join([*dict.fromkeys(moved), *gone])
            if fix:
                message = "the text imports what the target has elsewhere or not at all"
                yield _note(node, message, f"write in it: {fix}", ID)

    def _not_along(self, module: str, home: str) -> str:
        """What to do where a string names a module, and the text a class that is not in the
        module that takes its place under this name."""
        for name in members().get(module, ()) if home != module else ():
            end = self._end(f"{module}.{name}")
            if end.path != f"{home}.{name}" and re.search(
                rf"[.'\"]{re.escape(name)}\b(?!\.)",
                self.source.text.replace(f"{module}.{name}", ""),
            ):
                return f"name {_split(end.path)[0]}, and {_split(end.path)[1]} instead of {name}"
        return ""


def _test(node: ast.If | ast.IfExp | ast.While | ast.Assert | ast.BoolOp) -> ast.expr:
    return node.values[0] if isinstance(node, ast.BoolOp) else node.test


_IMPORTERS = {"import_module", "__import__", "import_string", "patch", "find_spec", "locate"}


def _patches(call: ast.Call) -> bool:
    """``mock.patch("a.b.Name")``, ``monkeypatch.setattr("a.b.Name", …)``."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return name == "patch" or ast.unparse(call.func) == "monkeypatch.setattr"


def _put_together(call: ast.Call) -> str:
    """How a path of Airflow's begins that code puts together to import or patch it."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name not in _IMPORTERS or not call.args or isinstance(call.args[0], ast.Constant):
        return ""
    said = (n.value for n in ast.walk(call.args[0]) if isinstance(n, ast.Constant))
    first = next((value for value in said if isinstance(value, str)), "")
    found = _PREFIX.match(first)
    return found[0] if found else ""


def _imported(text: str) -> Iterator[str]:
    """What a text of Python imports from Airflow, template expressions passed over."""
    for module, names in _FROM.findall(text):
        for name in names.strip("() \t").split(","):
            word = name.split()[0] if name.split() else ""
            if word.isidentifier():
                yield f"{module}.{word}"


def _as_it_is(binding: Binding) -> NewImport:
    module, name = _split(binding.path)
    if isinstance(binding.statement, ast.Import):
        return NewImport(module=binding.path, asname=binding.name)
    return NewImport(module=module, name=name, asname=binding.alias.asname or "")


def _note_at(use: Use, resolution: Resolution, path: str | None = None) -> Note:
    advice = resolution.removed.advice if resolution.removed is not None else ""
    return _absent(use.node, path or resolution.start, advice)


_MODULES: set[str] = set()
_MEMBERS: dict[str, frozenset[str]] = {}


def _modules() -> set[str]:
    """Every module that the table has a name of."""
    if not _MODULES:
        _MODULES.update(members())
    return _MODULES


def members() -> dict[str, frozenset[str]]:
    """Module → the names in it that the table knows."""
    if not _MEMBERS:
        found: dict[str, set[str]] = {}
        for path in all_hops():
            module, name = _split(path)
            found.setdefault(module, set()).add(name)
        _MEMBERS.update({module: frozenset(names) for module, names in found.items()})
    return _MEMBERS


def import_changes(source: Source, target: Target) -> tuple[Change, ...]:
    """All that imports need, found once for the rules that share it."""
    if "imports" not in source.found:
        source.found["imports"] = tuple(_Moves(source, target).find())
    return source.found["imports"]


def _find(source: Source, target: Target) -> Iterator[Change]:
    return (c for c in import_changes(source, target) if c.rule == ID)


_EXAMPLES: Sequence[Example] = (
    Example(
        before=lines("from airflow.operators.python_operator import PythonOperator"),
        after=lines("from airflow.operators.python import PythonOperator"),
    ),
    Example(
        before=lines("from airflow.operators import HttpSensor, S3KeySensor  # noqa: F401"),
        after=lines(
            "from airflow.providers.http.sensors.http import HttpSensor  # noqa: F401",
            "from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor  # noqa: F401",
        ),
    ),
    Example(
        before=lines(
            "from airflow.operators.dummy_operator import DummyOperator",
            "",
            "start = DummyOperator(task_id='start')",
        ),
        after=lines(
            "from airflow.operators.empty import EmptyOperator",
            "",
            "start = EmptyOperator(task_id='start')",
        ),
    ),
    Example(
        before=lines(
            "from airflow.contrib.operators import aws_athena_operator",
            "",
            "aws_athena_operator.AWSAthenaOperator(task_id='q', query='', database='d')",
        ),
        after=lines(
            "from airflow.providers.amazon.aws.operators import athena as aws_athena_operator",
            "",
            "aws_athena_operator.AthenaOperator(task_id='q', query='', database='d')",
        ),
    ),
    Example(
        before=lines(
            "from unittest.mock import patch",
            "",
            "patch('airflow.contrib.operators.ssh_operator.SSHHook')",
            "patch('airflow.operators.bash_operator.Popen')",
            "patch('airflow.hooks.base_hook.BaseHook.get_connection')",
        ),
        after=lines(
            "from unittest.mock import patch",
            "",
            "patch('airflow.contrib.operators.ssh_operator.SSHHook')",
            "patch('airflow.operators.bash_operator.Popen')",
            "patch('airflow.hooks.base.BaseHook.get_connection')",
        ),
        notes=("airflow.providers.ssh.operators.ssh.SSHHook", "airflow.operators.bash.Popen"),
    ),
    Example(
        before=lines(
            "with open('generated.py', 'w') as dag_file:",
            "    dag_file.write('from airflow.hooks.base_hook import BaseHook')",
        ),
        notes=("from airflow.hooks.base import BaseHook",),
    ),
    Example(
        before=lines(
            "import airflow.operators.bash_operator",
            "",
            "airflow.operators.bash_operator.BashOperator(task_id='b', bash_command='true')",
        ),
        after=lines(
            "import airflow.operators.bash",
            "",
            "airflow.operators.bash.BashOperator(task_id='b', bash_command='true')",
        ),
    ),
)

RULE = Rule(
    id=ID,
    title="Import from where the target has it",
    why="Airflow 2 moved operators, sensors and hooks to new modules and to provider "
    "distributions; the shims that remain warn, and many paths have none.",
    examples=tuple(_EXAMPLES),
    keeps=(
        lines("from airflow import DAG"),
        lines("from airflow.models import Variable", "", "Variable.get('x')"),
        lines("from airflow.operators.python import PythonOperator"),
        lines(
            "try:",
            "    from airflow.operators.python import PythonOperator",
            "except ImportError:",
            "    from airflow.operators.python_operator import PythonOperator",
        ),
        lines("from .operators.python_operator import PythonOperator"),
        lines("text = 'from airflow.models import Variable'"),
        lines('"""', "from airflow.operators.python_operator import PythonOperator", '"""'),
        lines("path = 'see airflow.operators.python_operator.PythonOperator'"),
    ),
    find=_find,
)
