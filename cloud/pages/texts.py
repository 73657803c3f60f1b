"""What the pages say, in both languages, and which of them a visitor reads (RFC 9110, 12.5.4)."""

LANGUAGES = ("de", "en")

TEXTS = {
    "de": {
        "title": "Stadtklima: aktuelle Messwerte",
        "home": "Alle Stationen",
        "skip": "Zum Inhalt",
        "lead": "Was die Klimastationen der Stadt gerade messen.",
        "as_of": "Stand: {time}",
        "stations_one": "1 Station",
        "stations": "{n} Stationen",
        "current": "{n} mit Werten der letzten Stunde",
        "station": "Station",
        "updated": "Letzter Wert",
        "more": "+ {n} weitere",
        "no_stations": "Noch ist keine Station eingetragen.",
        "no_stations_hint": "Stationen kommen mit klimanetz stations import stationen.csv dazu.",
        "no_values": "Noch keine Messwerte",
        "stale": "veraltet",
        "stale_title": "Seit mehr als einer Stunde kam kein neuer Wert.",
        "questioned": "fraglich",
        "failed": "fehlerhaft",
        "legend": "Wie die Werte zu lesen sind",
        "legend_stale": "Seit mehr als einer Stunde kam kein neuer Wert.",
        "legend_questioned": "Die Prüfung hat Zweifel an diesem Wert.",
        "legend_failed": "Der Wert hat die Prüfung nicht bestanden; in Mittelwerte geht er nicht ein.",
        "data": "Daten",
        "csv": "{what} (CSV)",
        "csv_of": "{what} (CSV), Station {station}",
        "api": "API-Dokumentation",
        "geojson": "Alle aktuellen Werte als GeoJSON",
        "station_geojson": "Diese Station als GeoJSON",
        "values": "Messwerte",
        "technical": "Technik",
        "last_day": "Letzte 24 Stunden",
        "chart": "Verlauf der letzten 24 Stunden: {summary}",
        "chart_sum": "Letzte 24 Stunden, je Stunde: zusammen {total}, höchstens {high}",
        "span": "{low} bis {high}",
        "steady": "durchgehend {value}",
        "one_value": "ein Wert ({value})",
        "total": "zusammen {total}",
        "no_chart": "In den letzten 24 Stunden kam kein Wert.",
        "height": "Messhöhe {height} über Grund",
        "elevation": "{elevation} über Normalhöhennull",
        "lcz": "lokale Klimazone {lcz}",
        "coarse": "Standort auf etwa einen Kilometer gerundet",
        "imprint": "Impressum",
        "privacy": "Datenschutz",
        "accessibility": "Barrierefreiheit",
        "legal": "Rechtliches",
        "zone": "Alle Zeiten in Ortszeit ({zone}).",
        "other_language": "English",
        "other_code": "en",
        "not_found": "Diese Station gibt es nicht",
        "not_found_hint": "Vielleicht wurde sie umbenannt. Die Übersicht zeigt alle Stationen.",
        "no_page": "Diese Seite gibt es nicht",
        "no_page_hint": "Vielleicht ist die Adresse vertippt. Die Übersicht zeigt alle Stationen.",
        "unavailable": "Die Messwerte sind gerade nicht erreichbar",
        "unavailable_hint": "Bitte in einer Minute noch einmal versuchen.",
        "just_now": "gerade eben",
        "minutes_ago": "vor {n} Min.",
        "hours_ago": "vor {n} Std.",
        "day_ago": "vor 1 Tag",
        "days_ago": "vor {n} Tagen",
    },
    "en": {
        "title": "City climate: current readings",
        "home": "All stations",
        "skip": "Skip to content",
        "lead": "What the city’s climate stations are measuring right now.",
        "as_of": "As of {time}",
        "stations_one": "1 station",
        "stations": "{n} stations",
        "current": "{n} with values from the last hour",
        "station": "Station",
        "updated": "Latest value",
        "more": "+ {n} more",
        "no_stations": "No station has been registered yet.",
        "no_stations_hint": "Add stations with klimanetz stations import stations.csv.",
        "no_values": "No readings yet",
        "stale": "out of date",
        "stale_title": "No new value for more than an hour.",
        "questioned": "doubtful",
        "failed": "faulty",
        "legend": "How to read the values",
        "legend_stale": "No new value has arrived for more than an hour.",
        "legend_questioned": "The checks cast doubt on this value.",
        "legend_failed": "The value failed the checks; averages leave it out.",
        "data": "Data",
        "csv": "{what} (CSV)",
        "csv_of": "{what} (CSV), {station} station",
        "api": "API documentation",
        "geojson": "All current values as GeoJSON",
        "station_geojson": "This station as GeoJSON",
        "values": "Readings",
        "technical": "Technical",
        "last_day": "Last 24 hours",
        "chart": "Course of the last 24 hours: {summary}",
        "chart_sum": "Last 24 hours, by hour: {total} in total, at most {high}",
        "span": "{low} to {high}",
        "steady": "{value} throughout",
        "one_value": "one value ({value})",
        "total": "{total} in total",
        "no_chart": "No value arrived in the last 24 hours.",
        "height": "measured {height} above ground",
        "elevation": "{elevation} above sea level",
        "lcz": "local climate zone {lcz}",
        "coarse": "location rounded to about a kilometre",
        "imprint": "Legal notice",
        "privacy": "Privacy",
        "accessibility": "Accessibility",
        "legal": "Legal",
        "zone": "All times are local time ({zone}).",
        "other_language": "Deutsch",
        "other_code": "de",
        "not_found": "There is no such station",
        "not_found_hint": "It may have been renamed. The overview lists all stations.",
        "no_page": "This page does not exist",
        "no_page_hint": "Perhaps the address was mistyped. The overview lists all stations.",
        "unavailable": "The readings cannot be reached at the moment",
        "unavailable_hint": "Please try again in a minute.",
        "just_now": "just now",
        "minutes_ago": "{n} min ago",
        "hours_ago": "{n} h ago",
        "day_ago": "1 day ago",
        "days_ago": "{n} days ago",
    },
}


def language(asked: str | None, accepted: str | None) -> str:
    """`?lang=` where it names a language of ours, else the best of Accept-Language, else German."""
    if asked in LANGUAGES:
        return asked
    best, best_weight = LANGUAGES[0], 0.0
    for part in (accepted or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        code = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter)
        if code in LANGUAGES and weight > best_weight:
            best, best_weight = code, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
