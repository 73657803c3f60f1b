"""`network` of the simulated chip; what it does is in simulators.board.network."""

from simulators.board.network import (
    STAT_BEACON_TIMEOUT,
    STAT_CONNECTING,
    STAT_GOT_IP,
    STAT_IDLE,
    STAT_NO_AP_FOUND,
    STAT_WRONG_PASSWORD,
    WLAN,
    country,
    hostname,
)

STA_IF, AP_IF = WLAN.IF_STA, WLAN.IF_AP
