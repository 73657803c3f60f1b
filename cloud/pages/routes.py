"""`/` and `/station/<id>`: what is read for them, and in which language they answer.

The rule: who asks for a page gets a page, also of what goes wrong or is not there; everybody else gets a problem.
"""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from importlib.resources import files
from inspect import isawaitable
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from cloud.api.ports import Services
from cloud.api.problems import NotFound
from cloud.calendar import zone_of
from cloud.pages import chart, day, view
from cloud.pages.climate_zones import climate_zone
from cloud.pages.texts import TEXTS, language
from cloud.pages.wording import Wording
from cloud.series import aggregate, is_flagged
from cloud.store.model import Latest, StoreRefused, StoreUnavailable
from schemas.channels import split
from schemas.models import Station

DEFAULT_ZONE = "Europe/Berlin"
_POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"


ASSETS = {"/assets/pages.css": "text/css", "/favicon.svg": "image/svg+xml", "/favicon.ico": "image/svg+xml"}
Render = Callable[..., Response]


def install(app: FastAPI, services: Services, legal: Mapping[str, str]) -> None:
    """The pages, their assets, and a page for addresses that are none, to be called after all other error handlers.

    `legal`: what the law wants at the foot of each, key of its text → address.
    """
    render = _renderer(legal)
    app.include_router(_routes(services, render))
    otherwise = app.exception_handlers[HTTPException]

    async def nowhere(request: Request, error: Exception) -> Response:
        if _wants_page(request):
            return render(request, "error.html", {"kind": "no_page"}, 404)
        answer = otherwise(request, error)
        return await answer if isawaitable(answer) else answer

    app.add_exception_handler(404, nowhere)


def _renderer(legal: Mapping[str, str]) -> Render:
    templates = Environment(
        loader=PackageLoader("cloud.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def render(request: Request, template: str, context: dict[str, object], status: int = 200) -> Response:
        lang = _language(request)
        path = "/" + quote(request.scope["path"].lstrip("/"))  # `//elsewhere` would be a link to another server
        known = {"lang": lang, "t": TEXTS[lang], "path": path, "svg": chart, "legal": legal}
        known |= context
        headers = {"Content-Language": lang, "Vary": "Accept, Accept-Language", "Content-Security-Policy": _POLICY}
        return HTMLResponse(templates.get_template(template).render(known), status, headers)

    return render


def _routes(services: Services, render: Render) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    def page(request: Request, make: Callable[[], Response]) -> Response:
        """Errors as a page for those who read pages, else as everywhere."""
        try:
            return make()
        except (NotFound, StoreUnavailable, StoreRefused) as error:
            if not _wants_page(request):
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

    for path, media_type in ASSETS.items():
        router.add_api_route(path, _asset(path, media_type))
    return router


def _asset(path: str, media_type: str) -> Callable[[], Response]:
    """What answers with a file. Browsers ask for `/favicon.ico` of themselves, and take an SVG there."""
    name = path.rpartition("/")[2].replace(".ico", ".svg")
    body = (files("cloud.pages") / "assets" / name).read_bytes()
    return lambda: Response(body, media_type=media_type, headers={"Cache-Control": "public, max-age=300"})


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


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
    newest = services.store.latest([name])
    figures = view.station_figures(newest, words, now_ms)
    charts = {one.channel: _chart(services, one, words, now_ms) for one in newest}
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


def _chart(services: Services, newest: Latest, words: Wording, now_ms: int) -> day.Chart | None:
    quantity, _ = split(newest.channel)
    values = services.store.series(newest.station, newest.channel, now_ms - day.DAY_MS, now_ms + 1)
    names = day.aggregates(quantity)
    rows = aggregate(values, quantity, day.every_of(newest.channel), words.zone, names)
    counts = None if is_flagged(newest.quality) else newest.value
    return day.day_chart(newest.channel, list(rows), words, now_ms, counts)


def _language(request: Request) -> str:
    return language(request.query_params.get("lang"), request.headers.get("accept-language"))


def _zone(station: Station | None) -> tzinfo:
    try:
        return zone_of(station.timezone if station else DEFAULT_ZONE)
    except ValueError:
        return zone_of(DEFAULT_ZONE)


def _now_ms(services: Services) -> int:
    return int(services.now_s() * 1000)
