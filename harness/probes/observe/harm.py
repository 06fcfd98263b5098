"""What a DAG file's source, and those it imports, may change beyond their own modules.

What is not known to be harmless counts as harmful: it costs one fork, nothing else. What only runs
with a task does not count.
"""

import ast
import collections
import re

from .safely import read

# Libraries whose functions give back new values and leave nothing behind, but for those below.
HARMLESS_LIBRARIES = frozenset(
    re.findall(
        r"\w+",
        """__future__ abc airflow attr base64 builtins calendar collections configparser contextlib
        copy croniter csv dataclasses datetime dateutil decimal enum fractions functools glob
        hashlib io itertools jinja2 json logging math numbers operator os packaging pathlib pendulum
        pprint pytz random re statistics string sys tempfile textwrap time traceback typing
        typing_extensions urllib uuid warnings yaml zoneinfo""",
    )
)

# What nobody uses who only wants to say what his DAG looks like.
HARMFUL_LIBRARIES = frozenset(
    re.findall(
        r"\w+",
        """_thread asyncio atexit concurrent ctypes faulthandler gc gevent imp importlib
        inspect mock multiprocessing pytest resource runpy signal socket subprocess threading
        unittest weakref""",
    )
)

# Functions and methods of libraries that change something there; so does every call that is a
# statement, for nobody takes what it gives back. What logging is told can be compared.
CHANGES = re.compile(
    r"(?:_?set|add|append|apply|chdir|clear|config|del|disable|enable|extend|filter|init|insert"
    r"|install|monkey|patch|pop|put|register|reload|remove|reset|seed|simplefilter|sort|start"
    r"|umask|unset|update|use)"
)

STATEMENTS = frozenset(["airflow", "logging", "pprint", "time"])
HARMFUL_BUILTINS = frozenset(
    ["__import__", "breakpoint", "compile", "delattr", "eval", "exec", "locals", "setattr", "vars"]
)
HARMLESS_DUNDERS = frozenset(
    ["__doc__", "__file__", "__init__", "__name__", "__qualname__", "__version__"]
)
# Arguments that name functions for later.
LATER = re.compile(r"call(?:able|back)|_(?:fn|check|filter|func)$|macros|filters")
RUN_AT_ONCE = re.compile(r"\.(?:dag|task_group)$")  # what other decorators of Airflow take, is not
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Unit:
    """The body of a module or of its functions of one name: which names it mentions, whose
    functions it may thus call, and the line of the first thing in it that may change something
    beyond its own module (0: there is none)."""

    def __init__(self):
        self.names, self.harm = set(), 0


class Source(ast.NodeVisitor):
    """A module's source, read into ``units``: "" is what runs when it is imported, the others are
    its functions and methods. ``is_own`` tells the repository's own top-level modules."""

    def __init__(self, text, is_own):
        tree = ast.parse(text)
        self.units = collections.defaultdict(Unit)
        self.unit, self.parameters, self.in_class = self.units[""], frozenset(), False
        self.foreign, self.bound = {}, set()  # names: of libraries' things; of all others
        nodes = list(ast.walk(tree))
        for node in nodes:
            self.bind(node, is_own)
        for node in nodes:
            if isinstance(node, ast.Assign):
                self.alias(node.targets, node.value)
            elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
                self.alias([node.target], node.iter)
            elif isinstance(node, ast.withitem):
                self.alias([node.optional_vars], node.context_expr)
        self.visit(tree)

    def bind(self, node, is_own):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None)
            for name in node.names:
                path = f"{module}.{name.name}" if module else name.name
                bound = name.asname or (name.name if module else name.name.partition(".")[0])
                if getattr(node, "level", 0) or is_own(path.partition(".")[0]):
                    self.bound.add(bound)
                else:
                    self.foreign[bound] = path if name.asname or module else bound
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            self.bound.add(node.id)
        elif isinstance(node, (ast.ClassDef, *FUNCTIONS)):
            self.bound.add(node.name)
        elif isinstance(node, ast.arg):
            self.bound.add(node.arg)

    def alias(self, targets, value):
        """Names that are given a library's thing are that library's."""
        origin = self.origin(value)
        for target in targets if origin else ():
            for node in ast.walk(target) if target else ():
                if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                    self.foreign[node.id] = origin

    def origin(self, node):
        """The dotted path of a library's thing, or "" of what is the module's own or new."""
        if isinstance(node, ast.Name):
            return self.foreign.get(node.id, "")
        if isinstance(node, ast.Attribute):
            origin = self.origin(node.value)
            return origin and f"{origin}.{node.attr}"
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "getattr" and node.args:
                return self.origin(node.args[0])
            origin = self.origin(node.func)
            return "" if is_class(origin) or library_of(origin) in HARMLESS_LIBRARIES else origin
        if isinstance(node, (ast.Subscript, ast.Starred, ast.Await)):
            return self.origin(node.value)
        parts = ()
        if isinstance(node, ast.IfExp):
            parts = (node.body, node.orelse)
        elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            parts = node.elts
        elif isinstance(node, ast.BoolOp):
            parts = node.values
        return next(filter(None, map(self.origin, parts)), "")

    def harms(self, node):
        self.unit.harm = self.unit.harm or node.lineno

    def visit_FunctionDef(self, node):
        decorators = (getattr(made, "func", made) for made in node.decorator_list)
        origins = [self.origin(decorator) for decorator in decorators]
        for decorator, origin in zip(node.decorator_list, origins):
            self.visit(decorator)
            if origin and library_of(origin) not in HARMLESS_LIBRARIES:
                self.harms(node)
        self.visit(node.args)
        if any(library_of(o) == "airflow" and not RUN_AT_ONCE.search(o) for o in origins):
            return  # it has become a task
        outer = self.unit, self.parameters, self.in_class
        # Python calls special methods, and decorators whatever they like.
        special = node.decorator_list or (self.in_class and node.name.startswith("__"))
        self.unit = self.unit if special else self.units[node.name]
        names = [argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)]
        self.parameters = self.parameters.union(names[1:] if self.in_class else names)
        self.in_class = False
        for statement in node.body:
            self.visit(statement)
        self.unit, self.parameters, self.in_class = outer

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        outer, self.in_class = self.in_class, True
        self.generic_visit(node)
        self.in_class = outer

    def visit_ImportFrom(self, node):
        if node.names[0].name == "*" and "*" in self.foreign:
            self.harms(node)

    def visit_Name(self, node):
        self.unit.names.add(node.id)
        if library_of(self.origin(node)) in HARMFUL_LIBRARIES or node.id == "__builtins__":
            self.harms(node)

    def visit_Attribute(self, node):
        self.unit.names.add(node.attr)
        dunder = node.attr.startswith("__") and node.attr not in HARMLESS_DUNDERS
        if dunder or (not isinstance(node.ctx, ast.Load) and not self.is_own_place(node)):
            self.harms(node)
        self.generic_visit(node)

    def visit_Subscript(self, node):
        if not isinstance(node.ctx, ast.Load) and not self.is_own_place(node):
            self.harms(node)
        self.generic_visit(node)

    def is_own_place(self, node):
        """Whether what is stored in an attribute or item stays in this module."""
        called = False
        while not isinstance(node, ast.Name):
            if not isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
                return False
            called = isinstance(node, ast.Call)
            node = node.func if called else node.value
        if called and node.id == "globals":
            return True
        return node.id in self.bound and node.id not in self.parameters and not self.origin(node)

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call):
            origin = self.origin(node.value.func)
            if origin and library_of(origin) not in STATEMENTS:
                self.harms(node)
        self.generic_visit(node)

    def visit_Call(self, node):
        origin, name = self.origin(node.func), ""
        if isinstance(node.func, (ast.Name, ast.Attribute)):
            name = getattr(node.func, "id", None) or node.func.attr
        library = library_of(origin)
        known = library in HARMLESS_LIBRARIES or is_class(origin)
        if origin and not (known and (library == "logging" or not CHANGES.match(name))):
            self.harms(node)
        if isinstance(node.func, ast.Name) and name in HARMFUL_BUILTINS - self.bound:
            self.harms(node)
        self.generic_visit(node)

    def visit_keyword(self, node):
        if not is_for_later(node.arg, node.value):
            self.visit(node.value)

    def visit_Dict(self, node):
        for key, value in zip(node.keys, node.values):
            text = read(key, "value") or read(key, "s")  # the latter before Python 3.8
            if not is_for_later(text, value):
                self.visit(value)
            if key:
                self.visit(key)


def is_for_later(name, value):
    """Whether a function is only handed over, to be called when a task runs."""
    handed_over = isinstance(value, (ast.Name, ast.Attribute))
    return handed_over and isinstance(name, str) and bool(LATER.search(name))


def library_of(origin):
    return origin.partition(".")[0]


def is_class(origin):
    return origin.rpartition(".")[2][:1].isupper()


def harm_in(sources):
    """Where what runs when modules are imported may change something beyond them, as (number of
    the source, line), or None. What one mentions may be defined in any other."""
    named, waiting = {""}, [""]
    while waiting:
        name = waiting.pop()
        for number, source in enumerate(sources):
            if name in source.units:
                unit = source.units[name]
                if unit.harm:
                    return number, unit.harm
                waiting += unit.names - named
                named |= unit.names
    return None
