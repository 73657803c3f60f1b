"""Tables on terminals of any width: what identifies something is whole, wherever it can be."""

import io
import threading
from typing import Any

import pytest
from rich.console import Console

from klimanetz.cli import show

DEVICES = [
    {"device": f"kn-{n:04}", "station": "marktplatz", "activation": "otaa", "dev_eui": f"70b3d57ed000{n:04}",
     "join_eui": "70b3d57ed0000000", "dev_addr": "260b0001", "codec": "dragino/lse01"}
    for n in range(3)
]  # fmt: skip


def on_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    def console(**options: Any) -> Console:
        return Console(**{"width": width, "force_terminal": True, "color_system": None, **options})

    monkeypatch.setattr(show, "Console", console)


def test_a_narrow_terminal_spares_columns_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_terminal(monkeypatch, 80)
    show.table(DEVICES, tuple(DEVICES[0]), texts=("codec",), spare=("join_eui",))
    header, *rows, left_out = capsys.readouterr().out.splitlines()
    assert "join_eui" not in header
    assert left_out == "(left out on this narrow terminal: join_eui; --json has all)"
    assert len(rows) == 3
    for device, row in zip(DEVICES, rows, strict=True):
        assert device["device"] in row
        assert device["dev_eui"] in row
    assert "…" not in "".join(rows)


def test_a_wide_terminal_has_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    on_terminal(monkeypatch, 120)
    show.table(DEVICES, tuple(DEVICES[0]), texts=("codec",), spare=("join_eui",))
    out = capsys.readouterr().out
    assert "join_eui" in out
    assert "left out" not in out


def test_texts_fold_before_anything_else(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    on_terminal(monkeypatch, 60)
    rows = [{"id": 1, "device": "eui-70b3d57ed0000001", "detail": "a reason of many words " * 4}]
    show.table(rows, ("id", "device", "detail"), texts=("detail",))
    out = capsys.readouterr().out
    assert "eui-70b3d57ed0000001" in out
    assert len(out.splitlines()) <= 5
    assert out.count("reason") == 4


@pytest.mark.parametrize(("width", "lines"), [(80, 3), (120, 2)])
def test_a_long_reason_stands_below_its_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, lines: int
) -> None:
    on_terminal(monkeypatch, width)
    row = {"id": 3, "received": "2026-11-22T10:15:00Z", "device": "eui-a84041ffff1ec1f9", "reason": "unknown-device"}
    row["detail"] = "a word or two, and [/red] the way out"
    show.table([row], tuple(row), texts=("detail",), below="detail")
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == lines
    for text in row.values():
        assert str(text) in "\n".join(shown)


def test_where_nothing_fits_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_terminal(monkeypatch, 20)
    show.table([{"device": "x" * 64}], ("device",))
    out = capsys.readouterr().out
    assert (out.count("x"), "…" in out) == (64, False)


def test_a_bar_moves_only_while_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = io.StringIO()
    monkeypatch.setattr(show, "Console", lambda **_: Console(file=drawn, force_terminal=True, width=80))
    with show.patience("stations"):
        pass
    assert drawn.getvalue().strip() == ""
    with show.patience("stations", after_s=0.01):
        threading.Event().wait(0.3)
    assert "stations" in drawn.getvalue()
    monkeypatch.setattr(show, "Console", lambda **_: Console(file=drawn, force_terminal=False))
    before = drawn.getvalue()
    with show.patience("stations", after_s=0.01):
        threading.Event().wait(0.1)
    assert drawn.getvalue() == before
