"""Whose file is this, and what is a thing called: the same on every machine and on both sides."""

import functools
import os
import re
import sys
import types

from .safely import read

FOLDER = os.path.dirname(__file__) + "/"
LIBRARY_FILE = re.compile(r"/lib/python3(?:\.\d+)?/(?:(?:site|dist)-packages/)?(.+)$")
MODULE_SUFFIX = re.compile(r"(?:/__init__)?\.py$")


def is_ours(filename):
    """Whether this is a file of the probe."""
    return filename.startswith(FOLDER)


class Paths:
    """Names files the way a report shows them, the same on every machine and on both sides.

    ``root`` is the repository; ``stands_for`` maps other folders that differ between two runs to
    the words that replace them in values and messages.
    """

    def __init__(self, root, stands_for=()):
        self.are(root, stands_for)

    def are(self, root, stands_for=()):
        """From now on these folders count."""
        self.roots = sorted({root.rstrip("/"), os.path.realpath(root)}, key=len, reverse=True)
        words = dict(stands_for)
        words.update((folder, "$REPO") for folder in self.roots)
        self.words = {folder: word for folder, word in words.items() if len(folder) > 1}
        alternatives = "|".join(map(re.escape, sorted(self.words, key=len, reverse=True)))
        self.pattern = re.compile(f"(?:{alternatives})(?![\\w.-])")
        self.own = functools.lru_cache(maxsize=None)(functools.partial(Paths._own, self))

    def _own(self, filename):
        """The path below the repository, or "" for a file that is not the repository's own."""
        if "/site-packages/" in filename:
            return ""
        filename = os.path.normpath(filename)
        for root in self.roots:
            if filename.startswith(root + "/"):
                return filename[len(root) + 1 :]
        return ""

    def show(self, filename):
        """A short name for any source file: own ones relative, libraries below site-packages."""
        own = self.own(filename)
        if own:
            return own
        library = LIBRARY_FILE.search(filename)
        return library.group(1) if library else self.text(filename)

    def text(self, text):
        """``text`` with the folders that differ between runs replaced, fit for UTF-8."""
        if "/" in text:
            text = self.pattern.sub(lambda match: self.words[match.group()], text)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        return text


PATHS = Paths("/nonexistent")


def own_place(frame):
    """(path, line) of the innermost frame of the repository's own code, or ("", 0)."""
    while frame is not None:
        path = PATHS.own(frame.f_code.co_filename)
        if path:
            return path, frame.f_lineno
        frame = frame.f_back
    return "", 0


def modules_being_imported(frame):
    """The names of the modules whose bodies run on the stack of ``frame``."""
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            yield frame.f_globals.get("__name__")
        frame = frame.f_back


def code_of(function):
    """The code object behind a function, method, partial or decorated function, or None."""
    for _ in range(20):
        inner = read(function, "__wrapped__") or read(function, "func")
        function = inner or read(function, "__func__") or function
        if not inner:
            break
    code = read(function, "__code__")
    return code if isinstance(code, types.CodeType) else None


def class_name(kind):
    """``module.Class``, or ``path/of/file.py:Class`` for a class of the repository's own.

    Both generations load DAG files and plugins under made-up module names, and 1.10 its lazy
    operators under shortened ones, so the file counts.
    """
    name = type.__getattribute__(kind, "__qualname__")
    module = str(read(kind, "__module__", ""))
    if module == "builtins":
        return name
    path = source_of(kind, module)
    own = PATHS.own(path)
    if own:
        return f"{own}:{name}"
    library = LIBRARY_FILE.search(path)
    dotted = MODULE_SUFFIX.sub("", library.group(1)).replace("/", ".") if library else ""
    return f"{dotted if dotted.endswith('.' + module) else module}.{name}"


def source_of(kind, module):
    """The file that a class is from: its module's, or its methods' when that is gone."""
    if module in sys.modules:
        return str(read(sys.modules[module], "__file__") or "")
    codes = filter(None, map(code_of, list(vars(kind).values())))
    return next((code.co_filename for code in codes), "")


def callable_name(function):
    """``path.py:qualname`` of the repository's own functions, ``module:qualname`` of others."""
    code = code_of(function)
    path = PATHS.own(code.co_filename) if code else ""
    function = read(function, "func") or function
    name = read(function, "__qualname__") or read(function, "__name__") or "?"
    return "{}:{}".format(path or read(function, "__module__") or "builtins", name)
