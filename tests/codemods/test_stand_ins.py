"""The classes that files gain for classes of Airflow's that are gone."""

import ast
from importlib.resources import files

import pytest

from codemods.editing.stand_ins import class_code

NAMES = sorted(
    path.name.removesuffix(".txt") for path in (files("codemods") / "data" / "classes").iterdir()
)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_one_class_that_says_what_it_takes(name: str) -> None:
    code = class_code(name)
    text = code.substitute({place: f"its_{place}" for place in code.get_identifiers()})
    (cls,) = ast.parse(text).body
    assert isinstance(cls, ast.ClassDef)
    assert cls.name == "its_name"
    assert ast.get_docstring(cls)
    assert text == text.rstrip() + "\n"
