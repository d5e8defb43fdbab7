"""The whole page."""

import re

import pytest
from fake_runs import data_record, environment
from PIL import Image
from report.study.conftest import without_predictions
from report.study.invented import NUMBERS, STUDY

from mmnist.data.store import open_store
from mmnist.errors import InputError, RunError
from mmnist.report import figures
from mmnist.report.study.content import build_content
from mmnist.report.study.page import write_study_page
from mmnist.report.study.summary import render_summary
from mmnist.study.findings import Verdict


@pytest.fixture(autouse=True, scope="module")
def _coarse():
    """A ninth of the pixels, for speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "DPI", 50)
        yield


@pytest.fixture(scope="module")
def written(_coarse, result, tmp_path_factory):
    """Folder, page and paths of the study with everything."""
    folder = tmp_path_factory.mktemp("page") / "out"
    paths = write_study_page(result, folder)
    return folder, paths[0].read_text(encoding="utf-8"), paths


def _headings(page):
    return re.findall(r"^#+ (.*)$", page, re.MULTILINE)


def test_everything_is_written_and_linked(written):
    folder, page, paths = written
    assert [path.name for path in paths[:2]] == ["README.md", "index.html"]
    assert sorted(paths) == sorted(path for path in folder.rglob("*") if path.is_file())
    names = ["accuracy", "claims", "tests", "costs", "per_class_resize", "per_class_final"]
    names += ["runs", "curves"]
    assert {path.stem for path in (folder / "tables").iterdir()} == set(names)
    drawn = {"accuracy", "cost", "resize_loss", "final_loss"}
    assert {path.stem for path in (folder / "figures").iterdir()} == drawn
    linked = set(re.findall(r"\]\(([^)]+)\)", page))
    assert linked == {path.relative_to(folder).as_posix() for path in paths[1:]}
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:href|src)="([^"]+)"', html)) == linked
    for path in (folder / "figures").iterdir():
        with Image.open(path) as image:
            image.verify()


def test_order_of_the_page(written):
    _, page, _ = written
    assert _headings(page) == [
        r"Two sizes \| of image",
        "Summary",
        "What was run",
        "resize: Do larger images help?",
        "final: How good is it?",
        "Costs",
        "Notes on the source",
        "Files",
    ]
    start = page.index("# Two sizes")
    assert page.index("> **Generated data**, not the competition's.") > start
    assert page.index("> **Generated data**") < page.index("Source: A. Author, 2019.")


def test_summary_counts_the_verdicts_of_the_table(written):
    _, page, _ = written
    assert "- **Own runs**, 5 claims: 4 hold, 0 do not hold, 1 cannot be told (1 for want" in page
    assert "- **Published numbers** by themselves, 5 claims: 1 holds, 0 do not" in page
    summary = page[page.index("## Summary") : page.index("## What was run")]
    found = [summary.count(f"**{verdict}**") for verdict in Verdict]
    assert found == [4 + 1, 0, 1 + 4]


def test_method_is_told_as_far_as_it_matters(written, make_result, tmp_path):
    _, page, _ = written
    assert "Holm's correction" in page
    assert "bootstrap of the images" in page
    assert "Student's t" in page
    assert "all overlaps of the errors" in page
    assert "and is no test" in page
    assert "McNemar's exact test" not in page
    assert "single seed" not in page
    paths = write_study_page(make_result(seeds=1, published=None), tmp_path / "one")
    other = paths[0].read_text(encoding="utf-8")
    assert "McNemar's exact test" in other
    assert "A single seed says nothing of the spread between seeds." in other
    assert "overlaps" not in other


def test_a_claim_that_is_decided_lacks_no_run(make_result):
    """Its opposite is shown for two variants, though the third was not run."""
    order = {"claim": "so", "kind": "ranking", "order": ["never", "small", "large"]}
    resize = {**STUDY["experiments"]["resize"], "claims": [order]}
    result = make_result({**STUDY, "experiments": {"resize": resize}}, published=None)
    _, counts, *_ = render_summary(build_content(result))
    assert counts == "- **Own runs**, 1 claim: 0 hold, 1 does not hold, 0 cannot be told."


def _method_of(make_result, claim, **options):
    """What the page says of how the verdict on one claim was made, besides what it always says."""
    resize = {**STUDY["experiments"]["resize"], "claims": [{"claim": "so", **claim}]}
    study = {**STUDY, "experiments": {"resize": resize}}
    *_, text = render_summary(build_content(make_result(study, published=None, **options)))
    return text


def test_only_methods_that_were_used_are_explained(make_result):
    overfitting = {"kind": "overfits_less", "variant": "large", "than": "small"}
    assert "bootstrap" not in _method_of(make_result, overfitting)  # it is Welch's t
    steps = {"kind": "diminishing", "steps": ["small", "large", "never"]}
    three = {"small": 0.75, "large": 0.85, "never": 0.87}
    several = _method_of(make_result, steps, accuracies=three)
    assert "Groups of seeds are judged by a bootstrap" in several
    assert "Steps of a series" not in several
    make_result(accuracies={"never": 0.87}, seeds=1, name="one_of_several")
    one = _method_of(make_result, steps, name="one_of_several")
    assert "Steps of a series, of one seed each, are judged by a bootstrap" in one
    assert "Groups of seeds" not in one


def test_caveats_stand_with_every_table(written):
    folder, page, _ = written
    tables = len(re.findall(r"^\| ---", page, re.MULTILINE))
    notes = len(re.findall(r"^\*.*Generated data, not the competition's\.\*$", page, re.MULTILINE))
    assert tables == notes > 4
    for path in (folder / "tables").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "Generated data, not the competition's." in text, path.name


def test_same_results_same_bytes(written, result, tmp_path):
    _, _, first = written
    second = write_study_page(result, tmp_path)
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_pictures_of_errors_where_the_data_are_there(make_result, easy_store, tmp_path):
    store = open_store(easy_store)
    result = make_result(
        about=environment(data=data_record(store.fingerprint)),
        changes=(f"data.path={easy_store}",),
        labels=store.labels("train"),
    )
    page = write_study_page(result, tmp_path / "out")[0].read_text(encoding="utf-8")
    assert "![Most confident errors, experiment resize](figures/misclassified_resize.png)" in page
    assert "that the best variant (64 px) got most confidently wrong (" in page
    assert "No pictures" not in page


def test_why_there_are_no_pictures_of_errors_is_said_once(written):
    _, page, _ = written
    assert page.count("No pictures of misclassified images of resize: the data set is not") == 1


SMALL = {
    "name": "mine",
    "title": "Mine",
    "experiments": {
        "one": {"question": "How good?", "variants": {"only": "small.yaml"}},
        "later": {"question": "And then?", "variants": {"next": "never.yaml"}},
    },
}


@pytest.mark.parametrize(
    ("study", "options"),
    [
        (SMALL, {"accuracies": {"small": 0.7}, "published": None, "costs": {}, "seeds": 1}),
        (STUDY, {"accuracies": {"large": 0.9}, "published": None, "seeds": 2}),
        (STUDY, {"accuracies": {"small": 1.0}, "seeds": 1, "costs": {}}),
        (STUDY, {"about": environment(commit=None), "seeds": 1}),
        (STUDY, {"unfinished": "never", "published": None}),
    ],
    ids=["own", "two seeds", "all right", "unknown commit", "unfinished"],
)
def test_pages_of_less_have_no_empty_columns_and_no_nan(make_result, tmp_path, study, options):
    paths = write_study_page(make_result(study, **options), tmp_path / "out")
    for path in paths:
        if path.suffix != ".png":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text, re.IGNORECASE), path.name
    page = paths[0].read_text(encoding="utf-8")
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        head, _, *rows = [line.strip("| \n").split(" | ") for line in table.splitlines()]
        assert rows
        for place, title in enumerate(head):
            assert any(row[place] != "–" for row in rows), title


def test_a_study_of_ones_own(make_result, tmp_path):
    result = make_result(
        SMALL, accuracies={"small": 0.7}, published=None, costs={}, seeds=1, name="mine"
    )
    page = write_study_page(result, tmp_path / "out")[0].read_text(encoding="utf-8")
    assert "makes no claim" in page
    assert "No costs were measured." in page
    assert "- never (later: next): not run" in page
    assert "## later: And then?\n\nNo run of this experiment is finished.\n\n## Costs" in page
    assert "ublished" not in page
    assert not page.startswith(">")


def test_what_is_trained_but_not_judged_is_not_said_to_be_not_run(make_result, tmp_path):
    result = without_predictions(make_result(), "large")
    page = write_study_page(result, tmp_path / "out")[0].read_text(encoding="utf-8")
    reason = "trained; its test images are not predicted, or have no labels"
    assert f"| not judged: the submission ({reason}) |" in page
    assert f"\n\nNo run of this experiment is judged ({reason}).\n\n" in page
    assert "3 hold, 0 do not hold, 2 cannot be told (1 for want of runs)" in page


def test_runs_that_are_not_judged_stand_beside_published_numbers(make_result, tmp_path):
    final = {**STUDY, "experiments": {"final": STUDY["experiments"]["final"]}}
    header, *_ = NUMBERS["accuracy.csv"].splitlines()
    published = {"accuracy.csv": f"{header}\nfinal,best,0.9,500,450\n"}
    result = make_result(final, published=published, accuracies={"large": 0.85})
    paths = write_study_page(without_predictions(result, "large"), tmp_path / "out")
    page = paths[0].read_text(encoding="utf-8")
    assert "Published numbers alone" not in page
    assert "Nothing yet" not in page
    assert "runs" in {path.stem for path in paths}


def test_without_a_finished_run_nothing_is_written(make_result, tmp_path):
    result = make_result(accuracies={}, unfinished="small", published=None)
    with pytest.raises(InputError, match="no run of pair"):
        write_study_page(result, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_an_error(result, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_study_page(result, tmp_path / "file" / "out")


def test_published_numbers_alone_give_a_page_without_own_columns(make_result, tmp_path):
    page, *_ = write_study_page(make_result(accuracies={}, costs={}), tmp_path / "page")
    text = page.read_text(encoding="utf-8")
    assert "**Published numbers alone.**" in text
    assert "own runs |" not in text
    assert "Own runs" not in text
    assert "nan" not in text.lower().replace("finance", "")
    assert not (tmp_path / "page" / "tables" / "runs.csv").exists()


@pytest.mark.parametrize("name", ["per_class.csv", "curves.csv"])
def test_published_numbers_other_than_accuracies_are_enough_for_a_page(make_result, tmp_path, name):
    """The paper's curves or its per-class table may be all that is known of an experiment."""
    result = make_result(published={name: NUMBERS[name]}, accuracies={}, costs={})
    page = write_study_page(result, tmp_path / "page")[0].read_text(encoding="utf-8")
    assert "Published numbers alone." in page
    assert ("per_class" in page) == (name == "per_class.csv")
    assert ("loss.png" in page) == (name == "curves.csv")
