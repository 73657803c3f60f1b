"""Runs the wire format's vectors where it stands, CPython or MicroPython: prints what differs, then `N checks`.

Arguments: the checkout, the JSON file.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

from schemas.wire import STATUS_FLAGS, WireError, WireReading, decode, encode, status_bits, status_names


def unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


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
        payload = unhex(vector["hex"])
        expected = [WireReading(**reading) for reading in vector["readings"]]
        found = decode(payload).readings
        if found != expected:
            print("decode", vector["name"], found)
        if not vector.get("decode_only"):
            if encode(expected) != (payload, len(expected)):
                print("encode", vector["name"], encode(expected))
            if encode(expected, len(payload)) != (payload, len(expected)):
                print("encode with a limit", vector["name"])
        for end in range(len(payload)):
            if not refusal(payload[:end]):
                print("prefix of", end, "bytes", vector["name"])
        checks += 3 + len(payload)
    for vector in vectors["fail"]:
        if vector["reason"] not in refusal(unhex(vector["hex"])):
            print("not refused", vector["name"], refusal(unhex(vector["hex"])))
        checks += 1
    if status_names(status_bits(STATUS_FLAGS)) != STATUS_FLAGS:
        print("status flags")
    print("%d checks" % checks)


main()
