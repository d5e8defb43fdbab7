from pathlib import Path

import pandas as pd
import pytest

from mmnist.config.origin import ConfigError
from mmnist.study.published import Counts, read_published

PLACES = [("size", "small"), ("size", "large"), ("resize", "64")]
FILES = {
    "accuracy.csv": "experiment,variant,best_valid_accuracy,valid_images,correct\n"
    "size,small,0.980198,505,495\nresize,64,0.5,10,5\n",
    "per_class.csv": "experiment,variant,digit,precision,recall,f1\nsize,small,0,1,0.4,0.571\n",
    "curves.csv": "experiment,variant,epoch,train_accuracy,train_loss,valid_accuracy,valid_loss\n"
    "size,small,1,0.2,1.9,0.25,1.91\nsize,small,0,0.1,2.0,0.2,2.0\n",
}


def write(folder: Path, **changes: tuple[str, str]) -> Path:
    for name, text in FILES.items():
        before, after = changes.get(name.split(".")[0], ("", ""))
        assert before in text
        (folder / name).write_text(text.replace(before, after, 1), encoding="utf-8")
    return folder


def test_numbers_by_place(tmp_path):
    published = read_published(write(tmp_path), PLACES)
    assert published.counts == {
        ("size", "small"): Counts(495, 505),
        ("resize", "64"): Counts(5, 10),
    }
    assert published.counts["size", "small"].accuracy == pytest.approx(0.980198, abs=1e-6)
    assert published.per_class["size", "small"].loc[0, "f1"] == 0.571
    assert published.curves["size", "small"]["valid_loss"].tolist() == [2.0, 1.91]  # by epoch


def test_what_is_written_reads_the_same(tmp_path):
    published = read_published(write(tmp_path), PLACES)
    published.write(tmp_path / "copy")
    again = read_published(tmp_path / "copy", PLACES)
    assert again.counts == published.counts
    for name in ("per_class", "curves"):
        before, after = getattr(published, name), getattr(again, name)
        assert before.keys() == after.keys()
        for place in before:
            pd.testing.assert_frame_equal(before[place], after[place], check_dtype=False)


def test_files_may_be_absent_but_not_all(tmp_path):
    (tmp_path / "acuracy.csv").write_text(FILES["accuracy.csv"], encoding="utf-8")
    with pytest.raises(ConfigError, match=r"holds none of accuracy\.csv, per_class\.csv"):
        read_published(tmp_path, PLACES)
    (tmp_path / "curves.csv").write_text(FILES["curves.csv"], encoding="utf-8")
    published = read_published(tmp_path, PLACES)
    assert not published.counts
    assert not published.per_class
    assert published.curves


@pytest.mark.parametrize("name", ["None", "NA", "nan", "null", "08", "1e-3", "True"])
def test_a_variant_may_have_any_name(tmp_path, name):
    places = [("size", name), ("resize", "64")]
    folder = write(tmp_path)
    for path in folder.glob("*.csv"):
        path.write_text(path.read_text("utf-8").replace("size,small", f"size,{name}"), "utf-8")
    published = read_published(folder, places)
    assert published.counts["size", name] == Counts(495, 505)
    published.write(tmp_path / "copy")
    again = read_published(tmp_path / "copy", places)
    assert again.counts == published.counts
    assert again.curves.keys() == published.curves.keys() == {("size", name)}


def test_a_bad_cell_leaves_the_lines_around_it_alone(tmp_path):
    lines = [f"size,small,{digit},0.5,0.5,0.5" for digit in range(10)]
    lines[3] = "size,small,3,0.5,many,0.5"
    header = FILES["per_class.csv"].splitlines()[0]
    (tmp_path / "per_class.csv").write_text("\n".join([header, *lines]), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_published(tmp_path, PLACES)
    assert (
        str(caught.value) == f"{tmp_path}/per_class.csv:5: recall: wanted a number from 0 to 1, "
        "got the text 'many'"
    )


@pytest.mark.parametrize(
    ("correct", "images", "rounded"),
    [(777, 800, "0.9713"), (777, 800, "0.9712"), (3897, 4000, "0.9743"), (3901, 4000, "0.9753")],
)
def test_an_accuracy_may_be_rounded_to_four_decimals_either_way(tmp_path, correct, images, rounded):
    folder = write(tmp_path, accuracy=("0.980198,505,495", f"{rounded},{images},{correct}"))
    counts = read_published(folder, PLACES).counts
    assert counts["size", "small"] == Counts(correct, images)


BAD = [
    ("accuracy", ("0.980198,505,495", "0.9714,800,777"), "0.9714 is not 777 of 800 (0.971250)"),
    (
        "per_class",
        ("small,0,1", "small,10,1"),
        "per_class.csv:2: digit: wanted a whole number from 0 to 9, got the number 10",
    ),
    ("per_class", ("small,0,1", "small,0.5,1"), "per_class.csv:2: digit: wanted a whole number"),
    (
        "per_class",
        ("0,1,0.4", "0,1.5,0.4"),
        "per_class.csv:2: precision: wanted a number from 0 to 1, got the number 1.5",
    ),
    (
        "per_class",
        ("0,1,0.4", "0,x,0.4"),
        "precision: wanted a number from 0 to 1, got the text 'x'",
    ),
    ("per_class", ("0,1,0.4", "0,,0.4"), "precision: wanted a number from 0 to 1, got the text ''"),
    (
        "per_class",
        ("0,1,0.4", "0,nan,0.4"),
        "precision: wanted a finite number from 0 to 1, got the number nan",
    ),
    ("per_class", ("size,small", "size,huge"), "experiment size has no variant 'huge'; it has: sm"),
    ("accuracy", ("size,", "seize,"), "accuracy.csv:2: there is no experiment 'seize'"),
    ("accuracy", ("505,495", "505,494.5"), "accuracy.csv:2: correct: wanted a whole number"),
    ("accuracy", ("505,495", "0,0"), "accuracy.csv:2: valid_images: wanted a whole number of at"),
    ("accuracy", ("505,495", "505,506"), "correct: 506 of 505 images cannot be right"),
    ("accuracy", ("505,495", "505,494"), "best_valid_accuracy: 0.980198 is not 494 of 505"),
    ("accuracy", ("resize,64,0.5,10,5", "size,small,0.980198,505,495"), ":3: a second line for"),
    ("accuracy", ("505,495", "505,495,1"), "accuracy.csv:2: more cells than columns"),
    (
        "accuracy",
        ("size,small", "\n\nseize,small"),
        "accuracy.csv:4: there is no experiment 'seize'",
    ),
    ("curves", ("small,1,", "small,0,"), "curves.csv:3: a second line"),
    ("curves", ("valid_loss", "validation_loss"), "curves.csv:1: no column valid_loss"),
    (
        "curves",
        ("small,1,", "small,-1,"),
        "curves.csv:2: epoch: wanted a whole number of at least 0",
    ),
    (
        "curves",
        ("1.91", "-1"),
        "curves.csv:2: valid_loss: wanted a number of at least 0, got the number -1",
    ),
    (
        "curves",
        ("1.91", "inf"),
        "curves.csv:2: valid_loss: wanted a finite number of at least 0, got the number inf",
    ),
]


@pytest.mark.parametrize(("name", "change", "message"), BAD, ids=[each[2][:40] for each in BAD])
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, name, change, message):
    with pytest.raises(ConfigError) as caught:
        read_published(write(tmp_path, **{name: change}), PLACES)
    assert message in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    folder = write(tmp_path, accuracy=("size,small,0.980198", "seize,small,much"),
                   curves=("0.2,1.9,0.25", "2,x,0.25"))  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        read_published(folder, PLACES)
    found = [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]
    assert [line.split(": ")[:2] for line in found] == [
        ["accuracy.csv:2", "there is no experiment 'seize'; there are"],
        ["accuracy.csv:2", "best_valid_accuracy"],
        ["curves.csv:2", "train_accuracy"],
        ["curves.csv:2", "train_loss"],
    ]


def test_further_columns_and_whole_numbers_with_a_point_are_no_problem(tmp_path):
    folder = write(tmp_path)
    text = (
        FILES["accuracy.csv"]
        .replace("correct\n", "correct,page\n")
        .replace("505,495", "505.0,495.0,7")
    )
    (folder / "accuracy.csv").write_text(text, encoding="utf-8")
    assert read_published(folder, PLACES).counts["size", "small"] == Counts(495, 505)
