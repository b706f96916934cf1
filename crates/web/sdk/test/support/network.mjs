/** Classes with the shapes of WebSocket and WebTransport in browsers, connected to a server in the same program. */

import { Link, RecordReader, datagram, later, readVarint, record, until, varint } from "./link.mjs";

/**
 * What is odd about a browser's WebTransport.
 *
 * @typedef {object} Shape
 * @property {"writable"|"createWritable"|"none"} [datagrams]
 * @property {"settles"|"never"|"rejects"} [ready]
 * @property {"settles"|"never"} [closed]
 * @property {boolean} [throws] the constructor does
 * @property {boolean} [hangs] streams never come
 * @property {number} [chunk] how many bytes arrive at a time
 */

/** What is between the SDK and a server. */
export class Network {
  /** Every connection that came to stand. @type {Link[]} */
  links = [];
  /** @type {"open"|"refused"|"hanging"|"throwing"} */
  webSocket = "open";
  /** Of WebSockets one connects at a time, and others wait behind it, as in browsers. */
  oneByOne = false;
  /** @type {Shape} */
  shape = {};
  /** Everything that was constructed. @type {any[]} */
  sockets = [];
  /** @type {any[]} */
  transports = [];
  /** Nothing leaves the browser, so it piles up there. */
  stalled = false;
  /** Whether connections answer pings by themselves. */
  pongs = true;
  /** The server hears nothing, so that nobody answers a WebSocket's close. */
  deaf = false;
  /** @type {((link: Link) => void)|null} */
  onlink = null;
  #taken = 0;

  constructor() {
    const network = this;
    this.WebSocket = class extends FakeWebSocket {
      /** @param {string} url */
      constructor(url) {
        super(url, network);
      }
    };
    this.NodeWebSocket = class extends NodeWebSocket {
      /** @param {string} url */
      constructor(url) {
        super(url, network);
      }
    };
    this.WebTransport = class extends FakeWebTransport {
      /** @param {string} url @param {any} options */
      constructor(url, options) {
        super(url, options, network);
      }
    };
  }

  /** @param {Link} link */
  stand(link) {
    this.links.push(link);
    this.onlink?.(link);
  }

  /** The next connection that nobody has asked for yet. @returns {Promise<Link>} */
  async link() {
    const link = await until(() => this.links[this.#taken], "the client connects");
    this.#taken += 1;
    return link;
  }

  /** The newest connection. */
  get last() {
    return /** @type {Link} */ (this.links.at(-1));
  }

  /** Lets go what has piled up. */
  flow() {
    this.stalled = false;
    for (const { flow } of [...this.sockets, ...this.transports]) flow();
  }
}

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 3;

/** What a page sees of a WebSocket, with what it throws. */
class FakeWebSocket {
  readyState = CONNECTING;
  bufferedAmount = 0;
  /** @type {any} */
  onopen = null;
  /** @type {any} */
  onmessage = null;
  /** @type {any} */
  onclose = null;
  /** @type {any} */
  onerror = null;
  /** @type {string[]} */
  #piled = [];

  /** @param {string} url @param {Network} network */
  constructor(url, network) {
    if (network.webSocket === "throwing") throw new DOMException("Insecure.", "SecurityError");
    this.url = url;
    this.network = network;
    this.link = new Link("websocket", url, network.pongs);
    network.sockets.push(this);
    if (network.webSocket === "refused") later(() => this.gone(1006, ""));
    this.isAnswered = network.webSocket === "open";
    later(this.proceed);
    Object.assign(this.link, {
      deliver: (/** @type {number} */ _, /** @type {string} */ text) => later(() => this.receive(text)),
      close: (/** @type {number} */ code, /** @type {string} */ reason) => later(() => this.gone(code, reason)),
      cut: () => this.gone(1006, ""),
    });
  }

  /** Opens, if somebody answers and it is its turn. */
  proceed = () => {
    const { sockets, oneByOne } = this.network;
    const inFront = sockets.slice(0, sockets.indexOf(this));
    const isBehind = oneByOne && inFront.some(({ readyState }) => readyState === CONNECTING);
    if (this.isAnswered && !isBehind) this.#open();
  };

  #open() {
    if (this.readyState !== CONNECTING) return;
    this.readyState = OPEN;
    this.onopen?.({});
    this.network.stand(this.link);
  }

  /** A frame arrives at the page. @param {any} data */
  receive(data) {
    if (this.readyState === OPEN && !this.link.silent) this.onmessage?.({ data });
  }

  /** It is over, whoever has ended it. @param {number} code @param {string} reason */
  gone(code, reason) {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    if (code === 1006) this.onerror?.({});
    this.onclose?.({ code, reason });
    this.link.onclose();
    for (const { proceed } of this.network.sockets) later(proceed);
  }

  /** @param {string} text */
  send(text) {
    if (this.readyState === CONNECTING) throw new DOMException("Not yet.", "InvalidStateError");
    if (this.readyState !== OPEN) return;
    this.bufferedAmount += text.length;
    this.#piled.push(text);
    if (!this.network.stalled) this.flow();
  }

  flow = () => {
    const piled = this.#piled.splice(0);
    later(() => {
      for (const text of piled) {
        this.bufferedAmount -= text.length;
        this.link.arrived(text);
      }
    });
  };

  /** @param {number} [code] @param {string} [reason] */
  close(code = 1000, reason = "") {
    if (code !== 1000 && (code < 3000 || code > 4999)) throw new DOMException("Not that code.", "InvalidAccessError");
    if (new TextEncoder().encode(reason).length > 123) throw new DOMException("Too long.", "SyntaxError");
    if (this.readyState >= 2) return;
    const wasOpen = this.readyState === OPEN;
    this.readyState = 2;
    later(() => {
      if (wasOpen && this.network.deaf) return;
      if (wasOpen) this.link.closed = { code, reason };
      this.gone(wasOpen ? code : 1006, wasOpen ? reason : "");
    });
  }
}

/** What a program in Node has besides, from ws. */
class NodeWebSocket extends FakeWebSocket {
  terminate() {
    this.gone(1006, "");
  }
}

/** What a page sees of WebTransport; what differs between browsers is the shape of the network. */
class FakeWebTransport {
  /** @type {ReadableStreamDefaultController<any>|null} */
  #control = null;
  /** @type {Map<number, ReadableStreamDefaultController<any>>} */
  #lanes = new Map();
  #isOver = false;
  /** @type {(() => void)[]} */
  #piled = [];

  /** @param {string} url @param {any} options @param {Network} network */
  constructor(url, options, network) {
    const { shape } = network;
    this.url = url;
    this.options = options;
    this.network = network;
    network.transports.push(this);
    if (shape.throws) throw new DOMException("No.", "NotSupportedError");
    for (const { algorithm, value } of options?.serverCertificateHashes ?? []) {
      if (algorithm !== "sha-256" || value?.byteLength !== 32) throw new TypeError("not a hash");
    }
    this.link = new Link("webtransport", url, network.pongs);
    this.ready = new Promise((resolve, reject) => {
      if ((shape.ready ?? "settles") === "settles") later(() => this.#isOver || resolve(undefined));
      if (shape.ready === "rejects") later(() => this.#over(new Error("refused"), reject));
    });
    this.closed = new Promise((resolve, reject) => {
      this.settleClosed = { resolve, reject };
    });
    // Browsers do so, too: who does not look at them has no unhandled rejection.
    this.ready.catch(() => {});
    this.closed.catch(() => {});
    this.incomingUnidirectionalStreams = new ReadableStream({
      start: (controller) => void (this.incoming = controller),
    });
    this.datagrams = this.#datagrams(shape.datagrams ?? "writable");
    Object.assign(this.link, {
      deliver: (/** @type {number} */ lane, /** @type {string} */ text) => later(() => this.#deliver(lane, record(text))),
      throwDatagram: (/** @type {number} */ lane, /** @type {string} */ text) => {
        later(() => this.incomingDatagrams?.enqueue(datagram(lane, text)));
      },
      close: (/** @type {number} */ closeCode, /** @type {string} */ reason) => {
        later(() => this.#over({ closeCode, reason }));
      },
      cut: () => this.#over(new Error("the network failed")),
    });
  }

  /** @param {string} kind */
  #datagrams(kind) {
    const readable = new ReadableStream({ start: (controller) => void (this.incomingDatagrams = controller) });
    const make = () => new WritableStream({
      write: (bytes) => {
        const [lane, payload] = readVarint(bytes) ?? [0, bytes];
        this.link?.datagrams.push({ lane, message: JSON.parse(new TextDecoder().decode(payload)) });
      },
    });
    const shared = { readable, maxDatagramSize: 1200 };
    if (kind === "writable") return { ...shared, writable: make() };
    return kind === "createWritable" ? { ...shared, createWritable: make } : shared;
  }

  async createBidirectionalStream() {
    if (this.network.shape.hangs) await new Promise(() => {});
    const records = new RecordReader();
    const { link } = this;
    const readable = new ReadableStream({ start: (controller) => void (this.#control = controller) });
    const writable = new WritableStream({
      write: (chunk) => new Promise((written) => {
        this.#piled.push(() => {
          for (const text of records.push(chunk)) link?.arrived(text);
          written();
        });
        if (!this.network.stalled) this.flow();
      }),
      close: () => {
        if (link) link.finished = true;
      },
    });
    if (link) this.network.stand(link);
    return { readable, writable };
  }

  flow = () => {
    for (const go of this.#piled.splice(0)) later(go);
  };

  /** @param {number} lane @param {Uint8Array} bytes */
  #deliver(lane, bytes) {
    if (this.#isOver || this.link?.silent) return;
    const { chunk = 1 << 20 } = this.network.shape;
    let controller = lane ? this.#lanes.get(lane) : this.#control;
    if (!controller) {
      const stream = new ReadableStream({ start: (made) => void (controller = made) });
      this.#lanes.set(lane, /** @type {any} */ (controller));
      bytes = Uint8Array.from([...varint(lane), ...bytes]);
      this.incoming?.enqueue(stream);
    }
    for (let at = 0; at < bytes.length; at += chunk) controller?.enqueue(bytes.slice(at, at + chunk));
  }

  /** @param {any} how @param {(error: any) => void} [refuse] */
  #over(how, refuse) {
    if (this.#isOver) return;
    this.#isOver = true;
    refuse?.(how);
    for (const controller of [this.#control, ...this.#lanes.values(), this.incoming, this.incomingDatagrams]) {
      try {
        controller?.error(new Error("the connection is gone"));
      } catch {
        // It had ended.
      }
    }
    if (this.network.shape.closed !== "never") {
      if (how instanceof Error) this.settleClosed?.reject(how);
      else this.settleClosed?.resolve(how);
    }
    this.link?.onclose();
  }

  /** @param {{closeCode?: number, reason?: string}} [info] */
  close({ closeCode = 0, reason = "" } = {}) {
    if (this.link && !this.#isOver) this.link.closed = { code: closeCode, reason };
    this.#over({ closeCode, reason });
  }
}
