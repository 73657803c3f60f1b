"""Where the gateway's readings are made: the bridge stands in `schemas`, because ingest decodes the wire format too."""

from schemas.readings import FrameReading, to_readings

__all__ = ["FrameReading", "to_readings"]
