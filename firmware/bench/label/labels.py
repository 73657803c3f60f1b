"""Labels for boxes, many to a page: what is drawn where, in millimetres. `label_pens` puts it on paper. Pure.

The rule: the code is as large as the label allows, with its quiet zone of four modules, and what it says that a person
needs stands beside it: device, station, serial number, DevEUI. A text that is too long gets smaller, then shorter.
Error correction is M or better (15 %), for boxes that stand outside.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import segno

from firmware.bench.label.papers import Paper
from schemas.models import Device

QUIET = 4  # modules around a QR code (ISO/IEC 18004)
EDGE_MM = 2.0  # of a label, where a cut may go wrong
CODE_EDGE_MM = 1.7  # around the code with its quiet zone
PRINTER_MM = 4.2  # of a sheet, where laser printers print nothing
PT_MM = 25.4 / 72
SMALLEST_PT = 5.0
Width = Callable[[str, float, bool], float]  # of a text in mm; size in points; bold


@dataclass(frozen=True, slots=True)
class Bar:
    """Black."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Words:
    """`x`, `y`: where the text's line begins."""

    x: float
    y: float
    text: str
    size_pt: float
    bold: bool = False


@dataclass(slots=True)
class Page:
    width: float
    height: float
    bars: list[Bar] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Label:
    """`code`: what the QR code says; `lines`: (text, size in points, bold) beside it, from above."""

    code: str
    lines: tuple[tuple[str, float, bool], ...]


def label(device: Device, code: str, station: str = "", serial: str = "") -> Label:
    """`station`: as people call it."""
    lines = [(device.device, 14.0, True)]
    lines += [(station, 9.0, False)] if station else []
    lines += [(f"S/N {serial}", 8.0, False)] if serial else []
    if device.dev_eui:
        eui = device.dev_eui.upper()
        lines += [("DevEUI", 6.0, False), (" ".join(eui[n : n + 4] for n in range(0, 16, 4)), 7.5, False)]
    return Label(code, tuple(lines))


def pages(labels: Sequence[Label], paper: Paper, width_of: Width, skip: int = 0) -> list[Page]:
    """`skip`: so many labels of the first sheet are used already."""
    out: list[Page] = []
    for n, one in enumerate(labels, skip):
        if n % paper.labels == 0 or not out:
            out.append(Page(*paper.page))
        _draw(out[-1], one, paper, *paper.corner(n % paper.labels), width_of)
    return out


def _draw(page: Page, one: Label, paper: Paper, x: float, y: float, width_of: Width) -> None:
    code = segno.make(one.code, error="m", micro=False)
    modules = len(code.matrix)
    side = min(paper.height - 2 * CODE_EDGE_MM, paper.width * 0.55)
    module = side / (modules + 2 * QUIET)
    left, top = x + CODE_EDGE_MM + QUIET * module, y + (paper.height - side) / 2 + QUIET * module
    for row, line in enumerate(code.matrix):
        for first, length in _runs(line):
            page.bars.append(Bar(left + first * module, top + row * module, length * module, module))
    text_x = x + CODE_EDGE_MM + side
    sheet_edge = page.width - (PRINTER_MM if paper.labels > 1 else EDGE_MM)
    room = min(x + paper.width - EDGE_MM, sheet_edge) - text_x
    fitted = [(*_fit(text, size, bold, room, width_of), bold) for text, size, bold in one.lines]
    height = sum(size * PT_MM * 1.25 for _, size, _ in fitted)
    base = y + max(EDGE_MM, (paper.height - height) / 2)
    for text, size, bold in fitted:
        base += size * PT_MM
        page.words.append(Words(text_x, base, text, size, bold))
        base += size * PT_MM * 0.25


def _runs(line: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, length) of what is dark in a row of modules."""
    first = None
    for n, dark in enumerate([*line, 0]):
        if dark and first is None:
            first = n
        elif not dark and first is not None:
            yield first, n - first
            first = None


def _fit(text: str, size: float, bold: bool, room: float, width_of: Width) -> tuple[str, float]:
    size = max(SMALLEST_PT, min(size, size * room / max(width_of(text, size, bold), 0.1)))
    if width_of(text, size, bold) <= room + 0.01:
        return text, size
    while text and width_of(text + "...", size, bold) > room:
        text = text[:-1]
    return text.rstrip() + "...", size
