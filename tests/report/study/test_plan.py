"""The plan that `mmnist reproduce` shows before it trains."""

from dataclasses import replace

import pytest
from report.study.invented import COSTS
from rich.console import Console

from mmnist.report.study.plan import describe_plan
from mmnist.study.plan import plan_runs


@pytest.fixture
def shown(result):
    """Rows of the plan for 4,000 training and 1,000 validation images, and its sentence."""

    def show(costs, seeds=1, width=120):
        planned = plan_runs(result.loaded, result.folder, seeds=seeds)
        images = dict.fromkeys(("small", "large", "never"), (4000, 1000))
        table, sentence = describe_plan(planned, costs, images, width)
        console = Console(width=width, color_system=None)
        with console.capture() as capture:
            console.print(table, crop=False)
        return [" ".join(line.split()) for line in capture.get().splitlines()[1:]], sentence

    return show


def test_finished_runs_take_no_time_and_the_duration_of_others_may_be_unknown(shown):
    rows, sentence = shown({name: [cost] for name, cost in COSTS.items()})
    assert rows == [
        "small/seed-0 resize: small finished 0 of 6 4,000 –",
        "large/seed-0 resize: large, final: best finished 0 of 6 4,000 –",
        "never/seed-0 resize: never new 6 of 6 4,000 unknown",
    ]
    assert sentence == (
        "3 runs, about 0:00:00 to go, plus 1 of unknown duration, estimated from a few training "
        "steps of each (CPU, 2 threads)"
    )


def test_times_are_those_of_typical_measurements(shown):
    """Six epochs of 4,000 images at 40 a second and 1,000 at 50: twelve minutes."""
    slow, typical, fast = (
        replace(COSTS["small"], train_images_per_second=rate, valid_images_per_second=50.0)
        for rate in (10.0, 40.0, 90.0)
    )
    rows, sentence = shown({"never": [slow, fast, typical]}, seeds=4)
    assert rows[2] == "never/seed-0 resize: never new 6 of 6 4,000 0:12:00"
    assert rows[9:11] == [
        "small/seed-3 resize: small new 6 of 6 4,000 unknown",
        "large/seed-3 resize: large, final: best new 6 of 6 4,000 unknown",
    ]
    assert sentence.startswith("12 runs, about 0:48:00 to go, plus 2 of unknown duration")


def test_a_narrow_terminal_shows_the_same_plan(shown):
    costs = {name: [cost] for name, cost in COSTS.items()}
    assert shown(costs, width=40) == shown(costs)


def test_long_names_are_folded_and_numbers_are_not(result):
    planned = plan_runs(result.loaded, result.folder)
    named = planned[-1].config.model_copy(update={"name": "n" * 100})
    images = {named.name: (45_000, 5_000)}
    table, _ = describe_plan([replace(planned[-1], config=named)], {}, images, 40)
    console = Console(width=40, color_system=None)
    with console.capture() as capture:
        console.print(table, crop=False)
    lines = capture.get().splitlines()
    assert lines[1].split()[-5:] == ["6", "of", "6", "45,000", "unknown"]
    assert max(map(len, lines)) == 80
