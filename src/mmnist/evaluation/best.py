"""The best epoch of a run, read from its folder."""

from mmnist.errors import InputError
from mmnist.evaluation.metrics import Metrics
from mmnist.runs import Run


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
