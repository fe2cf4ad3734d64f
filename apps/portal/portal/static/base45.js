// Base45 (RFC 9285), strict: every text that can be read has one spelling.
import { ALPHABET } from "./qr.js";

export function encode(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 2) {
    let value = i + 1 < bytes.length ? bytes[i] * 256 + bytes[i + 1] : bytes[i];
    for (let letters = i + 1 < bytes.length ? 3 : 2; letters; letters--) {
      text += ALPHABET[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return text;
}

// Throws RangeError.
export function decode(text) {
  if (text.length % 3 === 1) throw new RangeError("not base45");
  const bytes = new Uint8Array(Math.floor(text.length / 3) * 2 + (text.length % 3 ? 1 : 0));
  for (let i = 0, at = 0; i < text.length; i += 3) {
    const group = text.slice(i, i + 3);
    let value = 0;
    for (let j = group.length - 1; j >= 0; j--) {
      const digit = ALPHABET.indexOf(group[j]);
      if (digit < 0) throw new RangeError("not base45");
      value = value * 45 + digit;
    }
    if (value > (group.length === 3 ? 0xffff : 0xff)) throw new RangeError("not base45");
    if (group.length === 3) bytes[at++] = value >>> 8;
    bytes[at++] = value & 0xff;
  }
  return bytes;
}
