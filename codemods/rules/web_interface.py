"""Of the branches for 1.10's two web interfaces the one that 2.x has stays."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change, Rebind, Step
from codemods.plugins.web_interface import ID, goes
from codemods.reading.source import Source
from codemods.rules._text import block
from codemods.tables.target import Target


def _find(source: Source, _: Target) -> Iterator[Change]:
    """The imports that only a branch used: ``codemods.plugins.web_interface`` comes first."""
    for binding in source.bindings:
        if goes(source, binding):
            yield Step(
                rule=ID,
                line=binding.alias.lineno,
                message=f"Only the branch that is gone used {binding.path}",
                operations=(Rebind(binding=binding, imports=()),),
            )


RULE = Rule(
    id=ID,
    title="Keep the branch for the web interface that Airflow 2 has",
    why="1.10 had two, Flask-Admin's and (with [webserver] rbac) Flask-AppBuilder's; 2.x has the "
    "second alone, no airflow.settings.RBAC to ask by, and no Flask-Admin.",
    examples=(
        Example(
            before=block('''
                from airflow.settings import RBAC, Session
                from flask_admin import BaseView

                if RBAC:
                    from flask_appbuilder import BaseView as View

                    # one page
                    class Page(View):
                        """Of two
                        lines."""
                else:
                    class Page(BaseView):
                        pass
                page = Page()
            '''),
            after=block('''
                from airflow.settings import Session

                from flask_appbuilder import BaseView as View

                # one page
                class Page(View):
                    """Of two
                        lines."""
                page = Page()
            '''),
        ),
        Example(
            before=block("""
                from airflow import settings
                from airflow.configuration import conf
                from airflow.models import DAG

                NEW = conf.getboolean('webserver', 'RBAC')
                VIEWS = [1] if settings.RBAC else [2]
                if not NEW:
                    raise RuntimeError
                if VIEWS:
                    if not NEW:
                        VIEWS = []
                    # the new one
                    else:
                        # all
                        VIEWS = [3]
            """),
            after=block("""
                from airflow.models import DAG

                NEW = True
                VIEWS = [1] if True else [2]
                if VIEWS:
                    # all
                    VIEWS = [3]
            """),
        ),
    ),
    keeps=(
        block("""
            # airflow
            from settings import RBAC
            if RBAC:
                pass
        """),
        block("""
            from airflow.configuration import conf

            if conf.getboolean('mine', 'rbac'):
                pass
        """),
    ),
    find=_find,
)
