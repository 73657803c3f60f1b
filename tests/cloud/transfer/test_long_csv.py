"""The long form, as people and spreadsheets really write it."""

import pytest

from cloud.transfer.long_csv import LongCsv
from cloud.transfer.rows import DayRow, Tally, UnreadableFile, ValueRow
from tests.cloud.transfer.helpers import bad, lines, rows_of

HEAD = "station,time,quantity,value\n"
T = 1_767_222_000_000  # 2025-12-31T23:00:00Z


def parsed(text: str, device: str | None = None) -> list[object]:
    return list(rows_of(LongCsv(lines(text), device)))


def test_the_four_columns_are_enough() -> None:
    assert parsed(HEAD + "markt,2026-01-01T00:00:00+01:00,air_temperature,3.42\n") == [
        ValueRow(2, "markt", "import", T, "air_temperature", 3.42)
    ]


def test_everything_a_stored_value_has() -> None:
    text = "seq,generation,quality,device,value,quantity,time,station\n"
    text += "7,2,X range spike,kn-1,-40.5,soil_moisture@30cm,2025-12-31T23:00:00.250Z,markt\n"
    assert parsed(text) == [ValueRow(2, "markt", "kn-1", T + 250, "soil_moisture@30cm", -40.5, "X range spike", 2, 7)]


def test_the_german_profile() -> None:
    text = "\ufeffstation;time;local_time;channel;value;quality;quality_reasons\r\n"
    text += "markt;2025-12-31T23:00:00Z;01.01.2026 00:00:00;co2;412,5;X;range step\r\n"
    assert parsed(text) == [ValueRow(2, "markt", "import", T, "co2", 412.5, "X range step")]
    assert parsed("\ufeffstation;time;quantity;value\r\nmarkt;2025-12-31T23:00:00Z;co2;412.5\r\n;;;\r\n") == [
        ValueRow(2, "markt", "import", T, "co2", 412.5)
    ]


def test_quotes_blank_lines_and_missing_values() -> None:
    text = '\n\n"station","time","quantity","value"\n\n'
    text += '"markt","2025-12-31T23:00:00Z","co2","412"\r\n"markt","2025-12-31T23:10:00Z","co2",\n,,,\n'
    parser, tally = LongCsv(lines(text)), Tally()
    assert list(parser.rows(tally)) == [ValueRow(5, "markt", "import", T, "co2", 412.0)]
    assert (tally.missing, dict(tally.missing_by_column)) == (1, {"co2": 1})


def test_a_day_of_a_reference_series_is_a_date() -> None:
    text = (
        HEAD
        + "markt,1990-07-01,tmean,21.5\nmarkt,1990-07-01T00:00:00+01:00,tmax,30.1\nmarkt,1990-07-01,precipitation,0.0\n"
    )
    assert parsed(text) == [
        DayRow(2, "markt", "import", "1990-07-01", "tmean", 21.5, "Z"),
        DayRow(3, "markt", "import", "1990-07-01", "tmax", 30.1, "Z"),
        DayRow(4, "markt", "import", "1990-07-01", "precipitation", 0.0, "Z"),
    ]
    timed = parsed(HEAD + "markt,2025-12-31T23:00:00Z,precipitation,0.2\n")
    assert timed == [ValueRow(2, "markt", "import", T, "precipitation", 0.2)]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("markt,2026-01-01T00:00:00,co2,4", "not an RFC 3339 time with its offset"),
        ("markt,2026-01-01,co2,4", "not an RFC 3339 time with its offset"),
        ("markt,2026-02-30T00:00:00Z,co2,4", "not an RFC 3339 time"),
        ("markt,2026-01-01T24:00:00Z,co2,4", "not an RFC 3339 time"),
        ("markt,2026-01-01T00:00:00+24:00,co2,4", "not an RFC 3339 time"),
        ("markt,2026-01-01T00:00:00Z,dew_point,4", "unknown quantity 'dew_point'"),
        ("markt,2026-01-01T00:00:00Z,co2@Über,4", "not a place"),
        ("markt,2026-01-01T00:00:00Z,co2,four", "'four', not a number"),
        ("markt,2026-01-01T00:00:00Z,co2,nan", "'nan', not a number"),
        ("markt,2026-01-01T00:00:00Z,co2,1_000", "'1_000', not a number"),
        ('markt,2026-01-01T00:00:00Z,co2,"1,234"', "write 1234 or 1.234"),
        ('markt,2026-01-01T00:00:00Z,co2,"1.234,5"', "not a number"),
        ("markt,2026-01-01T00:00:00Z,co2", "3 cells under 4 columns; is the file cut off here?"),
        ("markt,2026-01-01T00:00:00Z,co2,4,5", "5 cells under 4 columns"),
        ('markt,2026-01-01T00:00:00Z,co2,"4', "a quote is not closed"),
        ("markt,2026-01-01T12:00:00Z,tmean,4", "one value a day: give a date"),
        ("Markt Platz,2026-01-01T00:00:00Z,co2,4", "'Markt Platz' is no name of a station"),
        ("m\udcfcnster,2026-01-01T00:00:00Z,co2,4", "not UTF-8; save the file as 'CSV UTF-8'"),
        ("markt,2026-01-01T00:00:00Z,co2,4\udcff", "not UTF-8"),
    ],
)  # fmt: skip
def test_a_bad_row_costs_itself(row: str, says: str) -> None:
    good = "markt,2025-12-31T23:00:00Z,co2,400\n"
    rows = rows_of(LongCsv(lines(HEAD + good + row + "\n" + good)))
    ((line, reason),) = bad(rows)
    assert line == 3
    assert says in reason
    assert [row.line for row in rows] == [2, 3, 4]


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("device", "a b", "cannot be a device"),
        ("quality", "good", "is no quality: one letter"),
        ("quality", "Q  step", "is no quality"),
        ("seq", "-1", "is no count"),
        ("seq", "9223372036854775808", "is no count"),
        ("generation", "1.0", "is no count"),
        ("unit", "K", "air_temperature is in °C here, not in 'K'"),
    ],
)
def test_what_stands_beside_is_looked_at_too(column: str, cell: str, says: str) -> None:
    text = f"station,time,quantity,value,{column}\nmarkt,2025-12-31T23:00:00Z,air_temperature,3,{cell}\n"
    ((line, reason),) = bad(rows_of(LongCsv(lines(text))))
    assert line == 2
    assert says in reason


def test_empty_cells_beside_are_nothing() -> None:
    text = "station,time,quantity,value,device,quality,generation,seq,unit\nmarkt,2025-12-31T23:00:00Z,co2,3,,,,,\n"
    assert parsed(text, "archive") == [ValueRow(2, "markt", "archive", T, "co2", 3.0)]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("station,time,value", "missing column: quantity"),
        ("station,time,quantity,value,qualty", "unknown column: qualty; the columns are station, time"),
        ("station,time,quantity,value,value", "doubled column: value"),
        ("", "the file is empty"),
    ],
)
def test_a_header_that_is_not_ours(header: str, says: str) -> None:
    with pytest.raises(UnreadableFile, match=says):
        LongCsv(lines(header + "\n"))


def test_a_file_that_was_cut_anywhere_loses_at_most_its_last_row() -> None:
    whole = HEAD + "markt,2025-12-31T23:00:00Z,co2,400.5\nmarkt,2025-12-31T23:10:00Z,co2,401.5\n"
    for end in range(len(HEAD) + 1, len(whole)):
        rows = rows_of(LongCsv(lines(whole[:end])))
        assert len(rows) <= 2
        assert sum(isinstance(row, ValueRow) for row in rows[:-1]) == len(rows[:-1])
