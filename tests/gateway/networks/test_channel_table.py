"""The operators' table: what it says, and how a bad one says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.networks.channel_table import NO_TABLE, ChannelTableError, parse_channel_table
from gateway.networks.mapping import Named, map_object

TABLE = """name,channel,unit,codec
conduct_SOIL,,,
temp_DS18B20,soil_temperature@10cm,,Dragino_LSE01
level,water_level,mm,
level,water_level,m,Probe 7
"""


def test_a_table() -> None:
    table = parse_channel_table(TABLE.encode())
    assert table.names([]) == {"conduct_SOIL": Named(""), "level": Named("water_level", "mm")}
    assert table.names(["", "dragino_lse01"])["temp_DS18B20"] == Named("soil_temperature@10cm")
    assert table.names(["PROBE 7", "Dragino_LSE01"])["level"] == Named("water_level", "m")
    assert NO_TABLE.names(["x"]) == {}


def test_the_codec_goes_before_the_profile() -> None:
    table = parse_channel_table(b"name,channel,unit,codec\nt,,,profile\nt,co2,,codec\nt,o3,,\n")
    assert table.names(["codec", "profile"])["t"] == Named("co2")
    assert table.names(["profile", "codec"])["t"] == Named("")


def test_it_maps() -> None:
    names = parse_channel_table(TABLE.encode()).names(["Dragino_LSE01"])
    mapped = map_object({"conduct_SOIL": 35, "temp_DS18B20": "4.5", "level": 1250}, names)
    assert mapped.values == {"soil_temperature@10cm": 4.5, "water_level": 125.0}
    assert mapped.unmapped == ()


def test_as_a_german_spreadsheet_writes_it() -> None:
    table = parse_channel_table("\ufeffName;Channel\r\nt;air_temperature\r\n;\r\n".encode())
    assert table.names([]) == {"t": Named("air_temperature")}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("t,warmth,,", "line 2: unknown quantity 'warmth'; write a quantity"),
        ("t,co2@Süd,,", "line 2: 'Süd' is not a place"),
        (",co2,,", "line 2: the name has to have"),
        ("t,battery,%,", "line 2: the unit % cannot be turned into V of battery"),
        ("t,,mm,", "line 2: a unit without a channel; leave both empty"),
        ("t,co2,,\n\nt,co2,,", "line 4: 't' is already on line 2"),
        ("t,co2,,,x", "line 2: 5 cells under 4 columns"),
        ("a,b,,\nc,d,,", "line 2: unknown quantity 'b'; .*; line 3: unknown quantity 'd'"),
        ('t,"co2,,', "line 2: unexpected end of data"),
    ],
)
def test_every_bad_row_is_named(rows: str, says: str) -> None:
    with pytest.raises(ChannelTableError, match=says):
        parse_channel_table(f"name,channel,unit,codec\n{rows}".encode())


@pytest.mark.parametrize("data", [b"", b"channel,name\n", b"name,channel,units\n", b"name,channel,unit,unit\n"])
def test_a_wrong_header(data: bytes) -> None:
    with pytest.raises(ChannelTableError, match="line 1: the columns have to be name,channel,unit,codec"):
        parse_channel_table(data)


def test_a_file_that_is_not_text() -> None:
    with pytest.raises(ChannelTableError, match="line 2: not UTF-8"):
        parse_channel_table(b"name,channel\nt\xe4glich,co2\n")


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: ("name,channel\n" + text).encode()))
def test_any_file_is_a_table_or_refused(data: bytes) -> None:
    table, refused = NO_TABLE, ""
    try:
        table = parse_channel_table(data)
    except ChannelTableError as error:
        refused = str(error)
    assert refused == "" or refused.startswith("line ")
    assert all(name for names in table.by_codec.values() for name in names)
