/**
 * Connections over WebTransport, in each shape that browsers give it. Does not decide whether one is worth trying.
 */

import { AnteroomError, aborted } from "./errors.js";
import { Records, concat, decodeVarint, encodeVarint } from "./framing.js";
import { Pipe } from "./pipe.js";
import { bounded, decoder, encoder, nothing, quietly, scope, sleep } from "./platform.js";

/** How long making one may take. */
export const UDP_MS = 3000;

class WebTransportPipe extends Pipe {
  #buffered = 0;

  /** @param {any} transport @param {any} control */
  constructor(transport, control) {
    super("webtransport");
    this.session = transport;
    this.writer = control.writable.getWriter();
    this.writer.closed.catch(nothing);
    this.datagrams = datagramWriter(transport.datagrams);
    const lost = () => this.ended();
    const read = (/** @type {any} */ stream, /** @type {Records} */ records) => each(stream, (chunk) => {
      for (const text of records.push(chunk)) this.arrived(records.number, text);
    });
    // Why is in the goodbye; not every browser tells it here.
    transport.closed?.then(lost, lost);
    read(control.readable, new Records()).then(lost, lost);
    each(transport.incomingUnidirectionalStreams, (stream) => {
      read(stream, new Records(true)).catch(lost);
    }).catch(nothing);
    each(transport.datagrams.readable, (bytes) => {
      const { value, size } = decodeVarint(bytes);
      if (size && !this.end) this.ondatagram(value, decoder.decode(bytes.subarray(size)));
    }).catch(nothing);
  }

  get buffered() {
    return this.#buffered;
  }

  /** @param {string} text */
  send(text) {
    const payload = encoder.encode(text);
    const record = concat(encodeVarint(payload.length), payload);
    this.#buffered += record.length;
    const written = () => {
      this.#buffered -= record.length;
      this.ondrain();
    };
    this.writer.write(record).then(written, () => this.ended());
  }

  /** @param {number} lane @param {string} text */
  datagram(lane, text) {
    const bytes = concat(encodeVarint(lane), encoder.encode(text));
    if (!this.datagrams || bytes.length > (this.session.datagrams.maxDatagramSize ?? 1200)) return false;
    this.datagrams.write(bytes).catch(nothing);
    return true;
  }

  leave() {
    // The end of control is a goodbye, and this one has been read when it settles.
    const read = Promise.race([this.writer.close().catch(nothing), sleep(500)]);
    read.then(() => this.close());
  }

  /** @param {number} closeCode */
  shut(closeCode) {
    quietly(() => this.session.close({ closeCode }));
  }
}

/** Safari and Firefox make writers of datagrams; Chromium has one. @param {any} datagrams */
function datagramWriter(datagrams) {
  const writer = quietly(() => (datagrams.createWritable?.() ?? datagrams.writable)?.getWriter());
  writer?.closed?.catch(nothing);
  return writer;
}

/** Reads a stream to its end. @param {any} stream @param {(value: any) => void} use */
async function each(stream, use) {
  const reader = stream?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader.read()) use(next.value);
}

/** @param {Promise<any>} certificate @param {AbortSignal} signal @returns {Promise<Pipe>} */
export async function dialWebTransport(certificate, signal) {
  /** @type {any} */
  let session = null;
  const dial = async () => {
    const { webtransport_url, hashes } = await certificate;
    if (signal.aborted) throw aborted(signal);
    // The server does not know under which address it is reached.
    if (!webtransport_url) throw new AnteroomError("unreachable", "The server names no address for WebTransport.");
    const serverCertificateHashes = hashes.map((/** @type {any} */ { algorithm, value }) => {
      return { algorithm, value: Uint8Array.from(atob(value), (character) => character.charCodeAt(0)) };
    });
    // Without any the certificate is one that browsers trust by themselves.
    session = new scope.WebTransport(webtransport_url, hashes.length ? { serverCertificateHashes } : {});
    session.closed?.catch(nothing);
    await session.ready;
    return new WebTransportPipe(session, await session.createBidirectionalStream());
  };
  return bounded(dial(), UDP_MS, signal, () => session.close());
}
