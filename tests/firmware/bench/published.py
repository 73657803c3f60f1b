"""What others publish of the forms that we write, as facts to hold our files against.

The Things Stack: lorawan-stack, pkg/devicetemplates/ttscsv.go (`csvFieldSetters`, the delimiter by the header's first
line, empty cells) with testdata/all_columns.csv, MACVersion and PHYVersion of api/end_device.proto, `device_id` of
api/identifiers.proto; documentation "JSON File Reference". ChirpStack: chirpstack-api 4.20.0, `api.Device`,
`api.DeviceKeys`, `api.DeviceActivation`, `api.DeviceProfile` with their JSON names, enums of common.proto. TR005:
lorawan-stack, pkg/qrcodegenerator, and the example of LoRa Alliance's TR005 itself, whose check sum is in it.
"""

CSV_COLUMNS = {
    "id", "dev_eui", "join_eui", "app_eui", "name", "description", "frequency_plan_id", "lorawan_version",
    "lorawan_phy_version", "brand_id", "model_id", "hardware_version", "firmware_version", "band_id", "app_key", "nwk_key",
    "rx1_delay", "supports_32_bit_f_cnt", "dev_addr", "app_s_key", "f_nwk_s_int_key", "last_f_cnt_up", "last_n_f_cnt_down",
    "last_a_f_cnt_down", "supports_class_c", "vendor_id", "vendor_profile_id",
}  # fmt: skip
CSV_REQUIRED = {"dev_eui", "join_eui"}
CSV_SIGNS_OF_JOINING = {"app_key", "nwk_key"}  # a header with one of them says `supports_join`, whatever the cell holds
MAC_VERSIONS = {"MAC_V1_0", "MAC_V1_0_1", "MAC_V1_0_2", "MAC_V1_0_3", "MAC_V1_1", "MAC_V1_0_4"}
PHY_VERSIONS_OF_1_0_4 = {f"RP002_V1_0_{n}" for n in range(5)}
RX_DELAYS = {f"RX_DELAY_{n}" for n in range(16)}
FREQUENCY_PLANS = {"EU_863_870", "EU_863_870_TTN"}
DEVICE_ID, DEVICE_ID_MAX, NAME_MAX = r"^[a-z0-9](?:[-]?[a-z0-9]){2,}$", 36, 50
JSON_DEVICE = {"ids", "name", "description", "lorawan_version", "lorawan_phy_version", "frequency_plan_id",
               "supports_join", "root_keys", "mac_settings", "session"}  # fmt: skip

CHIRPSTACK = {
    "device": {"devEui", "name", "description", "applicationId", "deviceProfileId", "skipFcntCheck", "isDisabled",
               "variables", "tags", "joinEui"},
    "deviceKeys": {"devEui", "nwkKey", "appKey", "genAppKey"},
    "deviceActivation": {"devEui", "devAddr", "appSKey", "nwkSEncKey", "sNwkSIntKey", "fNwkSIntKey", "fCntUp",
                         "nFCntDown", "aFCntDown"},
    "deviceProfile": {"tenantId", "name", "region", "macVersion", "regParamsRevision", "adrAlgorithmId", "supportsOtaa",
                      "flushQueueOnActivate", "uplinkInterval", "abpRx1Delay", "abpRx1DrOffset", "abpRx2Dr", "abpRx2Freq"},
}  # fmt: skip
CHIRPSTACK_PATHS = {
    "device": "/api/devices",
    "deviceKeys": "/api/devices/{eui}/keys",
    "deviceActivation": "/api/devices/{eui}/activate",
    "deviceProfile": "/api/device-profiles",
}
CHIRPSTACK_ENUMS = {
    "region": {"EU868"},
    "macVersion": {"LORAWAN_1_0_4"},
    "regParamsRevision": {"A", "B", "RP002_1_0_0", "RP002_1_0_1", "RP002_1_0_2", "RP002_1_0_3", "RP002_1_0_4"},
}

TR005_EXAMPLE = "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OAABBCCDDEEFF:SYYWWNNNNNN:PFOOBAR:CAF2C"
