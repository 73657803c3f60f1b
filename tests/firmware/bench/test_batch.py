"""Many boxes: each once, what failed again alone, and how each went is on disk."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from firmware.bench.batch import GREEN, RED, WAITING, YELLOW, Batch, Box, Told, path_of
from firmware.bench.trouble import BenchError

PORTS = ["/dev/a", "/dev/b", "/dev/c"]


def boxes(n: int) -> list[Box]:
    return [Box(f"kn-{i:04d}") for i in range(n)]


class Bench:
    """What is done with a box: some are faulty; who was where is written down."""

    def __init__(self, faulty: Sequence[str] = (), broken: Sequence[str] = ()) -> None:
        self.faulty, self.broken = set(faulty), set(broken)
        self.done: list[tuple[str, str]] = []
        self.at_once, self.most = set[str](), 0
        self._lock = threading.Lock()
        self._all = threading.Barrier(3, timeout=5)

    def work(self, box: Box, port: str, told: Told) -> Box:
        with self._lock:
            assert port not in self.at_once, "two boxes at one port"
            self.at_once.add(port)
            self.most = max(self.most, len(self.at_once))
            self.done.append((box.device, port))
        told("erase", 1, 2)
        if len(self.done) <= 3:
            self._all.wait()  # three are at work together
        with self._lock:
            self.at_once.remove(port)
        if box.device in self.faulty:
            raise BenchError("its flash is worn out")
        if box.device in self.broken:
            raise ZeroDivisionError("ours")
        return replace(box, state=GREEN, mac="f4:12")


def test_twenty_boxes_two_of_them_faulty(tmp_path: Path) -> None:
    bench, shown = Bench(faulty=["kn-0003"], broken=["kn-0011"]), list[str]()
    batch = Batch(boxes(20), tmp_path / "batch.json")
    out = batch.run(PORTS, bench.work, lambda all_: shown.append(all_[0].state), lambda box, port: True)
    assert {box.device: box.reason for box in out if box.state == RED} == {
        "kn-0003": "its flash is worn out", "kn-0011": "ZeroDivisionError: ours",
    }  # fmt: skip
    assert sum(box.state == GREEN for box in out) == 18
    assert sorted(device for device, _ in bench.done) == [box.device for box in boxes(20)]
    assert bench.most == 3
    assert {"busy", "green"} <= set(shown)


def test_only_what_failed_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "batch.json"
    Batch(boxes(5), path).run(PORTS, Bench(faulty=["kn-0002"]).work, lambda _: None, lambda box, port: True)
    again = Batch(boxes(5), path)
    assert [box.device for box in again.open] == ["kn-0002"]
    bench = Bench()
    bench._all = threading.Barrier(1)
    out = again.run(["/dev/a"], bench.work, lambda _: None, lambda box, port: True)
    assert [device for device, _ in bench.done] == ["kn-0002"]
    assert all(box.state == GREEN for box in out)
    assert Batch(boxes(5), path).open == []


def test_a_box_stays_at_its_own_port_and_waits_where_nobody_plugs_it_in(tmp_path: Path) -> None:
    bench = Bench()
    bench._all = threading.Barrier(1)
    named = [Box("kn-1", "/dev/a"), Box("kn-2", "/dev/b"), Box("kn-3", "/dev/a")]
    out = Batch(named, tmp_path / "batch.json").run([], bench.work, lambda _: None, lambda box, port: False)
    assert sorted(bench.done) == [("kn-1", "/dev/a"), ("kn-2", "/dev/b")]
    assert [box.state for box in out] == [GREEN, GREEN, WAITING]


def test_a_yellow_box_is_done(tmp_path: Path) -> None:
    def work(box: Box, port: str, told: Told) -> Box:
        return replace(box, state=YELLOW, reason="no network here")

    path = tmp_path / "batch.json"
    Batch(boxes(1), path).run(["/dev/a"], work, lambda _: None, lambda box, port: True)
    assert Batch(boxes(1), path).open == []


@pytest.mark.parametrize("text", ["{", "[1]", '[{"device": "kn-1", "colour": 1}]'])
def test_a_damaged_record_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "batch.json").write_text(text)
    with pytest.raises(BenchError, match="delete it to begin the batch anew"):
        Batch(boxes(1), tmp_path / "batch.json")


def test_the_record_goes_with_the_file_not_with_its_place(tmp_path: Path) -> None:
    assert path_of(tmp_path, b"a") == path_of(tmp_path, b"a") != path_of(tmp_path, b"b")
