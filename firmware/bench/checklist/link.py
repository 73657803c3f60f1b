"""Radio and cloud: what the firmware's own session with the network said, and whether its reading has arrived. Pure.

The rule: a join or an answer heard is what counts, not that something was sent. Sensitivities: SX1261/2 datasheet rev.
2, table 3-8 (125 kHz, boosted), with 10 dB for rain and leaves; lowest SNR of a spreading factor: SX1276 datasheet
rev. 7, table 13.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from firmware.bench.checklist.asking import Fact
from firmware.bench.checklist.check import Check, green, red, yellow
from firmware.bench.words import say

SENSITIVITY_DBM = {7: -124, 8: -127, 9: -130, 10: -133, 11: -135, 12: -137}
LOWEST_SNR_DB = {7: -7.5, 8: -10, 9: -12.5, 10: -15, 11: -17.5, 12: -20}
MARGIN_DB = 10
SNR_MARGIN_DB = 3
JOIN_REQUEST, JOIN_ACCEPT = 0, 1
_DOWN = (1, 3, 5)


def radio(config: Mapping[str, Any], told: Sequence[Fact], turned: Fact | None, asked: bool) -> Check:
    """`told`: all facts of the session; `turned`: its end; `asked`: not with --no-radio."""
    if not asked:
        return yellow(
            "radio",
            say("not asked (--no-radio)", "nicht gefragt (--no-radio)"),
            say("verify again without it before it goes up", "vor der Montage ohne das noch einmal prüfen"),
        )
    session = next((one for one in told if one["kn"] == "radio"), None)
    faults = [one for one in told if one["kn"] == "fault"]
    said = "; ".join(dict.fromkeys(fault_words(one) for one in faults))
    if session is None or turned is None:
        return red(
            "radio",
            said or say("the radio was not used", "das Funkmodul wurde nicht benutzt"),
            say("see identity and configuration above", "siehe oben Identität und Konfiguration"),
        )
    if config["radio"] == "lorawan":
        return _lorawan(told, turned, said)
    values = {"carrier": "mqtt", "reached": session["reached"], "stored": _ranges(told), "faults": said}
    if not session["reached"]:
        return red(
            "radio",
            said or say("the broker was not reached", "der Broker wurde nicht erreicht"),
            say(
                "look at Wi-Fi name and password, broker and certificate in config.json, and at the reception",
                "WLAN-Name und Passwort, Broker und Zertifikat in config.json und den Empfang prüfen",
            ),
            values,
        )
    if said:
        return yellow(
            "radio",
            say("the broker was reached, but: %s", "Broker erreicht, aber: %s", said),
            say("verify again", "noch einmal prüfen"),
            values,
        )
    return green("radio", say("Wi-Fi, broker reached", "WLAN, Broker erreicht"), values)


def _lorawan(told: Sequence[Fact], turned: Fact, faults: str) -> Check:
    sent = [one for one in told if one["kn"] == "sent"]
    heard = [one for one in told if one["kn"] == "heard" and one["type"] in _DOWN]
    joined = any(one["type"] == JOIN_REQUEST for one in sent)
    reached = any(one["kn"] == "radio" and one["reached"] for one in told)
    values: dict[str, Any] = {
        "carrier": "lorawan",
        "sent": len(sent),
        "heard": len(heard),
        "joined": joined,
        "session": turned["session"],
        "faults": faults,
    }
    if not sent:
        return red(
            "radio",
            faults or say("nothing was sent", "es wurde nichts gesendet"),
            say(
                "look at the module and its antenna; out of air time: wait an hour",
                "Modul und Antenne ansehen; keine Sendezeit mehr: eine Stunde warten",
            ),
            values,
        )
    if not turned["session"]:
        return red(
            "radio",
            say("%s join requests and no answer", "%s Beitritte ohne Antwort", len(sent)),
            say(
                "is it registered with this AppKey and JoinEUI? Is the antenna on, is a gateway near?",
                "ist es mit diesem AppKey und JoinEUI registriert? Antenne dran, Gateway in der Nähe?",
            ),
            values,
        )
    if not reached or not heard:
        return red(
            "radio",
            say("%s frames and no answer", "%s Sendungen ohne Antwort", len(sent)),
            say(
                "antenna on, gateway near? If another box worked here: delete its session at the network and"
                " provision it anew",
                "Antenne dran, Gateway in der Nähe? Ging hier ein anderes Gerät: Sitzung im"
                " Netz löschen und neu einrichten",
            ),
            values,
        )
    last = heard[-1]
    values |= {name: last[name] for name in ("rssi_dbm", "snr_db", "sf")}
    text = say(
        "%s, %s dBm, SNR %s dB at SF%s",
        "%s, %s dBm, SNR %s dB bei SF%s",
        say("joined", "beigetreten") if joined else say("session answered", "Sitzung beantwortet"),
        last["rssi_dbm"],
        last["snr_db"],
        last["sf"],
    )
    weak = weakness(last)
    if weak:
        return yellow(
            "radio",
            f"{text}: {weak}",
            say("another place or a longer antenna, if it can be", "wenn möglich anderer Ort oder längere Antenne"),
            values,
        )
    if faults:
        return yellow("radio", f"{text}; {faults}", say("verify again", "noch einmal prüfen"), values)
    return green("radio", text, values)


def weakness(heard: Fact) -> str:
    """What is thin about the reception of an answer, "" where there is room for rain and leaves.

    RX2 comes with SF12 and up to 500 mW: that says nothing of the way up, so it is judged by its own factor.
    """
    sf = heard["sf"]
    if heard["rssi_dbm"] < SENSITIVITY_DBM[sf] + MARGIN_DB:
        return say(
            "only %s dB above what can be heard", "nur %s dB über dem Hörbaren", heard["rssi_dbm"] - SENSITIVITY_DBM[sf]
        )
    if heard["snr_db"] < LOWEST_SNR_DB[sf] + SNR_MARGIN_DB:
        return say("hardly above the noise", "kaum über dem Rauschen")
    return ""


def fault_words(fact: Fact) -> str:
    """A fault of the radio, the time or flash, in words."""
    words = {
        "duty": say("no air time left", "keine Sendezeit mehr"),
        "session": say("nobody has answered for long", "lange keine Antwort"),
        "counter": say("the counters have run out", "die Zähler sind am Ende"),
        "modem": say("the radio module does not work", "das Funkmodul arbeitet nicht"),
        "flash": say("flash cannot be written", "der Flash ist nicht beschreibbar"),
        "downlink": say("an answer that is none", "eine Antwort, die keine ist"),
        "network": say("no network", "kein Netz"),
        "refused": say("the broker refuses it", "der Broker lehnt ab"),
        "tls": say("the certificate does not fit", "das Zertifikat passt nicht"),
        "clock": say("the time is not known", "die Zeit ist unbekannt"),
    }
    text = words.get(fact["code"]) or str(fact["code"])
    return f"{text} ({fact['detail']})" if fact.get("detail") else text


def _ranges(told: Iterable[Fact]) -> list[Any]:
    return [span for one in told if one["kn"] == "stored" for span in one["ranges"]]


def has_arrived(delivery: Mapping[str, Any] | None, generation: int, seq: int) -> bool:
    """Whether a `GET /v1/devices/<id>/delivery` says that this reading is stored."""
    return any(g == generation and first <= seq <= last for g, first, last in (delivery or {}).get("stored", ()))


def cloud(
    reading: Fact | None, told: Sequence[Fact], arrived_s: float | None, asked: bool, waited_s: float, why_not: str = ""
) -> Check:
    """`arrived_s`: after how long the cloud had it; `asked`: whether it could be, else `why_not`."""
    if reading is None:
        return red(
            "cloud",
            say("there is no reading to be seen", "es gibt keine Messung zu sehen"),
            say("see the lines above", "siehe die Zeilen oben"),
        )
    generation, seq = reading["generation"], reading["seq"]
    values = {"generation": generation, "seq": seq, "after_s": None if arrived_s is None else round(arrived_s, 1)}
    if any(g == generation and first <= seq <= last for g, first, last in _ranges(told)):
        return green(
            "cloud",
            say(
                "reading %s/%s is stored: the device was told so",
                "Messung %s/%s ist gespeichert: das Gerät bekam es gesagt",
                generation,
                seq,
            ),
            values,
        )
    if not asked:
        return yellow(
            "cloud",
            say("not asked: %s", "nicht gefragt: %s", why_not),
            say("look for reading %s/%s later, online", "Messung %s/%s später online suchen", generation, seq),
            values,
        )
    if arrived_s is None:
        return red(
            "cloud",
            say(
                "reading %s/%s did not arrive within %s s",
                "Messung %s/%s kam in %s s nicht an",
                generation,
                seq,
                f"{waited_s:.0f}",
            ),
            say(
                "is the device registered, does the gateway reach the broker? `klimanetz dead-letters list`",
                "ist das Gerät registriert, erreicht das Gateway den Broker? `klimanetz dead-letters list`",
            ),
            values,
        )
    return green(
        "cloud",
        say(
            "reading %s/%s is stored, after %s s",
            "Messung %s/%s ist gespeichert, nach %s s",
            generation,
            seq,
            f"{arrived_s:.0f}",
        ),
        values,
    )
