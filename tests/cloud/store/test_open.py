"""Which settings name a store, and what is said of the others."""

from pathlib import Path

import pytest

from cloud.store import StoreRefused, StoreUrlError, open_store
from cloud.store.influx import InfluxStore


@pytest.mark.parametrize(
    ("url", "server", "bucket"),
    [
        ("influxdb://db:8086/halle/klima", "http://db:8086", "klima"),
        ("influxdb://db/halle/klima", "http://db:8086", "klima"),
        ("influxdbs://db.example:443/Stadt%20Halle/klima/raw", "https://db.example:443", "klima/raw"),
        ("influxdb://[::1]:9999/halle/klima", "http://[::1]:9999", "klima"),
    ],
)
def test_an_influxdb_url(url: str, server: str, bucket: str) -> None:
    store = open_store(url, "token")
    assert isinstance(store, InfluxStore)
    assert (store._influx.url, store._influx.bucket) == (server, bucket)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "series.db",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:////tmp/",
        "mysql://host/db",
        "influxdb://",
        "influxdb://host:8086",
        "influxdb://host:8086/org",
        "influxdb://host:8086/org/",
        "influxdb://host:port/org/bucket",
        "influxdb://host:8086/org/bucket?x=1",
        "influxdb://:secret@host:8086/org/bucket",
    ],
)
def test_what_names_no_store_is_told_what_is_allowed(url: str) -> None:
    with pytest.raises(StoreUrlError) as caught:
        open_store(url, "token")
    assert "sqlite:////absolute/path.db" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_influxdb_needs_a_token() -> None:
    with pytest.raises(StoreUrlError, match="KLIMANETZ_INFLUX_TOKEN"):
        open_store("influxdb://db:8086/halle/klima")


def test_a_folder_is_made_and_one_that_cannot_be_is_named(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/a/b/series.db").close()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused, match="folder of"):
        open_store(f"sqlite:///{tmp_path}/file/series.db")
