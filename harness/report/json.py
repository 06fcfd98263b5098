"""The machine format: the Report as JSON, and the JSON Schema that it keeps to."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from harness.model import REPORT_SCHEMA, Report
from harness.report.base import View

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x7f-\x9f]")


def lines(report: Report, view: View) -> Iterator[str]:
    """The report as indented JSON: fields in the model's order, mappings sorted by key, and no
    ``sources``."""
    del view
    payload = msgspec.to_builtins(replace(report, sources={}), order="deterministic")
    del payload["sources"]
    yield from dump(payload)


def dump(value: object) -> Iterator[str]:
    """``value`` as indented JSON that every parser accepts and a terminal may show.

    What JSON leaves alone is escaped: C1 control characters, and lone surrogates, which come from
    file names that are not UTF-8 and which most parsers refuse (they turn into their spelling).
    """
    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:  # ten times slower, but it takes lone surrogates
        text = json.dumps(value, indent=2, ensure_ascii=False)
    text = _LONE_SURROGATE.sub(lambda match: f"\\\\u{ord(match[0]):04x}", text)
    text = _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    yield from text.split("\n")


def schema() -> dict[str, Any]:
    """The JSON Schema of what :func:`lines` yields, derived from the model's dataclasses;
    ``harness/data/report.schema.json`` is its committed copy."""
    generated = msgspec.json.schema(Report)
    types = generated["$defs"]
    del types["Report"]["properties"]["sources"]
    for definition in types.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
        if definition.get("type") == "object":
            definition["required"] = list(definition["properties"])
            definition["additionalProperties"] = False
            for each in definition["properties"].values():
                each.pop("default", None)  # every field is always written
    types["Report"]["properties"]["schema"] = {"const": REPORT_SCHEMA}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{REPORT_SCHEMA.replace('/', ':')}",
        "title": REPORT_SCHEMA,
        **generated,
    }
