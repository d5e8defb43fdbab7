"""A Markdown page as one HTML file."""

from html import escape

from markdown_it import MarkdownIt

from mmnist.study.findings import Verdict

_STYLE = """\
:root { color-scheme: light; }
body { max-width: 68rem; margin: 0 auto; padding: 1rem 1.2rem 4rem; color: #222;
  background: #fff; font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 0.6rem; }
h1 { margin-top: 1rem; }
h2 { border-top: 1px solid #ddd; padding-top: 1.2rem; }
a { color: #0b5cad; }
table { display: block; max-width: 100%; overflow-x: auto; border-collapse: collapse;
  font-size: 0.86rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid #d8d8d8; padding: 0.3rem 0.5rem; vertical-align: top; }
td[style*="right"] { white-space: nowrap; }
th { background: #f5f5f5; text-align: left; }
img { max-width: 100%; height: auto; display: block; margin: 0.8rem 0; }
blockquote { margin: 1rem 0; padding: 0.2rem 1rem; background: #fff6e0;
  border-left: 4px solid #e0a000; }
p > em:only-child { font-size: 0.84rem; color: #555; font-style: normal; }
@media (max-width: 45rem) { td:not([style*="right"]) { min-width: 8rem; } }
.holds { color: #00694a; }
.does-not-hold { color: #b03a00; }
.cannot-be-told { color: #666; }
"""


def render_html(markdown: str, title: str) -> str:
    """The page as HTML, including its style; verdicts in bold are coloured by what they say."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    for verdict in Verdict:
        name = verdict.value.replace(" ", "-")
        body = body.replace(
            f"<strong>{verdict.value}</strong>",
            f'<strong class="{name}">{verdict.value}</strong>',
        )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        f"{body}</body>\n</html>\n"
    )
