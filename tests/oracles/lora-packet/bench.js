"use strict";
// Frames as hex lines on stdin, NwkSKey and AppSKey as arguments; prints how many a second were verified and decrypted,
// the best of three rounds, so that the compiler has warmed up.
const path = require("path");
const lora = require(path.resolve(process.cwd(), "node_modules", "lora-packet"));
const [nwk, app] = process.argv.slice(2).map((text) => Buffer.from(text, "hex"));
const frames = require("fs").readFileSync(0, "utf8").trim().split("\n").map((line) => Buffer.from(line, "hex"));

function round() {
  const began = process.hrtime.bigint();
  let good = 0;
  for (const frame of frames) {
    const packet = lora.fromWire(frame);
    if (lora.verifyMIC(packet, nwk)) good += lora.decrypt(packet, app, nwk).length > 0 ? 1 : 0;
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  if (good !== frames.length) throw new Error(`${frames.length - good} frames did not verify`);
  return frames.length / seconds;
}

console.log(Math.max(round(), round(), round()));
