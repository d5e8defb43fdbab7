"""The JSON Schema of a configuration file, for editors and other tools."""

import json
from functools import cache
from typing import Any

from mmnist.config.schema import Experiment

EXTENDS = {
    "description": "Configuration file that this one starts from, relative to this file. Mappings "
    "are merged key by key, and this file takes precedence; `name` is not inherited.",
    "minLength": 1,
    "type": "string",
}


@cache
def file_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of a configuration file.

    No key is required, since what a file leaves out may be in the file that it extends.
    """
    schema = _tidy(Experiment.model_json_schema())
    properties = {"extends": EXTENDS, **schema.pop("properties")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mmnist configuration",
        **schema,
        "properties": properties,
    }


def file_schema_text() -> str:
    """`file_schema` as indented JSON, with a final newline."""
    return json.dumps(file_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(schema: Any) -> Any:
    """The schema without generated titles, `required` lists and the line breaks of docstrings."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "required" and isinstance(value, list):
            continue
        if key == "description" and isinstance(value, str):
            tidy[key] = " ".join(value.split())
        else:
            tidy[key] = _tidy(value)
    return tidy
