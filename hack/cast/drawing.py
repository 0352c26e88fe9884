"""Writes an animated SVG from what a terminal showed: text and CSS keyframes, no script, for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from hack.cast.screen import Line, Run, Style

CELL_WIDTH, CELL_HEIGHT = 8.0, 18
FONT_SIZE = 13.3
PADDING = 14
LAST_SECONDS = 6.0
"""For how long the last picture stays before the session begins again."""

STYLE: Final = """\
svg{{font:{size}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}}
text{{white-space:pre;fill:#1f2328;visibility:hidden;animation:{seconds:.2f}s step-end infinite}}
rect{{fill:#f6f8fa;stroke:#d1d9e0}}
.b{{font-weight:600}}.d{{fill:#59636e}}.red{{fill:#b3202c}}.green{{fill:#116329}}.yellow{{fill:#7d4e00}}
.blue,.cyan{{fill:#0550ae}}.magenta{{fill:#8250df}}
@media(prefers-color-scheme:dark){{text{{fill:#d1d7e0}}rect{{fill:#151b23;stroke:#3d444d}}.d{{fill:#9198a1}}
.red{{fill:#ff8182}}.green{{fill:#56d364}}.yellow{{fill:#e3b341}}.blue,.cyan{{fill:#79c0ff}}.magenta{{fill:#d2a8ff}}}}
@media(prefers-reduced-motion:reduce){{text{{animation:none!important}}.z{{visibility:visible}}}}
"""
"""Contrasts are those of WCAG AA on both grounds. Who wants no motion sees the last picture."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What was shown from a moment on, in seconds."""

    at: float
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A line at its place, from one moment to another."""

    row: int
    line: Line
    begin: float
    end: float


def drawn(frames: Sequence[Frame], *, columns: int, rows: int, title: str, description: str) -> str:
    """The SVG.

    Args:
        frames: The first one at 0.
        columns: Of the terminal.
        rows: Of the terminal.
        title: What it shows, in a few words.
        description: What is typed, for those who do not see it.
    """
    seconds = frames[-1].at + LAST_SECONDS
    width, height = columns * CELL_WIDTH + 2 * PADDING, rows * CELL_HEIGHT + 2 * PADDING
    shown = list(_shown(frames, seconds))
    names = {span: f"k{number}" for number, span in enumerate(dict.fromkeys((one.begin, one.end) for one in shown))}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(description)}</desc>',
        "<style>",
        STYLE.format(size=FONT_SIZE, seconds=seconds),
        *(_keyframes(name, span, seconds) for span, name in names.items()),
        "</style>",
        f'<rect x="1" y="1" width="{width - 2:g}" height="{height - 2:g}" rx="8"/>',
        *(_text(one, names, seconds) for one in shown),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _shown(frames: Sequence[Frame], seconds: float) -> Iterator[_Shown]:
    """Each line for as long as it stands at its place."""
    standing: dict[int, tuple[Line, float]] = {}
    for frame in [*frames, Frame(seconds, ())]:
        for row in range(len(frames[0].lines)):
            line = frame.lines[row] if frame.lines else ()
            before, since = standing.get(row, ((), 0.0))
            if line == before:
                continue
            if before and frame.at > since:
                yield _Shown(row, before, since, frame.at)
            standing[row] = (line, frame.at)


def _keyframes(name: str, span: tuple[float, float], seconds: float) -> str:
    begin, end = (f"{100 * moment / seconds:.3f}".rstrip("0").rstrip(".") for moment in span)
    before = "" if begin == "0" else "0%{visibility:hidden}"
    after = "" if end == "100" else f"{end}%{{visibility:hidden}}"
    return f"@keyframes {name}{{{before}{begin}%{{visibility:visible}}{after}}}"


def _text(one: _Shown, names: Mapping[tuple[float, float], str], seconds: float) -> str:
    y = PADDING + (one.row + 0.75) * CELL_HEIGHT
    kind = ' class="z"' if one.end == seconds else ""
    spans = "".join(_span(run) for run in one.line)
    x, length = PADDING + one.line[0].column * CELL_WIDTH, sum(len(run.text) for run in one.line) * CELL_WIDTH
    name = names[one.begin, one.end]
    return (
        f'<text x="{x:g}" y="{y:g}" textLength="{length:g}" xml:space="preserve"{kind}'
        f" style={quoteattr(f'animation-name:{name}')}>{spans}</text>"
    )


def _span(run: Run) -> str:
    names = _classes(run.style)
    text = escape(run.text)
    return f'<tspan class="{names}">{text}</tspan>' if names else text


def _classes(style: Style) -> str:
    return " ".join(
        name for name in ("b" * style.is_bold, "d" * (style.is_dim and not style.colour), style.colour) if name
    )
