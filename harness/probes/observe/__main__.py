"""Run the probe as a package under a name that no DAG file asks for.

Python puts the folder of what it runs on ``sys.path``, where a DAG file's ``import names`` would
find the probe's module: it is taken away again.
"""

import importlib.util
import sys

FOLDER = sys.path.pop(0)


def load():
    """The probe's package."""
    spec = importlib.util.spec_from_file_location(
        "mwaa_harness_observe", FOLDER + "/__init__.py", submodule_search_locations=[FOLDER]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package
    spec.loader.exec_module(package)
    return package


if __name__ == "__main__":
    # Compiled once for each Python, if it may be kept here. Of the run nothing is imported yet.
    sys.dont_write_bytecode = False
    probe = importlib.import_module(load().__name__ + ".main")
    sys.dont_write_bytecode = True
    probe.main(*sys.argv[1:])
