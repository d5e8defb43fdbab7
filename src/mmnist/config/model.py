"""Which network, and where its initial weights come from."""

import difflib
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from mmnist.config.section import Section, at

#: Sizes of each architecture: depth (ResNets) or width multiplier (mobile networks).
SIZES: dict[str, tuple[int | float, ...]] = {
    "resnet": (18, 34, 50, 101, 152),
    "wide_resnet": (50, 101),
    "mobilenet_v2": (1.0,),
    "shufflenet_v2": (0.5, 1.0, 1.5, 2.0),
    "simple_cnn": (),
    "digit_reader": (0.5, 0.75, 1.0, 1.5),
}

#: Architectures that torchvision does not have.
_WITHOUT_IMAGENET = ("simple_cnn", "digit_reader")


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):  # which equals 0 or 1 to a Literal
        raise PydanticCustomError("bool", "not a number")
    return value


class ModelSettings(Section):
    """Which network, and where its initial weights come from."""

    architecture: Literal[
        "resnet", "wide_resnet", "mobilenet_v2", "shufflenet_v2", "simple_cnn", "digit_reader"
    ] = "resnet"
    """Network family: one of torchvision's, `simple_cnn` (the paper's two-layer benchmark), or
    `digit_reader` (ours: small, reads each digit where it is)."""
    size: Annotated[
        int | float | None,
        Field(
            validate_default=True,
            json_schema_extra={"enum": [*sorted(set().union(*SIZES.values())), None]},
        ),
    ] = None
    """Size within the family: resnet 18 34 50 101 152, wide_resnet 50 101, mobilenet_v2 1.0,
    shufflenet_v2 0.5 1.0 1.5 2.0, digit_reader 0.5 0.75 1.0 1.5; none for simple_cnn."""
    head: Literal["own", "maximum"] = "own"
    """How features become labels: `own`, as the network defines it; `maximum`, a distribution over
    "no digit" and 0-9 at each location, from which that of the largest digit is computed (which
    digit_reader always does)."""
    digits: Literal["any", "three"] = "any"
    """How many digits `digit_reader` assumes in an image: `any` number; or `three` that do not
    overlap, as in all images of the task, and one or none in a patch."""
    angles: Annotated[int, Field(ge=1, le=30)] = 1
    """Ranges of angles that `digit_reader` tells apart, out of the 90 degrees by which digits may
    be rotated; learned from patches (`pretraining.angle_weight`). The probability of a digit is
    summed over the ranges. 1: angles are not told apart."""
    orientations: Annotated[Literal[1, 8], BeforeValidator(_no_bool)] = 1
    """8: the kernels of `digit_reader` at strides 2 and 4 come in eight orientations with shared
    weights (a group-equivariant convolution): as many channels and as much time, with an eighth of
    the parameters there. 1: each kernel has its own weights."""
    antialiased: bool = False
    """Whether `digit_reader` smooths its features before downsampling them to strides 4 and 8, so
    that its reading depends less on where a digit lies on the grid."""
    pretrained: Annotated[str, Field(min_length=1)] = "none"
    """Initial weights: `none` (random), `mnist` (training begins with single handwritten digits;
    see `pretraining`), `imagenet` (torchvision's), or the path of a `.pth` or `.safetensors` state
    dict."""

    @field_validator("size")
    @classmethod
    def _size_belongs_to_architecture(cls, size: Any, info: ValidationInfo) -> Any:
        architecture = info.data.get("architecture")
        if architecture is None:  # already reported
            return size
        allowed = SIZES[architecture]
        if not allowed:
            if size is not None:
                raise ValueError(f"{architecture} comes in one size: leave size out, or null")
            return None
        if size not in allowed:
            given = "is missing" if size is None else f"{size} is not a size of {architecture}"
            raise ValueError(f"{given}; allowed for {architecture}: {', '.join(map(str, allowed))}")
        return next(value for value in allowed if value == size)

    @field_validator("head")
    @classmethod
    def _head_has_an_effect(cls, head: str, info: ValidationInfo) -> str:
        if head == "maximum" and info.data.get("architecture") == "digit_reader":
            raise ValueError("has no effect: digit_reader has this head anyway; leave it out")
        return head

    @field_validator("digits", "angles", "orientations", "antialiased")
    @classmethod
    def _is_for_digit_reader(cls, value: Any, info: ValidationInfo) -> Any:
        architecture = info.data.get("architecture")
        default = cls.model_fields[info.field_name or ""].default
        if value != default and architecture not in ("digit_reader", None):
            leave = str(default).lower()  # as YAML writes it
            raise ValueError(f"is for digit_reader; with {architecture} leave it {leave}")
        return value

    @field_validator("pretrained")
    @classmethod
    def _there_are_weights(cls, pretrained: str, info: ValidationInfo) -> str:
        architecture = info.data.get("architecture")
        if pretrained == "imagenet" and architecture in _WITHOUT_IMAGENET:
            raise ValueError(f"there are no ImageNet weights for {architecture}")
        words = ("none", "mnist", "imagenet")
        close = difflib.get_close_matches(pretrained, words, 1)
        if close and pretrained not in words and pretrained.isalpha():  # not mnist.pth
            raise ValueError(
                f"did you mean {close[0]!r}? The path of a file of this name is ./{pretrained}"
            )
        return pretrained

    @model_validator(mode="after")
    def _angles_are_taught(self) -> Self:
        if self.angles > 1 and self.pretrained == "none":
            raise at(
                ["angles"],
                "are known of single digits only: set model.pretrained to mnist, or leave it 1",
            )
        return self

    @property
    def reads_maximum(self) -> bool:
        """Whether the network tells the largest digit from what it sees at each location."""
        return self.head == "maximum" or self.architecture == "digit_reader"
