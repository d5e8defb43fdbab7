"""The random transforms that a configuration can ask for, and the paper's choice of them."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from mmnist.config.section import Section, at


class TransformSettings(Section):
    """How strong one transform may be, and how often it is applied."""

    magnitude: Annotated[float, Field(ge=0)]
    """Maximum strength of the transform, in its own unit (see the transform)."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Probability that the transform is applied to an image."""


def _transform(limit: float, strictly: bool = False) -> Any:
    """Type of an optional transform whose magnitude is at most `limit`, or `strictly` below it."""

    def within(settings: TransformSettings | None) -> TransformSettings | None:
        if settings is not None:
            too_large = settings.magnitude >= limit if strictly else settings.magnitude > limit
            if too_large:
                allowed = f"below {limit:g}" if strictly else f"at most {limit:g}"
                raise at(["magnitude"], f"must be {allowed}, not {settings.magnitude:g}")
        return settings

    bound = {"exclusiveMaximum" if strictly else "maximum": limit}
    return Annotated[
        TransformSettings | None,
        AfterValidator(within),
        Field(json_schema_extra={"properties": {"magnitude": bound}}),
    ]


class AugmentSettings(Section):
    """Random transforms of training images; a transform that is left out is off.

    Lengths are in units of half the image, as in fastai v1: 1 is from the centre to the border. The
    paper counts nine transforms; the tenth, `symmetric_warp`, comes with fastai's `get_transforms`.
    """

    jitter: _transform(1) = None
    """Each pixel is sampled from up to `magnitude` away from its position."""
    perspective_warp: _transform(1, strictly=True) = None
    """Each corner is moved by up to `magnitude` along each axis, independently."""
    symmetric_warp: _transform(1, strictly=True) = None
    """The two corners of each side are moved symmetrically along it, by up to `magnitude` (part of
    fastai v1's `get_transforms`)."""
    squish: _transform(1, strictly=True) = None
    """Stretching along one axis, by a random s within 1 ± `magnitude`: s ≤ 1 shows only a fraction
    s of the width, s > 1 only a fraction 1/s of the height."""
    skew: _transform(1, strictly=True) = None
    """One corner is moved by up to `magnitude` along one axis (8 directions)."""
    tilt: _transform(1, strictly=True) = None
    """The image is tilted about one of its four sides by up to `magnitude`."""
    rotate: _transform(180) = None
    """Rotation by up to `magnitude` degrees, either way."""
    zoom: _transform(10) = None
    """Magnification by a factor from 1 to 1 + `magnitude`, about a random point."""
    brightness: _transform(1, strictly=True) = None
    """Grey levels are shifted (in logit space) by up to `magnitude`."""
    contrast: _transform(1, strictly=True) = None
    """Contrast is changed (in logit space) by a factor from 1 - `magnitude` to
    1 / (1 - `magnitude`)."""


def _t(magnitude: float, probability: float) -> TransformSettings:
    return TransformSettings(magnitude=magnitude, probability=probability)


#: The authors' augmentation: fastai v1 `get_transforms(do_flip=False, max_rotate=25)` and five
#: more transforms, each with probability 0.2 (paper, section 4.3). The range of `squish` is not
#: published; ours is the one of fastai v1's own documentation.
PAPER_AUGMENTATION = AugmentSettings(
    jitter=_t(0.02, 0.2),
    perspective_warp=_t(0.5, 0.2),
    symmetric_warp=_t(0.2, 0.75),
    squish=_t(0.33, 0.2),
    skew=_t(0.5, 0.2),
    tilt=_t(0.5, 0.2),
    rotate=_t(25.0, 0.75),
    zoom=_t(0.1, 0.75),
    brightness=_t(0.2, 0.75),
    contrast=_t(0.2, 0.75),
)
