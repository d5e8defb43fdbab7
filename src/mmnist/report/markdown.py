"""Text and tables as Markdown."""

import re

from mmnist.report.table import Table


def escape_markdown(text: str) -> str:
    """`text` escaped so that Markdown shows it literally, also GitHub's with `$math$`."""
    return re.sub(r"([\\`*_{}\[\]<>|#$])", r"\\\1", text)


def markdown_rows(table: Table) -> str:
    """The table alone, each heading with its spanner before it."""
    columns = table.shown
    lines = [
        [escape_markdown(f"{c.spanner} {c.heading}".strip()) for c in columns],
        ["---" if column.left else "---:" for column in columns],
    ]
    for row in table.rows:
        cells = [escape_markdown(" ".join(column.cell(row).split())) for column in columns]
        bold = [column.bold and column.has(row) for column in columns]
        lines.append([f"**{c}**" if b else c for c, b in zip(cells, bold, strict=True)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def render_markdown(table: Table) -> str:
    """The table and its notes, without the title."""
    text = markdown_rows(table)
    if notes := " ".join([*table.notes, *table.caveats]):
        text += f"\n*{escape_markdown(notes)}*\n"
    return text
