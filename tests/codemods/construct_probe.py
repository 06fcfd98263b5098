"""Runs in an environment of Airflow: makes what each text makes, says how that went.

standard input: {id: text}; standard output, last line: {id: [kind, message, ...]}. Python 3.6 syntax.
"""

import json
import logging
import sys
import warnings


def attempt(text, name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            code = compile(text, name, "exec")
            exec(code, {"__name__": "made"})
        except BaseException as error:
            return ["raised", "%s: %s" % (type(error).__name__, str(error)[:300])]
    said = [
        str(w.message)[:300]
        for w in caught
        if issubclass(w.category, (DeprecationWarning, PendingDeprecationWarning))
        and (w.filename == name or "airflow" in w.category.__module__ or "airflow" in w.filename)
    ]
    return ["warned"] + sorted(set(said)) if said else ["made"]


def main():
    logging.disable(logging.CRITICAL)
    texts = json.load(sys.stdin)
    out = sys.stdout
    sys.stdout = sys.stderr
    found = {}
    for name in texts:
        found[name] = attempt(texts[name], "<%s>" % name)
    out.write("\n" + json.dumps(found) + "\n")


main()
