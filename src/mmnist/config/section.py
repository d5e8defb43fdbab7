"""What all sections of a configuration have in common."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

#: A key that does not fit, as its path from the value that is being validated, and the reason.
Unfit = tuple[tuple[str, ...], str]


class Section(BaseModel):
    """A mapping of a configuration file: unknown keys are refused, values are not coerced."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @property
    def changed(self) -> set[str]:
        """The keys whose value is not the default."""
        return {
            name
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.default
        }


def at(path: Iterable[str], cause: str) -> PydanticCustomError:
    """An error of the value at `path`, relative to the value that is being validated."""
    return PydanticCustomError("at", "{cause}", {"cause": cause, "path": list(path)})


def refuse(problems: Iterable[Unfit]) -> None:
    """Raise ValidationError with all the problems, if there are any; for use in a validator."""
    errors = [InitErrorDetails(type=at(*problem), input=None) for problem in problems]
    if errors:
        raise ValidationError.from_exception_data("problems", errors)
