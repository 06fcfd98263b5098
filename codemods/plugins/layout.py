"""Where plugin modules stand on the target: texts in, texts and moves out.

Airflow 2 runs every file below the plugins folder under its bare name (``a/b.py`` as ``b``) and
looks for plugins in it (airflow/plugins_manager.py, load_plugins_from_plugin_directory, 2.5.1 and
2.11.0). Three things follow. A module that DAGs import would run a second time, and may take the
name of another module: ``.airflowignore`` keeps it out. A package's ``__init__`` runs as
``__init__``, without its package, so that its relative imports fail. And what no plugin needs has
no place there: it moves into the DAG folder, as Amazon's migration guide has it, under the name it
had, and the ``.airflowignore`` there keeps it from being read as a DAG file.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from codemods.plugins.modules import Module, absolute, module_of, read_module
from codemods.reading.newlines import restored, rows_of, unified, usual

IGNORE_FILE = ".airflowignore"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What happens to files. All paths are the repository's."""

    moves: Mapping[str, str] = field(default_factory=dict)  # old path → new path
    texts: Mapping[str, str] = field(default_factory=dict)  # new path → new or changed text
    deleted: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)  # old or new path → why


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where DAGs and plugins stand ("." is the repository itself). With ``several`` folders of DAGs
    in ``dags`` none of them is where a module could move to: all stays."""

    dags: str
    plugins: str
    several: bool = False
    glob: bool = False  # .airflowignore holds globs instead of regular expressions


class _Plugins:
    """The plugin files after the change, by their path below the plugins folder."""

    def __init__(self, texts: Mapping[str, str], renamed: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        self.renamed = renamed
        self.modules: dict[str, Module] = {}
        self.unread: set[str] = set()
        for path, text in sorted(texts.items()):
            module = read_module(path, text)
            if module is None:
                self.unread.add(path)
            else:
                self.modules[path] = module

    def new(self, path: str) -> str:
        """The path below the plugins folder that a file gets."""
        return self.renamed.get(path, path)


def arrange(
    plugins: Mapping[str, str],
    others: Mapping[str, str],
    *,
    before: Mapping[str, str],
    files: Collection[str],
    homes: Collection[str],
    renamed: Mapping[str, str],
    folders: Folders,
    ignores: Mapping[str, str],
    same: Collection[str] = (),
) -> Layout:
    """The new places of the files below the plugins folder.

    ``plugins`` maps paths below the plugins folder to their text after the codemods, ``before`` to
    that before them, ``others`` the paths of all other sources to theirs; ``files`` are all files
    of the repository. ``homes`` are the files (below the plugins folder) that define what plugins
    registered, ``renamed`` what cannot keep its name. ``ignores`` holds the texts of the
    ``.airflowignore`` files there are, ``same`` the plugin files that stand in the DAG folder too.
    """
    return _Arranging(
        _Plugins(plugins, renamed), others, before, files, homes, folders, ignores, same
    ).layout()


class _Arranging:
    def __init__(
        self,
        read: _Plugins,
        others: Mapping[str, str],
        before: Mapping[str, str],
        files: Collection[str],
        homes: Collection[str],
        folders: Folders,
        ignores: Mapping[str, str],
        same: Collection[str],
    ) -> None:
        self.read = read
        self.before = before
        self.files = set(files)
        self.homes = homes
        self.folders = folders
        self.ignores = ignores
        self.same = set(same)
        prefix = f"{folders.plugins}/"
        self.inside = sorted(f.removeprefix(prefix) for f in self.files if f.startswith(prefix))
        self.by_new = {module_of(read.new(p)): p for p in read.modules}
        self.by_old = {module_of(p): p for p in read.modules}
        self.imported = {p: self._imports(m) for p, m in read.modules.items()}
        self.from_dags: set[str] = set()
        for path, text in sorted(others.items()):
            module = read_module(path, text)
            if module is not None:
                self.from_dags |= self._imports(module)
        self.moves: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.deleted: dict[str, str] = {}

    def _imports(self, module: Module) -> set[str]:
        """The plugin files that a module imports, the packages around them included."""
        named = [*module.imports.values(), *module.stars]
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                named += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                is_package = module.path.endswith("__init__.py")
                named.append(absolute(node, module.name, is_package=is_package))
        found = set()
        for dotted in named:
            parts = dotted.split(".")
            for end in range(1, len(parts) + 1):
                path = self._file(".".join(parts[:end]), module)
                if path is not None and path != module.path:
                    found.add(path)
        return found

    def _file(self, dotted: str, user: Module) -> str | None:
        """The plugin file that a module's import means; old names hold inside one package."""
        old = self.by_old.get(dotted)
        beside = old is not None and self._entry(old) == self._entry(user.path)
        if old is not None and (beside or old not in self.read.renamed):
            return old
        return self.by_new.get(dotted)

    # -- the steps ---------------------------------------------------------------------------

    def layout(self) -> Layout:
        self._delete_empty()
        self._absolute_roots()
        self._split()
        self._move()
        self._ignore()
        prefix = f"{self.folders.plugins}/"
        return Layout(
            moves=self.moves,
            texts=self.texts,
            deleted=tuple(sorted(prefix + path for path in self.deleted)),
            reasons=self.reasons,
        )

    def _users(self, path: str) -> bool:
        """Whether anybody imports a plugin file."""
        return path in self.from_dags or any(
            path in imported for user, imported in self.imported.items() if user not in self.deleted
        )

    def _delete_empty(self) -> None:
        """A file that held a plugin and imports for it, and now holds nothing."""
        for path, module in self.read.modules.items():
            held = read_module(path, self.before.get(path, ""))
            dropped = held is not None and held.plugins and not module.plugins
            if dropped and not self._users(path) and all(map(_says_nothing, module.tree.body)):
                if path.endswith("__init__.py") and "/" in path:
                    continue  # it still makes the package
                self.deleted[path] = "Airflow 2 takes nothing from this plugin"
                self.reasons[f"{self.folders.plugins}/{path}"] = self.deleted[path]

    def _absolute_roots(self) -> None:
        """A file that becomes another module, and a root ``__init__``, have no package."""
        for path, module in self.read.modules.items():
            if path == "__init__.py" and path not in self.deleted:
                self._recode(path, _absolute_imports(self.read.texts[path], module))

    def _recode(self, path: str, text: str) -> None:
        if text != self.read.texts[path]:
            self.read.texts[path] = text
            self.texts[f"{self.folders.plugins}/{self.read.new(path)}"] = text

    def _split(self) -> None:
        """A plugin in a module that others import, or in a package, gets a file of its own."""
        for path, module in list(self.read.modules.items()):
            if len(module.plugins) == 0 or path in self.deleted:
                continue
            is_package = path.endswith("__init__.py") and "/" in path
            needs = is_package and _is_relative(module.tree)
            if not needs and not self._users(path):
                continue
            stem = module_of(self.read.new(path)).replace(".", "_")
            name = self._free(
                f"{stem}_{'registration' if stem.endswith('plugin') else 'plugin'}.py"
            )
            rest, taken = _take_out(self.read.texts[path], module, module_of(self.read.new(path)))
            if taken is None:
                continue
            self._recode(path, rest)
            self.read.texts[name] = taken
            self.texts[f"{self.folders.plugins}/{name}"] = taken
            why = (
                "Airflow 2 runs the __init__.py of a package without the package"
                if needs
                else "DAGs import the module, and Airflow 2 would run it a second time"
            )
            self.reasons[f"{self.folders.plugins}/{name}"] = (
                f"The plugin has a file of its own: {why}"
            )
            self.reasons.setdefault(
                f"{self.folders.plugins}/{path}", f"The plugin is in {name} now: {why}"
            )
            for key in (path, name):
                again = read_module(key, self.read.texts[key])
                if again is not None:
                    self.read.modules[key] = again
                    self.imported[key] = self._imports(again)

    def _free(self, name: str) -> str:
        stem, number = name.removesuffix(".py"), 2
        while name in self.inside or name in self.read.texts:
            name, number = f"{stem}_{number}.py", number + 1
        return name

    def _entry(self, path: str) -> str:
        return path.partition("/")[0]

    def _move(self) -> None:
        """Whole entries of the plugins folder move: a package must not be torn in two."""
        entries = {self._entry(path) for path in self.read.modules if path not in self.deleted}
        needs: dict[str, set[str]] = {}
        for path, imported in self.imported.items():
            if path not in self.deleted:
                ends = {self._entry(p) for p in imported}
                needs.setdefault(self._entry(path), set()).update(ends)
        staying = {self._entry(p) for p in self.read.unread}
        staying |= {self._entry(p) for p, m in self.read.modules.items() if m.plugins}
        staying |= {"__init__.py"} & entries if "__init__.py" not in self.read.renamed else set()
        staying |= {entry for entry in entries if self._collides(entry)}
        staying = _closure(staying, needs)
        wanted = {self._entry(p) for p in self.homes if p not in self.deleted} & entries
        moving = set() if self.folders.several else _closure(wanted - staying, needs) - staying
        for path in self.inside:
            if path in self.deleted:
                continue
            old, new = f"{self.folders.plugins}/{path}", self.read.new(path)
            if self._entry(path) not in moving:
                place = f"{self.folders.plugins}/{new}"
                why = "Under its name no import reaches it"
            elif path in self.same:
                self.deleted[path] = "The same file stands in the DAG folder"
                self.reasons[old] = self.deleted[path]
                self.texts.pop(f"{self.folders.plugins}/{new}", None)
                continue
            else:
                place = _join(self.folders.dags, new)
                why = "DAGs import it, and no plugin needs it"
            if place != old:
                self.moves[old] = place
                self.reasons[old] = f"{why}: it is {place} now"
                text = self.texts.pop(f"{self.folders.plugins}/{new}", None)
                if text is not None:
                    self.texts[place] = text
        self.moving = moving

    def _collides(self, entry: str) -> bool:
        """Whether another file stands where one of the entry would go."""
        return any(
            _join(self.folders.dags, self.read.new(path)) in self.files and path not in self.same
            for path in self.inside
            if self._entry(path) == entry
        )

    def _ignore(self) -> None:
        """What is no DAG file and no plugin is named in the folder's ``.airflowignore``."""
        moved = {self._entry(self.read.new(p)) for p in self.read.modules} & {
            self._entry(self.read.new(p)) for p in self.inside if self._entry(p) in self.moving
        }
        self._add(self.folders.dags, moved, "modules that DAGs import")
        stays = {
            self.read.new(path): module
            for path, module in self.read.modules.items()
            if path not in self.deleted and self._entry(path) not in self.moving
        }
        used = {p for p, m in stays.items() if not m.plugins and self._users(m.path)}
        holders = {self._entry(p) for p, m in stays.items() if m.plugins}
        holders |= {self._entry(p) for p in self.read.unread}
        rows = {p if self._entry(p) in holders else self._entry(p) for p in used}
        self._add(self.folders.plugins, rows, "modules without a plugin, which others import")

    def _add(self, folder: str, entries: set[str], what: str) -> None:
        path = _join(folder, IGNORE_FILE)
        text = self.ignores.get(path, "")
        known = {line.strip() for line in text.splitlines()}
        rows = [row for e in sorted(entries) if (row := self._row(e)) not in known]
        if not rows:
            return
        newline = "\r\n" if "\r\n" in text else "\n"
        if text and not text.endswith("\n"):
            text += newline
        head = f"# {what[0].upper()}{what[1:]}"
        block = rows if head in known else [head, *rows]
        self.texts[path] = text + "".join(f"{row}{newline}" for row in block)
        self.reasons[path] = f"Airflow passes over {what}"

    def _row(self, entry: str) -> str:
        """One entry as a pattern: a file, or a folder with all below it."""
        if self.folders.glob:
            return f"/{entry}" if entry.endswith(".py") else f"/{entry}/"
        escaped = re.escape(entry)
        return f"^{escaped}$" if entry.endswith(".py") else f"^{escaped}/"


# -- texts ------------------------------------------------------------------------------------


def _says_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return any(isinstance(t, ast.Name) and t.id.startswith("__") for t in node.targets)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.Pass)


def _is_relative(tree: ast.Module) -> bool:
    return any(isinstance(n, ast.ImportFrom) and n.level for n in ast.walk(tree))


def _absolute_imports(text: str, module: Module) -> str:
    """The text with its relative imports spelt out."""
    rows = rows_of(text)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = absolute(node, module.name, is_package=module.path.endswith("__init__.py"))
            index = node.lineno - 1
            old = rf"from(\s+)\.[.\s]*{re.escape(node.module or '')}(\s*)import"
            new = rf"from {base} import" if base else ""
            if base:
                rows[index] = re.sub(old, new, rows[index], count=1)
            else:
                indent = rows[index][: len(rows[index]) - len(rows[index].lstrip())]
                names = ", ".join(ast.unparse(alias) for alias in node.names)
                end = node.end_lineno or node.lineno
                rows[index:end] = [f"{indent}import {names}\n"] + [""] * (end - node.lineno)
    return "".join(rows)


def _take_out(text: str, module: Module, home: str) -> tuple[str, str | None]:
    """The text without its plugin classes, and a module of them alone; None when it cannot be."""
    top = [p.node for p in module.plugins if p.node in module.tree.body]
    if len(top) != len(module.plugins) or not home:
        return text, None
    plain, ends = unified(text)
    rows = rows_of(plain)
    taken: list[str] = []
    needed: dict[str, None] = {}
    cut: list[tuple[int, int]] = []
    own = {node.name for node in top}
    for node in top:
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
        last = node.end_lineno or node.lineno
        while first and rows[first - 1].lstrip().startswith("#"):
            first -= 1
        while last < len(rows) and re.match(r"[ \t]+#", rows[last]):
            last += 1  # a remark that ends the body
        taken.append("".join(rows[first:last]).rstrip() + "\n")
        needed |= dict.fromkeys(name for name in _asked(node) if name not in own)
        cut.append((first, last))
    left = text_without(rows, cut)
    still = {n.id for n in ast.walk(ast.parse(left)) if isinstance(n, ast.Name)}
    if own & still:
        return text, None
    left = _without_import(left, "AirflowPlugin", still)
    imports = _imports_for(needed, module, home)
    doc = f'"""The plugin of {home}, in a file of its own: Airflow runs this one, once."""\n\n'
    made = doc + "".join(imports) + "\n\n" + "\n\n".join(taken)
    return restored(left, plain, ends), made.replace("\n", usual(ends))


def text_without(rows: Sequence[str], cut: Sequence[tuple[int, int]]) -> str:
    """The rows without some, and without the blank rows that stood before those."""
    gone: set[int] = set()
    for first, last in cut:
        while first and not rows[first - 1].strip():
            first -= 1
        gone |= set(range(first, last))
    kept = "".join(row for i, row in enumerate(rows) if i not in gone)
    if "".join(rows[max(last for _, last in cut) :]).strip():
        return kept
    return kept.rstrip() + "\n" if kept.strip() else ""


def _asked(node: ast.ClassDef) -> Iterator[str]:
    """The names that a class takes from around it; its body sees them until it binds them itself,
    as in ``macros = [*macros, week]``."""
    bound: set[str] = set()
    for part in (*node.decorator_list, *node.bases, *node.keywords, *node.body):
        names = [n for n in ast.walk(part) if isinstance(n, ast.Name)]
        stored = {n.id for n in names if _stores(n)}
        inner = stored | {n.arg for n in ast.walk(part) if isinstance(n, ast.arg)}
        if isinstance(part, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            inner -= {t.id for t in targets if isinstance(t, ast.Name)}
        for name in (n.id for n in names if not _stores(n)):
            if name not in bound | inner and not hasattr(builtins, name):
                yield name
        bound |= stored | {getattr(part, "name", "")}


def _stores(node: ast.Name) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _without_import(text: str, name: str, still: Collection[str]) -> str:
    """The text without the import of a name that nothing in it uses any more."""
    if name in still:
        return text
    rows = rows_of(text)
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.module == "airflow.plugins_manager":
            kept = [alias for alias in node.names if alias.name != name]
            end = node.end_lineno or node.lineno
            rows[node.lineno - 1 : end] = (
                [f"from {node.module} import {', '.join(map(ast.unparse, kept))}\n"] if kept else []
            )
            break
    left = "".join(rows)
    return left if text.startswith(("\n", "\r")) else left.lstrip("\r\n")


def _imports_for(needed: Collection[str], module: Module, home: str) -> Iterator[str]:
    """Import lines that bind what the plugin's body names: what the module imports from elsewhere
    comes from there, everything else from the module."""
    rows: dict[str, list[str]] = {}
    plain: list[str] = []
    for name in sorted(needed):
        dotted = module.imports.get(name, "")
        if name in module.defined or not dotted:
            rows.setdefault(home, []).append(name)
        elif "." in dotted:
            base, _, last = dotted.rpartition(".")
            rows.setdefault(base, []).append(name if last == name else f"{last} as {name}")
        else:
            plain.append(f"import {dotted}\n" if dotted == name else f"import {dotted} as {name}\n")
    yield from plain
    for base in sorted(rows, key=lambda b: (not b.startswith("airflow"), b)):
        yield f"from {base} import {', '.join(rows[base])}\n"


def _closure(start: set[str], needs: Mapping[str, set[str]]) -> set[str]:
    found, pending = set(start), list(start)
    while pending:
        for entry in needs.get(pending.pop(), set()):
            if entry not in found:
                found.add(entry)
                pending.append(entry)
    return found


def _join(folder: str, path: str) -> str:
    return path if folder in ("", ".") else f"{folder}/{path}"
