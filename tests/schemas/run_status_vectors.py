"""Runs the status format's vectors where it stands, CPython or MicroPython: prints what differs, then `N checks`.

Arguments: the checkout, the JSON file.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

from schemas.wire_status import Status, WireError, as_object, decode, encode


def unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def status_of(told):
    faults = [(one["sensor"], one["fault"]) for one in told["faults"]]
    answer = told.get("answer")
    answer = (answer["reference"], answer["ok"], answer["detail"]) if answer else None
    plain = [told[name] for name in ("firmware", "config", "uptime_s", "boots", "reset", "waiting", "forgotten")]
    return Status(*plain, told["free_heap"], told.get("battery"), faults, answer)


def refusal(payload):
    try:
        decode(payload)
    except WireError as error:
        return str(error)
    return ""


def main():
    checks = 0
    with open(sys.argv[2]) as file:
        vectors = json.load(file)
    for vector in vectors["pass"]:
        payload, status = unhex(vector["hex"]), status_of(vector["status"])
        if decode(payload) != status or as_object(status) != vector["status"]:
            print("decode", vector["name"], decode(payload))
        if encode(status, 200) != payload:
            print("encode", vector["name"], encode(status, 200))
        for end in range(len(payload)):
            if not refusal(payload[:end]):
                print("prefix of", end, "bytes", vector["name"])
        checks += 2 + len(payload)
    for vector in vectors["cut"]:
        payload = encode(status_of(vector["status"]), vector["bytes"])
        if payload != unhex(vector["hex"]) or decode(payload) != status_of(vector["told"]):
            print("cut", vector["name"], payload)
        checks += 2
    for vector in vectors["fail"]:
        if vector["reason"] not in refusal(unhex(vector["hex"])):
            print("not refused", vector["name"], refusal(unhex(vector["hex"])))
        checks += 1
    print("%d checks" % checks)


main()
