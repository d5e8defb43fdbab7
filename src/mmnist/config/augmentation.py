"""The random transforms that a configuration can ask for, and the paper's choice of them."""

from typing import Annotated

from pydantic import Field

from mmnist.config.section import Section


class TransformSettings(Section):
    """How strong one transform may be, and how often it is applied."""

    magnitude: Annotated[float, Field(ge=0)]
    """Maximum strength of the transform, in its own unit (see the transform)."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Probability that the transform is applied to an image."""


class FractionSettings(TransformSettings):
    """How strong a transform may be that makes no sense from 1 on, and how often it is applied."""

    magnitude: Annotated[float, Field(ge=0, lt=1)]
    """Maximum strength of the transform, in its own unit (see the transform)."""


class JitterSettings(TransformSettings):
    """How far pixels may be moved, and how often they are."""

    magnitude: Annotated[float, Field(ge=0, le=1)]
    """Maximum distance, in units of half the image."""


class RotateSettings(TransformSettings):
    """How far images may be rotated, and how often they are."""

    magnitude: Annotated[float, Field(ge=0, le=180)]
    """Maximum angle in degrees."""


class ZoomSettings(TransformSettings):
    """How much images may be magnified, and how often they are."""

    magnitude: Annotated[float, Field(ge=0, le=10)]
    """Maximum factor minus 1: 0.1 magnifies by up to 1.1."""


class AugmentSettings(Section):
    """Random transforms of training images; a transform that is left out is off.

    Lengths are in units of half the image, as in fastai v1: 1 is from the centre to the border. The
    paper counts nine transforms; the tenth, `symmetric_warp`, comes with fastai's `get_transforms`.
    """

    jitter: JitterSettings | None = None
    """Each pixel is sampled from up to `magnitude` away from its position."""
    perspective_warp: FractionSettings | None = None
    """Each corner is moved by up to `magnitude` along each axis, independently."""
    symmetric_warp: FractionSettings | None = None
    """The two corners of each side are moved symmetrically along it, by up to `magnitude` (part of
    fastai v1's `get_transforms`)."""
    squish: FractionSettings | None = None
    """Stretching along one axis, by a random s within 1 ± `magnitude`: s ≤ 1 shows only a fraction
    s of the width, s > 1 only a fraction 1/s of the height."""
    skew: FractionSettings | None = None
    """One corner is moved by up to `magnitude` along one axis (8 directions)."""
    tilt: FractionSettings | None = None
    """The image is tilted about one of its four sides by up to `magnitude`."""
    rotate: RotateSettings | None = None
    """Rotation by up to `magnitude` degrees, either way."""
    zoom: ZoomSettings | None = None
    """Magnification by a factor from 1 to 1 + `magnitude`, about a random point."""
    brightness: FractionSettings | None = None
    """Grey levels are shifted (in logit space) by up to `magnitude`."""
    contrast: FractionSettings | None = None
    """Contrast is changed (in logit space) by a factor from 1 - `magnitude` to
    1 / (1 - `magnitude`)."""


#: The authors' augmentation: fastai v1 `get_transforms(do_flip=False, max_rotate=25)` and five
#: more transforms, each with probability 0.2 (paper, section 4.3). The range of `squish` is not
#: published; ours is the one of fastai v1's own documentation.
PAPER_AUGMENTATION = AugmentSettings(
    jitter=JitterSettings(magnitude=0.02, probability=0.2),
    perspective_warp=FractionSettings(magnitude=0.5, probability=0.2),
    symmetric_warp=FractionSettings(magnitude=0.2, probability=0.75),
    squish=FractionSettings(magnitude=0.33, probability=0.2),
    skew=FractionSettings(magnitude=0.5, probability=0.2),
    tilt=FractionSettings(magnitude=0.5, probability=0.2),
    rotate=RotateSettings(magnitude=25.0, probability=0.75),
    zoom=ZoomSettings(magnitude=0.1, probability=0.75),
    brightness=FractionSettings(magnitude=0.2, probability=0.75),
    contrast=FractionSettings(magnitude=0.2, probability=0.75),
)
