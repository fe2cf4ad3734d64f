// QR codes (ISO/IEC 18004), alphanumeric mode: the tables that drawing and reading share, and the drawing.
// Versions 1 to 25: a card's text has 800 letters at most.

export const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
export const LARGEST = 25;

// By level, then by version: check words in a block, and blocks.
const CHECK_WORDS = {
  L: [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26],
  M: [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28],
  Q: [13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30, 28, 30, 30, 30, 30],
  H: [17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28, 30, 24, 30, 30, 30],
};
const BLOCKS = {
  L: [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12],
  M: [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21],
  Q: [1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20, 23, 23, 25, 27, 29],
  H: [1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25, 25, 34, 30, 32, 35],
};
export const LEVELS = { L: 1, M: 0, Q: 3, H: 2 };

// The field of 256 elements over x^8 + x^4 + x^3 + x^2 + 1.
export const EXP = new Uint8Array(512);
export const LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = EXP[i + 255] = x;
  LOG[x] = i;
  x = (x << 1) ^ (x & 0x80 ? 0x11d : 0);
}
export const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);

export const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

export function formatBits(level, mask) {
  const data = (LEVELS[level] << 3) | mask;
  let rest = data;
  for (let i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
  return ((data << 10) | rest) ^ 0x5412;
}

function versionBits(version) {
  let rest = version;
  for (let i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25);
  return (version << 12) | rest;
}

function alignments(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2, size = 4 * version + 17;
  const step = Math.ceil((size - 13) / (2 * count - 2)) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, i) => size - 7 - (count - 2 - i) * step)];
}

// How the words of a version and level are cut into blocks: [{data, check}].
export function blocks(version, level) {
  const check = CHECK_WORDS[level][version - 1], count = BLOCKS[level][version - 1];
  const aligned = version > 1 ? Math.floor(version / 7) + 2 : 0;
  let modules = (16 * version + 128) * version + 64;
  if (aligned) modules -= (25 * aligned - 10) * aligned - 55 + (version >= 7 ? 36 : 0);
  const words = Math.floor(modules / 8), short = Math.floor(words / count), longer = words % count;
  return Array.from({ length: count }, (_, i) => ({ data: short - check + (i >= count - longer ? 1 : 0), check }));
}

// The patterns of a version: `dark` and `taken` row by row; the format's places are taken and light.
const frames = new Map();
export function frame(version) {
  if (frames.has(version)) return frames.get(version);
  const size = 4 * version + 17, dark = new Uint8Array(size * size), taken = new Uint8Array(size * size);
  const set = (x, y, value) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    dark[y * size + x] = value ? 1 : 0;
    taken[y * size + x] = 1;
  };
  for (let i = 0; i < size; i++) { set(6, i, i % 2 === 0); set(i, 6, i % 2 === 0); }
  for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]]) {
    for (let y = -4; y <= 4; y++) for (let x = -4; x <= 4; x++) {
      const ring = Math.max(Math.abs(x), Math.abs(y));
      set(cx + x, cy + y, ring !== 2 && ring !== 4);
    }
  }
  const places = alignments(version), last = places.length - 1;
  places.forEach((cx, i) => places.forEach((cy, j) => {
    if ((i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0)) return;
    for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) set(cx + x, cy + y, Math.max(Math.abs(x), Math.abs(y)) !== 1);
  }));
  if (version >= 7) {
    const bits = versionBits(version);
    for (let i = 0; i < 18; i++) {
      const a = size - 11 + (i % 3), b = Math.floor(i / 3), bit = (bits >>> i) & 1;
      set(a, b, bit); set(b, a, bit);
    }
  }
  for (const [x, y] of formatPlaces(size).flat()) set(x, y, 0);
  set(8, size - 8, 1);
  const made = { size, dark, taken };
  frames.set(version, made);
  return made;
}

// Where the 15 bits of the format stand, the lowest first: twice.
export function formatPlaces(size) {
  const first = [], second = [];
  for (let i = 0; i <= 5; i++) first.push([8, i]);
  first.push([8, 7], [8, 8], [7, 8]);
  for (let i = 9; i < 15; i++) first.push([14 - i, 8]);
  for (let i = 0; i < 8; i++) second.push([size - 1 - i, 8]);
  for (let i = 8; i < 15; i++) second.push([8, size - 15 + i]);
  return [first, second];
}

// The order of the data's modules: upwards and downwards in columns of two from the right.
export function path(version) {
  const { size, taken } = frame(version), places = [];
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const upwards = ((right + 1) & 2) === 0, y = upwards ? size - 1 - step : step;
      for (const x of [right, right - 1]) if (!taken[y * size + x]) places.push(y * size + x);
    }
  }
  return places;
}

function checkWords(data, count) {
  const divisor = new Uint8Array(count);
  divisor[count - 1] = 1;
  for (let i = 0, root = 1; i < count; i++, root = times(root, 2)) {
    for (let j = 0; j < count; j++) divisor[j] = times(divisor[j], root) ^ (j + 1 < count ? divisor[j + 1] : 0);
  }
  const rest = new Uint8Array(count);
  for (const word of data) {
    const factor = word ^ rest[0];
    rest.copyWithin(0, 1);
    rest[count - 1] = 0;
    for (let i = 0; i < count; i++) rest[i] ^= times(divisor[i], factor);
  }
  return rest;
}

const countBits = (version) => (version < 10 ? 9 : 11);

// {size, modules}: modules row by row, 1 is dark. Throws RangeError for a text that is too long or not alphanumeric.
export function draw(text, level = "L") {
  const values = [...text].map((letter) => ALPHABET.indexOf(letter));
  if (values.includes(-1)) throw new RangeError("not alphanumeric");
  const needed = Math.floor(values.length / 2) * 11 + (values.length % 2) * 6;
  let version = 1, capacity = 0;
  for (; version <= LARGEST; version++) {
    capacity = 8 * blocks(version, level).reduce((sum, block) => sum + block.data, 0);
    if (4 + countBits(version) + needed <= capacity) break;
  }
  if (version > LARGEST) throw new RangeError("too long");
  const bits = [];
  const push = (value, count) => { for (let i = count - 1; i >= 0; i--) bits.push((value >>> i) & 1); };
  push(2, 4);
  push(values.length, countBits(version));
  for (let i = 0; i + 1 < values.length; i += 2) push(values[i] * 45 + values[i + 1], 11);
  if (values.length % 2) push(values.at(-1), 6);
  push(0, Math.min(4, capacity - bits.length));
  push(0, -bits.length & 7);
  for (let pad = 0xec; bits.length < capacity; pad ^= 0xec ^ 0x11) push(pad, 8);
  const words = Uint8Array.from({ length: capacity / 8 }, (_, i) => parseInt(bits.slice(8 * i, 8 * i + 8).join(""), 2));

  let at = 0;
  const cut = blocks(version, level).map(({ data, check }) => {
    const own = words.slice(at, (at += data));
    return { own, checks: checkWords(own, check) };
  });
  const sent = [];
  for (let i = 0; i < Math.max(...cut.map((block) => block.own.length)); i++) for (const { own } of cut) if (i < own.length) sent.push(own[i]);
  for (let i = 0; i < cut[0].checks.length; i++) for (const { checks } of cut) sent.push(checks[i]);

  const { size, dark } = frame(version), places = path(version);
  let best = null;
  for (let mask = 0; mask < 8; mask++) {
    const modules = dark.slice();
    places.forEach((place, i) => {
      const bit = i < 8 * sent.length ? (sent[i >>> 3] >>> (7 - (i & 7))) & 1 : 0;
      modules[place] = bit ^ (MASKS[mask](place % size, Math.floor(place / size)) ? 1 : 0);
    });
    const format = formatBits(level, mask);
    for (const half of formatPlaces(size)) half.forEach(([x, y], i) => { modules[y * size + x] = (format >>> i) & 1; });
    const cost = penalty(modules, size);
    if (!best || cost < best.cost) best = { cost, modules };
  }
  return { size, modules: best.modules };
}

function penalty(modules, size) {
  let cost = 0, darks = 0;
  const line = (get) => {
    let run = 0, before = -1, recent = 0;
    for (let i = 0; i < size; i++) {
      const bit = get(i);
      run = bit === before ? run + 1 : 1;
      before = bit;
      if (run === 5) cost += 3; else if (run > 5) cost += 1;
      recent = ((recent << 1) | bit) & 0x7ff;
      if (i >= 10 && (recent === 0x05d || recent === 0x5d0)) cost += 40;
    }
  };
  for (let i = 0; i < size; i++) {
    line((j) => modules[i * size + j]);
    line((j) => modules[j * size + i]);
  }
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
    const bit = modules[y * size + x];
    darks += bit;
    if (x && y && bit === modules[y * size + x - 1] && bit === modules[(y - 1) * size + x] && bit === modules[(y - 1) * size + x - 1]) cost += 3;
  }
  return cost + 10 * Math.floor(Math.abs(darks * 20 - size * size * 10) / (size * size));
}

// An SVG element with four modules of quiet zone.
export function picture(text, level = "L") {
  const { size, modules } = draw(text, level), edge = 4, whole = size + 2 * edge;
  let strokes = "";
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
    if (!modules[y * size + x]) continue;
    let end = x;
    while (end < size && modules[y * size + end]) end++;
    strokes += `M${x + edge} ${y + edge + 0.5}h${end - x}`;
    x = end;
  }
  const make = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const svg = make("svg", { viewBox: `0 0 ${whole} ${whole}`, "shape-rendering": "crispEdges", "aria-hidden": "true" });
  svg.append(make("path", { fill: "#fff", d: `M0 0h${whole}v${whole}H0z` }), make("path", { stroke: "#000", d: strokes }));
  return svg;
}
