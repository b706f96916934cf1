/**
 * QR codes (ISO/IEC 18004): a text as squares, for links that go from one screen to another. Bytes only, error
 * correction level M, and versions up to 15, beyond which no phone reads one from a screen with ease.
 */

const VERSION_MAX = 15;
/** Level M: how many bytes correct each block, and how many blocks there are, by version. */
const CORRECTION = [0, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24];
const BLOCKS = [0, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10];
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/**
 * The code of a text, as rows of squares that are dark or not; null if it is too long.
 * @param {string} text
 * @param {number} [mask] which of the eight patterns lies over it; the one that is best to read without
 * @returns {boolean[][] | null}
 */
export function qrCode(text, mask) {
  const bytes = new TextEncoder().encode(text);
  const version = BLOCKS.findIndex((_, at) => at > 0 && headBits(at) + bytes.length * 8 <= dataBytes(at) * 8);
  if (version < 0) return null;
  const words = interleaved(padded(bytes, version), version);
  if (mask !== undefined) return drawn(words, version, mask);
  const codes = MASKS.map((_, number) => drawn(words, version, number));
  const penalties = codes.map(penalty);
  return codes[penalties.indexOf(Math.min(...penalties))];
}

function headBits(version) {
  return version < 10 ? 12 : 20;
}

/** How many bytes fit beside the fixed patterns. */
function allBytes(version) {
  const aligned = Math.floor(version / 7) + 2;
  const patterns = version < 2 ? 0 : (25 * aligned - 10) * aligned - 55;
  return Math.floor(((16 * version + 128) * version + 64 - patterns - (version < 7 ? 0 : 36)) / 8);
}

function dataBytes(version) {
  return allBytes(version) - CORRECTION[version] * BLOCKS[version];
}

/** The mode, the length, the bytes, and what fills the rest. */
function padded(bytes, version) {
  const bits = [];
  const put = (value, count) => {
    for (let at = count - 1; at >= 0; at -= 1) bits.push((value >>> at) & 1);
  };
  put(4, 4);
  put(bytes.length, headBits(version) - 4);
  for (const byte of bytes) put(byte, 8);
  const room = dataBytes(version) * 8;
  put(0, Math.min(4, room - bits.length));
  put(0, (8 - (bits.length % 8)) % 8);
  for (let fill = 0xec; bits.length < room; fill ^= 0xec ^ 0x11) put(fill, 8);
  return Array.from({ length: bits.length / 8 }, (_, at) => parseInt(bits.slice(at * 8, at * 8 + 8).join(""), 2));
}

/** The blocks with their corrections, byte by byte in turn. */
function interleaved(data, version) {
  const [count, length] = [BLOCKS[version], CORRECTION[version]];
  const all = allBytes(version);
  const short = Math.floor(all / count) - length;
  const divisor = generator(length);
  const blocks = [];
  for (let at = 0, from = 0; at < count; at += 1) {
    const block = data.slice(from, from + short + (at < count - (all % count) ? 0 : 1));
    from += block.length;
    blocks.push({ block, correction: remainder(block, divisor) });
  }
  const words = [];
  for (let at = 0; at <= short; at += 1) {
    for (const { block } of blocks) if (at < block.length) words.push(block[at]);
  }
  for (let at = 0; at < length; at += 1) for (const { correction } of blocks) words.push(correction[at]);
  return words;
}

/** Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1. */
function times(one, other) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >>> 7) * 0x11d);
    product ^= ((other >>> bit) & 1) * one;
  }
  return product;
}

function generator(degree) {
  const result = [...Array(degree - 1).fill(0), 1];
  let root = 1;
  for (let round = 0; round < degree; round += 1) {
    for (let at = 0; at < degree; at += 1) {
      result[at] = times(result[at], root) ^ (result[at + 1] ?? 0);
    }
    root = times(root, 2);
  }
  return result;
}

function remainder(data, divisor) {
  const result = divisor.map(() => 0);
  for (const byte of data) {
    const factor = byte ^ result.shift();
    result.push(0);
    divisor.forEach((coefficient, at) => (result[at] ^= times(coefficient, factor)));
  }
  return result;
}

function drawn(words, version, mask) {
  const size = version * 4 + 17;
  const squares = Array.from({ length: size }, () => Array(size).fill(null));
  const set = (x, y, isDark) => {
    if (squares[y]?.[x] !== undefined) squares[y][x] = Boolean(isDark);
  };
  drawPatterns(set, squares, version);
  drawFormat(set, size, mask);
  drawVersion(set, size, version);
  drawWords(squares, words, mask);
  return squares;
}

function drawPatterns(set, squares, version) {
  const size = squares.length;
  for (let at = 0; at < size; at += 1) {
    set(6, at, at % 2 === 0);
    set(at, 6, at % 2 === 0);
  }
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) drawRings(set, x, y, 4);
  const lines = alignments(version);
  const last = lines.length - 1;
  lines.forEach((x, i) => {
    lines.forEach((y, j) => {
      const isInCorner = (i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0);
      if (!isInCorner) drawRings(set, x, y, 2);
    });
  });
}

function drawRings(set, x, y, radius) {
  for (let down = -radius; down <= radius; down += 1) {
    for (let right = -radius; right <= radius; right += 1) {
      const ring = Math.max(Math.abs(down), Math.abs(right));
      set(x + right, y + down, ring !== 4 && ring !== (radius === 4 ? 2 : 1));
    }
  }
}

function alignments(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  const lines = [6];
  for (let at = version * 4 + 10; lines.length < count; at -= step) lines.splice(1, 0, at);
  return lines;
}

/** Level M is 0; ten bits correct the five. */
function drawFormat(set, size, mask) {
  const bits = ((mask << 10) | checked(mask, 10, 0x537)) ^ 0x5412;
  const bit = (at) => (bits >>> at) & 1;
  for (let at = 0; at < 15; at += 1) {
    const along = at < 6 ? at : at < 8 ? at + 1 : 14 - at;
    if (at < 8) set(8, along, bit(at));
    else set(at === 8 ? 7 : along, 8, bit(at));
    if (at < 8) set(size - 1 - at, 8, bit(at));
    else set(8, size - 15 + at, bit(at));
  }
  set(8, size - 8, true);
}

function drawVersion(set, size, version) {
  if (version < 7) return;
  const bits = (version << 12) | checked(version, 12, 0x1f25);
  for (let at = 0; at < 18; at += 1) {
    const [far, near] = [size - 11 + (at % 3), Math.floor(at / 3)];
    set(far, near, (bits >>> at) & 1);
    set(near, far, (bits >>> at) & 1);
  }
}

function checked(value, length, divisor) {
  let rest = value;
  for (let round = 0; round < length; round += 1) rest = (rest << 1) ^ ((rest >>> (length - 1)) * divisor);
  return rest;
}

/** In columns of two from the right, upwards and downwards in turn. */
function drawWords(squares, words, mask) {
  const size = squares.length;
  const isFlipped = MASKS[mask];
  let next = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const isUpwards = ((right + 1) & 2) === 0;
    for (let step = 0; step < size * 2; step += 1) {
      const x = right - (step % 2);
      const y = isUpwards ? size - 1 - Math.floor(step / 2) : Math.floor(step / 2);
      if (squares[y][x] !== null) continue;
      const bit = next < words.length * 8 ? (words[next >>> 3] >>> (7 - (next & 7))) & 1 : 0;
      squares[y][x] = Boolean(bit) !== isFlipped(x, y);
      next += 1;
    }
  }
}

/** How hard a code is to read. */
function penalty(squares) {
  const size = squares.length;
  const columns = squares.map((_, x) => squares.map((row) => row[x]));
  let points = 0;
  for (const line of [...squares, ...columns]) {
    const text = line.map(Number).join("");
    for (const run of text.match(/0{5,}|1{5,}/g) ?? []) points += run.length - 2;
    for (const finder of ["10111010000", "00001011101"]) {
      for (let at = text.indexOf(finder); at >= 0; at = text.indexOf(finder, at + 1)) points += 40;
    }
  }
  for (let y = 1; y < size; y += 1) {
    for (let x = 1; x < size; x += 1) {
      const corner = squares[y][x];
      if (corner === squares[y - 1][x] && corner === squares[y][x - 1] && corner === squares[y - 1][x - 1]) points += 3;
    }
  }
  const dark = squares.flat().filter(Boolean).length;
  return points + Math.floor(Math.abs((dark * 20) / (size * size) - 10)) * 10;
}
