"""What the tables of a study share: the columns that name a variant, and how they are saved."""

from pathlib import Path

from mmnist.files import write_text
from mmnist.report.latex import render_latex
from mmnist.report.markdown import escape_markdown, render_markdown
from mmnist.report.table import Column, Table, render_csv

#: The columns that name a variant.
VARIANT = (
    Column("experiment", ("experiment",), left=True),
    Column("", ("variant",)),
    Column("variant", ("label",), left=True, width=3.5),
)


def write_table(table: Table, folder: Path, name: str) -> list[Path]:
    """Write `<name>.md`, `.csv` and `.tex` into `folder`; return their paths, in this order.

    Raises:
        RunError: a file cannot be written.
    """
    markdown = f"# {escape_markdown(table.title)}\n\n{render_markdown(table)}"
    texts = {"md": markdown, "csv": render_csv(table), "tex": render_latex(table)}
    for suffix, text in texts.items():
        write_text(folder / f"{name}.{suffix}", text)
    return [folder / f"{name}.{suffix}" for suffix in texts]
