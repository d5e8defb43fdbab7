"""Text and tables as LaTeX."""

import re
from collections.abc import Iterable, Iterator
from unicodedata import normalize

from mmnist.report.table import Column, Table

#: A table with more rows than this is broken over pages.
_LONG = 24

_PREAMBLE = "% needs \\usepackage{array,booktabs,longtable}\n"
_SMALL = r"\footnotesize\setlength{\tabcolsep}{4pt}"

#: Symbols, each with the command that prints it in a formula. All commands are plain LaTeX:
#: pylatexenc, which covers more of Unicode, uses ones that need further LaTeX packages.
_SYMBOLS = r"""
    ± \pm  ∓ \mp  × \times  ÷ \div  ⋅ \cdot  ∘ \circ  − -  √ \surd  ′ ^\prime  ℓ \ell
    ≤ \leq  ≥ \geq  ≪ \ll  ≫ \gg  ≠ \neq  ≈ \approx  ≡ \equiv  ≃ \simeq  ∼ \sim  ∝ \propto
    → \to  ← \gets  ↔ \leftrightarrow  ↑ \uparrow  ↓ \downarrow  ⇒ \Rightarrow  ⇔ \Leftrightarrow
    ∞ \infty  ∂ \partial  ∇ \nabla  ∑ \sum  ∏ \prod  ∈ \in  ∉ \notin  ∅ \emptyset  ∩ \cap  ∪ \cup
    α \alpha  β \beta  γ \gamma  δ \delta  ε \varepsilon  ϵ \epsilon  ζ \zeta  η \eta  θ \theta
    ι \iota  κ \kappa  λ \lambda  μ \mu  ν \nu  ξ \xi  ο o  π \pi  ρ \rho  σ \sigma  ς \varsigma
    τ \tau  υ \upsilon  φ \varphi  ϕ \phi  χ \chi  ψ \psi  ω \omega  Γ \Gamma  Δ \Delta  Θ \Theta
    Λ \Lambda  Ξ \Xi  Π \Pi  Σ \Sigma  Υ \Upsilon  Φ \Phi  Ψ \Psi  Ω \Omega
    ⁰ ^0  ¹ ^1  ² ^2  ³ ^3  ⁴ ^4  ⁵ ^5  ⁶ ^6  ⁷ ^7  ⁸ ^8  ⁹ ^9  ⁺ ^+  ⁻ ^-
    ₀ _0  ₁ _1  ₂ _2  ₃ _3  ₄ _4  ₅ _5  ₆ _6  ₇ _7  ₈ _8  ₉ _9  ₊ _+  ₋ _-
"""
_ESCAPES = {
    **{symbol: f"${command}$" for symbol, command in re.findall(r"(\S) (\S+)", _SYMBOLS)},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "†": r"\textdagger{}",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # otherwise read as the length of a preceding line break
    "*": "{*}",
    "…": r"\dots{}",
    "\u2009": r"\,",  # a thin space
    "\u202f": r"\,",  # the same, without a line break
    "\u2011": r"\mbox{-}",  # a hyphen without a line break
}


def escape_latex(text: str) -> str:
    """`text` escaped so that LaTeX prints it literally.

    Common symbols become commands, which need no package. Other characters stay as they are:
    pdflatex prints the accented Latin letters among them, LuaLaTeX whatever its font has.
    """
    return "".join(_ESCAPES.get(character, character) for character in normalize("NFC", text))


def render_latex(*tables: Table) -> str:
    """Each table with title and notes as caption; a long one is a longtable."""
    return _PREAMBLE + "\n".join("\n".join([*_lines(table), ""]) for table in tables)


def _lines(table: Table) -> list[str]:
    caption = escape_latex(" ".join([f"{table.title}.", *table.notes, *table.caveats]))
    columns = "".join(map(_alignment, table.shown))
    if len(table.rows) > _LONG:
        return [
            r"\begingroup" + _SMALL,
            f"\\begin{{longtable}}{{{columns}}}",
            f"\\caption{{{caption}}}\\\\",
            r"\toprule",
            *_head(table),
            r"\endhead",
            r"\bottomrule",
            r"\endfoot",
            *_body(table),
            r"\end{longtable}",
            r"\endgroup",
        ]
    return [
        r"\begin{table}",
        r"\centering",
        f"\\caption{{{caption}}}",
        _SMALL,  # within the float, which begins in the normal size
        f"\\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *_head(table),
        *_body(table),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _alignment(column: Column) -> str:
    if column.width is not None:
        return f">{{\\raggedright\\arraybackslash}}p{{{column.width:g}cm}}"
    return "l" if column.left else "r"


def _head(table: Table) -> Iterator[str]:
    if any(spanner for spanner, _ in table.spans):
        yield from _spanners(table)
    yield _line(column.heading for column in table.shown)
    yield r"\midrule"


def _spanners(table: Table) -> Iterator[str]:
    """The line of headings over several columns, and a rule below each."""
    cells, rules, last = [], [], 0
    for spanner, columns in table.spans:
        first, last = last + 1, last + len(columns)
        cells.append(f"\\multicolumn{{{len(columns)}}}{{c}}{{{escape_latex(spanner)}}}")
        if spanner:
            rules.append(f"\\cmidrule(lr){{{first}-{last}}}")
    yield " & ".join(cells) + r" \\"
    yield "".join(rules)


def _body(table: Table) -> Iterator[str]:
    for place, rows in enumerate(table.groups):
        if place:
            yield r"\midrule"
        for row in rows:
            yield _line(column.cell(row) for column in table.shown)


def _line(cells: Iterable[str]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"
