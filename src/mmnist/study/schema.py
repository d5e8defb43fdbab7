"""What a study is: controlled experiments, their variants, and the claims that they test.

A study file says what is compared and which claims are judged by it; what is trained is in the
configuration file of each variant. The terms follow the paper: an *experiment* changes one thing
and keeps everything else; its *variants* are the configurations that are compared.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from mmnist.config.section import Section, refuse

#: Experiment and variant.
Place = tuple[str, str]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)]
Text = Annotated[str, Field(min_length=1)]
_PlaceText = Annotated[str, Field(pattern=r"^[^/]+/[^/]+$", examples=["size/resnet101"])]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_NameList = Annotated[list[Name], Field(min_length=1)]
Names = Annotated[_NameList, BeforeValidator(_listed, json_schema_input_type=_NameList | Name)]


class Variant(Section):
    """One configuration of an experiment."""

    config: Text
    """Its configuration file, relative to the study file."""
    label: Text | None = None
    """Its name in tables and figures; the variant's key if left out."""
    published: _PlaceText | None = None
    """`experiment/variant` whose published numbers are this one's; its own if left out."""


class _Claim(Section):
    claim: Text
    """The claim, in words."""
    where: str = ""
    """Where it is made."""

    @property
    def names(self) -> list[str]:
        """The variants that the claim is about."""
        raise NotImplementedError

    @property
    def compared(self) -> list[tuple[str, str]]:
        """Pairs of variants that the claim says to differ."""
        return list(combinations(self.names, 2))

    def same_runs(self, runs: Mapping[str, str]) -> list[list[str]]:
        """Groups of variants that it compares though each group is one run.

        runs: by variant, what tells its run from others; variants may be absent.
        """
        groups: dict[str, dict[str, None]] = {}
        for pair in self.compared:
            first, second = map(runs.get, pair)
            if first is not None and first == second:
                groups.setdefault(first, {}).update(dict.fromkeys(pair))
        return [list(group) for group in groups.values()]


class BetterClaim(_Claim):
    """Each variant of one group is more accurate than each of another."""

    kind: Literal["better"]
    better: Names
    """The variants that are said to be better."""
    than: Names
    """The variants that are said to be worse."""

    @property
    def names(self) -> list[str]:
        """The variants that the claim is about."""
        return [*self.better, *self.than]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of variants, the one that is said to be better first."""
        return [(better, worse) for better in self.better for worse in self.than]

    @property
    def compared(self) -> list[tuple[str, str]]:
        """Pairs of variants that the claim says to differ."""
        return self.pairs


class RankingClaim(_Claim):
    """The variants stand in this order."""

    kind: Literal["ranking"]
    order: Annotated[list[Name], Field(min_length=2)]
    """The variants, the most accurate one first."""

    @property
    def names(self) -> list[str]:
        """The variants that the claim is about."""
        return self.order

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of variants, the one that is said to be better first: each and the next."""
        return list(zip(self.order, self.order[1:], strict=False))


class DiminishingClaim(_Claim):
    """The first step gains more accuracy than the second."""

    kind: Literal["diminishing"]
    steps: Annotated[list[Name], Field(min_length=3, max_length=3)]
    """Three variants, from the least to the most of what is added."""

    @property
    def names(self) -> list[str]:
        """The variants that the claim is about."""
        return self.steps


class OverfitsLessClaim(_Claim):
    """The validation loss rises less between its lowest and the last epoch."""

    kind: Literal["overfits_less"]
    variant: Name
    """The variant that is said to overfit less."""
    than: Name
    """The variant that is said to overfit more."""

    @property
    def names(self) -> list[str]:
        """The variants that the claim is about."""
        return [self.variant, self.than]


class AccuracyClaim(_Claim):
    """A variant is below, or above, an accuracy that is given as a number."""

    kind: Literal["accuracy"]
    variant: Name
    """The variant."""
    side: Literal["below", "above"]
    """On which side of `threshold` it is said to be."""
    threshold: Annotated[float, Field(gt=0, lt=1)]
    """The accuracy, from 0 to 1."""

    @property
    def names(self) -> list[str]:
        """The variants that the claim is about."""
        return [self.variant]


class CostClaim(_Claim):
    """A variant costs so many times what another one costs."""

    kind: Literal["cost"]
    variant: Name
    """The variant whose cost is named."""
    over: Name
    """The variant whose cost it is compared with."""
    measure: Literal["time", "memory"]
    """Time of one training image, or most memory in use while training."""
    factor: Annotated[float, Field(gt=0)]
    """The quotient of the two costs, as claimed."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """How far, as a share of `factor`, the measured quotient may be from it."""

    @property
    def names(self) -> list[str]:
        """The variants that the claim is about."""
        return [self.variant, self.over]


Claim = Annotated[
    BetterClaim | RankingClaim | DiminishingClaim | OverfitsLessClaim | AccuracyClaim | CostClaim,
    Field(discriminator="kind"),
]


def _with_config(value: Any) -> Any:
    """`wide: wide.yaml` is short for `wide: {config: wide.yaml}`."""
    if not isinstance(value, dict):
        return value
    return {k: {"config": v} if isinstance(v, str) else v for k, v in value.items()}


class Comparison(Section):
    """One controlled experiment: variants that differ in one thing."""

    question: Text
    """What it is to answer."""
    answers: str = ""
    """The figures, tables and sections of the source that it reproduces."""
    judged_on: Literal["validation", "test"] = "validation"
    """Whether accuracies are those on the validation images, or on the test images of the data set
    (whose labels generated data have and the competition's do not)."""
    variants: Annotated[
        dict[Name, Variant],
        Field(min_length=1),
        BeforeValidator(
            _with_config,
            json_schema_input_type=Annotated[dict[Name, Variant | Text], Field(min_length=1)],
        ),
    ]
    """Name → configuration; a mapping, or just the path of the file."""
    claims: list[Claim] = Field(default_factory=list)
    """What the experiment is to decide."""

    @field_validator("variants")
    @classmethod
    def _labels_differ(cls, variants: dict[str, Variant]) -> dict[str, Variant]:
        seen: dict[str, str] = {}
        problems = []
        for name, variant in variants.items():
            label = variant.label or name
            if seen.setdefault(label, name) != name:
                problems.append(((name,), f"has the same label as {seen[label]}: {label!r}"))
        refuse(problems)
        return variants

    @field_validator("claims")
    @classmethod
    def _variants_exist(cls, claims: Any, info: ValidationInfo) -> Any:
        variants = info.data.get("variants", {})  # absent if one of them is itself invalid
        problems = []
        for index, claim in enumerate(claims):
            unknown = [name for name in claim.names if variants and name not in variants]
            if unknown:
                cause = f"there is no variant {unknown[0]!r} here; the variants are: "
                problems.append(((str(index),), cause + ", ".join(variants)))
            elif len(set(claim.names)) < len(claim.names):
                cause = "names a variant twice, which would compare it with itself"
                problems.append(((str(index),), cause))
        refuse(problems)
        return claims


class Study(Section):
    """A set of experiments that belong together, such as those of one paper."""

    name: Name
    """Name of its folder, `runs/<name>`."""
    title: Text
    """What stands above its page."""
    source: str = ""
    """Who published it: authors, title, year."""
    smaller: str | None = None
    """What makes this a smaller copy of its source; stands at the top of each of its pages."""
    published: Text | None = None
    """Folder of the published numbers (accuracy.csv, per_class.csv, curves.csv; each optional),
    relative to the study file."""
    notes: list[Text] = Field(default_factory=list)
    """Where the source is unclear or contradicts itself, and what was done."""
    changes: list[Text] = Field(default_factory=list)
    """Keys that are changed in all configurations, as `key=value`."""
    experiments: Annotated[dict[Name, Comparison], Field(min_length=1)]
    """Name → experiment."""

    @property
    def places(self) -> list[Place]:
        """Experiment and variant, in the order of the file."""
        return [
            (name, variant)
            for name, comparison in self.experiments.items()
            for variant in comparison.variants
        ]

    @field_validator("experiments")
    @classmethod
    def _published_places_exist(cls, experiments: dict[str, Comparison]) -> dict[str, Comparison]:
        places = {f"{name}/{key}" for name, each in experiments.items() for key in each.variants}
        refuse(
            (
                (name, "variants", key, "published"),
                f"there is no variant {variant.published} in this file",
            )
            for name, comparison in experiments.items()
            for key, variant in comparison.variants.items()
            if variant.published is not None and variant.published not in places
        )
        return experiments
