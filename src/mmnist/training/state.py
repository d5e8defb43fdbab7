"""The state of a run so far: what a checkpoint holds, and what a summary is made from."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Best:
    """The best epoch so far."""

    epoch: int
    accuracy: float
    """On the validation images, 0 to 1."""
    loss: float

    def beaten_by(self, accuracy: float, loss: float) -> bool:
        """Higher accuracy is better; at equal accuracy, lower loss (the paper goes by accuracy)."""
        return (accuracy, -loss) > (self.accuracy, -self.loss)


@dataclass
class RunState:
    """Progress of a run. `epoch` and `step` count from 0, and say what is to be done next."""

    epoch: int = 0
    step: int = 0
    """Batches of this epoch that are already trained."""
    loss_sum: float = 0.0
    """Sum of the training loss over the images of this epoch so far."""
    correct: int = 0
    """Images of this epoch so far whose label was predicted correctly in training."""
    seen: int = 0
    """Images of this epoch so far."""
    seconds: float = 0.0
    """Time spent in this epoch so far."""
    validation_seconds: float = 0.0
    """The part of `seconds` spent on validations that were interrupted and start again."""
    peak_memory_mib: float = 0.0
    """Peak memory of all processes that have trained the run."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """metrics.csv: a row for each finished epoch."""
    best: Best | None = None
    best_valid: dict[str, Any] = field(default_factory=dict)
    """Metrics of the best epoch, as in summary.json; empty before the first epoch is finished."""

    @property
    def best_epoch(self) -> int:
        """The best epoch, from 0; there is one as soon as the first epoch is finished."""
        assert self.best is not None
        return self.best.epoch

    def to_dict(self) -> dict[str, Any]:
        """The state as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunState":
        """Restore what `to_dict` returned."""
        best = values["best"]
        return cls(**{**values, "best": None if best is None else Best(**best)})

    def note_memory(self, mib: float) -> None:
        """Take the peak memory of this process into account."""
        self.peak_memory_mib = max(self.peak_memory_mib, mib)

    def start_epoch(self, epoch: int) -> None:
        """Begin `epoch`, and reset the sums of the one before."""
        self.epoch, self.step = epoch, 0
        self.loss_sum, self.correct, self.seen = 0.0, 0, 0
        self.seconds, self.validation_seconds = 0.0, 0.0

    def exhausts(self, patience: int, first: int = 0) -> bool:
        """Whether the last `patience` finished epochs, from `first` on, brought no new best."""
        return self.epoch - 1 - max(self.best_epoch, first - 1) >= patience
