//! The demo and the SDK as they are sent: compressed once, named by their content, and allowed no more than they need.

use std::future::ready;
use std::io::Write;
use std::sync::LazyLock;

use anteroom_web::{ASSETS, Asset};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::address::Asked;
use crate::certificate::TcpTls;
use crate::host::Host;
use crate::parts::Parts;
use crate::settings::{PublicUrl, Settings};

const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What a page may do besides connecting: load this server's own files, and write no text into scripts.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// How many bytes of its hash name a file: enough that no two contents share one.
const TAG_BYTES: usize = 12;

/// What is at `/` instead of a page.
const NO_PAGE: &str = "This is an Anteroom server. Games connect to it at /ws and /wt; it has no page of its own \
    unless `demo = true` is configured.";

/// A route for each file: those of other pages, and the demo's if it is on.
pub(super) fn routes(demo: bool) -> Router<Parts> {
    let wanted = (0..ASSETS.len()).filter(|place| demo || ASSETS[*place].is_for_everyone());
    wanted.fold(Router::new(), |router, place| {
        // Compressing all of them takes the first request some milliseconds.
        let answer =
            move |State(Parts { settings, .. }): State<Parts>,
                  Extension(asked): Extension<Asked>,
                  headers: HeaderMap| { ready(FILES[place].answer(&settings, asked.host(), &headers)) };
        router.route(ASSETS[place].path, get(answer))
    })
}

/// What is at `/` where nobody has put a page.
pub(super) fn without_a_page() -> Router {
    Router::new().route("/", get(|| async { super::plain(StatusCode::NOT_FOUND, NO_PAGE) }))
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| ASSETS.iter().map(File::new).collect());

/// A file, ready to be sent.
struct File {
    asset: &'static Asset,
    plain: Form,
    gzip: Form,
}

/// One way to send a file, with the name of exactly these bytes.
struct Form {
    bytes: Bytes,
    tag: HeaderValue,
}

impl File {
    fn new(asset: &'static Asset) -> Self {
        let text = Bytes::from(asset.content().into_owned());
        let compressed = compress(&text);
        Self { asset, plain: Form::new(text), gzip: Form::new(compressed) }
    }

    fn answer(&self, settings: &Settings, host: Option<Host<'_>>, request: &HeaderMap) -> Response {
        let is_compressed = accepts_gzip(request);
        let form = if is_compressed { &self.gzip } else { &self.plain };
        let mut response = if is_known(request, &form.tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Body::from(form.bytes.clone()).into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.asset.content_type));
            if is_compressed {
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, form.tag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        self.guard(settings, host, headers);
        response
    }

    /// Says what the file may do, and who may load it.
    fn guard(&self, settings: &Settings, host: Option<Host<'_>>, headers: &mut HeaderMap) {
        if self.asset.is_for_everyone() {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        } else {
            headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        }
        if !self.asset.is_page() {
            return;
        }
        headers.insert(CONTENT_SECURITY_POLICY, policy(settings, host));
        // Browsers warn of it on pages that are neither from their own machine nor encrypted.
        if !settings.mode.is_development() || host.is_some_and(|host| host.is_loopback()) {
            headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
        }
    }
}

impl Form {
    fn new(bytes: Bytes) -> Self {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..TAG_BYTES]));
        let tag = HeaderValue::try_from(tag).expect("base64 is fit for a header");
        Self { bytes, tag }
    }
}

fn compress(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(10));
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory takes all that is written").into()
}

/// The Content-Security-Policy for a page that was asked for at this host.
fn policy(settings: &Settings, host: Option<Host<'_>>) -> HeaderValue {
    // 'self' is meant to cover WebSocket and WebTransport at the same host and port, which not every browser knows.
    let mut connect = "'self'".to_owned();
    if let Some(host) = host.filter(|host| !host.is_ipv6()) {
        for scheme in websocket_schemes(settings) {
            connect += &format!(" {scheme}://{host}");
        }
    }
    let public = settings.public.as_ref().map(PublicUrl::websocket_origin);
    let webtransport = super::webtransport_origin(settings, host);
    for origin in public.into_iter().chain(webtransport).filter(|origin| !origin.contains('[')) {
        connect += &format!(" {origin}");
    }
    HeaderValue::try_from(format!("{POLICY}; connect-src {connect}")).expect("a host that was checked")
}

/// The schemes that the page's own address may come to as a WebSocket's.
fn websocket_schemes(settings: &Settings) -> &'static [&'static str] {
    match settings.tcp_tls {
        _ if settings.mode.is_development() => &["ws"],
        TcpTls::On => &["wss"],
        // What is in front of the server decides.
        TcpTls::Off => &["wss", "ws"],
    }
}

/// Whether the client wants gzip (RFC 9110, section 12.5.3): named, or covered by a star, and not with a weight of 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut star = false;
    for (coding, accepted) in super::upgrade::tokens(headers, &ACCEPT_ENCODING).map(weighed) {
        match coding {
            _ if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => return accepted,
            "*" => star = accepted,
            _ => {}
        }
    }
    star
}

/// A coding, and whether its weight lets it be used.
fn weighed(entry: &str) -> (&str, bool) {
    let Some((coding, parameter)) = entry.split_once(';') else { return (entry, true) };
    let weight = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let weight = weight.and_then(|(_, weight)| weight.trim().parse::<f32>().ok());
    (coding.trim_end(), weight.is_some_and(|weight| weight > 0.0))
}

/// Whether the client has these bytes already (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    super::upgrade::tokens(headers, &IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
