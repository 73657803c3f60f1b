"""Which of our stations a station of a file is. Pure.

A file in the long form names ours. Elsewhere a number of the German Weather Service (`01766`) is our `dwd-01766` (or a
station that is called by the number), one of the WMO is the service's where a list says so and else `wmo-10315`, and a
procedure of istSOS is the station of its name; whoever imports may say otherwise: `NAME` for all, `ID=NAME` for one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cloud.transfer.dwd_tables import padded
from cloud.transfer.sources import Beside, Source


class NamingError(ValueError):
    """What was said of stations cannot be meant; the message says why."""


@dataclass(slots=True)
class Naming:
    """`registered` may grow when stations are made."""

    registered: set[str]
    beside: Beside
    one: str | None = None
    each: Mapping[str, str] = field(default_factory=dict)

    def ours(self, source: Source, theirs: str) -> str:
        """The name under which a station of the file is or would be registered."""
        number = padded(theirs) if theirs.isdigit() else theirs
        said = self.each.get(theirs) or self.each.get(number)
        if said is not None or not source.foreign:
            return said or theirs
        if self.one is not None:
            return self.one
        dwd_id = self.dwd_id(source, theirs)
        if dwd_id is not None:
            return self.each.get(dwd_id) or self.of_number(dwd_id)
        return self._there(f"wmo-{theirs}", theirs) if source.station_id is not None else theirs

    def of_number(self, dwd_id: str) -> str:
        """Our station of a number of the German Weather Service, where nobody says otherwise."""
        return self._there(f"dwd-{dwd_id}", dwd_id, dwd_id.lstrip("0"))

    def _there(self, *names: str) -> str:
        """The first that is registered, else the first."""
        return next((name for name in names if name in self.registered), names[0])

    def dwd_id(self, source: Source, theirs: str) -> str | None:
        """The service's number of a station of the file, None where it has or tells none."""
        if source.kind == "DWD current observations":
            return self.beside.wmo_to_dwd.get(theirs)
        return padded(theirs) if source.kind.startswith("DWD ") else None

    def known(self, source: Source) -> Callable[[str], str | None]:
        """Ours for a station of the file; None for one that is not registered."""

        def known(theirs: str) -> str | None:
            name = self.ours(source, theirs)
            return name if name in self.registered else None

        return known

    def way_out(self, source: Source) -> str:
        """What to do about a station that is not registered."""
        if not source.foreign:
            return "`klimanetz stations import` does that"
        number = source.station_id
        if self.one is not None or number in self.each:
            return "`klimanetz stations import` does that, or --create where a file says where it stands"
        example = f"--station {number}=NAME" if number else "--station NAME"
        return f"{example} says which of yours it is" + (", --create registers it" if number else "")


def naming(said: Iterable[str], sources: Collection[Source], registered: Iterable[str], beside: Beside) -> Naming:
    """From what was said: `NAME` or `ID=NAME`. Raises NamingError."""
    one: str | None = None
    each: dict[str, str] = {}
    for text in said:
        theirs, equals, name = text.rpartition("=")
        if equals and theirs and name:
            each[padded(theirs) if theirs.isdigit() else theirs] = name
        elif one is None and text and not equals:
            one = text
        else:
            raise NamingError(f"'{text}' names no station: write NAME once, or ID=NAME for each")
    numbers = {source.station_id for source in sources if source.station_id} - each.keys()
    if one is not None and len(numbers) > 1:
        raise NamingError(
            f"the files are of {len(numbers)} stations ({', '.join(sorted(numbers))}): write --station ID=NAME for each"
        )
    if one is not None and not any(source.foreign for source in sources) and sources:
        raise NamingError("these files name their stations themselves: write --station THEIRS=NAME to change one")
    return Naming(set(registered), beside, one, each)
