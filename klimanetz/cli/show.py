"""Tables and waiting, for people. A script asks with --json.

What identifies something is never cut: on a narrow terminal texts are folded first, then columns that can be spared are
left out, and that is said. In a pipe lines are as long as they are.
"""

import contextlib
import textwrap
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

TEXT_MIN = 14  # columns that a folded text gets at least
BESIDE_MIN = 30  # with less, a text that may stand below its row does
_INDENT = "    "
_GAP = 2


def table(
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str],
    texts: Collection[str] = (),
    spare: Sequence[str] = (),
    below: str = "",
) -> None:
    """Rows under their columns.

    `texts` may be folded; `spare` may be left out, the first of them first; `below` is a text that stands under its row
    where little room is left for it.
    """
    console = Console()
    limit = console.width if console.is_terminal else None
    cells = [{c: plain(row.get(c)).replace("\n", " ") for c in columns} for row in rows]
    natural = {c: max(cell_len(c), *(cell_len(row[c]) for row in cells)) for c in columns}
    if limit is None:
        whole = Console(width=_width(columns, natural) + _GAP, color_system=None)
        print("\n".join(_lines(whole, _grid(cells, dict.fromkeys(columns, True), natural))))
        return
    least = {c: min(width, TEXT_MIN) if c in texts else width for c, width in natural.items()}
    left_out: list[str] = []
    for column in spare:
        if _width([c for c in columns if c not in left_out], least) <= limit:
            break
        left_out += [column] if column in columns else []
    shown = [c for c in columns if c not in left_out]
    beside = [c for c in shown if c != below]
    room = limit - _width(beside, natural) - _GAP
    if below and room < min(natural[below], BESIDE_MIN) and room >= -_GAP:
        header, *lines = _lines(console, _grid(cells, dict.fromkeys(beside, True), natural))
        console.print(header, style="bold", markup=False, highlight=False)
        for row, line in zip(cells, lines, strict=True):
            print(line)
            for part in textwrap.wrap(row[below], limit - len(_INDENT)):
                print(_INDENT + part)
    else:
        fits = _width(shown, least) <= limit
        console.print(_grid(cells, {c: fits and c not in texts for c in shown}, least if fits else {}))
    if left_out:
        print(f"(left out on this narrow terminal: {', '.join(left_out)}; --json has all)")


def _grid(cells: Sequence[Mapping[str, str]], columns: Mapping[str, bool], least: Mapping[str, int]) -> Table:
    """`columns`: which are there, and whether they stay on one line."""
    grid = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for column, whole in columns.items():
        grid.add_column(column, no_wrap=whole, overflow="fold", min_width=least.get(column))
    for row in cells:
        grid.add_row(*(Text(row[column]) for column in columns))
    return grid


def _lines(console: Console, grid: Table) -> list[str]:
    with console.capture() as captured:
        console.print(grid, style=None)
    return [Text.from_ansi(line).plain.rstrip() for line in captured.get().splitlines()]


def _width(columns: Sequence[str], widths: Mapping[str, int]) -> int:
    return sum(widths[c] for c in columns) + _GAP * (len(columns) - 1)


def plain(value: object) -> str:
    """What a stranger sent, without what would move the cursor of a terminal or colour it."""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


@contextlib.contextmanager
def patience(what: str, after_s: float = 1.0) -> Iterator[None]:
    """A moving bar on a terminal for what takes longer than `after_s`; how far it is the database does not tell."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    bar = Progress(TextColumn(what), BarColumn(), TimeElapsedColumn(), console=console, transient=True)
    bar.add_task(what, total=None)
    timer = threading.Timer(after_s, bar.start)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
