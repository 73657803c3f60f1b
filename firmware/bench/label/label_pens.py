"""Pages of labels as SVG and as PDF: two pens for one drawing.

The PDF has the typeface Helvetica, which every reader has and which knows the letters of Western Europe; others lose
their accents there, and stand in the SVG as they are.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache
from html import escape

from fpdf import FPDF, ViewerPreferences

from firmware.bench.label.labels import PT_MM, Page

FONT = "Helvetica"
_BOLD = ' font-weight="bold"'


def svg(page: Page) -> str:
    """One page."""
    path = "".join(f"M{_n(b.x)} {_n(b.y)}h{_n(b.width)}v{_n(b.height)}h-{_n(b.width)}z" for b in page.bars)
    words = "".join(
        f'<text x="{_n(w.x)}" y="{_n(w.y)}" font-size="{_n(w.size_pt * PT_MM)}"{_BOLD * w.bold}>'
        f"{escape(w.text)}</text>\n"
        for w in page.words
    )
    size = f'width="{_n(page.width)}mm" height="{_n(page.height)}mm" viewBox="0 0 {_n(page.width)} {_n(page.height)}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" {size}'
        f' font-family="{FONT}, Arial, sans-serif">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<path d="{path}" shape-rendering="crispEdges"/>\n{words}</svg>\n'
    )


def pdf(pages: Sequence[Page]) -> bytes:
    """All of them, to be printed without scaling."""
    document = FPDF(unit="mm", format=(pages[0].width, pages[0].height))
    document.set_auto_page_break(False)
    document.set_title("klimanetz")
    document.viewer_preferences = ViewerPreferences(print_scaling="None")
    for page in pages:
        document.add_page()
        for bar in page.bars:
            document.rect(bar.x, bar.y, bar.width, bar.height, style="F")
        for words in page.words:
            document.set_font(FONT, "B" if words.bold else "", words.size_pt)
            document.text(words.x, words.y, plain(words.text))
    return bytes(document.output())


def width(text: str, size_pt: float, bold: bool) -> float:
    """mm, of the PDF's typeface; the SVG's is as wide or nearly."""
    ruler = _ruler()
    ruler.set_font(FONT, "B" if bold else "", size_pt)
    return float(ruler.get_string_width(plain(text)))


@cache
def _ruler() -> FPDF:
    return FPDF(unit="mm")


def plain(text: str) -> str:
    """As Latin-1 can say it."""
    out = ""
    for letter in text:
        try:
            letter.encode("latin-1")
            out += letter
        except UnicodeEncodeError:
            bare = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
            out += bare.encode("latin-1", "replace").decode("latin-1")
    return out


def _n(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
