import math

import pytest

from mmnist.config.origin import ConfigError, Origin
from mmnist.config.yaml_source import parse_value, parse_yaml

# https://yaml.org/spec/1.2.2/#1032-tag-resolution, and what YAML 1.1 reads as something else
SCALARS = [
    ("1e-4", 1e-4),
    ("1E5", 1e5),
    ("1e+3", 1e3),
    (".5", 0.5),
    ("-.5e1", -5.0),
    ("5.", 5.0),
    ("12e03", 12000.0),
    ("0.1", 0.1),
    ("0", 0),
    ("-19", -19),
    ("+7", 7),
    ("010", 10),
    ("0o7", 7),
    ("0x3A", 58),
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("on", "on"),
    ("off", "off"),
    ("yes", "yes"),
    ("No", "No"),
    ("y", "y"),
    ("1:30", "1:30"),
    ("1_000", "1_000"),
    ("0b11", "0b11"),
    ("2019-12-01", "2019-12-01"),
    ("=", "="),
    ("tRue", "tRue"),
    ("'1e-4'", "1e-4"),
    ('"true"', "true"),
    ("!!str 12", "12"),
    ("1e", "1e"),
    ("e5", "e5"),
    (".", "."),
    ("inf", "inf"),
    ("-.inf", -math.inf),
    ("[1, on, 1e-3]", [1, "on", 1e-3]),
    ("{a: {b: 0o10}}", {"a": {"b": 8}}),
]


@pytest.mark.parametrize(("text", "expected"), SCALARS)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, expected: object) -> None:
    value = parse_yaml(f"key: {text}\n", "x.yaml").root.plain()["key"]
    assert value == expected
    assert type(value) is type(expected)
    assert parse_value(text, Origin("--set")).plain() == expected


def test_not_a_number() -> None:
    assert math.isnan(parse_yaml("key: .nan", "x").root.plain()["key"])


def test_positions_are_those_of_keys_and_list_items() -> None:
    root = parse_yaml("# comment\na: 1\nb:\n  c: [1,\n    2]\n  d: x\n", "x.yaml").root

    def place(*path: str) -> tuple[int, int]:
        found = root.find(path)
        assert found is not None
        return found.origin.line, found.origin.column

    assert place("a") == (2, 1)
    assert place("b") == (3, 1)
    assert place("b", "c") == (4, 3)
    assert place("b", "d") == (6, 3)
    items = root.find(("b", "c"))
    assert items is not None
    assert [item.origin.line for item in items.value] == [4, 5]
    assert str(items.origin) == "x.yaml:4"


def test_anchors_and_aliases_are_copies() -> None:
    text = "a: &x {k: 1}\nb: *x\n"
    assert parse_yaml(text, "x").root.plain() == {"a": {"k": 1}, "b": {"k": 1}}


def test_all_repeated_keys_are_reported_with_both_lines() -> None:
    document = parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", "x.yaml")
    assert [str(problem) for problem in document.problems] == [
        "x.yaml:4: b.c: repeated key; it stands on line 3 already",
        "x.yaml:5: a: repeated key; it stands on line 1 already",
    ]


NESTED = "[" * 3000 + "]" * 3000
BILLION_LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["x.yaml: ", "empty"]),
        ("# only a comment\n", ["x.yaml: ", "empty"]),
        ("---\n...\n", ["x.yaml: ", "empty"]),
        ("- a\n- b\n", ["x.yaml:1: ", "a list", "key: value"]),
        ("just text", ["x.yaml:1: ", "a single value"]),
        ("a: 1\n\tb: 2\n", ["x.yaml:2:1: ", "tab"]),
        ("a:\n\tb: 2\n", ["x.yaml:2:1: ", "tab"]),
        ("a: b: c\n", ["x.yaml:1:5: ", "second `: `"]),
        ("a: 1\nb\nc: 2\n", ["x.yaml:3:1: ", "without `:`"]),
        ("a: [1, 2\nb: 3\n", ["x.yaml:2:2: ", "`]` is missing"]),
        ("a: {b: 1\nc: 3\n", ["x.yaml:2:2: ", "`}` is missing"]),
        ("a: 'x\nb: 1\n", ["x.yaml:3:1: ", "closing quote"]),
        ('a: "C:\\Data"\n', ["x.yaml:1:8: ", "single quotes"]),
        ("a:\n    b: 1\n  c: 2\n", ["x.yaml:3:3: ", "indentation"]),
        ("a: *missing\n", ["x.yaml:1:4: ", "undefined alias", "missing"]),
        ("a: 1\n---\nb: 2\n", ["x.yaml:2:1: ", "second document"]),
        ("a: \x07\n", ["x.yaml:1: ", "unprintable character '\\x07'"]),
        ("a: &x\n  b: *x\n", ["x.yaml:2: a.b: ", "alias"]),
        (f"a: {NESTED}\n", ["x.yaml: ", "nested too deeply"]),
        (BILLION_LAUGHS, ["x.yaml: ", "10000 values"]),
    ],
)
def test_unreadable_text(text: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "x.yaml")
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1: x", "x.yaml:1: '1' cannot be a key: keys are words"),
        ("null: x", "x.yaml:1: 'null' cannot be a key: keys are words"),
        ("? [a]\n: x", "x.yaml:1: a list cannot be a key: keys are words"),
        ("a:\n  <<: {b: 1}", "x.yaml:2: a: merge keys (<<) are not supported; use `extends`"),
        ("a: !!python/name:os.system x", "x.yaml:1: a: the tag !!python/name:os.system"),
        ("a: !mine {b: 1}", "x.yaml:1: a: the tag !mine does not fit"),
        ("a: !!int x", "x.yaml:1: a: the tag !!int does not fit"),
        ("a: " + "9" * 5000, "x.yaml:1: a: a number of too many digits"),
    ],
)
def test_unusable_parts_do_not_hide_the_rest(text: str, message: str) -> None:
    document = parse_yaml(text + "\nseed: 3\n", "x.yaml")
    assert document.root.plain()["seed"] == 3
    assert [str(problem)[: len(message)] for problem in document.problems] == [message]


def test_a_python_tag_runs_nothing(tmp_path) -> None:
    target = tmp_path / "made"
    document = parse_yaml(f"a: !!python/object/apply:pathlib.Path.touch ['{target}']", "x.yaml")
    assert len(document.problems) == 1
    assert not target.exists()


def test_values_are_found_by_key_and_index() -> None:
    root = parse_yaml("a:\n  - b: 1\n  - [2, 3]\nc: x\n", "x.yaml").root
    for path, value, line in [(("a", "0", "b"), 1, 2), (("a", "1", "1"), 3, 3), (("c",), "x", 4)]:
        found = root.find(path)
        assert found is not None
        assert (found.plain(), found.origin.line) == (value, line)
        assert root.nearest(path) is found
    for path, line in [(("a", "2"), 1), (("a", "-1"), 1), (("a", "0", "x"), 2), (("c", "0"), 4)]:
        assert root.find(path) is None
        assert root.nearest(path).origin.line == line
