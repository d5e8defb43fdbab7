"""What was run: machines, versions, data, seeds, and what is missing."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath

from mmnist.records import ProcessRecord
from mmnist.report.study.content import StudyContent
from mmnist.report.study.wording import count, joined
from mmnist.runs import Run
from mmnist.study.results import UNJUDGED, StudyResult


def describe_setting(content: StudyContent) -> list[tuple[str, str]]:
    """Machines, versions, data and seeds of the runs, as pairs of a heading and plain text."""
    result = content.result
    lines = [
        ("Device", _counted(_of_environments(run, _device) for run in result.runs)),
        ("System", _counted(_of_environments(run, _system) for run in result.runs)),
        ("Versions", _counted(_of_environments(run, _versions) for run in result.runs)),
        ("Code", _counted(_of_environments(run, _commit) for run in result.runs)),
        ("Data", _counted(map(_data, result.runs))),
        ("Images", _counted(map(_images, result.runs))),
        ("Runs", _finished(result)),
    ]
    return [(title, text) for title, text in lines if text]


def missing_runs(result: StudyResult) -> list[tuple[str, str]]:
    """Variants without a run, runs not finished, and runs not judged, each with the reason.

    Variants that share a run are on one line.
    """
    places: dict[str, list[str]] = {}
    for (experiment, variant), config in result.loaded.configs.items():
        places.setdefault(config.name, []).append(f"{experiment}: {variant}")
    configs = {config.name: config for config in result.loaded.configs.values()}
    missing = []
    for name, config in configs.items():
        runs = result.folder.runs_of(name)
        begun = [run for run in runs if not run.finished]
        missing += [(f"{run.title} ({joined(places[name])})", _progress(run)) for run in begun]
        if not runs:
            missing.append((f"{config.name} ({joined(places[name])})", "not run"))
    return missing + [
        (f"{run.title} ({comparison.name}: {variant.name})", UNJUDGED)
        for comparison in result.comparisons
        for variant in comparison.variants.values()
        for run in variant.unjudged
    ]


def _progress(run: Run) -> str:
    epochs = len(run.metrics) if run.metrics_file.is_file() else 0
    return f"unfinished: {epochs} of {count(run.experiment.epochs, 'epoch')}"


def _counted(descriptions: Iterable[str | None]) -> str:
    """The description of all runs; if they differ, each with the number of its runs."""
    runs = Counter(text for text in descriptions if text)
    if len(runs) < 2:
        return "".join(runs)
    return "; ".join(f"{text} ({count(number, 'run')})" for text, number in runs.items())


def _of_environments(run: Run, describe: Callable[[ProcessRecord], str | None]) -> str:
    """The description of each environment of a run: it may have been resumed elsewhere."""
    descriptions = dict.fromkeys(map(describe, run.environments))
    return ", then ".join(text for text in descriptions if text)


def _system(process: ProcessRecord) -> str:
    return process.platform


def _device(process: ProcessRecord) -> str:
    parts = [process.device, process.precision]
    if "thread" not in process.device:
        parts.append(count(process.threads, "CPU thread"))
    return joined(parts)


def _versions(process: ProcessRecord) -> str:
    packages = {"Python": process.python, **process.packages}
    return joined(f"{name} {version}" for name, version in packages.items())


def _commit(process: ProcessRecord) -> str | None:
    if process.commit is None:
        return None
    changed = ", changed since" if process.commit.endswith("+") else ""
    return f"commit {process.commit.rstrip('+')[:12]}{changed}"


def _data(run: Run) -> str:
    data = run.environment.data
    words = [str(data.source.get("kind") or "")]
    words += [
        f"{key.replace('_', ' ')} {data.source[key]}"
        for key in ("generator_version", "labels", "seed")
        if key in data.source
    ]
    if "digits" in data.source:  # may be a folder of the machine that it was made on
        words.append(f"digits {PurePath(str(data.source['digits'])).name}")
    words.append(f"fingerprint {data.fingerprint[:12]}")
    return joined(word for word in words if word)


def _images(run: Run) -> str:
    summary = run.summary
    return (
        f"{summary.train_images:,} for training and {summary.valid_images:,} for validation "
        f"(split {run.experiment.data.split.words})"
    )


def _finished(result: StudyResult) -> str:
    """How many runs, of how many configurations, with which seeds."""
    seeds: dict[str, list[int]] = {}
    for run in result.runs:
        seeds.setdefault(run.name, []).append(run.seed)
    configs = {config.name for config in result.loaded.configs.values()}
    text = (
        f"{len(result.runs)} finished, of {len(seeds)} of {count(len(configs), 'configuration')}; "
    )
    return text + "; ".join(_by_seeds(seeds))


def _by_seeds(seeds: dict[str, list[int]]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for name, values in seeds.items():
        groups.setdefault(_seeds(values), []).append(name)
    if len(groups) == 1:
        yield from groups
        return
    for text, names in groups.items():
        yield f"{text}: {joined(names)}"


def _seeds(values: list[int]) -> str:
    return f"seed{'' if len(values) == 1 else 's'} {joined(values)}"
