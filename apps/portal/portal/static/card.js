// The live code of the card: made in this browser, with a key that cannot leave it, network or not.
// docs/cards/format.md says what a presentation is.
import * as base45 from "./base45.js";
import { picture } from "./qr.js";
import { open } from "./store.js";

const ticket = document.querySelector("[data-card]");
const place = ticket.querySelector("[data-qr]");
const fresh = ticket.querySelector("[data-fresh]");
const bar = fresh.querySelector("progress");
const store = open("card");
const cardId = ticket.dataset.card;
const RENEW_SECONDS = 15; // a new presentation
const CODE_DAYS = 1; // the union's word is asked for anew after so long, if there is a network
const EC = { name: "ECDSA", namedCurve: "P-256" };

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");

class Refused extends Error {
  constructor(status, code) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

async function ask(path, options = {}) {
  const response = await fetch(`/member/card/${cardId}/${path}`, {
    ...options,
    headers: { Accept: "application/json", "X-CSRF-Token": ticket.dataset.csrf, ...options.headers },
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, body.code);
  return body;
}

// {keys, deviceId, code, ends, fetched} of this card on this device; made once.
async function device() {
  let own = await store.get(cardId);
  if (!own) {
    const keys = await crypto.subtle.generateKey(EC, false, ["sign", "verify"]);
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", keys.publicKey);
    const { device_id: deviceId } = await ask("devices", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ kty, crv, x, y }),
    });
    own = { keys, deviceId };
    await store.put(cardId, own);
  }
  const stale = !own.code || Date.now() - own.fetched > CODE_DAYS * 86_400_000;
  if (stale) {
    try {
      const { code } = await ask(`devices/${own.deviceId}/code`);
      own = { ...own, code, ends: endOf(code), fetched: Date.now() };
      await store.put(cardId, own);
    } catch (error) {
      if (!own.code || error instanceof Refused) throw error;
    }
  }
  return own;
}

const head = (major, size) =>
  size < 24 ? [major | size]
  : size < 256 ? [major | 24, size]
  : size < 65536 ? [major | 25, size >>> 8, size & 255]
  : [major | 26, size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255];
const bytes = (content) => [...head(0x40, content.length), ...content];

// When the union's word ends: claim 4 of the code, which stands first in its map.
function endOf(code) {
  const message = base45.decode(code.slice(4));
  let at = 2;
  const skip = () => {
    const size = message[at] & 31, wide = size === 24 ? 1 : size === 25 ? 2 : 0;
    let length = size;
    if (wide) length = wide === 1 ? message[at + 1] : message[at + 1] * 256 + message[at + 2];
    at += 1 + wide;
    return length;
  };
  at += skip() + 1; // the protected header, and the empty unprotected one
  skip(); // the payload's head
  if ((message[at] & 0xe0) !== 0xa0 || message[at + 1] !== 4 || message[at + 2] !== 0x1a) return Infinity;
  return new DataView(message.buffer, message.byteOffset + at + 3, 4).getUint32(0);
}

async function presentation(own) {
  const now = Math.floor(Date.now() / 1000);
  const protectedHeader = [0xa1, 0x01, 0x28];
  const code = base45.decode(own.code.slice(4));
  const payload = [0xa2, 0x06, ...head(0, now), 0x3a, 0, 1, 0, 2, ...bytes(code)];
  const signed = [0x84, 0x6a, ...new TextEncoder().encode("Signature1"), ...bytes(protectedHeader), 0x40, ...bytes(payload)];
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, own.keys.privateKey, Uint8Array.from(signed));
  const message = [0xd2, 0x84, ...bytes(protectedHeader), 0xa0, ...bytes(payload), ...bytes([...new Uint8Array(signature)])];
  return "UP1:" + base45.encode(Uint8Array.from(message));
}

function say(text, action) {
  fresh.hidden = true;
  const told = document.createElement("p");
  told.textContent = text;
  place.replaceChildren(told);
  place.removeAttribute("role");
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button main";
    button.textContent = ticket.dataset.connect;
    button.addEventListener("click", action);
    told.append(document.createElement("br"), button);
  }
}

async function show(own) {
  if (Date.now() / 1000 >= own.ends) {
    say(ticket.dataset.over);
    return false;
  }
  const text = await presentation(own);
  place.replaceChildren(picture(text));
  place.setAttribute("role", "img");
  place.dataset.text = text;
  fresh.hidden = false;
  return true;
}

async function begin() {
  if (!place.querySelector("svg")) say(ticket.dataset.making);
  try {
    const own = await device();
    for (const row of document.querySelectorAll("[data-device]")) {
      row.querySelector("[data-this]").hidden = row.dataset.device !== own.deviceId;
    }
    if (!(await show(own))) return;
    document.querySelector("[data-ready]").hidden = false;
    let left = RENEW_SECONDS;
    const clock = setInterval(async () => {
      if (document.hidden) return;
      bar.value = --left;
      if (left > 0) return;
      left = bar.max = RENEW_SECONDS;
      if (!(await show(own))) clearInterval(clock);
    }, 1000);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) left = 1; });
  } catch (error) {
    if (error instanceof Refused && error.code === "devices_full") say(ticket.dataset.full);
    else if (error instanceof Refused && ["device_revoked", "not_found"].includes(error.code)) {
      say(ticket.dataset.revoked, async () => { await store.remove(cardId); await begin(); });
    } else if (error instanceof Refused && error.status === 401) location.reload();
    else say(ticket.dataset.failed);
  }
}

begin();
