"""The statistical tests that decide claims: their names, and what a page says of them."""

from enum import StrEnum
from typing import Self


class Method(StrEnum):
    """How a difference is tested; the value is its name in the tables.

    In the order in which a page explains them.
    """

    explanation: str
    """A sentence for readers of the page; empty if the name says enough."""

    def __new__(cls, name: str, explanation: str = "") -> Self:
        """A method by its name in the tables, which is its value."""
        method = str.__new__(cls, name)
        method._value_ = name
        method.explanation = explanation
        return method

    MCNEMAR = (
        "McNemar, exact",
        "Two runs of one seed each are compared by McNemar's exact test on the same images.",
    )
    BOOTSTRAP_OVER_SEEDS = (
        "bootstrap of images, t over seeds",
        "Groups of seeds are judged by a bootstrap of the images, into which the spread between "
        "seeds enters by Student's t.",
    )
    BOOTSTRAP = (
        "bootstrap of images",
        "Steps of a series, of one seed each, are judged by a bootstrap of the images.",
    )
    BINOMIAL = (
        "binomial, exact",
        "A single run is held against a fixed number by the exact binomial test.",
    )
    MCNEMAR_OF_COUNTS = (
        "McNemar, exact, over all possible overlaps of the errors",
        "Published are only the numbers of right answers, not which images they are: p is given "
        "for all overlaps of the errors that are possible, and the largest of them decides.",
    )
    WELCH = "Welch's t over seeds"
    Z_OF_COUNTS = "z, errors taken as independent"
