"""docs/configuration.md: an introduction, and every key with its explanation."""

from collections.abc import Iterator
from textwrap import fill

from mmnist.config.keys import Key, all_keys, children
from mmnist.config.origin import KeyPath, dotted

INTRODUCTION = """\
# Configuration

<!-- Made by `mmnist config schema --format markdown --output docs/configuration.md`. -->

An experiment is one YAML file. Only `model` is required; keys that are left out take the defaults
in the tables below. These are the paper's settings wherever the paper states one (except
`data.split.method`: the paper's split is `ordered`, as in
[configs/base.yaml](../configs/base.yaml)).

```yaml
# my.yaml
extends: configs/base.yaml
model: {architecture: resnet, size: 34}
augment:
  rotate: {magnitude: 25, probability: 0.75}
train: {epochs: 10, learning_rate: 1e-4, schedule: cosine}
```

| command | what it does |
|---|---|
| `mmnist train my.yaml` | trains it; the results are in `runs/my/seed-0` |
| `mmnist config show my.yaml` | prints all keys, and where each value comes from |
| `mmnist config check configs` | checks files, or all in a folder; exit code 2 if any is wrong |
| `mmnist config schema` | prints the JSON Schema, for editors |

The run folder's `config.yaml` has every key. It is a configuration like any other: trained with
`--set name=again` or `--runs elsewhere`, it gives the same run once more.

Paths such as `data/modified-mnist`, `data/mnist` and `runs` are relative to the working directory:
run the commands where these folders are, usually in the root of the repository.

## How files are read

- **`extends: base.yaml`** starts from another file, whose path is relative to the file with this
  line. That file may extend a third one. Mappings are merged key by key, and the extending file
  takes precedence; anything else is replaced as a whole. So `train: {epochs: 5}` changes only the
  epochs, and `augment: none` drops all transforms of the extended file. `null` takes a value away:
  `augment: {rotate: null}` switches off a single transform, and `model: {architecture: simple_cnn,
  size: null}` leaves out the size, which that network has none of.
- **`name`**, the run folder's name, is the file's name without `.yaml` unless the file itself gives
  another. It is not inherited from an extended file, so that two experiments do not share a folder.
- **`--set key=value`** on the command line takes precedence over all files and can be repeated:
  `--set train.epochs=5 --set augment=none --set 'model={architecture: wide_resnet, size: 50}'`. The
  value is YAML, and a mapping is merged like one in a file.
- **A schedule** can be a word (`schedule: cosine`) or a mapping (`schedule: {name: step, gamma:
  0.5}`). The word replaces all settings of the schedule. A setting that the chosen schedule does
  not use is an error, since it would have no effect.
- **YAML** is read with the core schema of YAML 1.2: `1e-4` is a number; `on`, `off`, `yes` and `no`
  are text; only `true` and `false` are true and false. Nothing is converted: `"3"` is not a number,
  and 3.0 is not a whole number. A repeated key is an error. Anchors and aliases work, merge keys
  (`<<`) do not: use `extends`.

## Errors

All errors of a configuration are shown at once, each with file, line and key:

```
my.yaml:3: model.size: 35 is not a size of resnet; allowed for resnet: 18, 34, 50, 101, 152
my.yaml:5: train.epoch: unknown key; did you mean 'epochs'?
my.yaml:6: compute.compile: wanted true or false, got the text 'yes'; write true
```

An editor with a YAML language server shows them as you type, and explains each key, if the file
begins with the path of the schema: `# yaml-language-server: $schema=schema.json`, as the files in
[configs](../configs) do.

## Keys
"""

_TRANSFORMS = """\

Each transform is a mapping:

| key | allowed | default | explanation |
|---|---|---|---|
"""


def reference() -> str:
    """The whole page, with a final newline."""
    return INTRODUCTION + "".join(f"\n{part}\n" for part in _sections(()))


def _sections(path: KeyPath) -> Iterator[str]:
    """The table of one section, then those of the sections in it."""
    title = [f"#{'#' * (len(path) + 1)} `{dotted(path)}`", ""] if path else []
    if path and ". " in (about := all_keys()[path].about):  # more than the table above says
        title += [fill(about, 100, break_on_hyphens=False), ""]
    keys = [all_keys()[(*path, name)] for name in children(path)]
    header = ["| key | allowed | default | explanation |", "|---|---|---|---|"]
    table = "\n".join([*title, *header, *map(_row, keys)])
    if path == ("augment",):
        transform = [all_keys()[(*path, "tilt", name)] for name in ("magnitude", "probability")]
        yield f"{table}\n{_TRANSFORMS}" + "\n".join(map(_row, transform))
        return
    yield table
    for key in keys:
        if children(key.path):
            yield from _sections(key.path)


def _row(key: Key) -> str:
    cells = [f"`{key.path[-1]}`", _allowed(key), _default(key), key.description]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _allowed(key: Key) -> str:
    if key.path[0] == "augment" and len(key.path) == 2:
        magnitude = all_keys()[(*key.path, "magnitude")].allowed
        return f"magnitude: {magnitude.removeprefix('a number ')}"
    if key.path[-1] == "magnitude":
        return "a number; see the transform"
    return key.allowed


def _default(key: Key) -> str:
    if key.path == ("name",):
        return "the file's name"
    if key.path in (("model",), ("model", "size")) or key.path[-1] == "magnitude":
        return "must be given"
    if key.path == ("extends",):
        return "none"
    default = key.schema["default"]
    if isinstance(default, dict):
        return "see below"
    if default is None:
        return "null"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
