import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.bits import BitReader, BitWriter, OutOfBits

WIDTHS = (2, 6, 12, 40)
fields = st.lists(st.integers(0, 40).flatmap(lambda w: st.tuples(st.integers(0, 2**w - 1), st.just(w))), max_size=30)


def written(some: list[tuple[int, int]]) -> BitWriter:
    out = BitWriter()
    for value, width in some:
        out.put(value, width)
    return out


@given(fields)
def test_fields_come_back_and_the_bits_are_those_of_the_number_written_out(some: list[tuple[int, int]]) -> None:
    out = written(some)
    text = "".join(format(value, f"0{width}b") for value, width in some if width)
    assert out.bits == len(text)
    assert "".join(format(byte, "08b") for byte in out.to_bytes()) == text + "0" * (-len(text) % 8)
    bits = BitReader(out.to_bytes())
    assert [(bits.take(width), width) for _, width in some] == some
    assert 0 <= bits.left < 8


@given(fields, st.data())
def test_cut_forgets_everything_behind(some: list[tuple[int, int]], data: st.DataObject) -> None:
    out = written(some)
    text = "".join(format(byte, "08b") for byte in out.to_bytes())
    end = data.draw(st.integers(0, out.bits))
    out.cut(end)
    out.put(1, 1)
    assert "".join(format(byte, "08b") for byte in out.to_bytes()).rstrip("0") == text[:end] + "1"


@given(st.integers(-(2**11), 2**11 - 1), st.integers(0, 2**40 - 1))
def test_signed_and_sized(signed: int, sized: int) -> None:
    out = BitWriter()
    out.put(signed, 12)
    out.put_sized(sized, WIDTHS)
    width = next(w for w in WIDTHS if sized < 2**w)
    assert out.bits == 12 + 2 + width
    bits = BitReader(out.to_bytes())
    assert bits.take_signed(12) == signed
    assert bits.take_sized(WIDTHS) == sized


def test_the_end_is_the_end() -> None:
    bits = BitReader(b"\xff")
    assert bits.take(7) == 127
    with pytest.raises(OutOfBits, match="2 bits are wanted and 1 are left"):
        bits.take(2)
    assert bits.take(1) == 1


def test_a_number_that_no_width_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 40 bits"):
        BitWriter().put_sized(2**40, WIDTHS)
