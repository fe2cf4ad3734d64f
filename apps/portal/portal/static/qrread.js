// Reads a QR code from a picture: for browsers without BarcodeDetector.
// read(pixels, width, height): pixels as of a canvas (RGBA); the code's text, or null.
import { ALPHABET, EXP, LARGEST, LOG, MASKS, blocks, formatBits, formatPlaces, frame, path, times } from "./qr.js";

const FORMATS = ["L", "M", "Q", "H"].flatMap((level) => MASKS.map((_, mask) => ({ level, mask, bits: formatBits(level, mask) })));

export function read(pixels, width, height) {
  const image = binarised(pixels, width, height);
  const found = finders(image);
  for (const corners of triples(found)) {
    for (const version of versions(corners)) {
      const text = attempt(image, corners, version);
      if (text !== null) return text;
    }
  }
  return null;
}

// Dark is what is an eighth darker than its surroundings: shadows and uneven light do not matter.
function binarised(pixels, width, height) {
  const grey = new Uint8Array(width * height), sums = new Float64Array((width + 1) * (height + 1)), dark = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) grey[i] = (pixels[4 * i] * 77 + pixels[4 * i + 1] * 151 + pixels[4 * i + 2] * 28) >> 8;
  for (let y = 0; y < height; y++) for (let x = 0, row = 0; x < width; x++) {
    row += grey[y * width + x];
    sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
  }
  const reach = Math.max(8, Math.floor(Math.min(width, height) / 14));
  for (let y = 0; y < height; y++) {
    const top = Math.max(0, y - reach), bottom = Math.min(height, y + reach + 1);
    for (let x = 0; x < width; x++) {
      const left = Math.max(0, x - reach), right = Math.min(width, x + reach + 1);
      const sum = sums[bottom * (width + 1) + right] - sums[top * (width + 1) + right] - sums[bottom * (width + 1) + left] + sums[top * (width + 1) + left];
      dark[y * width + x] = grey[y * width + x] * (right - left) * (bottom - top) < sum * 0.88 ? 1 : 0;
    }
  }
  return { dark, width, height, at: (x, y) => (x >= 0 && y >= 0 && x < width && y < height ? dark[Math.floor(y) * width + Math.floor(x)] : 0) };
}

// Whether five runs are as 1 : 1 : 3 : 1 : 1; the size of one module then, else 0.
function ratio(runs) {
  const module = (runs[0] + runs[1] + runs[2] + runs[3] + runs[4]) / 7;
  if (module < 1) return 0;
  const off = module * 0.65;
  return [1, 1, 3, 1, 1].every((part, i) => Math.abs(runs[i] - part * module) < (part === 3 ? 2.2 * off : off)) ? module : 0;
}

// The finder through (x, y) along a direction: its middle on it and its module's size.
function across(image, x, y, dx, dy) {
  const runs = [0, 0, 0, 0, 0];
  const most = image.width + image.height;
  let back = 0, forth = 0;
  const walk = (sign, into) => {
    let step = sign > 0 ? 1 : 0, state = 2, colour = 1;
    for (let i = 0; i < most; i++, step++) {
      const px = x + sign * step * dx, py = y + sign * step * dy;
      if (px < 0 || py < 0 || px >= image.width || py >= image.height) break;
      if (image.at(px, py) !== colour) {
        state += sign;
        if (state < 0 || state > 4) return step;
        colour ^= 1;
      }
      runs[state]++;
      into(state);
    }
    return 0;
  };
  walk(-1, (state) => { if (state === 2) back++; });
  walk(1, (state) => { if (state === 2) forth++; });
  const module = ratio(runs);
  return module ? { module, shift: (forth - back + 1) / 2 } : null;
}

function finders(image) {
  const found = [];
  for (let y = 1; y < image.height; y += 2) {
    const runs = [0, 0, 0, 0, 0];
    let colour = 0;
    for (let x = 0; x <= image.width; x++) {
      const bit = x < image.width ? image.dark[y * image.width + x] : 1 - colour;
      if (bit === colour) { runs[4]++; continue; }
      if (colour === 1 && ratio(runs)) candidate(image, found, x - runs[4] - runs[3] - runs[2] / 2, y);
      runs.shift();
      runs.push(1);
      colour = bit;
    }
  }
  return found.sort((a, b) => b.seen - a.seen).slice(0, 9);
}

function candidate(image, found, x, y) {
  const vertical = across(image, Math.floor(x), y, 0, 1);
  if (!vertical) return;
  y += vertical.shift;
  const level = across(image, Math.floor(x), Math.floor(y), 1, 0);
  if (!level) return;
  x = Math.floor(x) + level.shift;
  const module = (vertical.module + level.module) / 2;
  for (const one of found) {
    if (Math.hypot(one.x - x, one.y - y) < 2.5 * one.module && Math.abs(one.module - module) < one.module * 0.6) {
      one.x = (one.x * one.seen + x) / (one.seen + 1);
      one.y = (one.y * one.seen + y) / (one.seen + 1);
      one.module = (one.module * one.seen + module) / (one.seen + 1);
      one.seen++;
      return;
    }
  }
  found.push({ x, y, module, seen: 1 });
}

// Three finders at the corners of a square's half, the likeliest first: {tl, tr, bl}.
function triples(found) {
  const made = [];
  for (let i = 0; i < found.length; i++) for (let j = i + 1; j < found.length; j++) for (let k = j + 1; k < found.length; k++) {
    const three = [found[i], found[j], found[k]];
    const modules = three.map((one) => one.module);
    if (Math.max(...modules) > 1.7 * Math.min(...modules)) continue;
    const [a, b, c] = three;
    const sides = [[a, b, c], [a, c, b], [b, c, a]].map(([p, q, other]) => ({ p, q, other, length: Math.hypot(p.x - q.x, p.y - q.y) })).sort((p, q) => q.length - p.length);
    const [long, first, second] = sides;
    const skew = Math.abs(first.length - second.length) / first.length + Math.abs(long.length - Math.hypot(first.length, second.length)) / long.length;
    if (skew > 0.6) continue;
    const tl = long.other;
    const turned = (long.p.x - tl.x) * (long.q.y - tl.y) - (long.p.y - tl.y) * (long.q.x - tl.x) > 0;
    made.push({ tl, tr: turned ? long.p : long.q, bl: turned ? long.q : long.p, cost: skew - 0.02 * Math.min(...three.map((one) => one.seen)) });
  }
  return made.sort((a, b) => a.cost - b.cost).slice(0, 4);
}

// The versions that it may be, the likeliest first.
function versions({ tl, tr, bl }) {
  const module = (tl.module + tr.module + bl.module) / 3;
  // A turned code's runs are cut aslant: longer by up to the diagonal.
  const angle = Math.atan2(tr.y - tl.y, tr.x - tl.x), straight = Math.max(Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle)));
  const side = (Math.hypot(tr.x - tl.x, tr.y - tl.y) + Math.hypot(bl.x - tl.x, bl.y - tl.y)) / 2;
  const guess = (side / (module * straight) + 7 - 17) / 4;
  return Array.from({ length: LARGEST }, (_, i) => i + 1).sort((a, b) => Math.abs(a - guess) - Math.abs(b - guess)).slice(0, 7);
}

function attempt(image, corners, version) {
  const { size } = frame(version);
  for (const map of maps(image, corners, version, size)) {
    if (timing(image, map, size) < 0.8) continue;
    const modules = new Uint8Array(size * size);
    for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
      const [px, py] = map(x + 0.5, y + 0.5);
      modules[y * size + x] = image.at(px, py);
    }
    const text = decode(modules, size, version);
    if (text !== null) return text;
  }
  return null;
}

// From modules to pixels: by the alignment pattern near the fourth corner where there is one, else by three corners.
function* maps(image, { tl, tr, bl }, version, size) {
  const far = size - 3.5, span = size - 7;
  const flat = (x, y) => {
    const u = (x - 3.5) / span, v = (y - 3.5) / span;
    return [tl.x + u * (tr.x - tl.x) + v * (bl.x - tl.x), tl.y + u * (tr.y - tl.y) + v * (bl.y - tl.y)];
  };
  if (version > 1) {
    const at = size - 6.5;
    let best = null;
    const reach = 2.5 + version / 3;
    for (let dy = -reach; dy <= reach; dy += 0.5) for (let dx = -reach; dx <= reach; dx += 0.5) {
      let hits = 0;
      for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) {
        const [px, py] = flat(at + dx + x, at + dy + y);
        if (image.at(px, py) === (Math.max(Math.abs(x), Math.abs(y)) !== 1 ? 1 : 0)) hits++;
      }
      const cost = 25 - hits + 0.1 * Math.hypot(dx, dy);
      if (hits >= 20 && (!best || cost < best.cost)) best = { cost, place: flat(at + dx, at + dy) };
    }
    if (best) {
      const map = projected([[3.5, 3.5], [far, 3.5], [at, at], [3.5, far]], [[tl.x, tl.y], [tr.x, tr.y], best.place, [bl.x, bl.y]]);
      if (map) yield map;
    }
  }
  yield flat;
}

// The perspective that takes four points to four others: eight equations, eliminated.
function projected(from, to) {
  const rows = [];
  from.forEach(([x, y], i) => {
    const [u, v] = to[i];
    rows.push([x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]);
  });
  for (let i = 0; i < 8; i++) {
    let pivot = i;
    for (let j = i + 1; j < 8; j++) if (Math.abs(rows[j][i]) > Math.abs(rows[pivot][i])) pivot = j;
    if (Math.abs(rows[pivot][i]) < 1e-9) return null;
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    for (let j = 0; j < 8; j++) {
      if (j === i) continue;
      const factor = rows[j][i] / rows[i][i];
      for (let k = i; k < 9; k++) rows[j][k] -= factor * rows[i][k];
    }
  }
  const [a, b, c, d, e, f, g, h] = rows.map((row, i) => row[8] / row[i]);
  return (x, y) => {
    const w = g * x + h * y + 1;
    return [(a * x + b * y + c) / w, (d * x + e * y + f) / w];
  };
}

// Which part of the two timing patterns is where this map and size would have it.
function timing(image, map, size) {
  let hits = 0, all = 0;
  for (let i = 8; i < size - 8; i++, all += 2) {
    for (const place of [map(i + 0.5, 6.5), map(6.5, i + 0.5)]) if (image.at(...place) === (i % 2 === 0 ? 1 : 0)) hits++;
  }
  return all ? hits / all : 0;
}

// The text of modules row by row (1 is dark), or null.
export function decode(modules, size, version) {
  const format = formatOf(modules, size);
  if (!format) return null;
  const places = path(version), words = new Uint8Array(places.length >>> 3);
  for (let i = 0; i < words.length * 8; i++) {
    const place = places[i], x = place % size, y = Math.floor(place / size);
    words[i >>> 3] |= (modules[place] ^ (MASKS[format.mask](x, y) ? 1 : 0)) << (7 - (i & 7));
  }
  const cut = blocks(version, format.level).map(({ data, check }) => ({ data, words: new Uint8Array(data + check), filled: 0, check }));
  let at = 0;
  const longest = Math.max(...cut.map((block) => block.data));
  for (let i = 0; i < longest; i++) for (const block of cut) if (i < block.data) block.words[i] = words[at++];
  for (let i = 0; i < cut[0].check; i++) for (const block of cut) block.words[block.data + i] = words[at++];
  const data = [];
  for (const block of cut) {
    if (!corrected(block.words, block.check)) return null;
    data.push(...block.words.subarray(0, block.data));
  }
  return letters(data, version);
}

function formatOf(modules, size) {
  let best = null;
  for (const half of formatPlaces(size)) {
    const bits = half.reduce((sum, [x, y], i) => sum | (modules[y * size + x] << i), 0);
    for (const format of FORMATS) {
      let wrong = 0;
      for (let rest = format.bits ^ bits; rest; rest &= rest - 1) wrong++;
      if (wrong <= 3 && (!best || wrong < best.wrong)) best = { ...format, wrong };
    }
  }
  return best;
}

const power = (base, exponent) => (base === 0 ? 0 : EXP[(((LOG[base] * exponent) % 255) + 255) % 255]);
const inverse = (value) => EXP[255 - LOG[value]];

// Reed and Solomon: mends the block where it stands; false when there is too much wrong.
function corrected(words, check) {
  const syndromes = new Uint8Array(check);
  let clean = true;
  for (let i = 0; i < check; i++) {
    let value = 0;
    for (const word of words) value = times(value, EXP[i]) ^ word;
    syndromes[i] = value;
    clean &&= value === 0;
  }
  if (clean) return true;
  // Berlekamp and Massey: the shortest polynomial that explains the syndromes, its roots at the errors' places.
  let locator = [1], before = [1], errors = 0, gap = 1, scale = 1;
  for (let i = 0; i < check; i++) {
    let off = syndromes[i];
    for (let j = 1; j <= errors; j++) off ^= times(locator[j] ?? 0, syndromes[i - j]);
    if (!off) { gap++; continue; }
    const factor = times(off, inverse(scale)), next = locator.slice();
    before.forEach((value, j) => { next[j + gap] = (next[j + gap] ?? 0) ^ times(factor, value); });
    for (let j = 0; j < next.length; j++) next[j] ??= 0;
    if (2 * errors <= i) { before = locator; scale = off; errors = i + 1 - errors; gap = 1; } else gap++;
    locator = next;
  }
  if (2 * errors > check) return false;
  const evaluator = new Uint8Array(check);
  for (let i = 0; i < check; i++) for (let j = 0; j <= Math.min(i, locator.length - 1); j++) evaluator[i] ^= times(locator[j], syndromes[i - j]);
  let mended = 0;
  for (let place = 0; place < words.length; place++) {
    const root = EXP[(255 - ((words.length - 1 - place) % 255)) % 255];
    let value = 0;
    locator.forEach((term, i) => { value ^= times(term, power(root, i)); });
    if (value) continue;
    let top = 0, slope = 0;
    evaluator.forEach((term, i) => { top ^= times(term, power(root, i)); });
    locator.forEach((term, i) => { if (i % 2) slope ^= times(term, power(root, i - 1)); });
    if (!slope) return false;
    words[place] ^= times(times(top, inverse(slope)), inverse(root));
    mended++;
  }
  if (mended !== errors) return false;
  for (let i = 0; i < check; i++) {
    let value = 0;
    for (const word of words) value = times(value, EXP[i]) ^ word;
    if (value) return false;
  }
  return true;
}

// Alphanumeric, byte and numeric segments; another mode ends the reading.
function letters(data, version) {
  let at = 0, text = "";
  const take = (count) => {
    let value = 0;
    for (let i = 0; i < count; i++, at++) value = (value << 1) | ((data[at >>> 3] >>> (7 - (at & 7))) & 1);
    return value;
  };
  const left = () => 8 * data.length - at;
  while (left() >= 4) {
    const mode = take(4);
    if (mode === 0) break;
    if (mode === 2) {
      let count = take(version < 10 ? 9 : 11);
      if (left() < Math.floor(count / 2) * 11 + (count % 2) * 6) return null;
      for (; count > 1; count -= 2) { const pair = take(11); if (pair >= 2025) return null; text += ALPHABET[Math.floor(pair / 45)] + ALPHABET[pair % 45]; }
      if (count) { const one = take(6); if (one >= 45) return null; text += ALPHABET[one]; }
    } else if (mode === 4) {
      const count = take(version < 10 ? 8 : 16);
      if (left() < 8 * count) return null;
      text += new TextDecoder().decode(Uint8Array.from({ length: count }, () => take(8)));
    } else if (mode === 1) {
      let count = take(version < 10 ? 10 : 12);
      for (; count >= 3; count -= 3) text += String(take(10)).padStart(3, "0");
      if (count) text += String(take(count === 2 ? 7 : 4)).padStart(count, "0");
    } else return text || null;
  }
  return text;
}
