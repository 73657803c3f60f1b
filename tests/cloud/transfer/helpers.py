"""Files, parsers and an import as a whole, for the tests of this folder."""

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from cloud.reference import DailyReferences
from cloud.registry.registry import Registry, open_registry
from cloud.store import Store, open_store
from cloud.transfer import importing
from cloud.transfer.importing import Outcome
from cloud.transfer.looking import Plan
from cloud.transfer.naming import naming
from cloud.transfer.opening import content_hash
from cloud.transfer.rows import BadRow, Row, Tally
from cloud.transfer.sources import look_through
from cloud.transfer.state import StateFile

NOW_MS = 1_795_600_000_000  # 2026-11-25


def rows_of(parser: object) -> list[Row]:
    return list(parser.rows(Tally()))  # type: ignore[attr-defined]


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def bad(rows: Iterable[Row]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


def zipped(path: Path, **members: str) -> Path:
    """Members by name (`_txt` becomes `.txt`), Latin-1."""
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_txt", ".txt"), content.encode("latin-1"))
    path.write_bytes(text.getvalue())
    return path


class Desk:
    """Store, registry and a folder: what an import needs."""

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self.folder = folder
        self.store = store or open_store(f"sqlite:///{folder}/series.db")
        self.registry: Registry = open_registry(f"sqlite:///{folder}/registry.db", lambda: NOW_MS)
        self.days = DailyReferences(self.registry.engine)
        self.told: list[set[str]] = []

    def take(
        self, *paths: Path, said: Iterable[str] = (), stations: Iterable[str] = ("markt",), skip_bad: bool = False,
        now_ms: int = NOW_MS, store: object = None,
    ) -> list[Outcome]:  # fmt: skip
        sources, beside = look_through(list(paths))
        names = naming(said, sources, stations, beside)
        return [
            importing.run(
                self.plan(source, names, skip_bad, now_ms), store or self.store, self.days,
                StateFile(self.folder / "imports", content_hash(source.part.path), [source.part.member or ""]),
                changed=self.told.append,
            )
            for source in sources
        ]  # fmt: skip

    def plan(self, source, names, skip_bad=False, now_ms=NOW_MS) -> Plan:  # type: ignore[no-untyped-def]
        rejected = self.folder / f"{source.part.path.name}.rejected.csv"
        return Plan(source, names.known(source), names.way_out(source), now_ms, skip_bad, rejected)

    def stored(self, station: str = "markt") -> list[tuple[int, str, float, str, str]]:
        """(time, channel, value, quality, device)"""
        return [
            (p.time_ms, channel, value, p.quality[channel], p.device)
            for p in self.store.points(station, -(2**62), 2**62)
            for channel, value in p.values.items()
        ]
