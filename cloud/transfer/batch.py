"""Values put together to points: what one moment of one device says is one point. Pure."""

from cloud.judge import judge
from cloud.reference import Daily
from cloud.store.model import Point
from cloud.transfer.rows import DayRow, ValueRow


class Batch:
    """Values put together to points, in memory."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._points: dict[tuple[str, str, int], Point] = {}
        self.days: list[Daily] = []
        self.values = 0
        self.stations: set[str] = set()

    @property
    def size(self) -> int:
        return self.values + len(self.days)

    def add(self, row: ValueRow | DayRow) -> None:
        self.stations.add(row.station)
        if isinstance(row, DayRow):
            self.days.append(Daily(row.station, row.series, row.day, row.value, row.quality, row.source))
            return
        assert isinstance(row, ValueRow)
        self.values += 1
        _, station, device, time_ms, channel, value, quality, generation, seq = row
        key = (station, device, time_ms)
        point = self._points.get(key)
        if point is None or (generation, seq) != (point.generation, point.seq):
            if point is not None:  # another row of the same point knows its count, or knows it better
                generation = point.generation if generation is None else generation
                seq = point.seq if seq is None else seq
            values, judged = (point.values, point.quality) if point is not None else ({}, {})
            point = self._points[key] = Point(station, device, time_ms, values, judged, generation, seq)
        point.values[channel] = value  # type: ignore[index]
        if quality is not None:
            point.quality[channel] = quality  # type: ignore[index]

    def points(self) -> list[Point]:
        """What the file does not judge is judged at the door, as a reading that arrives."""
        for point in self._points.values():
            values, quality = point.values, point.quality
            if len(quality) < len(values):
                unjudged = {channel: value for channel, value in values.items() if channel not in quality}
                quality.update(judge(unjudged))  # type: ignore[attr-defined]
        return list(self._points.values())
