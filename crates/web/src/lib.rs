//! What browsers get from the server, embedded in the program: pages, and nothing that runs on the server.

/// The page at `/`.
pub const INDEX: &str = include_str!("index.html");

/// The page at `/watch`: joins a room as a spectator over WebTransport and shows what happens there.
pub const WATCH: &str = include_str!("watch.html");

/// What the pages may do: their own inline script and style, and connections to the server.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     connect-src 'self' https: wss: ws:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
