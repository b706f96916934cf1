// A relay with Socket.IO's own rooms, on WebSocket alone and without compression.

import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, httpCompression: false, serveClient: false });

io.on("connection", (socket) => {
  socket.on("join", (room, joined) => {
    socket.join(room);
    socket.on("send", (message) => io.to(room).emit("message", message));
    joined();
  });
});
http.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${http.address().port}`));
