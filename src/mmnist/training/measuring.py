"""The costs of a study's configurations: measured once, or again where they do not count here."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from filelock import Timeout

from mmnist.config.schema import Experiment
from mmnist.errors import OutOfTime
from mmnist.pipeline.device import choose_hardware
from mmnist.study.costs import Cost, made_on, read_costs, whole_rounds, write_costs
from mmnist.study.folder import StudyFolder
from mmnist.training.cost import NotMeasured, measure_costs

_GO_ON = "everything is saved; the same command continues from here"


def measure_missing(
    configs: Mapping[str, Experiment],
    folder: StudyFolder,
    *,
    rounds: Mapping[str, int],
    pairs: Sequence[Collection[str]] = (),
    renew: bool = True,
    deadline: float | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, list[Cost]]:
    """Costs of each configuration here: read from the study's folder, or measured and added to it.

    All are measured once before any is measured a second time, so that a temporary slowdown of the
    machine does not affect only one of them. A configuration that cannot be measured (too little
    memory, say) is left out. Measurements of different devices are not mixed: what another one
    measured is dropped as soon as this one measures. While one process measures, others that need
    to measure wait.

    Args:
        configs: configurations by name.
        folder: the study's folder.
        rounds: number of measurements wanted of each configuration, by name.
        pairs: names that are compared; measurements of one of a pair without the other are dropped.
        renew: measure even if another device has measured enough.
        deadline: value of `time.monotonic()` after which no other configuration is measured.
        say: takes one line of progress.

    Raises:
        InputError: a configuration cannot be run on this machine.
        OutOfTime: the deadline has passed.
    """
    path = folder.costs_file
    with _measuring(folder, deadline):
        costs = _usable(read_costs(path), configs, rounds, pairs, renew=renew)
        impossible: set[str] = set()

        def done(name: str, cost: Cost) -> None:
            costs.setdefault(name, []).append(replace(cost, round=begun))
            write_costs(path, costs)
            say(f"  {name}: {cost.train_images_per_second:,.1f} img/s")
            if deadline is not None and time.monotonic() >= deadline:
                raise OutOfTime(_GO_ON)

        for number in range(1, max(rounds.values(), default=0) + 1):
            begun = datetime.now().astimezone().isoformat()
            while missing := {
                name: configs[name]
                for name, count in rounds.items()
                if len(costs.get(name, ())) < number <= count and name not in impossible
            }:
                what = f"{len(missing)} configuration{'' if len(missing) == 1 else 's'}"
                say(f"measuring {what}, a few steps each (round {number})")
                try:
                    measure_costs(missing, done)
                except NotMeasured as error:
                    say(f"  {error}" if error.name in str(error) else f"  {error.name}: {error}")
                    impossible.add(error.name)
    return costs


def _usable(
    costs: dict[str, list[Cost]],
    configs: Mapping[str, Experiment],
    rounds: Mapping[str, int],
    pairs: Sequence[Collection[str]],
    *,
    renew: bool,
) -> dict[str, list[Cost]]:
    """The measurements that need not be made again: see `measure_missing`."""
    wanted = [pair for pair in map(set, pairs) if pair <= rounds.keys()]

    def enough(measured: Mapping[str, Sequence[Cost]]) -> bool:
        whole = whole_rounds(measured, wanted)
        return all(len(whole.get(name, ())) >= count for name, count in rounds.items())

    devices = {cost.device for each in costs.values() for cost in each}
    by_one = (made_on(costs, dict.fromkeys(costs, device)) for device in devices)
    if not renew and any(map(enough, by_one)):
        return costs
    here = {name: choose_hardware(each.compute).description for name, each in configs.items()}
    costs = made_on(costs, here)
    return costs if enough(costs) else whole_rounds(costs, wanted)


@contextmanager
def _measuring(folder: StudyFolder, deadline: float | None) -> Iterator[None]:
    """Let only this process measure during the block; wait for others, up to the deadline."""
    timeout = -1 if deadline is None else max(0, deadline - time.monotonic())
    try:
        held = folder.measuring_lock.acquire(timeout=timeout)
    except Timeout as error:
        raise OutOfTime(_GO_ON) from error
    with held:
        yield
