"""Markdown → one HTML page."""

from html.parser import HTMLParser

from mmnist.report.markdown import escape_markdown
from mmnist.report.study.html import render_html

PAGE = """\
# Title

| claim | own runs |
| --- | ---: |
| a \\< b | **does not hold** |
| c | **holds** |

**holds** for [md](tables/x.md) ![loss](figures/x.png) <script>alert(1)</script>
"""


class _Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_is_well_formed_and_has_all_parts():
    outline = _Outline()
    text = render_html(PAGE, "A <title>")
    outline.feed(text)
    assert outline.open == []
    assert [tag for tag, _ in outline.tags].count("td") == 4
    assert ("img", {"src": "figures/x.png", "alt": "loss"}) in outline.tags
    assert ("a", {"href": "tables/x.md"}) in outline.tags
    assert "<title>A &lt;title&gt;</title>" in text
    assert "width=device-width" in text


def test_verdicts_are_coloured():
    text = render_html(PAGE, "t")
    assert text.count('<strong class="holds">holds</strong>') == 2
    assert text.count('<strong class="does-not-hold">does not hold</strong>') == 1
    for name in ("holds", "does-not-hold", "cannot-be-told"):
        assert f".{name} {{ color:" in text


def test_what_is_escaped_is_shown_literally():
    text = "$x$ costs $5 | _a_ #1 \\ [b]"
    markdown = escape_markdown(text)
    assert markdown == r"\$x\$ costs \$5 \| \_a\_ \#1 \\ \[b\]"
    assert f"<p>{text}</p>" in render_html(markdown, "t")


def test_markup_of_the_text_is_not_run():
    assert "<script>" not in render_html(PAGE, "t")
    assert "a &lt; b" in render_html(PAGE, "t")
