"""What a study is going to train, for people: its runs, and how long they will take."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from mmnist.study.costs import Cost, typical_cost
from mmnist.study.plan import PlannedRun, seconds_left
from mmnist.terminal import clock, natural_width

#: Names are folded until a table has this width in characters; the terminal wraps longer lines.
_LEAST_WIDTH = 80


def describe_plan(
    planned: Sequence[PlannedRun],
    costs: Mapping[str, Sequence[Cost]],
    images: Mapping[str, tuple[int, int]],
    width: int,
) -> tuple[Table, str]:
    """A table of the runs with the time that each will take, and a sentence on the time of all.

    Args:
        planned: the runs.
        costs: the measured costs of configurations by name; of those without, times are unknown.
        images: numbers of training and validation images of each configuration by name.
        width: of the console, in characters. Names are folded to fit it, but not into less than 80:
            print the table with `crop=False`.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("run", "for", "state"):
        table.add_column(title, overflow="fold")
    for title in ("epochs", "images", "time"):
        table.add_column(title, justify="right", no_wrap=True)
    total, unknown, devices = 0.0, 0, set()
    for each in planned:
        config, time = each.config, "–"
        if measured := costs.get(config.name):
            cost = typical_cost(measured)
            devices.add(cost.device)
            seconds = seconds_left(each, cost, images[config.name])
            total += seconds
            time = clock(seconds) if seconds else time
        elif each.epochs_left:
            unknown += 1
            time = "unknown"
        table.add_row(
            f"{config.name}/seed-{config.seed}",
            ", ".join(f"{experiment}: {variant}" for experiment, variant in each.places),
            each.state,
            f"{each.epochs_left} of {config.epochs}",
            f"{images[config.name][0]:,}",
            time,
        )
    table.width = min(natural_width(table), max(width, _LEAST_WIDTH))
    beside = f", plus {unknown} of unknown duration" if unknown else ""
    where = f" ({', '.join(sorted(devices))})" if devices else ""
    return table, (
        f"{len(planned)} runs, about {clock(total)} to go{beside}, estimated from a few training "
        f"steps of each{where}"
    )
