"""`/` and `/station/<id>`: what is read for them, and in which language they answer."""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from cloud.api.ports import Services
from cloud.api.problems import NotFound
from cloud.calendar import zone_of
from cloud.pages import chart, view
from cloud.pages.climate_zones import climate_zone
from cloud.pages.texts import TEXTS, language
from cloud.pages.wording import Wording
from cloud.series import aggregate, aggregates_of
from cloud.store.model import StoreRefused, StoreUnavailable
from schemas.channels import split
from schemas.models import Station

DEFAULT_ZONE = "Europe/Berlin"
_POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"


def routes(services: Services, legal: Mapping[str, str]) -> APIRouter:
    """The pages and their style sheet; `legal`: what the law wants at the foot of each, key of its text → address."""
    router = APIRouter(include_in_schema=False)
    templates = Environment(
        loader=PackageLoader("cloud.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def render(request: Request, template: str, context: dict[str, object], status: int = 200) -> Response:
        lang = _language(request)
        known = {"lang": lang, "t": TEXTS[lang], "path": request.url.path, "svg": chart, "legal": legal}
        known |= context
        headers = {"Content-Language": lang, "Vary": "Accept-Language", "Content-Security-Policy": _POLICY}
        return HTMLResponse(templates.get_template(template).render(known), status, headers)

    def page(request: Request, make: Callable[[], Response]) -> Response:
        """Errors as a page for those who read pages, else as everywhere."""
        try:
            return make()
        except (NotFound, StoreUnavailable, StoreRefused) as error:
            if "text/html" not in request.headers.get("accept", ""):
                raise
            missing = isinstance(error, NotFound)
            kind, status = ("not_found", 404) if missing else ("unavailable", 503)
            return render(request, "error.html", {"kind": kind}, status)

    @router.get("/")
    def overview(request: Request) -> Response:
        return page(request, lambda: render(request, "overview.html", _overview(services, _language(request))))

    @router.get("/station/{station}")
    def station(request: Request, station: str) -> Response:
        return page(request, lambda: render(request, "station.html", _station(services, station, _language(request))))

    @router.get("/assets/pages.css")
    def style() -> Response:
        body = (files("cloud.pages") / "assets" / "pages.css").read_bytes()
        return Response(body, media_type="text/css", headers={"Cache-Control": "public, max-age=300"})

    return router


def _overview(services: Services, lang: str) -> dict[str, object]:
    stations = services.registry.stations()
    zone = _zone(stations[0] if stations else None)
    words = Wording(lang, zone)
    newest = services.store.latest() if stations else []
    known = {station.station for station in stations}
    now_ms = _now_ms(services)
    shown = view.overview(stations, [one for one in newest if one.station in known], words, now_ms)
    return {"overview": shown, "zone": str(zone)}


def _station(services: Services, name: str, lang: str) -> dict[str, object]:
    station = services.registry.station(name)
    if station is None:
        raise NotFound(f"There is no station '{name}'; / lists all")
    zone = _zone(station)
    words, now_ms = Wording(lang, zone), _now_ms(services)
    figures = view.station_figures(services.store.latest([name]), words, now_ms)
    charts = {one.channel: _chart(services, station, one.channel, words, now_ms) for one in figures}
    return {
        "station": station,
        "district": view.district(station),
        "climate_zone": climate_zone(station.lcz, lang) if station.lcz else "",
        "as_of": words.date_time(now_ms),
        "figures": [one for one in figures if not one.technical],
        "technical": [one for one in figures if one.technical],
        "charts": charts,
        "words": words,
        "zone": str(zone),
    }


def _chart(services: Services, station: Station, channel: str, words: Wording, now_ms: int) -> view.Chart | None:
    quantity, _ = split(channel)
    start_ms = now_ms - view.DAY_MS
    values = services.store.series(station.station, channel, start_ms, now_ms + 1)
    rows = aggregate(values, quantity, view.every_of(channel), words.zone, aggregates_of(quantity))
    return view.day_chart(channel, list(rows), words, now_ms)


def _language(request: Request) -> str:
    return language(request.query_params.get("lang"), request.headers.get("accept-language"))


def _zone(station: Station | None) -> tzinfo:
    try:
        return zone_of(station.timezone if station else DEFAULT_ZONE)
    except ValueError:
        return zone_of(DEFAULT_ZONE)


def _now_ms(services: Services) -> int:
    return int(services.now_s() * 1000)
