"use strict";
// JSON lines on stdin, one answer each on stdout; the requests are described in tests/oracles/__init__.py.
const path = require("path");
const readline = require("readline");
const lora = require(path.resolve(process.cwd(), "node_modules", "lora-packet"));

const hex = (text) => Buffer.from(text, "hex");
const key = (text) => (text ? hex(text) : undefined);
const fromInt = (value, bytes) => hex(value.toString(16).padStart(2 * bytes, "0"));

function high(fcnt) {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(Math.floor(fcnt / 65536));
  return bytes;
}

function buildData(r) {
  const fields = {
    MType: r.type.replace(/([a-z])([A-Z])/g, "$1 $2"),
    DevAddr: hex(r.dev_addr),
    FCnt: r.fcnt % 65536,
    FOpts: hex(r.fopts_hex || ""),
    FCtrl: { ADR: r.adr, ADRACKReq: r.adr_ack_req, ACK: r.ack, FPending: r.f_pending },
    payload: hex(r.payload_hex || ""),
  };
  if (r.fport !== null && r.fport !== undefined) fields.FPort = r.fport;
  const packet = lora.fromFields(fields, key(r.app_skey), key(r.nwk_skey), undefined, high(r.fcnt));
  if (fields.FPort === undefined) {
    // without a port fromFields leaves a placeholder
    lora.recalculateMIC(packet, key(r.nwk_skey), undefined, high(r.fcnt));
    packet._mergeGroupFields();
  }
  return { phy_hex: packet.getPHYPayload().toString("hex") };
}

function openData(r) {
  const packet = lora.fromWire(hex(r.phy_hex));
  const payload = packet.FRMPayload.length
    ? lora.decrypt(packet, key(r.app_skey), key(r.nwk_skey), high(r.fcnt))
    : Buffer.alloc(0);
  return {
    type: packet.getMType().replace(/ /g, ""),
    dev_addr: packet.DevAddr.toString("hex"),
    fcnt: packet.getFCnt() + 65536 * Math.floor(r.fcnt / 65536),
    adr: packet.getFCtrlADR(),
    ack: packet.getFCtrlACK(),
    fport: packet.FPort.length ? packet.getFPort() : null,
    fopts_hex: packet.FOpts.toString("hex"),
    payload_hex: payload.toString("hex"),
    mic_ok: lora.verifyMIC(packet, key(r.nwk_skey), undefined, high(r.fcnt)),
  };
}

function buildJoinRequest(r) {
  const fields = { AppEUI: hex(r.join_eui), DevEUI: hex(r.dev_eui), DevNonce: fromInt(r.dev_nonce, 2) };
  return { phy_hex: lora.fromFields(fields, undefined, undefined, key(r.app_key)).getPHYPayload().toString("hex") };
}

function openJoinRequest(r) {
  const packet = lora.fromWire(hex(r.phy_hex));
  return {
    type: "JoinRequest",
    join_eui: packet.AppEUI.toString("hex"),
    dev_eui: packet.DevEUI.toString("hex"),
    dev_nonce: packet.DevNonce.readUInt16BE(0),
    mic_ok: lora.verifyMIC(packet, undefined, key(r.app_key)),
  };
}

function buildJoinAccept(r) {
  const fields = {
    AppNonce: fromInt(r.join_nonce, 3),
    NetID: hex(r.net_id),
    DevAddr: hex(r.dev_addr),
    DLSettings: Buffer.from([(r.rx1_dr_offset << 4) | r.rx2_data_rate]),
    RxDelay: Buffer.from([r.rx_delay]),
    CFList: hex(r.cf_list_hex || ""),
  };
  return { phy_hex: lora.fromFields(fields, undefined, undefined, key(r.app_key)).getPHYPayload().toString("hex") };
}

function openJoinAccept(r) {
  const packet = lora.fromWire(lora.decryptJoinAccept(lora.fromWire(hex(r.phy_hex)), key(r.app_key)));
  return {
    type: "JoinAccept",
    join_nonce: packet.AppNonce.readUIntBE(0, 3),
    net_id: packet.NetID.toString("hex"),
    dev_addr: packet.DevAddr.toString("hex"),
    rx1_dr_offset: packet.getDLSettingsRxOneDRoffset(),
    rx2_data_rate: packet.getDLSettingsRxTwoDataRate(),
    rx_delay: packet.getRxDelayDel(),
    cf_list_hex: packet.CFList.toString("hex"),
    mic_ok: lora.verifyMIC(packet, undefined, key(r.app_key)),
  };
}

function sessionKeys(r) {
  const [netId, joinNonce, devNonce] = [hex(r.net_id), fromInt(r.join_nonce, 3), fromInt(r.dev_nonce, 2)];
  const keys = lora.generateSessionKeys10(key(r.app_key), netId, joinNonce, devNonce);
  return { nwk_skey: keys.NwkSKey.toString("hex"), app_skey: keys.AppSKey.toString("hex") };
}

const DO = {
  build_data: buildData,
  open_data: openData,
  build_join_request: buildJoinRequest,
  open_join_request: openJoinRequest,
  build_join_accept: buildJoinAccept,
  open_join_accept: openJoinAccept,
  session_keys: sessionKeys,
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  let answer;
  try {
    const request = JSON.parse(line);
    answer = DO[request.op](request);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
