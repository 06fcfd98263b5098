"""Names that the target's Python took out of its standard library."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.changes import Change, NewImport, Rebind, Replace, Step
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "python-names"
# From which Airflow on MWAA runs which Python. Source: docs.aws.amazon.com/mwaa, "Apache Airflow
# versions on Amazon MWAA".
_PYTHON = ((">=2.11", (3, 12)), (">=2.7", (3, 11)), (">=2.4", (3, 10)), (">=1", (3, 7)))
# Source: docs.python.org, "What's New In Python" 3.10: the aliases of collections.abc are gone.
_ABCS = frozenset(
    (
        "Awaitable",
        "Coroutine",
        "AsyncIterable",
        "AsyncIterator",
        "AsyncGenerator",
        "Hashable",
        "Iterable",
        "Iterator",
        "Generator",
        "Reversible",
        "Container",
        "Callable",
        "Collection",
        "Set",
        "MutableSet",
        "Mapping",
        "MutableMapping",
        "MappingView",
        "KeysView",
        "ItemsView",
        "ValuesView",
        "Sequence",
        "MutableSequence",
        "ByteString",
    )
)
# Source: the same pages, "Removed": module → (Python, what to use).
_MODULES = {
    "asynchat": ((3, 12), "asyncio"),
    "asyncore": ((3, 12), "asyncio"),
    "binhex": ((3, 11), "binascii"),
    "distutils": ((3, 12), "setuptools, packaging, shutil or sysconfig"),
    "formatter": ((3, 10), "string formatting of your own"),
    "imp": ((3, 12), "importlib"),
    "parser": ((3, 10), "ast"),
    "smtpd": ((3, 12), "aiosmtpd"),
    "symbol": ((3, 10), "ast"),
}
_FROM_ABC = (3, 10)


def _python(target: Target) -> tuple[int, int]:
    return next(python for when, python in _PYTHON if target.has(f"apache-airflow{when}"))


def _find(source: Source, target: Target) -> Iterator[Change]:
    python = _python(target)
    for binding in source.bindings:
        if binding.tower is not None:
            continue
        path = binding.alias.name if binding.dotted else binding.path
        since, instead = _MODULES.get(path.partition(".")[0], ((9, 9), ""))
        if python >= since and source.unused(binding):
            module = path.partition(".")[0]
            yield Step(
                rule=ID,
                line=binding.alias.lineno,
                message=f"Python {python[0]}.{python[1]} of the target has no module {module}, "
                "and nothing here uses it",
                operations=(Rebind(binding=binding, imports=()),),
            )
        elif python >= since:
            yield Note(
                rule=ID,
                line=binding.alias.lineno,
                column=binding.alias.col_offset,
                message=f"Python {python[0]}.{python[1]} of the target has no module "
                f"{path.partition('.')[0]}",
                fix=f"Use {instead}",
            )
        head, _, name = path.rpartition(".")
        if python >= _FROM_ABC and head == "collections" and name in _ABCS:
            asname = binding.alias.asname or ""
            new = NewImport(module="collections.abc", name=name, asname=asname)
            yield _step(binding.alias.lineno, name, Rebind(binding=binding, imports=(new,)))
        elif python >= _FROM_ABC and path == "collections":
            for use in binding.uses:
                name = use.path.split(".")[1] if len(use.nodes) > 1 else ""
                if name in _ABCS and use.sure:
                    code = f"{source.segment(use.root)}.abc.{name}"
                    # ``import collections`` alone has collections.abc: the interpreter loads it.
                    yield _step(use.node.lineno, name, Replace(node=use.nodes[1], code=code))


def _step(line: int, name: str, operation: Rebind | Replace) -> Step:
    message = f"collections.{name} is collections.abc.{name}"
    return Step(rule=ID, line=line, message=message, operations=(operation,))


_IMP = lines("import imp", "", "# airflow", "imp.load_source('a', 'b')")

RULE = Rule(
    id=ID,
    title="Keep to the target's Python",
    why="MWAA 2.x runs Python 3.10 to 3.12; names that 3.7 had are gone from the standard library.",
    examples=(
        Example(
            before=lines("from collections import Mapping, OrderedDict", "# airflow"),
            after=lines(
                "from collections import OrderedDict",
                "from collections.abc import Mapping",
                "# airflow",
            ),
        ),
        Example(before=_IMP, after=_IMP, notes=("importlib",)),
        Example(
            before=lines("import imp", "import os", "", "# airflow", "os.getcwd()"),
            after=lines("import os", "", "# airflow", "os.getcwd()"),
        ),
    ),
    keeps=(
        lines("from collections import OrderedDict", "# airflow"),
        lines(
            "# airflow",
            "try:",
            "    from collections.abc import Mapping",
            "except ImportError:",
            "    from collections import Mapping",
        ),
    ),
    find=_find,
)
