// The judgement of a card's code without a network, as docs/cards/format.md has it and libs/verifier does it.
// verify(text, {keys, statuses, now, seen}) -> {colour, reason, expiresAt?}; never throws on any text.
import * as base45 from "./base45.js";

const LONGEST_TEXT = 800, PROOF_SECONDS = 60, PROOF_AHEAD_SECONDS = 30, CLOCK_SKEW_SECONDS = 300;
const LARGEST_NUMBER = 2 ** 40, LAST_MOMENT = 253402300800, LARGEST_LIST = 64 * 1024 * 1024;
const ESP256 = -9, ED25519 = -19;
const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const STATUS_LIST_TYPE = "application/statuslist+cwt";

export class NotTrusted extends Error {
  constructor(reason, colour = "red") {
    super(reason);
    this.reason = reason;
    this.colour = colour;
  }
}
const unreadable = () => new NotTrusted("unreadable");

// CBOR (RFC 8949) in preferred encoding alone: no indefinite length, no doubled key, nothing behind, five deep at most.
// Maps are Map with whole numbers or texts as keys; byte strings are Uint8Array; a tag or a float is an object that is neither.
function cbor(data) {
  let at = 0;
  const need = (count) => { if (at + count > data.length) throw unreadable(); };
  const argument = (info) => {
    if (info < 24) return info;
    const width = { 24: 1, 25: 2, 26: 4, 27: 8 }[info];
    if (!width) throw unreadable();
    need(width);
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + data[at++];
    if (value < { 1: 24, 2: 2 ** 8, 4: 2 ** 16, 8: 2 ** 32 }[width]) throw unreadable();
    return value;
  };
  const item = (depth) => {
    if (depth > 5) throw unreadable();
    need(1);
    const first = data[at++], major = first >> 5, info = first & 31;
    if (major === 7) {
      if (info === 20 || info === 21) return info === 21;
      if (info === 22) return null;
      if (info === 27) { need(8); at += 8; return { float: true }; }
      throw unreadable();
    }
    const value = argument(info);
    if (major === 0) return value;
    if (major === 1) return -1 - value;
    if (major === 2 || major === 3) {
      need(value);
      const bytes = data.subarray(at, (at += value));
      if (major === 2) return bytes;
      try { return new TextDecoder("utf-8", { fatal: true }).decode(bytes); } catch { throw unreadable(); }
    }
    if (major === 4) {
      const list = [];
      for (let i = 0; i < value; i++) list.push(item(depth + 1));
      return list;
    }
    if (major === 6) return { tag: value, value: item(depth + 1) };
    const map = new Map();
    for (let i = 0; i < value; i++) {
      const key = item(depth + 1);
      if (typeof key !== "number" && typeof key !== "string") throw unreadable();
      if (map.has(key)) throw unreadable();
      map.set(key, item(depth + 1));
    }
    return map;
  };
  const value = item(1);
  if (at !== data.length) throw unreadable();
  return value;
}

function mapOf(data) {
  const value = cbor(data);
  if (!(value instanceof Map)) throw unreadable();
  return value;
}

// {protectedHeader, payload, signature} of a tagged COSE_Sign1 message with an empty unprotected header.
function split(message) {
  if (message[0] !== 0xd2 || message[1] !== 0x84) throw unreadable();
  let at = 2;
  const bytes = () => {
    const head = message[at] - 0x40;
    let size = head;
    if (head >= 24 && head <= 26) {
      const width = 1 << (head - 24);
      size = 0;
      for (let i = 1; i <= width; i++) size = size * 256 + (message[at + i] ?? NaN);
      if (!(size >= [24, 2 ** 8, 2 ** 16][head - 24])) throw unreadable();
      at += width;
    } else if (!(head >= 0 && head < 24)) throw unreadable();
    at++;
    if (at + size > message.length) throw unreadable();
    return message.subarray(at, (at += size));
  };
  const protectedHeader = bytes();
  if (message[at++] !== 0xa0) throw unreadable();
  const payload = bytes(), signature = bytes();
  if (at !== message.length) throw unreadable();
  return { protectedHeader, payload, signature };
}

// {alg, kid, typ}; its labels stand in deterministic order.
function header(bytes) {
  const labels = mapOf(bytes), order = [...labels.keys()];
  if (!labels.has(1) || order.some((label, i) => ![1, 4, 16].includes(label) || (i && order[i - 1] >= label))) throw unreadable();
  const alg = labels.get(1), kid = labels.get(4), typ = labels.get(16);
  if (alg?.float || (labels.has(4) && !(kid instanceof Uint8Array)) || (labels.has(16) && typeof typ !== "string")) throw unreadable();
  return { alg, kid, typ };
}

const head = (size) => (size < 24 ? [0x40 | size] : size < 256 ? [0x58, size] : size < 65536 ? [0x59, size >> 8, size & 255] : [0x5a, size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255]);
function signed(protectedHeader, payload) {
  const start = [0x84, 0x6a, ...new TextEncoder().encode("Signature1"), ...head(protectedHeader.length), ...protectedHeader, 0x40, ...head(payload.length)];
  const whole = new Uint8Array(start.length + payload.length);
  whole.set(start);
  whole.set(payload, start.length);
  return whole;
}

async function good(alg, key, signature, message) {
  if (signature.length !== 64) return false;
  return crypto.subtle.verify(alg === ESP256 ? ECDSA : "Ed25519", key, signature, message);
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unbase64url = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const isNumber = (value) => typeof value === "number" && Number.isInteger(value) && value >= 0 && value < LARGEST_NUMBER;

// The trusted keys of a JWKS: Map of kid (hex) -> {alg, key}; key is null for a kind that this browser cannot check.
export async function readKeys(jwks) {
  const keys = new Map();
  for (const jwk of jwks.keys) {
    const ec = jwk.kty === "EC" && jwk.crv === "P-256", ed = jwk.kty === "OKP" && jwk.crv === "Ed25519";
    if (!ec && !ed) continue;
    const { kty, crv, x, y } = jwk;
    let key = null;
    try {
      key = await crypto.subtle.importKey("jwk", ec ? { kty, crv, x, y } : { kty, crv, x }, ec ? ECDSA : "Ed25519", false, ["verify"]);
    } catch (error) {
      if (ec) throw error;
    }
    keys.set(hex(unbase64url(jwk.kid)), { alg: ec ? ESP256 : ED25519, key });
  }
  return keys;
}

async function opened(message, keys, type) {
  const { protectedHeader, payload, signature } = split(message);
  const { alg, kid, typ } = header(protectedHeader);
  if (typ !== type || kid === undefined) throw unreadable();
  if (alg !== ESP256 && alg !== ED25519) throw new NotTrusted("algorithm_refused");
  const known = keys.get(hex(kid));
  if (!known) throw new NotTrusted("unknown_key");
  if (alg !== known.alg) throw new NotTrusted("algorithm_refused");
  if (!known.key) throw new NotTrusted("browser_too_old", "amber");
  if (!(await good(alg, known.key, signature, signed(protectedHeader, payload)))) throw new NotTrusted("signature_wrong");
  return mapOf(payload);
}

// The signed status list: {status(index), isFresh(now), issuedAt}. Throws NotTrusted.
export async function readStatusList(message, keys) {
  const claims = await opened(message, keys, STATUS_LIST_TYPE);
  const issuedAt = claims.get(6), ttl = claims.get(65534), body = claims.get(65533);
  if (!isNumber(issuedAt) || !isNumber(ttl) || !(body instanceof Map) || body.get("bits") !== 2 || !(body.get("lst") instanceof Uint8Array)) throw unreadable();
  const bits = await inflated(body.get("lst"));
  return {
    issuedAt,
    status: (index) => { const place = Math.floor(index / 4); return place < bits.length ? (bits[place] >> (2 * (index % 4))) & 3 : null; },
    isFresh: (now) => now - issuedAt >= -CLOCK_SKEW_SECONDS && now - issuedAt <= ttl,
  };
}

async function inflated(packed) {
  const parts = [];
  let size = 0;
  try {
    const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      parts.push(step.value);
      size += step.value.length;
      if (size > LARGEST_LIST) throw unreadable();
    }
  } catch {
    throw unreadable();
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// The whole point of P-256 from x and the sign of y; null when there is none.
const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
function point(xBytes, odd) {
  const x = BigInt(`0x${hex(xBytes)}`);
  if (x >= P) return null;
  const square = (x * x * x - 3n * x + B) % P;
  let y = 1n, base = (square + P) % P;
  for (let exponent = (P + 1n) / 4n; exponent; exponent >>= 1n) {
    if (exponent & 1n) y = (y * base) % P;
    base = (base * base) % P;
  }
  if ((y * y - square) % P !== 0n) return null;
  if ((y & 1n) !== (odd ? 1n : 0n)) y = P - y;
  const bytes = y.toString(16).padStart(64, "0").match(/../g).map((pair) => parseInt(pair, 16));
  return Uint8Array.from([4, ...xBytes, ...bytes]);
}

// {x, odd} of a `cnf` claim; throws NotTrusted.
function device(cnf) {
  const key = cnf instanceof Map && cnf.size === 1 ? cnf.get(1) : null;
  if (!(key instanceof Map) || key.size !== 4 || key.get(1) !== 2 || key.get(-1) !== 1) throw unreadable();
  const x = key.get(-2), odd = key.get(-3);
  if (!(x instanceof Uint8Array) || x.length !== 32 || typeof odd !== "boolean") throw unreadable();
  return { x, odd };
}

// The union's message and the device's proof around it, if there is one.
function unwrapped(text) {
  if (text.length > LONGEST_TEXT || !(text.startsWith("UC1:") || text.startsWith("UP1:"))) throw new NotTrusted("not_a_card");
  let message;
  try { message = base45.decode(text.slice(4)); } catch { throw unreadable(); }
  if (text.startsWith("UC1:")) return { message, proof: null };
  const parts = split(message), { alg, kid, typ } = header(parts.protectedHeader);
  if (alg !== ESP256 || kid !== undefined || typ !== undefined) throw new NotTrusted("algorithm_refused");
  const claims = mapOf(parts.payload), code = claims.get(-65539), at = claims.get(6);
  if (claims.size !== 2 || !(code instanceof Uint8Array) || !isNumber(at)) throw unreadable();
  return { message: code, proof: { ...parts, at } };
}

async function checkProof(own, proof, now) {
  const raw = own && point(own.x, own.odd);
  if (!raw) throw new NotTrusted("proof_wrong");
  let key;
  try { key = await crypto.subtle.importKey("raw", raw, ECDSA, false, ["verify"]); } catch { throw new NotTrusted("proof_wrong"); }
  if (!(await good(ESP256, key, proof.signature, signed(proof.protectedHeader, proof.payload)))) throw new NotTrusted("proof_wrong");
  const age = now - proof.at;
  if (age > PROOF_SECONDS) throw new NotTrusted("screenshot");
  if (age < -PROOF_AHEAD_SECONDS) throw new NotTrusted("clock_ahead");
}

async function examined(text, keys, now) {
  const { message, proof } = unwrapped(text);
  const claims = await opened(message, keys, undefined);
  const expiresAt = claims.get(4), reference = claims.get(7), index = claims.get(-65537), tier = claims.get(-65538);
  if (!(reference instanceof Uint8Array) || ![expiresAt, index, tier].every(isNumber) || expiresAt >= LAST_MOMENT) throw unreadable();
  const own = claims.has(8) ? device(claims.get(8)) : null;
  if ((own === null) !== (proof === null)) throw new NotTrusted(proof === null ? "proof_missing" : "proof_wrong");
  if (proof) await checkProof(own, proof, now);
  if (now >= expiresAt) throw new NotTrusted("expired");
  return { index, tier, expiresAt, proof: proof && `${hex(own.x)} ${own.odd} ${proof.at}` };
}

// What one till has taken within the time of a proof: the same one again is a copy.
export class SeenProofs {
  #seen = new Map();

  first(proof, now) {
    for (const [known, at] of this.#seen) {
      if (now - at <= PROOF_SECONDS + PROOF_AHEAD_SECONDS) break;
      this.#seen.delete(known);
    }
    if (this.#seen.has(proof)) return false;
    this.#seen.set(proof, now);
    return true;
  }
}

export async function verify(text, { keys, statuses, now, seen }) {
  try {
    const code = await examined(text, keys, now);
    if (seen && code.proof && !seen.first(code.proof, now)) throw new NotTrusted("replayed");
    const status = statuses ? statuses.status(code.index) : null;
    if (status) throw new NotTrusted({ 1: "blocked", 2: "suspended" }[status] ?? "not_active");
    if (!statuses) throw new NotTrusted("status_unknown", "amber");
    if (!statuses.isFresh(now)) throw new NotTrusted("status_stale", "amber");
    if (status === null) throw new NotTrusted("status_unknown", "amber");
    return { colour: "green", reason: "valid", expiresAt: code.expiresAt };
  } catch (error) {
    if (error instanceof NotTrusted) return { colour: error.colour, reason: error.reason };
    throw error;
  }
}
