"""Line protocol, byte for byte."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.store import Point
from cloud.store.lines import lines


def text_of(points: list[Point]) -> str:
    return lines(points).decode()


def test_a_reading_is_two_lines() -> None:
    values = {"air_temperature": 3.42, "soil_moisture@30cm": 22}
    text = text_of([Point("markt", "kn-1", 1000, values, {"air_temperature": "X range"}, 1, 4711)])
    assert text == (
        "reading,station=markt,device=kn-1 air_temperature=3.42,soil_moisture@30cm=22,generation=1i,seq=4711i 1000\n"
        'quality,station=markt,device=kn-1 air_temperature="X range",soil_moisture@30cm="Z" 1000\n'
    )


def test_without_identity_there_are_no_such_fields() -> None:
    text = text_of([Point("a", "b", -1, {"co2": 4e-7}, {"co2": "S"})])
    assert text == 'reading,station=a,device=b co2=4e-7 -1\nquality,station=a,device=b co2="S" -1\n'


def test_what_has_a_meaning_in_tags_and_strings_is_escaped() -> None:
    text = text_of([Point("a b,c=d", "e", 0, {"co2": 1.0}, {"co2": 'Q "so\\'})])
    assert text.startswith(r"reading,station=a\ b\,c\=d,device=e co2=1.0 0")
    assert text.endswith('co2="Q \\"so\\\\" 0\n')


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_every_bit(value: float) -> None:
    field = text_of([Point("a", "b", 0, {"co2": value}, {})]).split(" ")[1]
    assert float(field.removeprefix("co2=")) == value
