"""A plugin registers what the target still takes from plugins, and goes when nothing is left."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from codemods.base import Example, Note, Rule
from codemods.editing.changes import (
    Change,
    DropStatement,
    Insert,
    NewImport,
    Operation,
    Rebind,
    Replace,
    Step,
)
from codemods.plugins.flask_admin import (
    EXPOSE,
    LINKS,
    VIEWS,
    as_builders,
    builders_views,
    has_links,
    is_view,
    menu_item,
    pages,
    registered_link,
    registered_view,
)
from codemods.plugins.modules import PluginClass, is_empty, plugin_classes
from codemods.reading.scopes import Binding
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "plugin-registration"

# What 2.x does not look at (airflow/plugins_manager.py, AirflowPlugin, 2.0.2 and 2.11.0).
_IGNORED = ("operators", "sensors")
# What it looks at only to warn, and the attribute that does the same (as above).
_REPLACED = {"admin_views": "appbuilder_views", "menu_links": "appbuilder_menu_items"}


class _Plugin:
    """The changes of one plugin class."""

    def __init__(self, source: Source, plugin: PluginClass) -> None:
        self.source = source
        self.plugin = plugin
        self.node = plugin.node

    def find(self) -> Iterator[Change]:
        left: dict[str, ast.expr] = {
            name: value
            for name, value in self.plugin.fields.items()
            if name != "name" and not is_empty(value)
        }
        steps: list[Step] = []
        for kind in _IGNORED:
            if kind in left and self._statement(kind) is not None:
                del left[kind]
                steps.append(self._drop(kind, "2.x takes no {} from plugins: DAGs import them"))
        for old, new in _REPLACED.items():
            value = left.get(old)
            if value is None:
                continue
            if new in left and (old != "menu_links" or has_links(self.source, value, left[new])):
                steps.append(self._drop(old, f"2.x reads {new} instead of {{}}"))
                steps += self._left_over(value)
                continue
            there = left.get(new)
            changes = (
                self._converted(old, new, value) if there is None else self._among(value, there)
            )
            if changes is None:
                yield self._note(old, new, value)
            else:
                empty = self._statement(new)
                if empty is not None and there is None:  # it would win over what is new
                    changes += (DropStatement(node=empty),)
                steps.append(self._step(value.lineno, f"2.x reads {new} instead of {old}", changes))
        if steps and "macros" in left:
            steps += self._lowered()
        if steps and not left and not self.plugin.others and self._unused():
            keeps = self.source.path.endswith("__init__.py")
            message = f"Nothing is left for Airflow 2 in the plugin {self.node.name}"
            yield self._step(
                self.node.lineno,
                message,
                (DropStatement(node=self.node, keeps_imports=keeps), *self._base(keeps)),
            )
        else:
            yield from steps

    def _step(self, line: int, message: str, operations: tuple[Operation, ...]) -> Step:
        return Step(rule=ID, line=line, message=message, operations=operations)

    def _statement(self, kind: str) -> ast.stmt | None:
        """The statement that gives a value to ``kind`` and to nothing else."""
        for node in self.node.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign):
                targets = [node.target]
            if len(targets) == 1 and isinstance(targets[0], ast.Name) and targets[0].id == kind:
                return node
        return None

    def _lowered(self) -> Iterator[Step]:
        """1.10 gave macros to templates below the plugin's name in lower case, 2.x gives them as it
        is written (integrate_macros_plugins, airflow/plugins_manager.py, 2.5.1 and 2.11.0)."""
        name = self.plugin.fields.get("name")
        text = name.value if isinstance(name, ast.Constant) else None
        if name is not None and isinstance(text, str) and text != text.lower():
            code = self.source.segment(name).replace(text, text.lower())
            message = f"Templates find its macros as macros.{text.lower()}, as in 1.10"
            yield self._step(name.lineno, message, (Replace(node=name, code=code),))

    def _drop(self, kind: str, message: str) -> Step:
        statement = self._statement(kind)
        keeps = self.source.path.endswith("__init__.py")
        operations: tuple[Operation, ...] = ()
        if statement is not None:
            operations = (DropStatement(node=statement, keeps_imports=keeps),)
        line = statement.lineno if statement is not None else self.node.lineno
        return self._step(line, message.format(kind), operations)

    def _left_over(self, value: ast.expr) -> Iterator[Step]:
        """The views that nothing but ``admin_views`` named, and their Flask-Admin classes."""
        names = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
        for name in (n.id for n in names if isinstance(n, ast.Name)):
            made = [
                n
                for n in self.source.tree.body
                if isinstance(n, ast.Assign)
                and [t.id for t in n.targets if isinstance(t, ast.Name)] == [name]
            ]
            if len(made) != 1 or self._mentions(name) != 2:
                continue
            yield self._gone(made[0], f"{name} was a view of Flask-Admin's")
            call = made[0].value
            of = self.source.segment(call.func) if isinstance(call, ast.Call) else ""
            cls = next((n for n, s in self.source.classes if n.name == of), None)
            if cls is not None and self._mentions(of) == 2 and is_view(self.source, cls):
                yield self._gone(cls, f"{of} was a view of Flask-Admin's")

    def _mentions(self, name: str) -> int:
        return len(re.findall(rf"\b{re.escape(name)}\b", self.source.text))

    def _gone(self, node: ast.stmt, message: str) -> Step:
        return self._step(node.lineno, message, (DropStatement(node=node),))

    def _unused(self) -> bool:
        """Whether nothing else in the file names the class, nor another file."""
        if self.node.name in self.source.words:
            return False
        start, end = self.source.span(self.node)
        text = self.source.text
        return re.search(rf"\b{self.node.name}\b", f"{text[:start]}\n{text[end:]}") is None

    def _base(self, keeps: bool) -> Iterator[Operation]:
        """In a package the import of AirflowPlugin goes as well: nobody wants it from there."""
        for base in self.node.bases if keeps else ():
            use = self.source.use_of(base)
            for binding in use.bindings if use is not None else ():
                if len(binding.uses) == 1 and not binding.dotted:
                    yield Rebind(binding=binding, imports=())

    def _note(self, old: str, new: str, value: ast.expr) -> Note:
        example = (
            '{"name": …, "category": …, "href": …}'
            if old == "menu_links"
            else '{"name": …, "category": …, "view": …}, the view a flask_appbuilder.BaseView'
        )
        return Note.at(
            value,
            rule=ID,
            message=f"2.x ignores {old} of the plugin {self.node.name}",
            fix=f"Register them in {new}, each as {example}",
        )

    # -- views and links -----------------------------------------------------------------------

    def _converted(self, old: str, new: str, value: ast.expr) -> tuple[Operation, ...] | None:
        """What turns Flask-Admin's objects into Flask-AppBuilder's; None when it cannot be seen."""
        statement = self._statement(old)
        if statement is None or not isinstance(value, ast.List | ast.Tuple):
            return None
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if target is None:
            return None
        operations: list[Operation] = [Replace(node=target, code=new)]
        convert = registered_link if old == "menu_links" else registered_view
        for element in value.elts:
            call = self.source.value_of(element, ast.Call)
            made = convert(self.source, call) if isinstance(call, ast.Call) else None
            if made is None:
                return None
            operations += made
        return tuple(operations)

    def _among(self, links: ast.expr, items: ast.expr) -> tuple[Operation, ...] | None:
        """What puts the links behind the menu items that there are; None when either cannot be
        seen."""
        old, new = map(self._statement, ("menu_links", "appbuilder_menu_items"))
        if not isinstance(links, ast.List | ast.Tuple) or not isinstance(items, ast.List):
            return None
        if old is None or getattr(new, "value", None) is not items:
            return None
        operations: list[Operation] = [DropStatement(node=old)]
        more = ""
        for element in links.elts:
            call = self.source.value_of(element, ast.Call)
            code = menu_item(self.source, call) if isinstance(call, ast.Call) else None
            if call is None or code is None:
                return None
            if call is not element:
                operations.append(Replace(node=call, code=code))
                code = self.source.segment(element)
            more += f", {code}"
        operations.append(Insert(at=self.source.span(items.elts[-1])[1], code=more))
        return tuple(operations)


def _find(source: Source, _: Target) -> Iterator[Change]:
    if "AirflowPlugin" not in source.text and "flask_admin" not in source.text:
        return
    changes = [c for p in plugin_classes(source.tree) for c in _Plugin(source, p).find()]
    changes += _registered_elsewhere(source, changes)
    yield from changes
    if any(isinstance(change, Note) for change in changes):
        yield from _plain_links(source)
    steps = [change for change in changes if isinstance(change, Step)]
    rebound = {op.binding for s in steps for op in s.operations if isinstance(op, Rebind)}
    for binding in source.bindings:
        if binding.path in EXPOSE and not binding.dotted and binding not in rebound:
            yield from _exposed(source, binding)


def _plain_links(source: Source) -> Iterator[Step]:
    """Links that no menu item can be made of here, as what they are: a name, a category, a url."""
    for binding in source.bindings:
        calls = [c.node for c in source.calls if c.path in LINKS and binding in c.use.bindings]
        if (
            binding.path in LINKS
            and len(calls) == len(binding.uses) > 0
            and all(not call.args and all(k.arg for k in call.keywords) for call in calls)
        ):
            new = NewImport(module="types", name="SimpleNamespace", asname=binding.name)
            yield Step(
                rule=ID,
                line=binding.alias.lineno,
                message="A link of Flask-Admin's is a plain object with the same attributes",
                operations=(Rebind(binding=binding, imports=(new,)),),
            )


def _registered_elsewhere(source: Source, changes: Sequence[Change]) -> Iterator[Step]:
    """Views of Flask-Admin's that another file registers, if any does: a target that has no
    Flask-Admin cannot even import them."""
    gone = {
        id(o.node)
        for c in changes
        if isinstance(c, Step)
        for o in c.operations
        if isinstance(o, DropStatement)
    }
    views = [c for c, _ in source.classes if is_view(source, c) and id(c) not in gone]
    theirs = {
        id(node)
        for cls in (*views, *builders_views(source))
        for part in (*cls.bases, *(d for n in cls.body for d in getattr(n, "decorator_list", [])))
        for node in ast.walk(part)
    }
    bindings = [b for b in source.bindings if b.path in (*VIEWS, *EXPOSE)]
    made = {ast.unparse(call.func) for call in source.plain_calls}
    if (
        views
        and not made & {cls.name for cls in views}
        and all(pages(source, cls) is not None and len(cls.bases) == 1 for cls in views)
        and not any(binding.dotted or binding.tower for binding in bindings)
        and all(id(use.node) in theirs for binding in bindings for use in binding.uses)
    ):
        for cls in views:
            yield Step(
                rule=ID,
                line=cls.lineno,
                message=f"2.x has Flask-AppBuilder's views alone: {cls.name} is one",
                operations=tuple(as_builders(source, cls)),
            )


def _exposed(source: Source, binding: Binding) -> Iterator[Step]:
    """Flask-Admin's ``expose`` on the pages of views that are Flask-AppBuilder's already."""
    pages = {
        use
        for cls in builders_views(source)
        for node in ast.walk(cls)
        for use in binding.uses
        if use.node is node
    }
    if pages:
        new = NewImport(module="flask_appbuilder", name="expose", asname=binding.alias.asname or "")
        message = "The pages of Flask-AppBuilder's views are exposed by its own decorator"
        yield Step(
            rule=ID,
            line=binding.statement.lineno,
            message=message,
            operations=(Rebind(binding=binding, imports=(new,)),),
        )


_IMPORTS = (
    "from airflow.plugins_manager import AirflowPlugin",
    "from company.operators import LoadOperator",
)

RULE = Rule(
    id=ID,
    title="Register in a plugin only what Airflow 2 takes from it",
    why="2.x ignores a plugin's operators and sensors, its admin_views and menu_links, without a "
    "word. Classes that a plugin registered are imported from their modules; a module that "
    "nothing in plugins/ needs moves into the DAG folder, and .airflowignore names it, so that "
    "nothing is imported twice.",
    examples=(
        Example(
            before=block("""
                from airflow.models import DagModel
                from flask_admin import BaseView as Page, expose
                from flask_appbuilder import BaseView


                class Mine(BaseView):
                    @expose('/')
                    def list(self):
                        return self.render_template('mine.html')


                class Names(Page):
                    @expose('/')
                    def list(self):
                        return self.render('names.html', model=DagModel)
            """),
            after=block("""
                from airflow.models import DagModel
                from flask_appbuilder import BaseView as Page, expose
                from flask_appbuilder import BaseView


                class Mine(BaseView):
                    @expose('/')
                    def list(self):
                        return self.render_template('mine.html')


                class Names(Page):
                    @expose('/')
                    def list(self):
                        return self.render_template('names.html', model=DagModel)
            """),
        ),
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin
                from flask_admin.base import MenuLink

                docs = MenuLink(category='Company', name='Docs', url='https://docs.example.com')


                class CompanyPlugin(AirflowPlugin):
                    name = 'company'
                    menu_links = [docs]
                    appbuilder_menu_items = [{'name': m.name, 'href': m.url} for m in menu_links]
            """),
            after=block("""
                from airflow.plugins_manager import AirflowPlugin
                from types import SimpleNamespace as MenuLink

                docs = MenuLink(category='Company', name='Docs', url='https://docs.example.com')


                class CompanyPlugin(AirflowPlugin):
                    name = 'company'
                    menu_links = [docs]
                    appbuilder_menu_items = [{'name': m.name, 'href': m.url} for m in menu_links]
            """),
            notes=("2.x ignores menu_links",),
        ),
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin
                from company.operators import LoadOperator


                class Company(AirflowPlugin):
                    name = 'company'
                    operators = [LoadOperator]
                    macros = []
                    # hooks = []


                def helper():
                    return LoadOperator
            """),
            after=block("""
                from company.operators import LoadOperator


                def helper():
                    return LoadOperator
            """),
        ),
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin
                from company.operators import LoadOperator
                from company.macros import week


                class Company(AirflowPlugin):
                    name = 'company'
                    operators = [LoadOperator]
                    macros = [week]
            """),
            after=block("""
                from airflow.plugins_manager import AirflowPlugin
                from company.macros import week


                class Company(AirflowPlugin):
                    name = 'company'
                    macros = [week]
            """),
        ),
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin
                from flask_admin.base import MenuLink

                docs = MenuLink(category='Company', name='Docs', url='https://docs.example.com')


                class Company(AirflowPlugin):
                    name = 'company'
                    menu_links = [docs]
            """),
            after=block("""
                from airflow.plugins_manager import AirflowPlugin

                docs = {"name": 'Docs', "category": 'Company', "href": 'https://docs.example.com'}


                class Company(AirflowPlugin):
                    name = 'company'
                    appbuilder_menu_items = [docs]
            """),
        ),
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin
                from flask_admin import expose
                from flask_admin.base import MenuLink
                from flask_appbuilder import BaseView

                docs = MenuLink(name='Docs', url='https://docs.example.com')


                class Quota(BaseView):
                    default_view = 'quota'

                    @expose('/')
                    def quota(self):
                        return self.render_template('quota.html')


                quota = {'name': 'Quota', 'href': '/quota'}


                class Company(AirflowPlugin):
                    name = 'company'
                    menu_links = [docs, MenuLink('Home', 'https://example.com')]
                    appbuilder_menu_items = [quota]
                    appbuilder_views = [{'name': 'Quota', 'view': Quota()}]
            """),
            after=lines(
                _IMPORTS[0],
                "from flask_appbuilder import expose",
                "from flask_appbuilder import BaseView",
                "",
                "docs = {\"name\": 'Docs', \"href\": 'https://docs.example.com'}",
                "",
                "",
                "class Quota(BaseView):",
                "    default_view = 'quota'",
                "",
                "    @expose('/')",
                "    def quota(self):",
                "        return self.render_template('quota.html')",
                "",
                "",
                "quota = {'name': 'Quota', 'href': '/quota'}",
                "",
                "",
                "class Company(AirflowPlugin):",
                "    name = 'company'",
                "    appbuilder_menu_items = [quota, docs, "
                "{\"name\": 'Home', \"href\": 'https://example.com'}]",
                "    appbuilder_views = [{'name': 'Quota', 'view': Quota()}]",
            ),
        ),
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin
                from flask_admin import BaseView, expose


                class Quota(BaseView):
                    @expose('/')
                    def quota(self):
                        return self.render('quota.html', used=1)

                    @expose('/all', methods=['GET'])
                    def everything(self):
                        return self.render('all.html')


                view = Quota(category='Company', name='Quota')


                class Company(AirflowPlugin):
                    name = 'company'
                    admin_views = [view]
            """),
            after=block("""
                from airflow.plugins_manager import AirflowPlugin
                from flask_appbuilder import BaseView, expose


                class Quota(BaseView):
                    default_view = "quota"

                    @expose('/')
                    def quota(self):
                        return self.render_template('quota.html', used=1)

                    @expose('/all', methods=['GET'])
                    def everything(self):
                        return self.render_template('all.html')


                view = {"name": 'Quota', "category": 'Company', "view": Quota()}


                class Company(AirflowPlugin):
                    name = 'company'
                    appbuilder_views = [view]
            """),
        ),
        Example(
            before=block("""
                from airflow.models import DagModel
                from flask_admin import BaseView as Page, expose


                class Names(Page):
                    @expose('/')
                    def index(self):
                        return self.render('names.html', model=DagModel)
            """),
            after=block("""
                from airflow.models import DagModel
                from flask_appbuilder import BaseView as Page, expose


                class Names(Page):
                    default_view = "index"

                    @expose('/')
                    def index(self):
                        return self.render_template('names.html', model=DagModel)
            """),
        ),
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin
                import flask_admin
                from company.views import Pages, new


                # for 1.10
                class Old(flask_admin.BaseView, Pages):
                    @flask_admin.expose('/')
                    def index(self):
                        return self.render('page.html')


                old = Old(url='/company', name='Company')


                class Company(AirflowPlugin):
                    name = 'company'
                    admin_views = [old]
                    appbuilder_views = [new, Pages]
            """),
            after=block("""
                from airflow.plugins_manager import AirflowPlugin
                from company.views import Pages, new


                class Company(AirflowPlugin):
                    name = 'company'
                    appbuilder_views = [new, Pages]
            """),
        ),
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin
                from company.views import views


                class Company(AirflowPlugin):
                    name = 'company'
                    admin_views = views
            """),
            notes=("appbuilder_views",),
        ),
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin
                from company.operators import LoadOperator
                from company.macros import week


                class Company(AirflowPlugin):
                    name = 'Company'
                    operators = [LoadOperator]
                    macros = [week]
            """),
            after=block("""
                from airflow.plugins_manager import AirflowPlugin
                from company.macros import week


                class Company(AirflowPlugin):
                    name = 'company'
                    macros = [week]
            """),
        ),
    ),
    keeps=(
        lines(  # of 2.x, by all that can be seen: templates may have macros.Company
            "from airflow.plugins_manager import AirflowPlugin",
            "from company.macros import week",
            "",
            "",
            "class Company(AirflowPlugin):",
            "    name = 'Company'",
            "    hooks = []",
            "    macros = [week]",
        ),
        block("""
            from airflow.plugins_manager import AirflowPlugin


            class Company(AirflowPlugin):
                name = 'company'

                @classmethod
                def on_load(cls, *args, **kwargs):
                    print('airflow')
        """),
        block("""
            from airflow.models import BaseOperator


            class Company(BaseOperator):
                operators = [1]
        """),
    ),
    find=_find,
)
