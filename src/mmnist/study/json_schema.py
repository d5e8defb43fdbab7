"""The JSON Schema of a study file, for editors and other tools."""

import json
from functools import cache

from mmnist.config.keys import KeyIndex
from mmnist.study.schema import Study


def study_schema_text() -> str:
    """The schema (draft 2020-12) of a study file as indented JSON, with a final newline."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Study.model_json_schema(),
        "title": "mmnist study",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


@cache
def study_keys() -> KeyIndex:
    """The keys of a study file."""
    return KeyIndex(Study.model_json_schema())
