"""What Flask-Admin's views and links are as Flask-AppBuilder's, which 2.x alone has."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.editing.changes import Compose, Insert, NewImport, Operation, Rebind, Replace
from codemods.reading.source import Source

LINKS = ("flask_admin.base.MenuLink", "flask_admin.menu.MenuLink")
# flask_admin/menu.py, MenuLink.__init__, Flask-Admin 1.5.4 (the pin of 1.10.15).
_LINK = ("name", "url", "endpoint", "category")
VIEWS = ("flask_admin.BaseView", "flask_admin.base.BaseView")
EXPOSE = ("flask_admin.expose", "flask_admin.base.expose")
_APPBUILDERS = ("flask_appbuilder.BaseView", "flask_appbuilder.baseviews.BaseView")
# What Flask-Admin asks of its views (BaseView, 1.5.4) and Flask-AppBuilder does not.
_ADMINS = {"create_blueprint", "inaccessible_callback", "is_accessible", "is_visible"}


def _items(source: Source, call: ast.Call, names: tuple[str, ...]) -> dict[str, str] | None:
    """The arguments of a call by name, as code; None when one has another name."""
    given = dict(zip(names, map(source.segment, call.args), strict=False))
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg not in names:
            return None
        given[keyword.arg] = source.segment(keyword.value)
    return None if len(call.args) > len(names) else given


def menu_item(source: Source, call: ast.Call) -> str | None:
    """The menu item that says what a link does, as code."""
    if source.path_of(call.func) not in LINKS:
        return None
    given = _items(source, call, _LINK)
    if given is None or "url" not in given or "endpoint" in given or "name" not in given:
        return None
    return _entry(given, f'"href": {given["url"]}')


def registered_link(source: Source, call: ast.Call) -> list[Operation] | None:
    """What makes a link a menu item where it stands; None where that cannot be seen."""
    item = menu_item(source, call)
    return None if item is None else [Replace(node=call, code=item)]


def _entry(given: dict[str, str], what: str) -> str:
    """What stands in Flask-AppBuilder's menu for a link or a view, as code."""
    parts = [f'"{key}": {given[key]}' for key in ("name", "category") if key in given]
    return "{" + ", ".join([*parts, what]) + "}"


def has_links(source: Source, links: ast.expr, items: ast.expr) -> bool:
    """Whether the menu items name each address that the links of 1.10's other interface do."""
    hrefs = {
        ast.unparse(value)
        for item in getattr(items, "elts", [])
        if isinstance(made := source.value_of(item, ast.Dict), ast.Dict)
        for key, value in zip(made.keys, made.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "href"
    }
    for link in getattr(links, "elts", [None]):
        call = source.value_of(link, ast.Call) if link is not None else None
        given = _items(source, call, _LINK) if isinstance(call, ast.Call) else None
        url = (given or {}).get("url")
        if url is None or ast.unparse(ast.parse(url, mode="eval")) not in hrefs:
            return False
    return True


def registered_view(source: Source, call: ast.Call) -> list[Operation] | None:
    """What makes ``View(category=…, name=…)``, whose class has a page at "/", an entry and a class
    of Flask-AppBuilder's; None where that cannot be seen."""
    if not isinstance(call.func, ast.Name):
        return None
    name = call.func.id
    cls = next((n for n, s in source.classes if n.name == name), None)
    given = _items(source, call, ("name", "category"))
    if cls is None or given is None or "name" not in given or not is_view(source, cls):
        return None
    uses = [c for c in source.plain_calls if getattr(c.func, "id", "") == name]
    if not pages(source, cls) or len(uses) != 1:
        return None
    entry = _entry(given, f'"view": {name}()')
    return [Replace(node=call, code=entry), *as_builders(source, cls)]


def is_view(source: Source, cls: ast.ClassDef) -> bool:
    """Whether a class is a view of Flask-Admin's."""
    return any(source.path_of(base) in VIEWS for base in cls.bases)


def pages(source: Source, cls: ast.ClassDef) -> list[ast.FunctionDef] | None:
    """The methods of a view that stand for "/"; None where it has what is Flask-Admin's."""
    methods = [n for n in cls.body if not isinstance(n, ast.Pass) and not _docstring(n)]
    found = []
    for method in methods:
        if not isinstance(method, ast.FunctionDef) or method.name in _ADMINS:
            return None
        for call in method.decorator_list:
            if not isinstance(call, ast.Call) or source.path_of(call.func) not in EXPOSE:
                continue
            at = call.args[0] if call.args else None
            if at is None or (isinstance(at, ast.Constant) and at.value == "/"):
                found.append(method)
    return found


def as_builders(source: Source, cls: ast.ClassDef) -> Iterator[Operation]:
    """What makes a view of Flask-Admin's one of Flask-AppBuilder's."""
    for binding in source.bindings:
        if binding.path in (*VIEWS, *EXPOSE) and not binding.dotted:
            name = binding.path.rpartition(".")[2]
            new = NewImport(module="flask_appbuilder", name=name, asname=binding.alias.asname or "")
            yield Rebind(binding=binding, imports=(new,))
    page = next(reversed(pages(source, cls) or []), None)
    # default_view of flask_appbuilder.BaseView is "list": the page keeps its name only then,
    # or when the class gets a line that says so.
    if page is not None and page.name != "list":
        first = next((n for n in cls.body if not _docstring(n)), page)
        begin = source.span(first)[0]
        if isinstance(first, ast.FunctionDef) and first.decorator_list:
            begin = source.span(first.decorator_list[0])[0] - 1
        column = begin - source.text.rfind("\n", 0, begin) - 1
        yield Insert(at=begin, code=f'default_view = "{page.name}"\n\n' + " " * column)
    for node in ast.walk(cls):
        if isinstance(node, ast.Attribute) and node.attr == "render":
            yield Compose.attribute(node, "render_template")


def _docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def builders_views(source: Source) -> Iterator[ast.ClassDef]:
    """The views of a text that are Flask-AppBuilder's already."""
    for cls, _ in source.classes:
        if any(source.path_of(base) in _APPBUILDERS for base in cls.bases):
            yield cls
