"""The table of costs."""

import pytest
from report.study.invented import COSTS

from mmnist.report.markdown import render_markdown
from mmnist.report.study.content import StudyContent
from mmnist.report.study.costs import cost_table, costs_of
from mmnist.study.costs import Cost


def _content(result):
    return StudyContent(result, {}, ())  # needs no verdicts


def _rows(result):
    table = cost_table(_content(result))
    return {(row["experiment"], row["variant"]): row for row in table.rows}


def test_costs_are_relative_to_the_first_variant(result):
    rows = _rows(result)
    row = rows["resize", "large"]
    assert rows["resize", "small"]["macs_relative"] == 1
    assert row["macs_relative"] == pytest.approx(4)
    assert row["train_images_per_second_relative"] == pytest.approx(0.25)
    assert row["peak_memory_mib_relative"] == pytest.approx(3)
    assert row["epoch_seconds"] == pytest.approx(9000 / 100 + 1000 / 250)
    assert row["epoch_seconds_relative"] == pytest.approx(4)
    # Alone in its experiment, there is nothing to be relative to.
    assert not [key for key in rows["final", "best"] if key.endswith("relative")]


def test_an_epoch_is_known_when_the_data_set_was_moved_after_the_runs(make_result):
    result = make_result()
    for variant in result.variants:
        data = variant.config.data.model_copy(update={"path": "where/it/was"})
        for run in variant.runs:
            run.write_config(variant.config.model_copy(update={"data": data, "seed": run.seed}))
    assert _rows(result)["resize", "small"]["epoch_seconds"] == pytest.approx(9000 / 400 + 1)


def test_runs_without_epochs_of_images_do_not_say_how_many_there_are(make_result):
    result = make_result()
    run = result.comparisons[0].variants["large"].runs[-1]
    run.write_summary(run.summary.model_copy(update={"train_images": 0}))
    assert _rows(result)["resize", "small"]["epoch_seconds"] == pytest.approx(9000 / 400 + 1)


def test_cells_and_what_they_were_measured_on(result):
    text = render_markdown(cost_table(_content(result)))
    assert "| 80.00 M (4.00 ×) | 100 (0.25 ×) | 94.0 s (4.00 ×) | 1,500 MiB (3.00 ×) |" in text
    assert "Measured on: CPU, 2 threads." in text
    assert "resident memory" in text
    assert len(costs_of(result)) == 2  # the shared run once


def test_what_was_not_measured_is_left_out(make_result):
    assert cost_table(_content(make_result(costs={}, name="none"))) is None
    gpu = Cost(*list(vars(COSTS["large"]).values())[:6], "NVIDIA H200", "bf16", 16)
    result = make_result(costs={"large": gpu}, name="one")
    rows = _rows(result)
    assert list(rows) == [("resize", "large"), ("final", "best")]
    text = render_markdown(cost_table(_content(result)))
    assert "×" not in text  # the first variant was not measured
    assert "relative" not in text
    assert "allocated on the GPU" in text
