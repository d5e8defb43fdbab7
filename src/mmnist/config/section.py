"""What all sections of a configuration have in common."""

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A mapping of a configuration file: unknown keys are refused, values are not coerced."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def at(path: list[str], cause: str) -> PydanticCustomError:
    """An error of the value at `path`, relative to the value that is being validated."""
    return PydanticCustomError("at", "{cause}", {"cause": cause, "path": path})
