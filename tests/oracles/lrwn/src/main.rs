//! JSON lines on stdin, one answer each on stdout; the requests are described in tests/oracles/__init__.py.

use std::io::{self, BufRead, Write};
use std::str::FromStr;
use std::time::Instant;

use lrwn::*;
use serde_json::{json, Value};

type Answer = Result<Value, String>;

fn text<'a>(r: &'a Value, name: &str) -> Result<&'a str, String> {
    r[name].as_str().ok_or_else(|| format!("{name} is missing"))
}

fn number(r: &Value, name: &str) -> u64 {
    r[name].as_u64().unwrap_or(0)
}

fn flag(r: &Value, name: &str) -> bool {
    r[name].as_bool().unwrap_or(false)
}

fn bytes(r: &Value, name: &str) -> Result<Vec<u8>, String> {
    hex::decode(r[name].as_str().unwrap_or("")).map_err(|e| e.to_string())
}

fn key(r: &Value, name: &str) -> Result<AES128Key, String> {
    AES128Key::from_slice(&bytes(r, name)?).map_err(|e| e.to_string())
}

fn said<T, E: ToString>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|e| e.to_string())
}

fn data_type(name: &str) -> Result<FType, String> {
    Ok(match name {
        "UnconfirmedDataUp" => FType::UnconfirmedDataUp,
        "UnconfirmedDataDown" => FType::UnconfirmedDataDown,
        "ConfirmedDataUp" => FType::ConfirmedDataUp,
        "ConfirmedDataDown" => FType::ConfirmedDataDown,
        _ => return Err(format!("{name} is not a data frame")),
    })
}

fn is_up(f_type: FType) -> bool {
    matches!(f_type, FType::UnconfirmedDataUp | FType::ConfirmedDataUp)
}

fn build_data(r: &Value) -> Answer {
    let f_type = data_type(text(r, "type")?)?;
    let f_port = r["fport"].as_u64().map(|v| v as u8);
    let fopts = bytes(r, "fopts_hex")?;
    let mut phy = PhyPayload {
        mhdr: MHDR { f_type, major: Major::LoRaWANR1 },
        payload: Payload::MACPayload(MACPayload {
            fhdr: FHDR {
                devaddr: said(DevAddr::from_str(text(r, "dev_addr")?))?,
                f_ctrl: FCtrl {
                    adr: flag(r, "adr"),
                    adr_ack_req: flag(r, "adr_ack_req"),
                    ack: flag(r, "ack"),
                    f_pending: flag(r, "f_pending"),
                    class_b: false,
                    f_opts_len: 0,
                },
                f_cnt: number(r, "fcnt") as u32,
                f_opts: if fopts.is_empty() { MACCommandSet::new(vec![]) } else { MACCommandSet::from_slice(&fopts) },
            },
            f_port,
            frm_payload: f_port.map(|_| FRMPayload::Raw(bytes(r, "payload_hex").unwrap_or_default())),
        }),
        mic: None,
    };
    let nwk = key(r, "nwk_skey")?;
    let payload_key = if f_port == Some(0) { nwk } else { key(r, "app_skey")? };
    said(phy.encrypt_frm_payload(&payload_key))?;
    if is_up(f_type) {
        said(phy.set_uplink_data_mic(MACVersion::LoRaWAN1_0, 0, 0, 0, &nwk, &nwk))?;
    } else {
        said(phy.set_downlink_data_mic(MACVersion::LoRaWAN1_0, 0, &nwk))?;
    }
    Ok(json!({"phy_hex": hex::encode(said(phy.to_vec())?)}))
}

fn open_data(r: &Value) -> Answer {
    let mut phy = said(PhyPayload::from_slice(&bytes(r, "phy_hex")?))?;
    let f_type = phy.mhdr.f_type;
    let nwk = key(r, "nwk_skey")?;
    let app = key(r, "app_skey")?;
    let f_port = match &mut phy.payload {
        Payload::MACPayload(pl) => {
            pl.fhdr.f_cnt |= number(r, "fcnt") as u32 & 0xffff_0000;
            pl.f_port
        }
        _ => return Err("not a data frame".into()),
    };
    let mic_ok = if is_up(f_type) {
        said(phy.validate_uplink_data_mic(MACVersion::LoRaWAN1_0, 0, 0, 0, &nwk, &nwk))?
    } else {
        said(phy.validate_downlink_data_mic(MACVersion::LoRaWAN1_0, 0, &nwk))?
    };
    // encrypting again decrypts and, unlike decrypt_frm_payload, leaves the bytes of port 0 as they are
    said(phy.encrypt_frm_payload(if f_port == Some(0) { &nwk } else { &app }))?;
    let Payload::MACPayload(pl) = &phy.payload else { unreachable!() };
    let payload = match &pl.frm_payload {
        Some(payload) => said(payload.to_vec())?,
        None => vec![],
    };
    let fopts = said(pl.fhdr.f_opts.to_vec())?;
    let mut commands = MACCommandSet::from_slice(if f_port == Some(0) { &payload } else { &fopts });
    let names: Vec<String> = match commands.decode_from_raw(is_up(f_type)) {
        Ok(()) => commands.iter().map(|c| c.cid().to_string()).collect(),
        Err(error) => vec![format!("error: {error}")],
    };
    Ok(json!({
        "type": f_type.to_string(),
        "dev_addr": pl.fhdr.devaddr.to_string(),
        "fcnt": pl.fhdr.f_cnt,
        "adr": pl.fhdr.f_ctrl.adr,
        "ack": pl.fhdr.f_ctrl.ack,
        "fport": pl.f_port,
        "fopts_hex": hex::encode(fopts),
        "payload_hex": hex::encode(payload),
        "mac_commands": names,
        "mic_ok": mic_ok,
    }))
}

fn build_join_request(r: &Value) -> Answer {
    let mut phy = PhyPayload {
        mhdr: MHDR { f_type: FType::JoinRequest, major: Major::LoRaWANR1 },
        payload: Payload::JoinRequest(JoinRequestPayload {
            join_eui: said(EUI64::from_str(text(r, "join_eui")?))?,
            dev_eui: said(EUI64::from_str(text(r, "dev_eui")?))?,
            dev_nonce: number(r, "dev_nonce") as u16,
        }),
        mic: None,
    };
    said(phy.set_join_request_mic(&key(r, "app_key")?))?;
    Ok(json!({"phy_hex": hex::encode(said(phy.to_vec())?)}))
}

fn open_join_request(r: &Value) -> Answer {
    let phy = said(PhyPayload::from_slice(&bytes(r, "phy_hex")?))?;
    let Payload::JoinRequest(pl) = &phy.payload else { return Err("not a join-request".into()) };
    Ok(json!({
        "type": "JoinRequest",
        "join_eui": pl.join_eui.to_string(),
        "dev_eui": pl.dev_eui.to_string(),
        "dev_nonce": pl.dev_nonce,
        "mic_ok": said(phy.validate_join_request_mic(&key(r, "app_key")?))?,
    }))
}

const ANY_EUI: [u8; 8] = [0; 8]; // part of the MIC and of the keys in LoRaWAN 1.1 only

fn build_join_accept(r: &Value) -> Answer {
    let cf_list = bytes(r, "cf_list_hex")?;
    let mut phy = PhyPayload {
        mhdr: MHDR { f_type: FType::JoinAccept, major: Major::LoRaWANR1 },
        payload: Payload::JoinAccept(JoinAcceptPayload {
            join_nonce: number(r, "join_nonce") as u32,
            home_netid: said(NetID::from_str(text(r, "net_id")?))?,
            devaddr: said(DevAddr::from_str(text(r, "dev_addr")?))?,
            dl_settings: DLSettings {
                opt_neg: false,
                rx2_dr: number(r, "rx2_data_rate") as u8,
                rx1_dr_offset: number(r, "rx1_dr_offset") as u8,
            },
            rx_delay: number(r, "rx_delay") as u8,
            cflist: match <[u8; 16]>::try_from(cf_list.as_slice()) {
                Ok(b) => Some(said(CFList::from_bytes(b))?),
                Err(_) => None,
            },
        }),
        mic: None,
    };
    let app = key(r, "app_key")?;
    let eui = EUI64::from_be_bytes(ANY_EUI);
    said(phy.set_join_accept_mic(JoinType::Join, &eui, 0, &app))?;
    said(phy.encrypt_join_accept_payload(&app))?;
    Ok(json!({"phy_hex": hex::encode(said(phy.to_vec())?)}))
}

fn open_join_accept(r: &Value) -> Answer {
    let mut phy = said(PhyPayload::from_slice(&bytes(r, "phy_hex")?))?;
    let app = key(r, "app_key")?;
    said(phy.decrypt_join_accept_payload(&app))?;
    let eui = EUI64::from_be_bytes(ANY_EUI);
    let mic_ok = said(phy.validate_join_accept_mic(JoinType::Join, &eui, 0, &app))?;
    let Payload::JoinAccept(pl) = &phy.payload else { return Err("not a join-accept".into()) };
    let cf_list = match &pl.cflist {
        Some(list) => hex::encode(said(list.to_bytes())?),
        None => String::new(),
    };
    Ok(json!({
        "type": "JoinAccept",
        "join_nonce": pl.join_nonce,
        "net_id": pl.home_netid.to_string(),
        "dev_addr": pl.devaddr.to_string(),
        "rx1_dr_offset": pl.dl_settings.rx1_dr_offset,
        "rx2_data_rate": pl.dl_settings.rx2_dr,
        "rx_delay": pl.rx_delay,
        "cf_list_hex": cf_list,
        "mic_ok": mic_ok,
    }))
}

fn session_keys(r: &Value) -> Answer {
    let app = key(r, "app_key")?;
    let net_id = said(NetID::from_str(text(r, "net_id")?))?;
    let (eui, join, dev) =
        (EUI64::from_be_bytes(ANY_EUI), number(r, "join_nonce") as u32, number(r, "dev_nonce") as u16);
    let nwk_skey = said(keys::get_f_nwk_s_int_key(false, &app, &net_id, &eui, join, dev))?;
    let app_skey = said(keys::get_app_s_key(false, &app, &net_id, &eui, join, dev))?;
    Ok(json!({"nwk_skey": hex::encode(nwk_skey.to_bytes()), "app_skey": hex::encode(app_skey.to_bytes())}))
}

fn answer(line: &str) -> Answer {
    let r: Value = said(serde_json::from_str(line))?;
    match text(&r, "op")? {
        "build_data" => build_data(&r),
        "open_data" => open_data(&r),
        "build_join_request" => build_join_request(&r),
        "open_join_request" => open_join_request(&r),
        "build_join_accept" => build_join_accept(&r),
        "open_join_accept" => open_join_accept(&r),
        "session_keys" => session_keys(&r),
        op => Err(format!("unknown op {op}")),
    }
}

/// Frames as hex lines on stdin: how many a second are verified and decrypted, the best of three rounds.
fn bench(nwk: &str, app: &str) -> Result<f64, String> {
    let (nwk, app) = (said(AES128Key::from_str(nwk))?, said(AES128Key::from_str(app))?);
    let lines: Vec<String> = said(io::stdin().lock().lines().collect())?;
    let frames: Vec<Vec<u8>> = said(lines.iter().map(hex::decode).collect())?;
    let mut best = 0.0_f64;
    for _ in 0..3 {
        let began = Instant::now();
        for frame in &frames {
            let mut phy = said(PhyPayload::from_slice(frame))?;
            if !said(phy.validate_uplink_data_mic(MACVersion::LoRaWAN1_0, 0, 0, 0, &nwk, &nwk))? {
                return Err("a frame did not verify".into());
            }
            said(phy.decrypt_frm_payload(&app))?;
        }
        best = best.max(frames.len() as f64 / began.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, op, nwk, app] = arguments.as_slice() {
        assert_eq!(op, "bench");
        println!("{}", bench(nwk, app).map_err(io::Error::other)?);
        return Ok(());
    }
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let value = answer(&line?).unwrap_or_else(|error| json!({"error": error}));
        writeln!(out, "{value}")?;
    }
    Ok(())
}
