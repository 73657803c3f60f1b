"""Files of the German Weather Service: columns, units, times, levels, metadata, lists. Rows as it publishes them."""

import pytest

from cloud.transfer import dwd_meta, dwd_stations
from cloud.transfer.dwd_beob import Beob
from cloud.transfer.dwd_meta import Clock
from cloud.transfer.dwd_product import Product
from cloud.transfer.dwd_tables import COLUMNS
from cloud.transfer.istsos_csv import IstSos
from cloud.transfer.rows import DayRow, Row, Tally, UnreadableFile, ValueRow
from cloud.transfer.times import rfc3339_ms
from schemas.channels import split
from tests.cloud.transfer.helpers import bad, lines, rows_of

KL = (
    "STATIONS_ID;MESS_DATUM;QN_3;  FX;  FM;QN_4; RSK;RSKF; SDK;SHK_TAG;  NM; VPM;  PM; TMK; UPM; TXK; TNK; TGK;eor\r\n"
    "        433;20250205;   10;   9.1;   2.8;    9;   0.4;   6;-999;   0;   5.9;   6.0; 1029.10;    1.2;   88.00;"
    "    3.8;   -3.2;   -7.5;eor\r\n"
)
FF = (
    "STATIONS_ID;MESS_DATUM;QN_3;   F;   D;eor\r\n"
    "       4911;2018091500;   10;   1.6;  80;eor\r\n"
    "       4911;2018091501;   10;  -999;  90;eor\r\n"
    "       4911;2018091502;    1;   1.0; 990;eor\r\n"
)


def values(text: str) -> dict[tuple[str, str], float]:
    """(time, channel) -> value"""
    return {(_time(row), row.channel): row.value for row in rows_of(Product(lines(text))) if isinstance(row, ValueRow)}


def _time(row: ValueRow) -> str:
    from cloud.time_text import TimeText

    return TimeText()(row.time_ms)


def test_hourly_wind() -> None:
    product, tally = Product(lines(FF)), Tally()
    at = rfc3339_ms("2018-09-15T00:00:00Z")
    assert list(product.rows(tally)) == [
        ValueRow(2, "04911", "dwd-04911-1h", at, "wind_speed", 1.6, "V dwd-qn10"),
        ValueRow(2, "04911", "dwd-04911-1h", at, "wind_direction", 80.0, "V dwd-qn10"),
        ValueRow(3, "04911", "dwd-04911-1h", at + 3_600_000, "wind_direction", 90.0, "V dwd-qn10"),
        ValueRow(4, "04911", "dwd-04911-1h", at + 7_200_000, "wind_speed", 1.0, "C dwd-qn1"),
    ]
    assert dict(tally.missing_by_column) == {"F": 1, "D": 1}


def test_daily_values_are_a_reference_series_with_the_level_before_them() -> None:
    rows = rows_of(Product(lines(KL)))
    assert rows == [
        DayRow(2, "00433", "dwd-00433", "2025-02-05", series, value, "S dwd-qn9")
        for series, value in (("precipitation", 0.4), ("tmean", 1.2), ("tmax", 3.8), ("tmin", -3.2))
    ]
    assert Product(lines(KL)).not_taken == ("FX", "FM", "RSKF", "SDK", "SHK_TAG", "NM", "VPM", "PM", "UPM", "TGK")


def test_radiation_becomes_watts() -> None:
    ten = "STATIONS_ID;MESS_DATUM;  QN;DS_10;GS_10;SD_10;LS_10;eor\n"
    ten += "1766;202306090610;    2;   6.9;  17.7;   0.167;-999;eor\n"
    assert values(ten) == {
        ("2023-06-09T06:10:00Z", "solar_irradiance@diffuse"): pytest.approx(115.0),
        ("2023-06-09T06:10:00Z", "solar_irradiance"): pytest.approx(295.0),
    }
    # Hourly radiation has minutes in its time: the hour ends in true solar time, MESS_DATUM says when that is in UTC.
    hour = (
        "STATIONS_ID;MESS_DATUM;QN_592;ATMO_LBERG;FD_LBERG;FG_LBERG;SD_LBERG;ZENIT;MESS_DATUM_WOZ;eor\n"
        "       3987;2020062111:09;    1; 126.0;  90.0; 252.0;  35;  29.05;2020062112:00;eor\n"
    )
    assert values(hour) == {
        ("2020-06-21T11:09:00Z", "solar_irradiance@diffuse"): pytest.approx(250.0),
        ("2020-06-21T11:09:00Z", "solar_irradiance"): pytest.approx(700.0),
    }


def test_other_hourly_files() -> None:
    tu = "STATIONS_ID;MESS_DATUM;QN_9;TT_TU;RF_TU;eor\n433;2026091409;    3;  18.2;  71.0;eor\n"
    assert list(values(tu).values()) == [18.2, 71.0]
    rr = "STATIONS_ID;MESS_DATUM;QN_8;  R1;RS_IND;WRTR;eor\n684;2024060100;    1;   0.3;   1;-999;eor\n"
    assert values(rr) == {("2024-06-01T00:00:00Z", "precipitation"): 0.3}
    p0 = "STATIONS_ID;MESS_DATUM;QN_8;   P;  P0;eor\n4911;2018091500;   10;  1021.2;  -999;eor\n"
    assert values(p0) == {("2018-09-15T00:00:00Z", "air_pressure@msl"): 1021.2}
    eb = "STATIONS_ID;MESS_DATUM;QN_2;V_TE002;V_TE005;V_TE100;eor\n3;2011033100;    3;   7.1;   7.2;  -999;eor\n"
    assert values(eb) == {
        ("2011-03-31T00:00:00Z", "soil_temperature@2cm"): 7.1,
        ("2011-03-31T00:00:00Z", "soil_temperature@5cm"): 7.2,
    }
    one = "STATIONS_ID;MESS_DATUM_BEGINN;MESS_DATUM_ENDE;QN;RS_01;RTH_01;RWH_01;RS_IND_01;eor\n"
    one += "2712;202301010009;202301010010;3;0.02;-999;0.02;1;eor\n"
    assert values(one) == {("2023-01-01T00:10:00Z", "precipitation"): 0.02}


def test_ten_minutes_are_in_cet_before_2000() -> None:
    text = "STATIONS_ID;MESS_DATUM;  QN;PP_10;TT_10;TM5_10;RF_10;TD_10;eor\n"
    for time in ("199304281240", "199912312350", "200001010000"):
        text += f"          3;{time};    1;  987.2;  24.9;  28.6;  21.0;   1.2;eor\n"
    times = sorted({time for time, _ in values(text)})
    assert times == ["1993-04-28T11:40:00Z", "1999-12-31T22:50:00Z", "2000-01-01T00:00:00Z"]
    assert {channel for _, channel in values(text)} == {
        "air_pressure", "air_temperature", "air_temperature@5cm", "relative_humidity",
    }  # fmt: skip


def test_the_metadata_know_the_time_base_better() -> None:
    text = (
        "Stations_ID;Von_Datum;Bis_Datum;Stationsname;Parameter;Parameterbeschreibung;Einheit;Datenquelle "
        "(Strukturversion=SV);Zusatz-Info;Besonderheiten;Literaturhinweis;eor;\n"
        "1766;19950705;19991231;Münster;SD_10;Sonne;Stunde;MIRIAM/AFMS2 (Zeitbezug ist MEZ);;;;eor;\n"
        "1766;20000101;20080924;Münster;SD_10;Sonne;Stunde;MIRIAM/AFMS2 (Zeitbezug ist UTC);HHMM UTC;;;eor;\n"
        "1766;19900101;20011231;Münster;TT_TU;Luft;°C;aus Terminen;HHMM MEZ;;;eor;\n"
        "1766;19900101;19951231;Münster;RF_TU;Feuchte;%;aus Terminen um 07:30 MEZ;arithm. Mittel;;;eor;\n"
        "Legende: FT  = Folgetag; GZ = Gesetzliche Zeit\ngeneriert: 12.06.2023 --  Deutscher Wetterdienst  --\n"
    )
    bases = dwd_meta.time_bases(lines(text))
    assert [(base.parameter, base.mez) for base in bases] == [("SD_10", True), ("SD_10", False), ("TT_TU", True)]
    clock = Clock(bases, fine=False)
    in_2001, in_2002 = (rfc3339_ms(f"{year}-12-31T12:00:00Z") for year in (2001, 2002))
    assert [clock.ahead_ms("TT_TU", t) for t in (in_2001, in_2002)] == [3_600_000, 0]
    assert clock.ahead_ms("RF_TU", rfc3339_ms("1991-01-01T00:00:00Z")) == 0
    tu = "STATIONS_ID;MESS_DATUM;QN_9;TT_TU;RF_TU;eor\n1766;2001010112;3;1.0;70.0;eor\n"
    rows = rows_of(Product(lines(tu), bases))
    assert [(row.channel, _time(row)) for row in rows if isinstance(row, ValueRow)] == [
        ("air_temperature", "2001-01-01T11:00:00Z"),
        ("relative_humidity", "2001-01-01T12:00:00Z"),
    ]


def test_what_is_measured_differently_at_one_time_is_of_different_devices() -> None:
    def device(text: str) -> set[str]:
        return {row.device for row in rows_of(Product(lines(text))) if isinstance(row, ValueRow)}

    assert device(FF) == {"dwd-04911-1h"}
    assert device("STATIONS_ID;MESS_DATUM;QN_8;  FF;  DD;eor\n4911;2018091500;1;1.6;80;eor\n") == {"dwd-04911-synop"}
    assert device("STATIONS_ID;MESS_DATUM;QN;FF_10;DD_10;eor\n4911;201809150000;1;1.6;80;eor\n") == {"dwd-04911-10min"}


def test_a_level_does_not_hide_what_cannot_be() -> None:
    text = "STATIONS_ID;MESS_DATUM;QN_9;TT_TU;RF_TU;eor\n433;2026091409;    3;  71.0;  71.0;eor\n"
    text += "433;2026091410; -999; 7.0; 120.0;eor\n"
    assert [row.quality for row in rows_of(Product(lines(text))) if isinstance(row, ValueRow)] == [
        "X range dwd-qn3", "S dwd-qn3", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("4911;2018091500;10;1.6;80", "5 cells under 6 columns; is the file cut off here?"),
        ("4911;2018091500;10;1.6;80;eo", "does not end with eor; is the file cut off here?"),
        ("4911;2018093100;10;1.6;80;eor", "MESS_DATUM is '2018093100', not a time"),
        ("4911;20180915;10;1,6;80;eor", "F is '1,6', not a number"),
        ("4911;2018091500;11;1.6;80;eor", "the quality level of F is '11'"),
        ("x;2018091500;10;1.6;80;eor", "'x' is not the number of a station"),
        ("4911;2018091500;10;nan;80;eor", "F is 'nan', not a number"),
    ],
)
def test_a_bad_row_costs_itself(row: str, says: str) -> None:
    rows: list[Row] = rows_of(Product(lines(FF + row + "\r\n")))
    ((line, reason),) = bad(rows)
    assert line == 5
    assert says in reason
    assert len(rows) == 5


def test_blank_lines_are_nothing() -> None:
    rows = rows_of(Product(lines("\r\n\r\n" + FF + "\r\n\x1a")))
    assert [row.line for row in rows] == [4, 4, 5, 6]


def test_a_file_without_anything_of_ours_says_so() -> None:
    with pytest.raises(UnreadableFile, match=r"none of its columns is kept here \(V_VV_I, V_VV\)"):
        Product(lines("STATIONS_ID;MESS_DATUM;QN_8;V_VV_I; V_VV;eor\n"))


def test_every_channel_of_the_table_is_one() -> None:
    for column in COLUMNS.values():
        if column.kind != "daily":
            split(column.channel)


def test_a_station_that_moved() -> None:
    text = (
        "Stations_id;Stationshoehe;Geogr.Breite;Geogr.Laenge;von_datum;bis_datum;Stationsname\r\n"
        "  1766;   48.00; 52.1328;  7.6856;19820101;19890930;Greven\r\n"
        "  1766;   48.40; 52.1345;  7.6964;19891001;20091013;Münster/Osnabrück\r\n"
        "  1766;   47.80; 52.1344;  7.6969;20091014;20170424;Münster/Osnabrück\r\n"
        "  1766;   47.80; 52.1344;  7.6969;20170425;        ;Münster/Osnabrück\r\n"
    )
    found = dwd_meta.geography(lines(text))
    assert (found.dwd_id, len(found.places), found.moves()) == ("01766", 4, ["1989-10-01", "2009-10-14"])
    assert (found.newest.latitude, found.newest.until, found.newest.name) == (52.1344, None, "Münster/Osnabrück")
    resaved = text.encode("utf-8").decode("latin-1")
    assert dwd_meta.geography(lines(resaved)).newest.name == "Münster/Osnabrück"
    with pytest.raises(UnreadableFile, match="names no place"):
        dwd_meta.geography(lines(text)[:1])
    with pytest.raises(UnreadableFile, match="line 2 of its geography"):
        dwd_meta.geography(lines(text.replace("52.1328", "north")))


def test_the_list_of_stations_as_text() -> None:
    text = (
        "Stations_id von_datum bis_datum Stationshoehe geoBreite geoLaenge Stationsname Bundesland Abgabe\r\n"
        "----------- --------- --------- ------------- --------- --------- ------------------- ---------- ------\r\n"
        "00044 20070401 20241231             44     52.9336    8.2370 Großenkneten        Niedersachsen     Frei  \r\n"
        "02932 19730101 20241231            131     51.4347   12.2396 Leipzig/Halle       Sachsen           Frei  \r\n"
        "00400 19510101 20260808  60  52.6310  13.5021 Berlin-Buch  Berlin  Frei\r\n"
        "00427 19570101 20260808 46 52.3805 13.5304 Berlin Brandenburg Brandenburg Frei\r\n"
    )
    found = dwd_stations.from_text(lines(text)).stations
    assert {number: one.name for number, one in found.items()} == {
        "00044": "Großenkneten", "02932": "Leipzig/Halle", "00400": "Berlin-Buch", "00427": "Berlin Brandenburg",
    }  # fmt: skip
    assert (found["02932"].latitude, found["02932"].longitude, found["02932"].elevation_m) == (51.4347, 12.2396, 131.0)
    with pytest.raises(UnreadableFile, match="line 3 is no row"):
        dwd_stations.from_text([*lines(text)[:2], "00044 2007 44\n"])


def test_the_list_of_stations_as_html_takes_the_last_of_each_number() -> None:
    def row(name: str, number: int, kind: str, wmo: str) -> str:
        cells = "".join(
            f"<td align=right>{cell}</td>" for cell in (name, number, kind, wmo, 52.966, 13.327, 51, 0, "BB")
        )
        return f"<tr>{cells}</tr>\n"

    text = "<html><table><tr><th>Stations_ID</th></tr>" + row("Zehdenick", 5745, "SY", "10283")
    text += (
        row("Zehdenick", 5745, "SY", "F263")
        + row("Zehdenick", 5745, "TU", "03326")
        + row("M&uuml;nster", 1766, "MN", "10315")
    )
    found = dwd_stations.from_html(lines(text + "</table>"))
    assert found.dwd_to_wmo == {"05745": "F263", "01766": "10315"}
    assert found.wmo_to_dwd == {"10283": "05745", "F263": "05745", "10315": "01766"}
    assert found.stations["01766"].name == "Münster"
    with pytest.raises(UnreadableFile, match="lists no station"):
        dwd_stations.from_html(["<html><table></table></html>"])


BEOB = (
    "surface observations;Parameter description;"
    "dry_bulb_temperature_at_2_meter_above_ground;global_radiation_last_hour;"
    "maximum_wind_speed_last_hour;horizontal_visibility;pressure_reduced_to_mean_sea_level\n"
    "10315;Unit;Grad C;W/m2;km/h;km;hPa\n"
    "Datum;Uhrzeit (UTC);Temperatur (2m);Globalstrahlung;Windböen;Sichtweite;Druck\n"
    "12.04.23;11:00;9,2;81;17;7,9;997,8\n"
    "12.04.23;10:00;---;---;8;---;---\n"
)


def test_current_observations() -> None:
    beob, tally = Beob(lines(BEOB)), Tally()
    at = rfc3339_ms("2023-04-12T11:00:00Z")
    assert [row[1:7] for row in beob.rows(tally)] == [
        ("10315", "beob-10315", at, "air_temperature", 9.2, None),
        ("10315", "beob-10315", at, "solar_irradiance", 81.0, None),
        ("10315", "beob-10315", at, "wind_gust", 4.7, None),
        ("10315", "beob-10315", at, "air_pressure@msl", 997.8, None),
        ("10315", "beob-10315", at - 3_600_000, "wind_gust", 2.2, None),
    ]
    assert (tally.missing, beob.not_taken) == (3, ("horizontal_visibility",))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("12.04.23;11:00", "12.04.23;11", "not a time like"),
        ("9,2", "warm", "'warm', not a number"),
        ("12.04.23;11", "31.02.23;11", "RFC 3339"),
    ],
)
def test_bad_rows_of_current_observations(old: str, new: str, says: str) -> None:
    ((line, reason),) = bad(rows_of(Beob(lines(BEOB.replace(old, new)))))
    assert line == 4
    assert says in reason


def test_a_unit_that_changed_is_noticed() -> None:
    with pytest.raises(UnreadableFile, match="is in 'kn', which is not one of"):
        Beob(lines(BEOB.replace("km/h", "kn")))


def test_istsos() -> None:
    urn = "urn:ogc:def:parameter:x-istsos:1.0:"
    head = f"{urn}time:iso8601,urn:ogc:def:procedure,{urn}meteo:air:humidity,{urn}meteo:air:humidity:qualityIndex\n"
    text = "2023-01-01T00:10:00+01:00,H_BED,95.700000,100\n2023-01-01T00:20:00+01:00,H_BED,-999.9,0\nx,H_BED,1,1\n"
    rows = rows_of(IstSos(lines(head + text)))
    assert rows[0] == ValueRow(
        2, "H_BED", "istsos-H_BED", rfc3339_ms("2022-12-31T23:10:00Z"), "relative_humidity", 95.7
    )
    assert [line for line, _ in bad(rows)] == [4]
    with pytest.raises(UnreadableFile, match="needs a time, a procedure and one of"):
        IstSos(lines(head.replace("humidity", "snow")))
