"""The JSON Schema of a study file, for editors and other tools."""

import json

from mmnist.study.schema import Study


def study_schema_text() -> str:
    """The schema (draft 2020-12) of a study file as indented JSON, with a final newline."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Study.model_json_schema(),
        "title": "mmnist study",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
