"""Predictions → accuracy with an interval, per-class precision, recall and F1, confusion matrix.

Independent of torch; the training loop, the report and the comparison of runs all use it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mmnist.records import AveragesRecord, MetricsRecord
from mmnist.task import CLASSES

#: A class with fewer images than this is too small to judge: with 19 images, all of them right,
#: the 95 % interval of recall still begins at 83 %.
SMALL_CLASS = 20


class Averages(NamedTuple):
    """Precision, recall and F1, averaged over classes; each from 0 to 1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class Metrics:
    """How well predictions agree with labels; shares are from 0 to 1.

    A share that would be 0/0 is 0, as with scikit-learn's `zero_division=0`: precision of a class
    that was never predicted, recall and F1 of a class that has no image.
    """

    n: int
    """Images."""
    correct: int
    """Images whose prediction is the label."""
    accuracy: float
    """correct / n."""
    interval: tuple[float, float]
    """95 % Wilson interval of the accuracy."""
    precision: NDArray[np.float64]
    """float64 [10]: share of the predictions of a class that are right."""
    recall: NDArray[np.float64]
    """float64 [10]: share of the images of a class that are found."""
    f1: NDArray[np.float64]
    """float64 [10]: harmonic mean of precision and recall."""
    support: NDArray[np.int64]
    """int64 [10]: images of each class."""
    macro: Averages
    """Mean over the classes that have images: a class without any says nothing about the model and
    is left out, as scikit-learn does with a class that does not occur."""
    weighted: Averages
    """Mean over the classes, weighted by support."""
    confusion: NDArray[np.int64]
    """int64 [10, 10]: images by label (row) and prediction (column)."""

    @property
    def small(self) -> NDArray[np.bool_]:
        """bool [10]: the classes with fewer than `SMALL_CLASS` images, too few to judge."""
        return self.support < SMALL_CLASS

    def to_dict(self) -> dict[str, Any]:
        """The metrics as numbers, lists and mappings that JSON can hold."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, value in fields.items():
            if isinstance(value, np.ndarray):
                fields[name] = value.tolist()
            elif isinstance(value, Averages):
                fields[name] = value._asdict()
        return fields | {"interval": list(self.interval)}

    @classmethod
    def from_record(cls, record: MetricsRecord) -> "Metrics":
        """The metrics of which a run recorded what `to_dict` returned."""
        low, high = record.interval
        return cls(
            n=record.n,
            correct=record.correct,
            accuracy=record.accuracy,
            interval=(low, high),
            precision=np.array(record.precision, dtype=np.float64),
            recall=np.array(record.recall, dtype=np.float64),
            f1=np.array(record.f1, dtype=np.float64),
            support=np.array(record.support, dtype=np.int64),
            macro=_averages(record.macro),
            weighted=_averages(record.weighted),
            confusion=np.array(record.confusion, dtype=np.int64),
        )


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of the share correct / n (Wilson 1927), from 0 to 1.

    Unlike accuracy ± 1.96 standard errors it stays within 0 to 1 and holds its level for small n
    and shares near 1. Raises ValueError unless 0 ≤ correct ≤ n and n ≥ 1.
    """
    if n < 1:
        raise ValueError("an interval needs at least one image")
    if not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} images cannot be right")
    interval = binomtest(correct, n).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)


def compute_metrics(labels: NDArray[np.integer], predictions: NDArray[np.integer]) -> Metrics:
    """Compare predictions with labels, both integer [N] with values 0 to 9.

    Raises ValueError for other shapes or values, or no image at all.
    """
    labels, predictions = _classes(labels, "labels"), _classes(predictions, "predictions")
    if len(labels) != len(predictions):
        raise ValueError(f"{len(labels)} labels, but {len(predictions)} predictions")
    if not len(labels):
        raise ValueError("no image to judge")
    digits = np.arange(CLASSES)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=digits, zero_division=0
    )
    per_class = np.stack([precision, recall, f1])
    correct = int((labels == predictions).sum())
    return Metrics(
        n=len(labels),
        correct=correct,
        accuracy=correct / len(labels),
        interval=wilson_interval(correct, len(labels)),
        precision=precision,
        recall=recall,
        f1=f1,
        support=support.astype(np.int64),
        macro=Averages(*per_class[:, support > 0].mean(axis=1).tolist()),
        weighted=Averages(*np.average(per_class, axis=1, weights=support).tolist()),
        confusion=confusion_matrix(labels, predictions, labels=digits).astype(np.int64),
    )


def _classes(values: NDArray[np.integer], name: str) -> NDArray[np.int64]:
    values = np.asarray(values)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"{name} must be integers [N], not {values.dtype} {list(values.shape)}")
    if values.size and (values.min() < 0 or values.max() >= CLASSES):
        raise ValueError(f"{name} must be 0 to {CLASSES - 1}")
    return values.astype(np.int64)


def _averages(record: AveragesRecord) -> Averages:
    return Averages(record.precision, record.recall, record.f1)
