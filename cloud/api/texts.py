"""What problems say, English and German side by side, and which of them a client reads (RFC 9110, 12.5.4).

The English sentence is the key, with a name in braces for what differs: the parts that raise an error know nothing of
languages, and what they put between the words is carried over as it is. A text of several sentences is read sentence by
sentence. The rule: what is not here whole stays English whole, and `Content-Language` says so.
"""

import re
from functools import cache, lru_cache

LANGUAGES = ("en", "de")
TEXTS: tuple[tuple[str, str], ...] = (
    # addresses, methods, bodies
    ("There is nothing at this address; /openapi.json lists what there is",
     "Unter dieser Adresse gibt es nichts; was es gibt, steht in /openapi.json"),
    ("This address does not take this method; see the Allow header",
     "Diese Adresse nimmt diese Methode nicht an; welche sie annimmt, sagt der Kopf Allow"),
    ("Pages of other sites may only read here: use GET or HEAD",
     "Seiten anderer Anbieter dürfen hier nur lesen: mit GET oder HEAD"),
    ("A body may have up to {most} MB: send it in several parts",
     "Eine Anfrage darf höchstens {most} MB haben: bitte auf mehrere verteilen"),
    ("`Accept-Encoding` forbids every coding that there is here: allow zstd, gzip or identity",
     "`Accept-Encoding` schließt alles aus, was es hier gibt: bitte zstd, gzip oder identity zulassen"),
    ("The body is not JSON: {why}", "Der Inhalt ist kein JSON: {why}"),
    ("The body is not a JSON object: send the columns of one row",
     "Der Inhalt ist kein JSON-Objekt: bitte die Spalten einer Zeile senden"),
    ("/docs has no part '{name}'", "/docs hat keinen Teil '{name}'"),
    ("There was an error parsing the body", "Der Inhalt der Anfrage ist nicht zu lesen"),
    # what is not there
    ("There is no station '{station}'; {where} lists all",
     "Eine Station '{station}' gibt es nicht; alle stehen unter {where}"),
    ("Station '{station}' has no channel '{channel}'; it has {have}",
     "Die Station '{station}' hat keinen Kanal '{channel}'; sie hat {have}"),
    ("Station '{station}' has no channel '{channel}'; nothing was received from it yet",
     "Die Station '{station}' hat keinen Kanal '{channel}'; von ihr kam noch nichts"),
    ("Nothing was ever received from a device '{device}'", "Von einem Gerät '{device}' kam nie etwas"),
    ("There is no device '{device}'; `klimanetz devices list` shows all",
     "Ein Gerät '{device}' gibt es nicht; alle zeigt `klimanetz devices list`"),
    ("There is no dead letter {number}; /v1/dead-letters shows which there are",
     "Eine beiseitegelegte Nachricht {number} gibt es nicht; alle stehen unter /v1/dead-letters"),
    ("unknown quantity '{name}'", "Eine Messgröße '{name}' gibt es nicht"),
    ("'{place}' is not a place: 1 to 16 of a-z 0-9 . _ -, like 30cm",
     "'{place}' ist keine Stelle: 1 bis 16 Zeichen aus a-z 0-9 . _ -, etwa 30cm"),
    # parameters
    ("`{name}` is no parameter of this address: it takes {known}, each once",
     "`{name}` ist kein Parameter dieser Adresse: sie nimmt {known}, jeden einmal"),
    ("`{name}` is no parameter of this address: it takes none",
     "`{name}` ist kein Parameter dieser Adresse: sie nimmt keinen"),
    ("`{name}` is given {times} times, and once is meant: it takes {known}, each once",
     "`{name}` steht {times}-mal da und darf nur einmal: die Adresse nimmt {known}, jeden einmal"),
    ("`tz`: '{name}' is not a time zone: use a name of the IANA list, like Europe/Berlin or UTC",
     "`tz`: '{name}' ist keine Zeitzone: bitte einen Namen der IANA-Liste, etwa Europe/Berlin oder UTC"),
    ("`agg` needs the length of an interval: add every=PT1H or the like",
     "`agg` braucht die Länge eines Zeitabschnitts: bitte every=PT1H oder Ähnliches dazugeben"),
    ("`every`: '{every}' is not an interval: use one of {known}",
     "`every`: '{every}' ist kein Zeitabschnitt: möglich sind {known}"),
    ("`agg`: '{name}' is no aggregate of {quantity}: use {known}",
     "`agg`: '{name}' gibt es für {quantity} nicht: möglich sind {known}"),
    ("`from` is '{start}', which lies in the future: give an earlier one, or a `to` after it",
     "`from` ist '{start}' und liegt in der Zukunft: bitte früher beginnen oder ein späteres `to` angeben"),
    ("`from` is '{start}', which is not before `to`, '{end}'; `to` is not included, so for one day give the next day "
     "as `to`",
     "`from` ist '{start}' und liegt nicht vor `to`, '{end}'; `to` gehört nicht mehr dazu, für einen Tag bitte den "
     "nächsten als `to` angeben"),
    ("`{name}` is '{text}': give a year from {first} to {last}",
     "`{name}` ist '{text}': bitte ein Jahr von {first} bis {last}"),
    ("`{name}` is '{text}', which is neither a date nor an RFC 3339 time with its offset: write 2026-11-22, "
     "2026-11-22T10:00:00Z or 2026-11-22T11:00:00%2B01:00",
     "`{name}` ist '{text}' und damit weder ein Datum noch eine Zeit nach RFC 3339 mit Abstand zu UTC: bitte "
     "2026-11-22, 2026-11-22T10:00:00Z oder 2026-11-22T11:00:00%2B01:00 schreiben"),
    ("`profile` de is CSV, and `format` asks for json: leave one of them out",
     "`profile` de ist CSV, und `format` verlangt json: bitte eines von beiden weglassen"),
    ("`Last-Event-ID` is '{last}': send the `id` of an event, or nothing to begin now",
     "`Last-Event-ID` ist '{last}': bitte die `id` eines Ereignisses senden, oder nichts, um jetzt zu beginnen"),
    ("`If-Match` is no `ETag` of the registry: send the one of an answer to PUT, or leave it out",
     "`If-Match` ist kein `ETag` des Registers: bitte den aus einer Antwort auf PUT senden oder weglassen"),
    ("`{name}` is '{text}': input should be greater than or equal to {least}",
     "`{name}` ist '{text}': erlaubt ist {least} oder mehr"),
    ("`{name}` is '{text}': input should be less than or equal to {most}",
     "`{name}` ist '{text}': erlaubt ist höchstens {most}"),
    ("`{name}` is '{text}': input should be less than {most}", "`{name}` ist '{text}': erlaubt ist weniger als {most}"),
    ("`{name}` is '{text}': input should be a valid integer, unable to parse string as an integer",
     "`{name}` ist '{text}': erlaubt ist nur eine ganze Zahl"),
    ("`{name}` is '{text}': unable to parse input string as an integer, exceeded maximum size",
     "`{name}` ist '{text}': die Zahl ist zu groß"),
    ("`{name}` is '{text}': input should be {known}", "`{name}` ist '{text}': möglich ist {known}"),
    ("`{name}`: field required", "`{name}` fehlt"),
    ("`{name}`: extra inputs are not permitted", "`{name}` ist hier nicht vorgesehen"),
    ("`{name}`: input should be a valid string", "`{name}` muss ein Text sein"),
    ("`{name}`: input should be a valid dictionary or object to extract fields from",
     "`{name}` muss ein JSON-Objekt sein"),
    ("`{name}`: JSON decode error", "`{name}` ist kein JSON"),
    # keys
    ("This needs a key: send Authorization: Bearer <key>, made with `klimanetz keys create`",
     "Dafür braucht es einen Schlüssel: bitte Authorization: Bearer <Schlüssel> senden; "
     "`klimanetz keys create` macht einen"),
    ("This needs a key of the scope '{scope}', and this one is of '{found}'",
     "Dafür braucht es einen Schlüssel für '{scope}', und dieser ist nur für '{found}'"),
    # what cannot be now
    ("The store of readings cannot be reached now; try again shortly",
     "Die Messwerte sind gerade nicht erreichbar; bitte gleich noch einmal versuchen"),
    ("The registry cannot be reached now; try again shortly",
     "Das Register ist gerade nicht erreichbar; bitte gleich noch einmal versuchen"),
    ("The {part} cannot be reached; its reason is in the log",
     "Nicht erreichbar: {part}; der Grund steht im Protokoll"),
    ("The ingest '{instance}' cannot write to its disk: it acknowledges nothing until there is room",
     "Der Dienst '{instance}' kann nicht auf seine Platte schreiben: er bestätigt nichts, bis wieder Platz ist"),
    ("The ingest '{instance}' has no connection to the broker",
     "Der Dienst '{instance}' hat keine Verbindung zum Broker"),
    ("The ingest '{instance}' cannot store: what it captures waits",
     "Der Dienst '{instance}' kann nicht speichern: was er erfasst, wartet"),
    ("The ingest '{instance}' cannot look at dead letters",
     "Der Dienst '{instance}' kommt nicht an die beiseitegelegten Nachrichten"),
    ("The ingest '{instance}' has said nothing for a minute",
     "Der Dienst '{instance}' hat seit einer Minute nichts von sich hören lassen"),
    ("The {part} has not answered within {seconds} s; its reason is in the log",
     "Keine Antwort innerhalb von {seconds} s: {part}; der Grund steht im Protokoll"),
    ("{most} listen already, more are not taken: try again later",
     "Es hören schon {most} zu, mehr geht nicht: bitte später noch einmal versuchen"),
    ("Something failed on our side; whoever runs this service finds it in the log under the instance given here",
     "Bei uns ist etwas schiefgegangen; wer diesen Dienst betreibt, findet es im Protokoll unter der hier genannten "
     "instance"),
    # changing things
    ("The registry was changed meanwhile: read it again, and then send your change",
     "Das Register wurde inzwischen geändert: bitte neu lesen und die Änderung dann noch einmal senden"),
    ("Dead letter {number} was replayed already, or only counts others",
     "Die Nachricht {number} wurde schon noch einmal verarbeitet oder zählt nur andere"),
    ("'{device}' is registered already as '{name}'; PUT {where} moves it",
     "'{device}' ist schon als '{name}' eingetragen; PUT {where} versetzt es"),
    ("'{device}' is registered already; PUT {where} moves it",
     "'{device}' ist schon eingetragen; PUT {where} versetzt es"),
    ("station '{station}' is not registered; PUT {where} does that",
     "Die Station '{station}' ist nicht eingetragen; das geht mit PUT {where}"),
    ("nothing has come from '{device}'; /v1/unknown shows who sends",
     "Von '{device}' kam noch nichts; wer sendet, steht unter /v1/unknown"),
    ("this service cannot write keys: set KLIMANETZ_SECRET for it as for the others",
     "Dieser Dienst kann keine Schlüssel schreiben: bitte KLIMANETZ_SECRET wie bei den anderen setzen"),
    # rows of the registry
    ("{column} is another in the body than in the address, '{name}': leave it out of the body",
     "{column} ist im Inhalt anders als in der Adresse, '{name}': bitte im Inhalt weglassen"),
    ("{column}: give {kind}, or null", "{column}: bitte {kind} oder null"),
    ("half a character stands in it: send whole ones", "darin steht ein halbes Zeichen: bitte nur ganze senden"),
    ("the file is empty", "es steht nichts darin"),
    ("a NUL stands in it: is this a CSV file?", "darin steht ein NUL-Zeichen"),
    ("not UTF-8", "das ist kein UTF-8"),
    ("save the file as 'CSV UTF-8'", "bitte als 'CSV UTF-8' speichern"),
    ("not CSV: {why}", "das ist kein CSV: {why}"),
    ("{cells} cells under {columns} columns", "{cells} Zellen unter {columns} Spalten"),
    ("'{name}' is already on line {line}", "'{name}' steht schon in Zeile {line}"),
    ("{column} {text} is already on line {line}", "{column} {text} steht schon in Zeile {line}"),
    ("missing column: {names}", "es fehlt: {names}"),
    ("unknown column: {names}", "unbekannt: {names}"),
    ("doubled column: {names}", "doppelt: {names}"),
    ("the columns are {names}", "die Spalten sind {names}"),
    ("{column} has {count} characters; at most {most} fit", "{column} hat {count} Zeichen; höchstens {most} passen"),
    ("timezone '{name}' is not a time zone: use a name of the IANA list, like Europe/Berlin or UTC",
     "timezone: '{name}' ist keine Zeitzone: bitte einen Namen der IANA-Liste, etwa Europe/Berlin oder UTC"),
    ("private is '{text}'; use yes or no", "private ist '{text}'; bitte yes oder no"),
    ("activation otaa needs dev_eui", "activation otaa braucht dev_eui"),
    ("an app_key needs its join_eui", "zu einem app_key gehört seine join_eui"),
    ("activation abp needs dev_addr, nwk_skey and app_skey together",
     "activation abp braucht dev_addr, nwk_skey und app_skey zusammen"),
    ("activation abp needs dev_addr, nwk_skey and app_skey together, or at least dev_eui",
     "activation abp braucht dev_addr, nwk_skey und app_skey zusammen, oder wenigstens dev_eui"),
    ("{column} is empty", "{column} ist leer"),
    ("{column} is '{text}': write {whole} or {part}", "{column} ist '{text}': bitte {whole} oder {part} schreiben"),
    ("{column} is '{text}', not a number", "{column} ist '{text}', das ist keine Zahl"),
    ("{column} is '{text}'; it has {digits} hexadecimal digits",
     "{column} ist '{text}'; es hat {digits} Hexadezimalziffern"),
    ("codec '{text}' is unknown; use {known} or vendor/device",
     "codec '{text}' ist unbekannt; möglich sind {known} oder hersteller/gerät"),
    ("{column}: '{text}' is not one of {known}", "{column}: '{text}' gehört nicht zu {known}"),
    ("{column}: '{text}' is more than {most}", "{column}: '{text}' ist mehr als {most}"),
    ("{column}: '{text}' is less than {least}", "{column}: '{text}' ist weniger als {least}"),
    ("{column}: '{text}' is no name; use 1 to 64 of A-Z a-z 0-9 . _ - and a letter or digit first",
     "{column}: '{text}' ist kein Name; erlaubt sind 1 bis 64 Zeichen aus A-Z a-z 0-9 . _ -, vorn ein Buchstabe oder "
     "eine Ziffer"),
    ("station '{name}' is not registered; import stations first",
     "die Station '{name}' ist nicht eingetragen; bitte zuerst eintragen"),
    ("device '{name}' is not registered; import devices first",
     "das Gerät '{name}' ist nicht eingetragen; bitte zuerst eintragen"),
    ("dev_eui {eui} already belongs to device '{owner}'", "dev_eui {eui} gehört schon zum Gerät '{owner}'"),
    ("`to` is not after `from`", "`to` liegt nicht nach `from`"),
    ("`from` and `to` are dates or RFC 3339 times, like 2026-11-22T10:15:00Z, in the years {first} to {last}",
     "`from` und `to` sind Daten oder Zeiten nach RFC 3339, etwa 2026-11-22T10:15:00Z, in den Jahren {first} "
     "bis {last}"),
    ("'{device}' is at '{station}' at that time; close that stay first",
     "'{device}' steht zu dieser Zeit bei '{station}'; bitte zuerst diesen Aufenthalt beenden"),
)  # fmt: skip


LONGEST = 1000  # characters of a text that is looked for; what is longer quotes somebody at length
_QUOTED = re.compile(r"'([^']{120})[^']+'")


def spoken(text: str, accepted: str | None) -> tuple[str, str]:
    """The text in the language that `Accept-Language` asks for, and which one that is. Long quotations are cut."""
    text = _QUOTED.sub(r"'\1…'", text)
    if language(accepted) != "de" or len(text) > LONGEST or (german := _german(text.removesuffix("."))) is None:
        return text, "en"
    end = "." if text.endswith((".", "?")) and not german.endswith("?") else ""
    return german[:1].upper() + german[1:] + end, "de"


def language(accepted: str | None) -> str:
    """The best of ours, English where none is asked for."""
    best, best_weight = LANGUAGES[0], 0.0
    for part in (accepted or "").lower().split(","):
        tag, _, weight_text = part.partition(";")
        name, _, value = weight_text.partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        code = tag.strip().partition("-")[0]
        if code in LANGUAGES and weight > best_weight:
            best, best_weight = code, weight
    return best


@lru_cache(maxsize=1024)
def _german(text: str) -> str | None:
    """The shortest beginning that is known, and so on; None where a part is not."""
    parts = text.split("; ", 12)
    for count in range(1, len(parts) + 1):
        said = _known("; ".join(parts[:count]))
        if said is None:
            continue
        if count == len(parts):
            return said
        if (rest := _german("; ".join(parts[count:]))) is not None:
            return f"{said}; {rest}"
    return None


@lru_cache(maxsize=1024)
def _known(text: str) -> str | None:
    for english, german in _patterns():
        if found := english.fullmatch(text):
            return german.format_map(found.groupdict())
    return None


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What was put between the words may be anything; at the beginning a capital letter or not."""
    return tuple((re.compile(_pattern(english), re.DOTALL), german) for english, german in TEXTS)


def _pattern(english: str) -> str:
    first, rest = english[0], english[1:]
    begin = f"[{first.upper()}{first.lower()}]" if first.isalpha() else re.escape(first)
    if first == "{":
        begin, rest = "", english
    pieces = re.split(r"\{(\w+)\}", rest)
    return begin + "".join(f"(?P<{one}>.*?)" if n % 2 else re.escape(one) for n, one in enumerate(pieces))
