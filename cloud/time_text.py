"""Moments as text, by the thousand: RFC 3339 in UTC with `Z`, milliseconds only where there are any. Pure."""

from datetime import UTC, datetime, timedelta

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCKS = 20_000  # times of day whose text is kept


class TimeText:
    """Ms since 1970 to RFC 3339 in UTC with `Z`, quick where many are of the same day or the same time of day."""

    def __init__(self) -> None:
        self._day: int | None = None
        self._date = ""
        self._clocks: dict[int, str] = {}  # by ms of the day

    def __call__(self, time_ms: int) -> str:
        day, rest = divmod(time_ms, DAY_MS)
        if day != self._day:
            self._day, self._date = day, (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%dT")
            if len(self._clocks) > _CLOCKS:
                self._clocks.clear()
        clock = self._clocks.get(rest)
        if clock is None:
            clock = self._clocks[rest] = _clock(rest)
        return self._date + clock


def _clock(rest_ms: int) -> str:
    second, milli = divmod(rest_ms, 1000)
    text = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f"{text}.{milli:03}Z" if milli else f"{text}Z"
