"""Labels as they come out of the printer: the codes are read back from the rendered sheets by somebody else's reader."""

import io
import re

import pypdfium2
import pytest
import resvg_py
import zxingcpp
from PIL import Image

from firmware.bench.label import identifier, label_pens
from firmware.bench.label.label_pens import width
from firmware.bench.label.labels import Label, Page, label, pages
from firmware.bench.label.papers import PAPERS, paper
from firmware.bench.trouble import WrongUse
from schemas.models import Activation, Device
from tests.firmware.bench.published import TR005_EXAMPLE

DPI = 200


def box(n: int) -> Device:
    eui = f"70b3d57ed000{n:04x}"
    return Device(device=f"kn-{n:04}", activation=Activation.OTAA, dev_eui=eui, join_eui="00000000000000aa")


def sheet(count: int) -> list[Label]:
    return [
        label(box(n), identifier.of(box(n)), f"Straße der Völkerfreundschaft {n}", f"KN24-{n:04}") for n in range(count)
    ]


def of_svg(page: Page) -> Image.Image:
    made = resvg_py.svg_to_bytes(svg_string=label_pens.svg(page), dpi=DPI, width=int(page.width / 25.4 * DPI))
    return Image.open(io.BytesIO(bytes(made))).convert("L")


def of_pdf(data: bytes) -> list[Image.Image]:
    return [page.render(scale=DPI / 72).to_pil().convert("L") for page in pypdfium2.PdfDocument(data)]


def read(image: Image.Image) -> list[str]:
    return sorted(one.text for one in zxingcpp.read_barcodes(image))


# -- what the code says


def test_the_example_of_tr005() -> None:
    assert identifier.check_sum(TR005_EXAMPLE.rpartition(":C")[0]) == 0xAF2C


def test_the_identifier() -> None:
    text = identifier.of(box(7), serial="kn24-0007")
    assert re.fullmatch(r"LW:D0:[0-9A-F]{16}:[0-9A-F]{16}:[0-9A-F]{8}(:S[0-9A-Z $%*+./-]+)?:C[0-9A-F]{4}", text)
    assert text.startswith("LW:D0:00000000000000AA:70B3D57ED0000007:00000000:SKN24-0007:C")
    assert identifier.of(box(7)).split(":")[5] == "SKN-0007"
    assert identifier.of(box(7), profile="aabb1122").split(":")[4] == "AABB1122"
    with pytest.raises(WrongUse, match="is no ProfileID"):
        identifier.of(box(7), profile="aabb")


@pytest.mark.parametrize("serial", ["a:b", "kn_7", "Ä1"])
def test_a_serial_that_the_code_cannot_say_is_left_out(serial: str) -> None:
    assert ":S" not in identifier.of(box(7), serial=serial)


def test_a_device_without_lorawan() -> None:
    wifi = Device(device="kn-9", activation=Activation.MQTT)
    assert identifier.of(wifi) == "kn-9"
    assert identifier.of(wifi, "marktplatz") == "kn-9"
    assert (
        identifier.of(wifi, "marktplatz", site="https://klima.example/") == "https://klima.example/station/marktplatz"
    )


# -- what comes out of the printer


@pytest.mark.parametrize("name", PAPERS)
def test_every_code_is_read_from_paper(name: str) -> None:
    on = paper(name)
    labels = sheet(on.labels + 1)
    drawn = pages(labels, on, width)
    assert len(drawn) == 2
    images = of_pdf(label_pens.pdf(drawn))
    assert [len(read(image)) for image in images] == [on.labels, 1]
    assert sorted(read(images[0]) + read(images[1])) == sorted(one.code for one in labels)
    assert read(of_svg(drawn[0])) == sorted(one.code for one in labels[:-1])


def test_used_labels_are_skipped() -> None:
    on = paper("70x36")
    drawn = pages(sheet(24), on, width, skip=23)
    images = of_pdf(label_pens.pdf(drawn))
    assert [len(read(image)) for image in images] == [1, 23]
    (found,) = zxingcpp.read_barcodes(images[0])
    assert found.position.top_left.x > images[0].width / 2
    assert found.position.top_left.y > images[0].height * 0.8


@pytest.mark.parametrize("name", PAPERS)
def test_everything_stays_on_its_label(name: str) -> None:
    on = paper(name)
    long = Label(identifier.of(box(1)), (("W" * 64, 14.0, True), ("Am Ende der sehr langen Straße " * 8, 9.0, False)))
    (page,) = pages([long] * on.labels, on, width)
    for n in range(on.labels):
        left, top = on.corner(n)
        assert 0 <= left < left + on.width <= page.width + 0.01
        assert 0 <= top < top + on.height <= page.height + 0.01
    boxes = [on.corner(n) for n in range(on.labels)]
    edges = [(b.x, b.y, b.x + b.width, b.y + b.height) for b in page.bars]
    edges += [(w.x, w.y - w.size_pt * 0.3, w.x + width(w.text, w.size_pt, w.bold), w.y + 1) for w in page.words]
    if on.labels > 1:  # where a laser printer prints nothing
        assert max(x1 for _, _, x1, _ in edges) <= page.width - 4.2
        assert min(x0 for x0, *_ in edges) >= 4.2
        assert min(y0 for _, y0, *_ in edges) >= 4.1
    for x0, y0, x1, y1 in edges:
        assert any(x <= x0 and x1 <= x + on.width and y <= y0 and y1 <= y + on.height for x, y in boxes)


def test_what_a_person_reads() -> None:
    drawn = pages(sheet(1), paper("70x36"), width)
    text = pypdfium2.PdfDocument(label_pens.pdf(drawn))[0].get_textpage().get_text_range()
    for said in ("kn-0000", "Straße der Völkerfreundschaft 0", "S/N KN24-0000", "70B3 D57E D000 0000"):
        assert said in text
    assert "Straße der Völkerfreundschaft 0" in label_pens.svg(drawn[0])


def test_names_that_are_no_latin() -> None:
    drawn = pages([label(box(1), "x", "Příkop & <Łódź>")], paper("70x36"), width)
    text = pypdfium2.PdfDocument(label_pens.pdf(drawn))[0].get_textpage().get_text_range()
    assert "Príkop & <?ódz>" in text
    assert "Příkop &amp; &lt;Łódź&gt;" in label_pens.svg(drawn[0])
    of_svg(drawn[0])


@pytest.mark.parametrize("name", ["", "70x99", "4x8:70x36", "3x8:10x10", "0x0:70x36", "3x9:70x36", "3x8:70x36:9x0"])
def test_a_paper_that_there_is_not(name: str) -> None:
    with pytest.raises(WrongUse, match="70x36"):
        paper(name)


def test_a_paper_of_ones_own() -> None:
    on = paper("2x6:99.1x42.3:2.5x0")
    assert (on.labels, on.corner(0)[0]) == (12, pytest.approx(4.65))
    assert len(of_pdf(label_pens.pdf(pages(sheet(13), on, width)))) == 2
