"""Every setting can be wrong in its own way, and says so by name."""

from pathlib import Path

import pytest

from gateway.networks.channel_table import NO_TABLE
from gateway.networks.mapping import Named
from klimanetz.failure import Failure
from klimanetz.settings import Listen, SettingError, load, reread
from klimanetz.wiring import channels


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load({"PATH": "/bin"}, tmp_path)
    assert settings.store == f"sqlite:///{tmp_path / 'data' / 'series.db'}"
    assert settings.udp_listen == Listen("127.0.0.1", 1700)
    assert settings.gateways is None


def test_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "klimanetz.toml").write_text('instance = "ingest-7"\nhttp_listen = "0.0.0.0:80"\n')
    settings = load({"KLIMANETZ_INSTANCE": "ingest-8"}, tmp_path)
    assert (settings.instance, settings.http_listen) == ("ingest-8", Listen("0.0.0.0", 80))


def test_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    settings = load({"KLIMANETZ_INFLUX_TOKEN_FILE": str(tmp_path / "token")}, tmp_path)
    assert settings.influx_token == "abc"
    with pytest.raises(SettingError, match=r"KLIMANETZ_INFLUX_TOKEN_FILE names .*, which cannot be read: No such file"):
        load({"KLIMANETZ_INFLUX_TOKEN_FILE": str(tmp_path / "gone")}, tmp_path)


def test_a_secret_is_read_again_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old\n")
    (tmp_path / "klimanetz.toml").write_text(f'influx_token_file = "{path}"\n')
    settings = load({}, tmp_path)
    path.write_text("new\n")
    assert (settings.influx_token, reread(settings, "influx_token")) == ("old", "new")
    for change in (lambda: path.write_text(""), path.unlink):
        change()
        assert reread(settings, "influx_token") == "old"
    path.write_text("new\n")
    given = load({"KLIMANETZ_INFLUX_TOKEN": "given"}, tmp_path)
    assert reread(given, "influx_token") == "given", "the environment goes before the file"


def test_gateways(tmp_path: Path) -> None:
    text = "A84041FFFF1EC1F5@192.0.2.7, a84041ffff1ec1f6"
    assert load({"KLIMANETZ_GATEWAYS": text}, tmp_path).gateways == {
        "a84041ffff1ec1f5": "192.0.2.7",
        "a84041ffff1ec1f6": None,
    }


def test_the_table_of_channels(tmp_path: Path) -> None:
    assert channels(load({}, tmp_path)) == NO_TABLE
    path = tmp_path / "channels.csv"
    path.write_text("name,channel\nTempC_DS18B20,soil_temperature@10cm\n")
    table = channels(load({"KLIMANETZ_CHANNELS": str(path)}, tmp_path))
    assert table.names([]) == {"TempC_DS18B20": Named("soil_temperature@10cm")}
    path.write_text("name,channel\nt,warmth\nu,co2\nv,cold\n")
    with pytest.raises(
        Failure, match=r"KLIMANETZ_CHANNELS names .*, mend it: line 2: .*'warmth'.*; line 4: "
    ) as caught:
        channels(load({"KLIMANETZ_CHANNELS": str(path)}, tmp_path))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("KLIMANETZ_STOER", "x", "KLIMANETZ_STOER is not a setting; there are KLIMANETZ_MQTT_URL, "),
        ("KLIMANETZ_STORE", "postgres://x", "use sqlite:////var/lib/klimanetz/series.db or influxdb://"),
        ("KLIMANETZ_STORE", "influxdb://host:8086", "use sqlite:////var/lib/klimanetz/series.db or influxdb://"),
        ("KLIMANETZ_MQTT_URL", "localhost:1883", "use mqtt://user:password@host:1883"),
        ("KLIMANETZ_MQTT_URL", "mqtt://host:port", "the port is not one"),
        ("KLIMANETZ_UDP_LISTEN", "1700", "use address:port, like 0.0.0.0:1700"),
        ("KLIMANETZ_HTTP_LISTEN", "127.0.0.1:99999", "use address:port"),
        ("KLIMANETZ_GATEWAYS", "abc", "use `any`, or EUIs of 16 hexadecimal digits"),
        ("KLIMANETZ_GATEWAYS", "a84041ffff1ec1f5@there", "'there' is not an IP address"),
        ("KLIMANETZ_CHANNELS", "nowhere.csv", "there is no such file; name a CSV file"),
        ("KLIMANETZ_INSTANCE", "a b", "use 1 to 64 of"),
        ("KLIMANETZ_API_URL", "example.org", "use http://host:8000"),
        ("KLIMANETZ_SECRET", "12345", "too short to keep a secret"),
        ("KLIMANETZ_SPOOL_READINGS", "30 days", "use a number from 1000 to 1000000000"),
        ("KLIMANETZ_IMPRINT_URL", "javascript:alert(1)", "use https://www.example.org/impressum"),
        ("KLIMANETZ_PRIVACY_URL", "//example.org", "use https://www.example.org/impressum"),
        ("KLIMANETZ_LOG", "loud", "use debug, info, warning, error"),
        ("KLIMANETZ_INFLUX_TOKEN", "", "it is empty"),
    ],
)
def test_a_bad_setting_says_what_is_allowed(tmp_path: Path, key: str, text: str, says: str) -> None:
    with pytest.raises(SettingError) as caught:
        load({key: text}, tmp_path)
    assert key in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("stoer = 'x'", "'stoer' in .* is not a setting; there are mqtt_url"),
        ("store = [1]", "store in .* must be a text"),
        ("store", "is not TOML"),
        ("http_listen = 'x'", "http_listen in klimanetz.toml is 'x': use address:port"),
    ],
)
def test_a_bad_file_says_where(tmp_path: Path, toml: str, says: str) -> None:
    (tmp_path / "klimanetz.toml").write_text(toml)
    with pytest.raises(SettingError, match=says):
        load({}, tmp_path)


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        load({"KLIMANETZ_MQTT_URL": "http://user:geheim@host"}, tmp_path)
    assert "geheim" not in str(caught.value)
