"""Where the classes that plugins register live, however the plugin's file names them."""

from __future__ import annotations

import pytest

from codemods import migrate_source
from codemods.plugins.modules import find_plugin_modules

PLUGIN = (
    "from airflow.plugins_manager import AirflowPlugin\n{}\n\n"
    "class Own(AirflowPlugin):\n    name = 'own'\n    operators = [{}]\n"
)


@pytest.mark.parametrize(
    ("path", "imports", "listed", "home"),
    [
        ("__init__.py", "import operators", "operators.Load", "operators.Load"),
        ("__init__.py", "from .operators import (Load)", "Load", "operators.Load"),
        ("__init__.py", "from .operators import Load", "operators.Load", "operators.Load"),
        ("__init__.py", "from . import operators", "operators.Load", "operators.Load"),
        ("__init__.py", "from .a.b import Load", "a.b.Load", "a.b.Load"),
        ("own/__init__.py", "from .operators import Load", "Load", "own.operators.Load"),
        ("own/__init__.py", "from .operators import Load", "operators.Load", "own.operators.Load"),
        ("own/plugin.py", "from .operators import Load", "Load", "own.operators.Load"),
        ("own/sub/plugin.py", "from ..operators import Load", "Load", "own.operators.Load"),
        ("plugin.py", "from operators.load import Load as L", "L", "operators.load.Load"),
    ],
)
def test_home_of_a_registered_class(path: str, imports: str, listed: str, home: str) -> None:
    found = find_plugin_modules({path: PLUGIN.format(imports, listed)})
    assert found == {"airflow.operators.own.Load": home}


def test_a_module_is_no_name_of_a_plain_file() -> None:
    """Only a package gains its modules as attributes: elsewhere the name means nothing."""
    text = PLUGIN.format("from .operators import Load", "operators.Load")
    assert find_plugin_modules({"own/plugin.py": text}) == {}


@pytest.mark.parametrize(
    "text",
    [
        "from airflow.plugins_manager import AirflowPlugin as P\nclass Own(P):\n",
        "import airflow.plugins_manager as m\nclass Own(m.AirflowPlugin):\n",
        "from airflow.plugins_manager import AirflowPlugin\n"
        "class Base(AirflowPlugin):\n    pass\nclass Own(Base):\n",
    ],
)
def test_a_plugin_is_one_by_whichever_name(text: str) -> None:
    """Its class may be called otherwise, or stand behind a base of the text's own."""
    text = f"from load import Load\n{text}    name = 'own'\n    operators = [Load]\n"
    assert find_plugin_modules({"own.py": text, "load.py": "class Load: ...\n"}) == {
        "airflow.operators.own.Load": "load.Load"
    }


@pytest.mark.parametrize(
    ("items", "after", "notes"),
    [
        ("[]", ["    appbuilder_menu_items = [{\"name\": 'D', \"href\": 'h'}]"], 0),
        (
            "[{'name': 'D', 'href': 'h'}]",
            ["    appbuilder_menu_items = [{'name': 'D', 'href': 'h'}]"],
            0,
        ),
        (
            "[{'name': 'X', 'href': 'x'}]",
            [
                "    appbuilder_menu_items = "
                "[{'name': 'X', 'href': 'x'}, {\"name\": 'D', \"href\": 'h'}]"
            ],
            0,
        ),
        (
            "list(ITEMS)",
            [
                "    menu_links = [MenuLink(name='D', url='h')]",
                "    appbuilder_menu_items = list(ITEMS)",
            ],
            1,
        ),
    ],
)
def test_links_and_menu_items_are_one_list(
    items: str, after: list[str], notes: int, newest: dict[str, str]
) -> None:
    text = (
        "from airflow.plugins_manager import AirflowPlugin\n"
        "from flask_admin.base import MenuLink\n\n\n"
        "class Company(AirflowPlugin):\n"
        "    name = 'company'\n"
        "    menu_links = [MenuLink(name='D', url='h')]\n"
        f"    appbuilder_menu_items = {items}\n"
    )
    migration = migrate_source(text, pins=newest)
    assert len([n for n in migration.notes if "menu_links" in n.message]) == notes
    assert [row for row in (migration.text or "").splitlines() if "menu_" in row] == after


def test_macros_and_executors_were_served_in_lower_case() -> None:
    text = (
        "from airflow.plugins_manager import AirflowPlugin\n\n\ndef week():\n    pass\n\n\n"
        "class Own(AirflowPlugin):\n    name = 'Own'\n"
        "    macros = [week]\n    executors = [week]\n    hooks = [week]\n"
    )
    assert set(find_plugin_modules({"ours.py": text})) == {
        "airflow.macros.own.week",
        "airflow.executors.own.week",
        "airflow.hooks.Own.week",
    }
