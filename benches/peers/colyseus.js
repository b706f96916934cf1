// A relay as a Colyseus room without state: no patches, every message to everybody.

import { Room, Server } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";

class Relay extends Room {
  maxClients = Infinity;
  patchRate = null;

  onCreate() {
    this.onMessage("send", (_client, message) => this.broadcast("message", message));
  }
}

const transport = new WebSocketTransport({ perMessageDeflate: false });
const server = new Server({ transport, greet: false, gracefullyShutdown: false });
server.define("relay", Relay);
await server.listen(0, "127.0.0.1");
console.log(`listening on 127.0.0.1:${transport.server.address().port}`);
