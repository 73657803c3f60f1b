"""Tables of the registry: stations are places, devices are hardware, a deployment joins them for a time.

Times are milliseconds since 1970 UTC; `until_ms` is null while a deployment is open. `assumed_start` marks one
that began when somebody registered the device and not at a known moment: earlier readings belong to it too.
"""

import sqlalchemy as sa

from cloud.sql import metadata

BY_EUI = "eui-"  # before its DevEUI: what a gateway calls a device that nobody has registered

stations = sa.Table(
    "station",
    metadata,
    sa.Column("station", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("latitude", sa.Float, nullable=False),
    sa.Column("longitude", sa.Float, nullable=False),
    sa.Column("elevation_m", sa.Float),
    sa.Column("height_m", sa.Float),
    sa.Column("shield", sa.String(100)),
    sa.Column("lcz", sa.String(20)),
    sa.Column("district", sa.String(200)),
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("private", sa.Boolean, nullable=False),
)

devices = sa.Table(
    "device",
    metadata,
    sa.Column("device", sa.String(64), primary_key=True),
    sa.Column("activation", sa.String(8), nullable=False),
    sa.Column("dev_eui", sa.String(16), unique=True),
    sa.Column("join_eui", sa.String(16)),
    sa.Column("app_key", sa.String(200)),
    sa.Column("dev_addr", sa.String(8), index=True),
    sa.Column("nwk_skey", sa.String(200)),
    sa.Column("app_skey", sa.String(200)),
    sa.Column("codec", sa.String(100), nullable=False),
)

deployments = sa.Table(
    "deployment",
    metadata,
    sa.Column("device", sa.ForeignKey("device.device"), primary_key=True),
    sa.Column("since_ms", sa.BigInteger, primary_key=True),
    sa.Column("until_ms", sa.BigInteger),
    sa.Column("station", sa.ForeignKey("station.station"), nullable=False, index=True),
    sa.Column("assumed_start", sa.Boolean, nullable=False, default=False),
    sa.Column("height_m", sa.Float),
    sa.Column("note", sa.String(1000)),
)

api_keys = sa.Table(
    "api_key",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("scope", sa.String(8), nullable=False),
    sa.Column("note", sa.String(200)),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)

# One row; the number rises with every change, so that a service sees at once that its copy is old.
revision = sa.Table(
    "revision",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)
