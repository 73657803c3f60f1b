"""The plain pages: what a reader sees, in both languages."""

import re
from datetime import datetime
from fractions import Fraction
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from cloud.api.app import create_app
from cloud.pages import chart, day
from cloud.pages.climate_zones import climate_zone
from cloud.pages.texts import TEXTS, language
from cloud.pages.wording import Wording
from cloud.series import Row
from cloud.store import Store
from schemas.models import Station
from schemas.quantities import BY_NAME
from tests.cloud.api.conftest import HOUR, NOW_MS, Registry, point

HTML = {"Accept": "text/html", "Accept-Language": "de"}
BERLIN = ZoneInfo("Europe/Berlin")


class Reader(HTMLParser):
    """Text and links, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture
def filled(store: Store) -> Store:
    store.write([point(15 * n, air_temperature=3.42 - n / 10, relative_humidity=81.5, battery=3.9) for n in range(90)])
    store.write([point(5, station="delhi", quality="X range", air_temperature=85.0)])
    store.write([point(200, station="garten", quality="Q step", air_temperature=-0.02, wind_direction=225.0)])
    store.write([point(30, precipitation_total=5.0), point(90, precipitation_total=4.2)])
    return store


def read(client: TestClient, url: str, **headers: str) -> Reader:
    answer = client.get(url, headers={**HTML, **headers})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Reader(answer.text)


@pytest.mark.usefixtures("filled")
def test_the_overview_in_german(client: TestClient) -> None:
    page = read(client, "/")
    for words in (
        "Lufttemperatur",
        "3,4 °C",
        "82 %",
        "Stand: 22.11.2026, 11:45 Uhr",
        "3 Stationen",
        "vor 5 Min.",
        "Altstadt",
    ):
        assert words in page.text
    assert "fehlerhaft" in page.text
    assert "fraglich" in page.text
    assert "veraltet" in page.text
    assert "Garten <Süd>" in page.text  # escaped, or the reader above had seen an element
    assert {"/station/marktplatz?lang=de", "/docs", "/v1/latest", "/?lang=en"} <= set(page.links)
    assert "/v1/stations/marktplatz/series/air_temperature?format=csv&profile=de" in page.links


@pytest.mark.usefixtures("filled")
def test_the_overview_in_english(client: TestClient) -> None:
    for page in (read(client, "/?lang=en"), read(client, "/", **{"Accept-Language": "en-GB,en;q=0.9,de;q=0.5"})):
        for words in ("Air temperature", "3.4 °C", "As of 22 Nov 2026, 11:45", "5 min ago", "faulty", "out of date"):
            assert words in page.text
        assert "profile=de" not in " ".join(page.links)


@pytest.mark.usefixtures("filled")
def test_a_station(client: TestClient) -> None:
    page = read(client, "/station/marktplatz")
    for words in (
        "Marktplatz",
        "Lufttemperatur",
        "3,4",
        "−5,5 bis 3,4 °C",
        "Batteriespannung",
        "3,90",
        "zusammen 0,8 mm",
    ):
        assert words in page.text
    assert "SW" in read(client, "/station/garten").text
    assert "/v1/stations/marktplatz" in page.links


def chart_of(page: str, label: str) -> str:
    return next(card for card in page.split("<article")[1:] if f"<h3>{label}</h3>" in card)


def test_a_day_s_range_is_of_its_values_and_not_of_means(client: TestClient, store: Store) -> None:
    store.write([point(3 * n, air_temperature=10.0 + n % 5) for n in range(1, 100)])
    store.write([point(31, air_temperature=0.0), point(61, air_temperature=29.99)])
    store.write([point(7, relative_humidity=50.0), point(5, relative_humidity=66.0)])
    store.write([point(7, wind_gust=4.0), point(6, wind_gust=12.0), point(100, wind_gust=8.0)])
    german, english = (client.get(f"/station/marktplatz?lang={lang}", headers=HTML).text for lang in ("de", "en"))
    assert "Letzte 24 Stunden: 0,0 bis 30,0\u202f°C" in german
    assert "Last 24 hours: 0.0 to 30.0\u202f°C" in english
    assert 'aria-label="Verlauf der letzten 24 Stunden: 0,0 bis 30,0\u202f°C"' in german
    temperature = chart_of(german, "Lufttemperatur")
    assert (">30,0</span>" in temperature, ">0,0</span>" in temperature) == (True, True)
    humidity = chart_of(german, "Relative Luftfeuchte")
    assert "<b>66</b>" in humidity
    assert "50 bis 66\u202f%" in humidity
    assert "4,0 bis 12,0\u202fm/s" in german


def test_a_value_that_failed_stretches_no_axis(client: TestClient, store: Store) -> None:
    store.write([point(30, air_temperature=12.0), point(20, air_temperature=14.0)])
    store.write([point(5, quality="X range", air_temperature=85.0)])
    card = chart_of(client.get("/station/marktplatz", headers=HTML).text, "Lufttemperatur")
    assert "<b>85,0</b>" in card
    assert "fehlerhaft" in card
    assert "12,0 bis 14,0\u202f°C" in card
    assert card.count("85,0") == 1


def test_one_value_is_one_value(client: TestClient, store: Store) -> None:
    store.write([point(5, relative_humidity=58.0, wind_direction=90.0)])
    page = client.get("/station/marktplatz", headers=HTML).text
    assert "Letzte 24 Stunden: ein Wert (58\u202f%)" in page
    assert "durchgehend" not in page
    assert re.search(r'<path class="alone" d="M[\d.]+ [\d.]+h0"/>', chart_of(page, "Relative Luftfeuchte"))
    assert '<path class="alone"' in chart_of(page, "Windrichtung (woher)")
    assert "ein Wert (O)" in page
    assert '<path class="line"' not in page
    assert '<path class="dots"' not in page
    assert "one value (58\u202f%)" in client.get("/station/marktplatz?lang=en", headers=HTML).text
    width = re.search(r"svg \.alone {[^}]*stroke-width: (\d+)", client.get("/assets/pages.css").text)
    assert width
    assert int(width[1]) >= 5
    store.write([point(20, relative_humidity=58.2)])
    assert "durchgehend 58\u202f%" in client.get("/station/marktplatz", headers=HTML).text


def test_an_axis_holds_the_value_above_it() -> None:
    row = Row(NOW_MS - HOUR, NOW_MS, (58.0, 57.0, 59.0), 9, 0)
    words = Wording("de", BERLIN)
    drawn = day.day_chart("relative_humidity", [row], words, NOW_MS, 66.0)
    assert drawn is not None
    assert (drawn.low, drawn.high) == ("57", "66")
    drawn = day.day_chart("relative_humidity", [row], words, NOW_MS, None)  # one that failed and is struck out
    assert drawn is not None
    assert (drawn.low, drawn.high) == ("55", "60")


@pytest.mark.usefixtures("filled")
def test_every_link_of_the_pages_leads_somewhere_here(client: TestClient) -> None:
    links = {link for url in ("/", "/station/marktplatz", "/station/garten") for link in read(client, url).links}
    for link in links - {"#content"}:
        assert link.startswith("/")
        assert client.get(link, headers=HTML).status_code == 200, link


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("url", ["/", "/station/marktplatz"])
def test_pages_have_no_script_and_no_strangers(client: TestClient, url: str) -> None:
    answer = client.get(url, headers=HTML)
    assert "<script" not in answer.text
    assert " style=" not in answer.text  # the policy would not let it
    assert "://" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["content-language"] == "de"
    assert "url(" not in client.get("/assets/pages.css").text


def test_what_the_law_wants_stands_at_the_foot(store: Store) -> None:
    plain = read(TestClient(create_app(store, Registry())), "/")
    assert "Impressum" not in plain.text
    app = create_app(store, Registry(), imprint_url="https://city.example/impressum", accessibility_url="/barrierefrei")
    for url in ("/", "/station/garten"):
        page = read(TestClient(app), url)
        assert {"https://city.example/impressum", "/barrierefrei"} <= set(page.links)
        assert "Impressum" in page.text
        assert "Barrierefreiheit" in page.text
        assert "Datenschutz" not in page.text


@pytest.mark.usefixtures("filled")
def test_a_station_s_facts_in_words(store: Store) -> None:
    facts = {"latitude": 51.48, "longitude": 11.97, "elevation_m": 87.5, "height_m": 3, "lcz": "LCZ 2"}
    station = Station(station="marktplatz", name="Marktplatz", district="marktplatz ", **facts)
    client = TestClient(create_app(store, Registry(listed=[station]), now_s=lambda: NOW_MS / 1000))
    page = read(client, "/station/marktplatz")
    for words in (
        "LCZ 2 (dichte mittelhohe Bebauung)",
        "87,5\u202fm über Normalhöhennull",
        "Messhöhe 3\u202fm über Grund",
    ):
        assert words.replace("\u202f", " ") in page.text
    assert "marktplatz " not in page.text.replace("Marktplatz", "")  # a district that the name says already
    assert "LCZ 2 (compact mid-rise)" in read(client, "/station/marktplatz?lang=en").text
    assert climate_zone("made up", "de") == "made up"
    assert climate_zone("d", "en") == "d (low plants)"


def test_pages_of_nothing(client: TestClient, store: Store) -> None:
    assert "Noch keine Messwerte" in read(client, "/").text
    assert "Noch keine Messwerte" in read(client, "/station/marktplatz").text
    registry = Registry(listed=[])
    assert "keine Station" in read(TestClient(create_app(store, registry)), "/").text


def test_errors_are_pages_for_those_who_read_pages(client: TestClient, store: Store) -> None:
    missing = client.get("/station/nowhere", headers=HTML)
    assert missing.status_code == 404
    assert "Diese Station gibt es nicht" in Reader(missing.text).text
    store.close()
    down = client.get("/?lang=en", headers=HTML)
    assert (down.status_code, down.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "try again" in Reader(down.text).text


@pytest.mark.parametrize("path", ["/nix", "/station", "/v1/nix", "/station/marktplatz/mehr", "/<b>"])
def test_a_mistyped_address_has_a_page(client: TestClient, path: str) -> None:
    german = client.get(path, headers=HTML)
    assert (german.status_code, german.headers["content-type"]) == (404, "text/html; charset=utf-8")
    page = Reader(german.text)
    assert "Diese Seite gibt es nicht" in page.text
    assert {"/?lang=de", "/docs"} <= set(page.links)
    assert "This page does not exist" in Reader(client.get(f"{path}?lang=en", headers=HTML).text).text
    scripted = client.get(path)
    assert (scripted.status_code, scripted.headers["content-type"]) == (404, "application/problem+json")
    assert scripted.json()["detail"] == "There is nothing at this address; /openapi.json lists what there is."
    assert client.post("/", headers=HTML).status_code == 405


@pytest.mark.parametrize("path", ["//elsewhere.example/x", "/\\elsewhere.example/x", "///elsewhere.example"])
def test_no_address_leads_to_another_server(client: TestClient, path: str) -> None:
    links = Reader(client.get(f"http://testserver{path}", headers=HTML).text).links
    assert all(re.match(r"/(?![/\\])|#", link) for link in links), links


def test_the_pages_have_a_sign_of_their_own(client: TestClient) -> None:
    assert "/favicon.svg" in read(client, "/").links
    for path in ("/favicon.svg", "/favicon.ico"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
        assert answer.text.startswith("<svg")
        assert len(answer.content) < 1000
        assert answer.text.count("://") == 1  # the namespace, and nothing from anywhere else


def test_no_link_of_bar_and_foot_breaks_at_its_hyphen(client: TestClient) -> None:
    assert ".bar nav a, footer a { white-space: nowrap; }" in client.get("/assets/pages.css").text


def test_both_languages_say_the_same_things() -> None:
    assert set(TEXTS["de"]) == set(TEXTS["en"])
    for key, text in TEXTS["de"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", TEXTS["en"][key])), key


@pytest.mark.parametrize(
    ("asked", "accepted", "found"),
    [
        (None, None, "de"),
        ("en", "de", "en"),
        ("fr", "en", "en"),
        (None, "en", "en"),
        (None, "fr-FR,fr;q=0.9,en;q=0.3,de;q=0.2", "en"),
        (None, "de-AT, en;q=0.9", "de"),
        (None, "en;q=0", "de"),
        (None, "*;q=x, en ; q=0.1", "en"),
        (None, "fr", "de"),
    ],
)
def test_the_language_of_a_visitor(asked: str | None, accepted: str | None, found: str) -> None:
    assert language(asked, accepted) == found


@pytest.mark.parametrize(
    ("quantity", "value", "german", "english"),
    [
        ("air_temperature", -0.04, "0,0\u202f°C", "0.0\u202f°C"),
        ("air_temperature", -3.42, "−3,4\u202f°C", "−3.4\u202f°C"),
        ("air_pressure", 1009.84, "1009,8\u202fhPa", "1009.8\u202fhPa"),
        ("illuminance", 45678.0, "45\u202f678\u202flx", "45\u202f678\u202flx"),
        ("wind_direction", 225.0, "SW", "SW"),
        ("wind_direction", 80.0, "O", "E"),
        ("wind_direction", 359.0, "N", "N"),
        ("uv_index", 3.0, "3,0", "3.0"),
        ("air_temperature", 13.25, "13,3\u202f°C", "13.3\u202f°C"),  # half up, in the digits that were written
        ("air_temperature", -13.25, "−13,3\u202f°C", "−13.3\u202f°C"),
        ("air_temperature", 0.05, "0,1\u202f°C", "0.1\u202f°C"),
        ("air_temperature", 0.35, "0,4\u202f°C", "0.4\u202f°C"),
        ("relative_humidity", 80.5, "81\u202f%", "81\u202f%"),
        ("battery", 2.675, "2,68\u202fV", "2.68\u202fV"),
        ("illuminance", 9999.5, "10\u202f000\u202flx", "10\u202f000\u202flx"),
    ],
)
def test_numbers_as_people_write_them(quantity: str, value: float, german: str, english: str) -> None:
    assert Wording("de", BERLIN).amount(BY_NAME[quantity], value) == german
    assert Wording("en", BERLIN).amount(BY_NAME[quantity], value) == english


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2))
def test_any_number_is_written_as_near_as_its_digits_allow(value: float, decimals: int) -> None:
    text = Wording("en", BERLIN).number(value, decimals).replace("\u202f", "").replace("−", "-")
    assert abs(Fraction(text) - Fraction(repr(value))) <= Fraction(1, 2 * 10**decimals)


def test_places_and_ages_as_people_write_them() -> None:
    german, english = Wording("de", BERLIN), Wording("en", BERLIN)
    assert german.channel("air_temperature@0.5m") == "Lufttemperatur, 0,5\u202fm"
    assert english.channel("soil_moisture@30cm") == "Soil moisture (volumetric), 30\u202fcm"
    ages = {0: "gerade eben", 6: "vor 6 Min.", 60: "vor 1 Std.", 35 * 60: "vor 35 Std.", 36 * 60: "vor 1 Tag"}
    for minutes, words in (ages | {3 * 1440: "vor 3 Tagen", -5: "gerade eben"}).items():
        assert german.age(NOW_MS - minutes * 60_000, NOW_MS) == words


def test_a_line_breaks_where_nothing_came() -> None:
    scale = chart.Scale(0, 10 * HOUR, 0.0, 10.0)
    points = [(0, 0.0), (HOUR, 10.0), (9 * HOUR, 5.0)]
    assert chart.line(points, scale) == "M0.0 96.0L100.0 4.0"
    assert chart.alone(points, scale) == "M900.0 50.0h0"
    assert (chart.line(points[:1], scale), chart.alone(points[:1], scale)) == ("", "M0.0 96.0h0")
    assert (chart.line([], scale), chart.alone([], scale)) == ("", "")
    assert chart.bars([(0, 0.0), (HOUR, 10.0)], scale, HOUR) == "M103.0 100V4.0H197.0V100z"
    assert chart.Scale(0, 1, 3.0, 3.0).y(3.0) == 50.0


@pytest.mark.parametrize(
    ("low", "high", "unit", "decimals", "ends"),
    [
        (3.0, 9.0, "°C", 1, (3.0, 9.0)),
        (3.42, 3.48, "°C", 1, (2.9, 3.9)),
        (-0.02, 0.03, "°C", 1, (-0.5, 0.5)),
        (99.6, 100.0, "%", 0, (95.0, 100.0)),
        (0.0, 0.4, "%", 0, (0.0, 5.0)),
        (3.89, 3.91, "V", 2, (3.8, 4.0)),
        (0.0, 0.0, "W/m²", 0, (0.0, 1.0)),
    ],
)
def test_an_axis_spans_what_is_worth_seeing(
    low: float, high: float, unit: str, decimals: int, ends: tuple[float, float]
) -> None:
    assert chart.axis(low, high, unit, decimals) == ends


@given(
    st.floats(-1e5, 1e5),
    st.floats(0, 1e3),
    st.sampled_from(["°C", "%", "hPa", "V", "mm", "1", "W/m²", "ppm", "kWh"]),
    st.integers(0, 2),
)
def test_an_axis_holds_what_it_shows(low: float, more: float, unit: str, decimals: int) -> None:
    bottom, top = chart.axis(low, low + more, unit, decimals)
    assert bottom <= low + 1e-6
    assert top >= low + more - 1e-6
    assert top - bottom >= min(1.0, 10.0**-decimals) * 0.99


@pytest.mark.parametrize(
    ("now", "labels"),
    [
        ("2026-11-22T10:45:00+00:00", ["12:00", "18:00", "00:00", "06:00"]),
        ("2026-11-22T11:00:00+00:00", ["12:00", "18:00", "00:00", "06:00", "12:00"]),
        ("2026-03-29T10:00:00+00:00", ["12:00", "18:00", "00:00", "06:00", "12:00"]),  # a night of five hours
    ],
)
def test_ticks_are_full_hours_on_the_wall(now: str, labels: list[str]) -> None:
    now_ms = int(datetime.fromisoformat(now).timestamp() * 1000)
    row = Row(now_ms - HOUR, now_ms, (5.0, 5.0, 5.0), 1, 0)
    drawn = day.day_chart("air_temperature", [row], Wording("de", BERLIN), now_ms, 5.0)
    assert drawn is not None
    assert [tick.label for tick in drawn.ticks] == labels
    assert all(0 <= tick.percent <= 100 for tick in drawn.ticks)
