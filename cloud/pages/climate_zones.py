"""What the letters and figures of local climate zones mean. Pure.

Source: Stewart, I. D., and T. R. Oke (2012): Local Climate Zones for Urban Temperature Studies. Bull. Amer. Meteor.
Soc. 93, 1879–1900, https://doi.org/10.1175/BAMS-D-11-00019.1.
"""

ZONES = {
    "1": {"de": "dichte hohe Bebauung", "en": "compact high-rise"},
    "2": {"de": "dichte mittelhohe Bebauung", "en": "compact mid-rise"},
    "3": {"de": "dichte niedrige Bebauung", "en": "compact low-rise"},
    "4": {"de": "offene hohe Bebauung", "en": "open high-rise"},
    "5": {"de": "offene mittelhohe Bebauung", "en": "open mid-rise"},
    "6": {"de": "offene niedrige Bebauung", "en": "open low-rise"},
    "7": {"de": "leichte niedrige Bebauung", "en": "lightweight low-rise"},
    "8": {"de": "große flache Gebäude", "en": "large low-rise"},
    "9": {"de": "verstreute Bebauung", "en": "sparsely built"},
    "10": {"de": "Schwerindustrie", "en": "heavy industry"},
    "A": {"de": "dichter Baumbestand", "en": "dense trees"},
    "B": {"de": "lockerer Baumbestand", "en": "scattered trees"},
    "C": {"de": "Büsche und Sträucher", "en": "bush, scrub"},
    "D": {"de": "niedrige Pflanzen", "en": "low plants"},
    "E": {"de": "Fels oder versiegelter Boden", "en": "bare rock or paved"},
    "F": {"de": "offener Boden oder Sand", "en": "bare soil or sand"},
    "G": {"de": "Wasser", "en": "water"},
}


def climate_zone(lcz: str, lang: str) -> str:
    """`2` → 2 (dichte mittelhohe Bebauung); a zone that is not of the list stays as it is."""
    zone = ZONES.get(lcz.strip().upper().removeprefix("LCZ").strip())
    return f"{lcz} ({zone[lang]})" if zone else lcz
