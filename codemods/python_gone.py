"""What the Pythons since 3.0 took away: the table, and a glance at a text for it. Imports nothing
that takes long, for files that mention no Airflow are looked at before anything else is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from codemods import python2

# Builtins of Python 2. Source: lib2to3's fixers of the same names.
BUILTINS = {
    "basestring": "str",
    "unicode": "str",
    "long": "int",
    "unichr": "chr",
    "xrange": "range",
    "raw_input": "input",
    "reduce": "functools.reduce",
    "intern": "sys.intern",
    "reload": "importlib.reload",
}
# Builtins of Python 2 that nothing stands for, and what to write.
CALLED = {
    "apply": "Call it: function(*arguments)",
    "buffer": "Use memoryview",
    "cmp": "Write (a > b) - (a < b)",
    "coerce": "Convert the numbers yourself",
    "execfile": "Write exec(open(path).read())",
    "file": "Use open",
}
# Methods: name → (Python, new name). Source: as for the table.
METHODS = {
    "iteritems": ((3, 0), "items"),
    "iterkeys": ((3, 0), "keys"),
    "itervalues": ((3, 0), "values"),
    "isAlive": ((3, 9), "is_alive"),
    "viewitems": ((3, 0), "items"),
    "viewkeys": ((3, 0), "keys"),
    "viewvalues": ((3, 0), "values"),
    "getiterator": ((3, 9), "iter"),
    "readfp": ((3, 12), "read_file"),
    "assertAlmostEquals": ((3, 12), "assertAlmostEqual"),
    "assertEquals": ((3, 12), "assertEqual"),
    "assertNotAlmostEquals": ((3, 12), "assertNotAlmostEqual"),
    "assertNotEquals": ((3, 12), "assertNotEqual"),
    "assertNotRegexpMatches": ((3, 12), "assertNotRegex"),
    "assertItemsEqual": ((3, 0), "assertCountEqual"),
    "assertRegexpMatches": ((3, 12), "assertRegex"),
    "assertRaisesRegexp": ((3, 12), "assertRaisesRegex"),
    "assert_": ((3, 12), "assertTrue"),
    "failIf": ((3, 12), "assertFalse"),
    "failIfEqual": ((3, 12), "assertNotEqual"),
    "failUnless": ((3, 12), "assertTrue"),
    "failUnlessEqual": ((3, 12), "assertEqual"),
    "failUnlessRaises": ((3, 12), "assertRaises"),
}
# Methods: name → (Python, what stands before and behind the object, the module that it needs).
MEMBERS = {
    "get_hex": ((3, 0), "", ".hex", "uuid"),
    "getchildren": ((3, 9), "list(", ")", "xml"),
}
# What a text has that calls a function of rules/python_arguments.py.
ARGUMENTS = ("etype=", "hmac.new(", "random.shuffle(")
# METHODS that mean Python's own only where the file imports this.
ONLY_WITH = {"isAlive": "threading", "readfp": "configparser", "getiterator": "xml"} | {
    name: "unittest" for name in METHODS if name.startswith(("assert", "fail"))
}


@dataclass(frozen=True, kw_only=True)
class Gone:
    """One row: what Python took away, from when, and what stands for it."""

    old: str
    since: tuple[int, int]
    new: str = ""
    unsafe: bool = False
    advice: str = ""


@lru_cache(maxsize=1)
def table() -> Mapping[str, Gone]:
    text = (files("codemods") / "data" / "python_names.txt").read_text("utf-8")
    found, since = {}, (3, 0)
    for line in text.splitlines():
        if line.startswith("["):
            major, _, minor = line.strip("[]").partition(".")
            since = (int(major), int(minor))
        elif line and not line.startswith("#"):
            old, _, new = line.partition(" ")
            found[old] = (
                Gone(old=old, since=since, advice=new[1:].strip())
                if new.startswith("!")
                else Gone(old=old, since=since, new=new.removeprefix("~"), unsafe=new[0] == "~")
            )
    return found


@lru_cache(maxsize=1)
def words() -> re.Pattern[str]:
    roots = {old.partition(".")[0] for old in table() if "." not in old}
    # What is called as many other things are is looked for with its module.
    common = {old for old in table() if old.startswith(("string.", "locale."))}
    last = {old.rpartition(".")[2] for old in {*table()} - common if "." in old} - {"Set"}
    modules = "|".join(sorted(roots | {"collections", "distutils"}))
    calls = "|".join((*CALLED, "intern", "reduce", "reload"))
    whole = {*BUILTINS, *METHODS, *MEMBERS, "has_key", "utcnow", *last}
    whole -= {"intern", "reduce", "reload"}
    names = "|".join(sorted(map(re.escape, whole | common)))
    return re.compile(
        rf"(?:^|;)\s*(?:from\s+|import\s+(?:[\w.][\w. \t]*,\s*)*)(?:{modules})\b"
        rf"|\b(?:{names})\b|(?<![\w.])(?:{calls})\(|\bjson\.loads?\("
        rf"|{'|'.join(map(re.escape, ARGUMENTS))}"
        r"|^\s*print\s*>>|['\"][rbt]*U[rbt]*['\"]",
        re.MULTILINE,
    )


# What files without Airflow have most of what other distributions lost (rules/third_party.py).
_OTHERS = ("yaml.load", "slackclient")
_NUMPY = re.compile(r"\b(?:np|numpy)\.(?:bool|complex|float|int|long|object|str|unicode)\b")
_IMPORTED = re.compile(r"(?:import|from)[ \t]+([\w., \t]+)")
_NAME = re.compile(r"\w+")
_LANGUAGE = (
    *(
        f"{n}("
        for n in (*BUILTINS, *METHODS, *MEMBERS, "has_key", "utcnow")
        if n not in ("long", "reduce")
    ),
    *(f" {n}(" for n in CALLED),
    "basestring",
    ", unicode)",
    " long(",
    " reduce(",
    "encoding=",
    *ARGUMENTS,
    "print >>",
    "rU",
)


@lru_cache(maxsize=1)
def _by_root() -> Mapping[str, tuple[str, ...]]:
    """Top-level module → what a text that needs this rule holds beside its import; "" = nothing."""
    found: dict[str, set[str]] = {}
    for old in table():
        root, _, rest = old.partition(".")
        found.setdefault(root, set()).add(rest.rpartition(".")[2])
    return {root: tuple(sorted(names)) for root, names in found.items()}


def may_be_gone(text: str) -> bool:
    """Whether a text names something of the table: cheap, and may be wrong."""
    if any(n in text for n in _OTHERS) or ("numpy" in text and _NUMPY.search(text)):
        return True
    roots = {name for found in _IMPORTED.findall(text) for name in _NAME.findall(found)}
    beside = _by_root()
    if not any(name in text for root in roots & beside.keys() for name in beside[root]) and not any(
        needle in text for needle in _LANGUAGE
    ):
        return False
    return words().search(text) is not None


def concerns(data: bytes) -> bool:
    """Whether there may be something to say about a file: cheap, and may be wrong."""
    if b"airflow" in data:
        return True
    text = data.decode("latin-1")
    return python2.may_be_old(text) or may_be_gone(text)
