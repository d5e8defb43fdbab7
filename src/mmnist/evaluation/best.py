"""What a run recorded of itself and its best epoch, checked."""

from mmnist.errors import InputError
from mmnist.evaluation.metrics import Metrics
from mmnist.runs import Run

#: What is read of every run, in summary.json and in environment.json.
_SUMMARY, _ENVIRONMENT = ("status", "epochs", "best_epoch", "valid"), ("data",)


def check_records(run: Run) -> None:
    """Raise InputError if summary.json or environment.json lacks what must be in it."""
    for file, content, keys in (
        ("summary.json", run.summary, _SUMMARY),
        ("environment.json", run.environment, _ENVIRONMENT),
    ):
        if lost := [key for key in keys if key not in content]:
            raise InputError(f"{run.path / file} is damaged: {', '.join(lost)} missing")


def read_best(run: Run) -> tuple[Metrics, int]:
    """Validation metrics of the best epoch, and its number, counted from 0.

    Raises:
        InputError: summary.json is missing or damaged.
    """
    damaged = f"{run.path / 'summary.json'} is damaged"
    best = run.summary.get("valid")
    if not isinstance(best, dict):
        raise InputError(f"{damaged}: 'valid' is missing")
    try:
        return Metrics.from_dict(best), int(run.summary["best_epoch"])
    except KeyError as error:
        raise InputError(f"{damaged}: {error} is missing") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{damaged}: {error}") from error
