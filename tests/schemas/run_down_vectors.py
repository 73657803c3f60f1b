"""Runs the downlink format's vectors where it stands, CPython or MicroPython: prints what differs, then `N checks`.

Arguments: the checkout, the JSON file.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

from schemas.wire_down import DownCommand, WireError, decode_ack, decode_command, encode_ack, encode_command


def unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def refusal(port, payload):
    try:
        (decode_ack if port == 10 else decode_command)(payload)
    except WireError as error:
        return str(error)
    return ""


def main():
    checks = 0
    with open(sys.argv[2]) as file:
        vectors = json.load(file)
    for vector in vectors["pass"]:
        payload = unhex(vector["hex"])
        ranges = [tuple(one) for one in vector["ranges"]]
        if vector["port"] == 10:
            found, expected, made = decode_ack(payload), ranges, encode_ack(ranges)[0]
        else:
            told = vector["reference"], vector["command"], ranges, vector["configuration"]
            found, expected, made = decode_command(payload), DownCommand(*told), encode_command(*told)[0]
        if found != expected:
            print("decode", vector["name"], found)
        if made != payload:
            print("encode", vector["name"], made)
        for end in range(3 if vector.get("configuration") else len(payload)):
            if not refusal(vector["port"], payload[:end]):
                print("prefix of", end, "bytes", vector["name"])
        checks += 2 + len(payload)
    for vector in vectors["fail"]:
        if vector["reason"] not in refusal(vector["port"], unhex(vector["hex"])):
            print("not refused", vector["name"], refusal(vector["port"], unhex(vector["hex"])))
        checks += 1
    print("%d checks" % checks)


main()
