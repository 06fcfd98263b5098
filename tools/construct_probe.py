"""Runs in an environment of Airflow: makes what each text makes and says how that went.

Standard input: {id: text}; standard output, last line: {id: [kind, message, ...]}. Python 3.6.
"""

import json
import logging
import sys
import warnings


def attempt(text, name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile(text, name, "exec"), {"__name__": "made"})  # noqa: S102
        except BaseException as error:
            return ["raised", type(error).__name__ + ": " + str(error)[:300]]
    said = {
        str(w.message)[:300]
        for w in caught
        if issubclass(w.category, (DeprecationWarning, PendingDeprecationWarning))
        and (w.filename == name or "airflow" in w.category.__module__ or "airflow" in w.filename)
    }
    return ["warned", *sorted(said)] if said else ["made"]


def main():
    logging.disable(logging.CRITICAL)
    texts = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr
    found = {name: attempt(text, "<made>") for name, text in texts.items()}
    out.write("\n" + json.dumps(found) + "\n")


main()
