"""Checks of edge.mqtt and edge.sntp that need nothing: pytest runs them on CPython, MicroPython runs this file.

Plain asserts, no imports beyond `edge` and `schemas`. Bytes: MQTT 3.1.1 (figures of chapter 3); RFC 5905, figure 8.
"""

from edge import sntp
from edge.mqtt import backoff, client, downlink, packets
from edge.mqtt.incoming import Connack, Incoming, Malformed, Pingresp, Puback, Publish, Suback
from edge.mqtt.owed import Owed

H = bytes.fromhex
CONNACK, CONNACK_PRESENT = H("20020000"), H("20020100")
WHOLE = (  # packets of a broker, and what they say
    (CONNACK, Connack(0, 0)),
    (CONNACK_PRESENT, Connack(1, 0)),
    (H("20020005"), Connack(0, 5)),
    (H("40021234"), Puback(0x1234)),
    (H("9003000a01"), Suback(10, b"\x01")),
    (H("9004000a0180"), Suback(10, b"\x01\x80")),
    (H("d000"), Pingresp()),
    (H("30050003612f62"), Publish("a/b", b"", 0, 0, 0, 0)),
    (H("31060003612f6221"), Publish("a/b", b"!", 0, 0, 1, 0)),
    (H("3a090003612f62000aff21"), Publish("a/b", b"\xff!", 1, 10, 0, 1)),
)
MALFORMED = (
    ("00 00", "reserved type 0"),
    ("f0 00", "reserved type 15"),
    ("10 00", "a CONNECT to a client"),
    ("50 02 00 01", "PUBREC: QoS 2 was not asked for"),
    ("21 02 00 00", "flags of CONNACK"),
    ("20 03 00 00 00", "length of CONNACK"),
    ("20 02 02 00", "reserved bit of CONNACK"),
    ("20 02 00 06", "reserved code of CONNACK"),
    ("20 02 01 05", "refused, and a session is present"),
    ("40 02 00 00", "packet id 0"),
    ("40 03 00 01 00", "length of PUBACK"),
    ("42 02 00 01", "flags of PUBACK"),
    ("90 02 00 01", "SUBACK without a code"),
    ("90 03 00 01 03", "reserved code of SUBACK"),
    ("90 03 00 00 01", "packet id 0"),
    ("d0 01 00", "length of PINGRESP"),
    ("30 ff ff ff ff 01", "five bytes of length"),
    ("30 00", "PUBLISH without a topic"),
    ("30 02 00 00", "an empty topic"),
    ("30 03 00 05 61", "a topic that ends too early"),
    ("32 04 00 01 61 00", "a packet id that ends too early"),
    ("32 05 00 01 61 00 00", "packet id 0"),
    ("34 05 00 01 61 00 01", "QoS 2"),
    ("36 05 00 01 61 00 01", "QoS 3"),
    ("38 03 00 01 61", "DUP with QoS 0"),
    ("30 03 00 01 2b", "+ in a topic"),
    ("30 03 00 01 23", "# in a topic"),
    ("30 03 00 01 00", "NUL in a topic"),
    ("30 03 00 01 ff", "a topic that is no UTF-8"),
)


def raises(error, function, *args, **named):
    """The text of the error that the call must raise."""
    try:
        function(*args, **named)
    except error as found:
        return str(found)
    raise AssertionError("no %r" % error)


def check_whole_packets():
    for data, packet in WHOLE:
        assert Incoming().feed(data) == [packet], (data, Incoming().feed(data))


def check_every_prefix_needs_more():
    for data, packet in WHOLE:
        for n in range(len(data)):
            incoming = Incoming()
            assert incoming.feed(data[:n]) == [], data[:n]
            assert incoming.feed(data[n:]) == [packet]


def check_malformed():
    for text, why in MALFORMED:
        data = H(text.replace(" ", ""))
        incoming = Incoming()
        found = incoming.feed(data + CONNACK)
        assert len(found) == 1 and isinstance(found[0], Malformed), (why, found)
        assert incoming.feed(CONNACK) == [], why  # nothing more is read
        incoming.reset()
        assert incoming.feed(CONNACK) == [Connack(0, 0)], why


def check_too_long():
    incoming = Incoming(16)
    data = packets.publish("a/b", b"x" * 300, 1, 7)
    assert incoming.feed(data[:200]) == []
    assert incoming.feed(bytes(data[200:]) + CONNACK) == [Publish("a/b", None, 1, 7, 0, 0), Connack(0, 0)]
    assert incoming.feed(packets.publish("a/b", b"x" * 9, 1, 7)) == [Publish("a/b", b"x" * 9, 1, 7, 0, 0)]
    assert isinstance(incoming.feed(packets.publish("t" * 20, b""))[0], Malformed)


def check_encoding():
    will = ("klimanetz/v1/status/kn-0007", b"{}", 1, True)
    assert packets.connect("kn-1", 60, "u", "p", ("a/b", b"x", 1, True)) == H(
        "101e00044d51545404ec003c00046b6e2d310003612f62000178000175000170"
    )
    assert packets.connect("k", 60, will=will)[9] == 0b00101100
    assert packets.publish("a/b", b"!", 0) == H("30060003612f6221")
    again = packets.publish("a/b", b"!", 1, 10, True)
    assert again == H("33080003612f62000a21")
    packets.mark_again(again)
    assert again == H("3b080003612f62000a21")
    assert packets.subscribe(10, ("a/b", "c")) == H("820c000a0003612f620100016301")
    assert packets.puback(0x1234) == H("40021234")
    assert packets.pingreq() + packets.disconnect() == H("c000e000")
    for n, head in ((127, "307f"), (128, "308001"), (4000, "30a01f")):
        assert packets.publish("a", b"x" * (n - 3))[: len(head) // 2] == H(head)


def check_encoding_refuses():
    for text, function, arguments in (
        ("+", packets.publish, ("a/+", b"")),
        ("#", packets.publish, ("#", b"")),
        ("not a topic", packets.publish, ("", b"")),
        ("QoS 2", packets.publish, ("a", b"", 2, 1)),
        ("packet id", packets.publish, ("a", b"", 1, 0)),
        ("packet id", packets.puback, (65536,)),
        ("needs a topic", packets.subscribe, (1, ())),
        ("keep-alive", packets.connect, ("a", 65536)),
        ("user name", packets.connect, ("a", 60, None, "p")),
        ("client id", packets.connect, ("", 60)),
        ("NUL", packets.connect, ("a\x00b", 60)),
    ):
        assert text in raises(packets.PacketError, function, *arguments), (text, function)


def online(**named):
    """A client that has just been let in, and the bytes it sent for it."""
    one = client.Client("kn-1", "u", "p", **named)
    one.connect(0)
    assert one.received(CONNACK, 10) == [client.Online(0)]
    hello, one.out = one.out, []
    return one, hello


def check_client_publishes():
    one, hello = online(in_flight=2)
    assert hello == [packets.connect("kn-1", 60, "u", "p")]
    assert one.room == 2
    assert one.publish("t", b"1", "a", 20) and one.publish("t", b"2", "b", 20)
    assert not one.publish("t", b"3", "c", 20)  # no room
    assert one.out == [packets.publish("t", b"1", 1, 1), packets.publish("t", b"2", 1, 2)]
    assert one.received(packets.puback(2) + packets.puback(9) + packets.puback(2), 30) == [client.Captured("b")]
    assert one.room == 1 and one.under_way == 1
    assert one.publish("t", b"3", "c", 40)
    assert one.received(packets.puback(1) + packets.puback(3), 50) == [client.Captured("a"), client.Captured("c")]


def check_client_is_written_in_pieces():
    for size in (1, 3, 7, 1000):
        one, _ = online()
        one.publish("t", b"12345", "a", 20)
        one.subscribe(("a",), 20)
        sent = b""
        while one.out:
            piece = bytes(one.out[0][:size])
            sent += piece
            one.wrote(len(piece))
        assert sent == bytes(packets.publish("t", b"12345", 1, 1) + packets.subscribe(2, ("a",))), size


def check_client_sends_again():
    one, _ = online(in_flight=3)
    one.publish("t", b"1", "a", 20)
    one.publish("t", b"2", "b", 20, True)
    one.received(packets.puback(1), 30)
    one.lost()
    assert one.state == client.OFFLINE and one.out == [] and one.room == 0
    one.connect(1000)
    assert len(one.out) == 1 and not one.publish("t", b"3", "c", 1000)
    assert one.received(CONNACK_PRESENT, 1010) == [client.Online(1)]
    again = packets.publish("t", b"2", 1, 2, True)
    packets.mark_again(again)
    assert one.out[1:] == [again]
    one.publish("t", b"3", "c", 1020)
    assert one.out[2] == packets.publish("t", b"3", 1, 3)
    one.forget()
    assert one.under_way == 0


def check_client_is_late():
    one = client.Client("kn-1")
    assert not one.late(0)  # nobody was called
    one.connect(0)
    assert not one.late(client.ANSWER_MS - 1) and one.late(client.ANSWER_MS)
    one, _ = online(keep_alive_s=60)
    assert not one.late(29999) and one.out == []
    assert not one.late(30010) and one.out == [packets.pingreq()]
    assert not one.late(30010 + client.ANSWER_MS - 1) and one.out == [packets.pingreq()]
    assert one.late(30010 + client.ANSWER_MS)
    assert one.received(H("d000"), 50009) == [] and not one.late(50020)  # it came after all
    one.publish("t", b"1", "a", 50020)
    one.publish("t", b"2", "b", 60020)
    assert one.late(50020 + client.ANSWER_MS)  # the second gave the first no more time
    assert one.received(packets.puback(1), 70019) == [client.Captured("a")]
    assert not one.late(70020) and one.late(70019 + client.ANSWER_MS)


def check_client_takes_messages():
    one, _ = online()
    one.subscribe(("a", "b"), 20)
    assert one.out == [packets.subscribe(1, ("a", "b"))]
    events = one.received(H("900400010180") + bytes(packets.publish("a", b"x", 1, 5)), 30)
    assert events == [client.Subscribed(1), client.Message("a", b"x", 5)]
    one.out = []
    one.taken(events[1], 40)
    one.taken(client.Message("a", b"x", 0), 40)  # QoS 0
    assert one.out == [packets.puback(5)]
    one.disconnect(50)
    assert one.out[-1] == packets.disconnect()
    one.lost()
    one.taken(events[1], 60)
    one.disconnect(60)
    assert one.out == []


def check_client_refused_or_confused():
    for data, event in (
        (H("20020004"), client.Refused(4)),
        (packets.puback(1), client.Broken("the first packet is no CONNACK")),
        (H("d001"), None),
        (CONNACK + CONNACK, client.Broken("a second CONNACK")),
        (CONNACK + H("f000"), client.Broken("a packet of type 15 is not for a client")),
    ):
        one = client.Client("kn-1")
        one.connect(0)
        events = one.received(data, 10)
        assert (events[-1] if events else None) == event, (data, events)
        if event is not None:
            assert one.state == client.OFFLINE and one.out == []
            assert one.received(CONNACK, 20) == []  # until the next connection


def check_packet_ids_go_round():
    one, _ = online(in_flight=2)
    one._last_id = packets.ID_MAX - 1
    one.publish("t", b"1", "a", 0)
    one.publish("t", b"2", "b", 0)
    assert [packet[5:7] for packet in one.out] == [b"\xff\xff", b"\x00\x01"]
    one.received(packets.puback(1), 0)
    one._last_id = packets.ID_MAX - 1  # its id is still under way
    one.publish("t", b"3", "c", 0)
    assert one.out[-1][5:7] == b"\x00\x01"


def check_backoff():
    for failures in (1, 2, 5, 40):
        low, high = backoff.delay_ms(failures, 0), backoff.delay_ms(failures, 0.999999)
        whole = min(1800000, 1000 << min(failures - 1, 16))
        assert low == whole // 2 and whole * 99 // 100 <= high < whole, (failures, low, high)
    one = backoff.Patience()
    assert one.may_try(0)
    one.failed(backoff.LOST, 1000, 0.5)
    assert not one.may_try(1000 + 14999) and one.may_try(1000 + 15000)
    for _ in range(20):
        one.failed(backoff.LOST, 1000, 0.999999)
    assert one.may_try(1000 + 1800000) and not one.may_try(1000 + 1790000)
    one.succeeded()
    assert one.may_try(0) and one.to_dict() == backoff.Patience().to_dict()
    one.failed(backoff.REFUSED, 1000, 0)
    assert not one.may_try(1000 + 449999)  # a wrong password is not tried again soon
    other = backoff.Patience(one.to_dict())
    assert not other.may_try(1000 + 449999) and other.may_try(1000 + 450000)
    stale = backoff.Patience({"until_ms": 1 << 40})
    assert stale.may_try(0)  # of another clock


def check_owed():
    one = Owed()
    for seq in (9, 8, 7, 3):
        one.add(1, seq)
    one.add(2, 8)
    assert len(one) == 3
    one.stored([(1, 8, 8), (2, 0, 100)])
    assert sorted(one._ranges) == [[1, 3, 3], [1, 7, 7], [1, 9, 9]]
    one.stored([(1, 4, 6), (3, 0, 9)])
    assert len(one) == 3
    one.stored([(1, 0, 9)])
    assert len(one) == 0
    for seq in range(0, 1000, 2):
        one.add(1, seq)
    assert len(one) == 32  # bounded


def check_downlinks():
    assert downlink.acknowledgement(b'{"stored": [[1, 2, 3], [0, 0, 0]]}') == [(1, 2, 3), (0, 0, 0)]
    name, command = downlink.command(b'{"id": "c-1", "command": "resend", "ranges": [[1, 2, 3]]}')
    assert (name, command.command, command.ranges, command.configuration) == ("c-1", "resend", [(1, 2, 3)], "")
    assert command.reference == downlink.reference("c-1") == 0xA6F7  # sha256sum
    _, command = downlink.command(b'{"id": "c-2", "command": "configure", "configuration": {"interval_s": 300}}')
    assert command.configuration.replace(" ", "") == '{"interval_s":300}'
    _, command = downlink.command(b'{"id": "c-3", "command": "status", "more": 1}')
    assert command.ranges == []
    for text in (
        None, b"", b"{", b"[]", b"7", b"{}", b"\xff", b'{"stored": 7}', b'{"stored": [[1, 2]]}',
        b'{"stored": [[1, 3, 2]]}',
        b'{"stored": [[1, 2, 4294967296]]}', b'{"stored": [[-1, 2, 3]]}', b'{"stored": [[1.5, 2, 3]]}',
        b'{"stored": [[true, 2, 3]]}', b'{"stored": ["abc"]}', b"[" * 500,
    ):  # fmt: skip
        assert raises(downlink.DownlinkError, downlink.acknowledgement, text)
    for text in (
        None, b"x", b"{}", b'{"id": 7, "command": "status"}', b'{"id": "", "command": "status"}', b'{"id": "a"}',
        b'{"id": "a", "command": "reboot"}', b'{"id": "a", "command": ["status"]}', b'{"id": "a", "command": "resend"}',
        b'{"id": "a", "command": "configure"}', b'{"id": "a", "command": "configure", "configuration": "x"}',
    ):  # fmt: skip
        assert raises(downlink.DownlinkError, downlink.command, text)


COOKIE = H("0123456789abcdef")
NOW_S = 1767225600  # 2026-01-01


def ntp_answer(**changed):
    """A good answer: sent 1 ms after the question came, root delay 1/128 s and dispersion 1/64 s."""
    packet = bytearray(48)
    packet[0] = changed.get("leap", 0) << 6 | changed.get("version", 4) << 3 | changed.get("mode", 4)
    packet[1] = changed.get("stratum", 2)
    packet[4:8], packet[8:12] = H("00000200"), H("00000400")
    packet[12:16] = changed.get("code", b"\xc0\x00\x02\x01")
    packet[24:32] = changed.get("cookie", COOKIE)
    seconds = (changed.get("now_s", NOW_S) + 2208988800 & 0xFFFFFFFF).to_bytes(4, "big")
    packet[32:40] = seconds + H("80000000")  # half a second
    packet[40:48] = seconds + H(changed.get("sent", "80418937"))  # 1 ms later
    return packet[: changed.get("length", 48)]


def check_sntp():
    question = sntp.question(COOKIE)
    assert len(question) == 48 and question[0] == 0x23 and question[40:] == COOKIE and not any(question[1:40])
    got = sntp.answer(ntp_answer(), COOKIE, 5000, 5041)
    assert got.utc_ms == NOW_S * 1000 + 501 + 20 and got.at_ms == 5041, got
    assert abs(got.uncertainty_s - (20 + 3 + 15 + 2) / 1000) < 1e-6, got
    assert sntp.answer(ntp_answer(version=3), COOKIE, 0, 40).at_ms == 40
    later = (1 << 32) - 2208988800 + 5  # 2036-02-07T06:28:21Z, in the next era
    assert sntp.answer(ntp_answer(now_s=later), COOKIE, 0, 1).utc_ms == later * 1000 + 501


def check_sntp_refuses():
    assert sntp.answer(ntp_answer(stratum=0, code=b"RATE"), COOKIE, 0, 40) == sntp.Kiss("RATE")
    assert sntp.answer(ntp_answer(stratum=0, code=b"\x00\xffA\n"), COOKIE, 0, 40) == sntp.Kiss("??A?")
    for changed, ms in (
        ({"length": 47}, 40), ({"length": 0}, 40), ({"cookie": bytes(8)}, 40), ({"mode": 3}, 40), ({"mode": 5}, 40),
        ({"version": 1}, 40), ({"leap": 3}, 40), ({"stratum": 16}, 40), ({"now_s": 1735689599 - 1}, 40),
        ({"now_s": 0}, 40), ({"sent": "ffffffff"}, 40), ({"sent": "00000000"}, 40), ({}, 5001), ({}, -1),
        ({"cookie": COOKIE, "stratum": 0, "mode": 3}, 40), ({"stratum": 0, "cookie": bytes(8)}, 40),
    ):  # fmt: skip
        assert isinstance(sntp.answer(ntp_answer(**changed), COOKIE, 0, ms), sntp.Useless), (changed, ms)


CHECKS = (
    check_whole_packets, check_every_prefix_needs_more, check_malformed, check_too_long, check_encoding,
    check_encoding_refuses, check_client_publishes, check_client_is_written_in_pieces,
    check_client_sends_again, check_client_is_late,
    check_client_takes_messages, check_client_refused_or_confused, check_packet_ids_go_round, check_backoff,
    check_owed, check_downlinks, check_sntp, check_sntp_refuses,
)  # fmt: skip


if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("ok", check.__name__)
