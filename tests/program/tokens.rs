//! Tokens from their making to the door: `anteroom token`, the README's snippets, and what is said of bad ones.

use std::path::Path;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use anteroom_tests::browser::or_skip;
use anteroom_tests::message::Message;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::program::{Ended, Running, anteroom, anteroom_with, command, installed, run};
use anteroom_tests::server::{address, dialer, published_hash, scratch};
use anteroom_tests::{readme, token};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// As `openssl rand -base64 32` makes one.
const KEY: &str = "8J+mijEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg=";

/// A folder with a key as the README makes it, and a development server that lets in nobody without a token.
async fn folder_and_server() -> (std::path::PathBuf, Running, Peers) {
    let folder = scratch("tokens");
    std::fs::create_dir_all(folder.join("certs")).unwrap();
    std::fs::write(folder.join("certs/token.key"), format!("{KEY}\n")).unwrap();
    std::fs::write(folder.join("anteroom.toml"), "[auth]\ntoken_key_file = \"certs/token.key\"\n").unwrap();
    let mut server = command(anteroom(), &["--listen", "127.0.0.1:0"]);
    server.current_dir(&folder).env("ANTEROOM_AUTH__TOKEN_KEY_FILE", "certs/token.key");
    server.env("ANTEROOM_AUTH__GUESTS", "false");
    let mut server = Running::start(server);
    let addr = server.listening().await;
    let dialer = dialer(&[published_hash(addr).await]);
    (folder, server, Peers { dialer, address: address(addr) })
}

struct Peers {
    dialer: anteroom_transport::Dialer,
    address: anteroom_transport::Address,
}

impl Peers {
    async fn dial(&self, via: Via) -> Peer {
        Peer::dial_to(&self.dialer, &self.address, Way::json(via)).await
    }

    /// Comes in on every transport, and gives what the server said to the last.
    async fn enter(&self, token: &str) -> Value {
        let mut accepted = Value::Null;
        for via in Via::ALL {
            let mut peer = self.dial(via).await;
            accepted = peer.handshake(json!({"version": 1, "token": token})).await;
            peer.leave().await;
        }
        accepted
    }
}

async fn in_folder(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = command(anteroom(), arguments);
    command.current_dir(folder);
    run(command).await
}

/// When a token expires.
fn exp(token: &str) -> u64 {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["exp"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minted_token_opens_the_door_and_looks_good() {
    let (folder, server, peers) = folder_and_server().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (more, name, seconds) in [
        (&["--name", "Ada"][..], "Ada", 3600),
        (&["--name", "Zoë 🦊", "--ttl", "7d"], "Zoë 🦊", 7 * 24 * 3600),
        (&["--ttl", "90s"], "ada", 90),
    ] {
        let mut arguments = vec!["token", "mint", "--config", "anteroom.toml", "--sub", "ada"];
        arguments.extend(more);
        let minted = in_folder(&folder, &arguments).await;
        assert_eq!((minted.code, &*minted.stderr), (Some(0), ""), "{minted:?}");
        let token = minted.stdout.strip_suffix('\n').unwrap();
        assert!(!token.contains(char::is_whitespace), "{token:?}");
        let exp = exp(token);
        assert!((now + seconds..now + seconds + 60).contains(&exp), "{exp}");

        let accepted = peers.enter(token).await;
        assert_eq!((&accepted["user_id"], &accepted["username"]), (&json!("ada"), &json!(name)));
        let inspected = in_folder(&folder, &["token", "inspect", "--config", "anteroom.toml", token]).await;
        assert_eq!((inspected.code, &*inspected.stderr), (Some(0), ""), "{inspected:?}");
        for words in ["HS256", &exp.to_string(), "in ", "lets its bearer in, as ada", name] {
            assert!(inspected.stdout.contains(words), "{words}: {}", inspected.stdout);
        }
        assert!(inspected.stdout.lines().all(|line| line.chars().count() <= 80), "{}", inspected.stdout);
    }
    server.signal("TERM").await;
    assert_eq!(server.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_read_from_stdin_and_what_is_wrong_with_it_is_said() {
    let folder = scratch("inspect");
    std::fs::write(folder.join("token.key"), KEY).unwrap();
    let good = json!({"sub": "ada", "exp": token::FAR});
    let sign = |key: &str, claims: &Value| token::sign_with(Algorithm::HS256, key, claims);
    let decoded = {
        let key = EncodingKey::from_secret(&STANDARD.decode(KEY).unwrap());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &good, &key).unwrap()
    };
    for (token, code, said) in [
        (sign(KEY, &good), 0, "lets its bearer in, as ada"),
        (format!("\n  {}\n", sign(KEY, &good)), 0, "lets its bearer in, as ada"),
        (sign(KEY, &json!({"sub": "ada", "exp": 1})), 1, "the token has expired"),
        (sign(KEY, &json!({"sub": 42, "exp": token::FAR})), 1, "`sub` is no text"),
        // What cannot be shown of a name is left out, as the server leaves it out.
        (sign(KEY, &json!({"sub": "ada", "name": "A\nda", "exp": token::FAR})), 0, "as ada, with the name Ada."),
        (sign(token::KEY, &good), 1, "signature is wrong"),
        (decoded, 1, "the key is its text"),
        (token::sign_with(Algorithm::HS512, KEY, &good), 1, "not signed with HS256"),
        ("nonsense".into(), 1, "no JWT"),
        (String::new(), 1, "no JWT"),
        ("x.".repeat(25_000), 1, "longer than 4096 bytes"),
    ] {
        let mut command = command(anteroom(), &["token", "inspect", "-"]);
        command.env("ANTEROOM_AUTH__TOKEN_KEY_FILE", folder.join("token.key")).stdin(Stdio::piped());
        let mut inspecting = Running::start(command);
        inspecting.say(&token).await;
        inspecting.hush();
        let ended = inspecting.end().await;
        assert_eq!((ended.code, &*ended.stderr), (Some(code), ""), "{said}: {ended:?}");
        assert!(ended.stdout.contains(said), "{said}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_options_of_token_end_it_with_2_and_a_sentence() {
    let folder = scratch("token-options");
    let config = folder.join("anteroom.toml");
    std::fs::write(&config, format!("[auth]\ntoken_key = \"{KEY}\"\n")).unwrap();
    let config = config.to_str().unwrap();
    let (long_id, long_name) = ("x".repeat(65), "x".repeat(33));
    for (arguments, said) in [
        (&["mint"][..], "--sub"),
        (&["mint", "--sub", ""], "1 to 64 bytes"),
        (&["mint", "--sub", &long_id], "1 to 64 bytes"),
        (&["mint", "--sub", "a\nb"], "1 to 64 bytes"),
        (&["mint", "--sub", "ada", "--name", ""], "at least one visible character"),
        (&["mint", "--sub", "ada", "--name", &long_name], "at most 32 characters"),
        (&["mint", "--sub", "ada", "--name", "a\u{202e}b"], "may not have"),
        (&["mint", "--sub", "ada", "--ttl", "0s"], "at least a second"),
        (&["mint", "--sub", "ada", "--ttl", "366d"], "at most 365d"),
        (&["mint", "--sub", "ada", "--ttl", "9999999999999999999999d"], "at most 365d"),
        (&["mint", "--sub", "ada", "--ttl", "60"], "a number and a unit"),
        (&["mint", "--sub", "ada", "--ttl", "1 h"], "a number and a unit"),
        (&["mint", "--sub", "ada", "--ttl", "+1h"], "a number and a unit"),
        (&["inspect"], "<TOKEN>"),
    ] {
        let mut all = vec!["token"];
        all.extend(arguments);
        all.extend(["--config", config]);
        let ended = anteroom_with(&all).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(said), "{arguments:?}: {ended:?}");
    }
    let keyless = folder.join("keyless.toml");
    std::fs::write(&keyless, "").unwrap();
    for (more, said) in [
        (&[][..], "there is no key; name the configuration with --config FILE"),
        (&["--config", keyless.to_str().unwrap()], "keyless.toml names no key: set auth.token_key_file"),
        (&["--config", "/nowhere/anteroom.toml"], "cannot read the configuration /nowhere/anteroom.toml"),
    ] {
        for command in [&["token", "mint", "--sub", "ada"][..], &["token", "inspect", "x"]] {
            let ended = anteroom_with(&[command, more].concat()).await;
            assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{more:?}: {ended:?}");
            assert!(ended.stderr.contains(said) && ended.stderr.lines().count() == 1, "{more:?}: {ended:?}");
        }
    }
}

/// The client hears what concerns it, and the log says which fault it was, in one line and without the token.
#[tokio::test(flavor = "multi_thread")]
async fn each_refused_token_is_told_and_logged_for_what_it_is() {
    let (_, server, peers) = folder_and_server().await;
    let sign = |claims: Value| token::sign_with(Algorithm::HS256, KEY, &claims);
    let good = json!({"sub": "ada", "exp": token::FAR});
    let faults = [
        (sign(json!({"sub": "ada", "exp": 1})), "has expired", "has expired"),
        (sign(json!({"sub": "ada"})), "no `exp`", "no `exp`"),
        (sign(json!({"exp": token::FAR})), "`sub` must be", "no `sub`"),
        (sign(json!({"sub": 42, "exp": token::FAR})), "`sub` must be", "`sub` is no text"),
        (sign(json!({"sub": "ada", "exp": token::FAR, "nbf": token::FAR - 1})), "not valid yet", "`nbf`"),
        (token::sign_with(Algorithm::HS512, KEY, &good), "signed with HS256", "not signed with HS256"),
        (token::sign_with(Algorithm::HS256, token::KEY, &good), "not signed for this server", "another key"),
        ("garbage".into(), "no token", "no JWT"),
    ];
    for via in Via::ALL {
        for (token, told, _) in &faults {
            let mut peer = peers.dial(via).await;
            peer.json(&json!({"type": "handshake", "data": {"version": 1, "token": token}})).await;
            let end = peer.refused(4505).await;
            assert!(end.reason.contains(told), "{via:?}: {told}: {end:?}");
            assert_eq!(end.rest, Vec::<Message>::new());
        }
        let mut peer = peers.dial(via).await;
        peer.json(&json!({"type": "handshake", "data": {"version": 1}})).await;
        assert!(peer.refused(4505).await.reason.contains("needs a token"));
    }
    server.signal("TERM").await;
    let log = server.end().await.stderr;
    for (token, ..) in &faults {
        let mut parts = token.split('.').filter(|part| *part != "garbage");
        assert!(!parts.any(|part| log.contains(part)), "{token}: {log}");
    }
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused: Vec<&Value> = entries.iter().filter(|entry| entry["message"] == "handshake refused").collect();
    for (transport, refused) in ["QUIC", "WebTransport", "WebSocket"].into_iter().zip(refused.chunks(faults.len() + 1))
    {
        let expected = faults.iter().map(|(_, _, why)| *why).chain(["there is no token"]);
        assert_eq!(refused.len(), faults.len() + 1);
        for (entry, why) in refused.iter().zip(expected) {
            assert!(entry["why"].as_str().unwrap().contains(why), "{why}: {entry}");
            assert_eq!((&entry["level"], &entry["transport"]), (&json!("INFO"), &json!(transport)), "{entry}");
            assert!(entry["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{entry}");
        }
    }
    assert_eq!(refused.len(), 3 * (faults.len() + 1));
}

/// The token that everybody writes, byte for byte.
fn exact(name: &str, exp: u64) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"ada","name":{},"exp":{exp}}}"#, json!(name)));
    let signed = format!("{header}.{claims}");
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}

/// The snippets are run as the README has them; both write what `anteroom token mint` writes.
#[tokio::test(flavor = "multi_thread")]
async fn the_snippets_of_the_readme_mint_what_the_server_accepts() {
    const NAMES: [&str; 2] = ["Ada", "Zoë \"🦊\" \\ <é>"];
    let (folder, server, peers) = folder_and_server().await;
    for name in NAMES {
        let arguments = ["token", "mint", "--config", "anteroom.toml", "--sub", "ada", "--name", name];
        let minted = in_folder(&folder, &arguments).await.stdout;
        assert_eq!(minted.trim(), exact(name, exp(minted.trim())));
    }
    for (language, program, file) in [("js", "node", "token.mjs"), ("python", "python3", "token.py")] {
        let Some(()) = or_skip(installed(program)) else { continue };
        let [snippet] = &readme::blocks("Deploy", language)[..] else { panic!("one snippet for each language") };
        for name in NAMES {
            let text = snippet.replace("\"Ada\"", &json!(name).to_string());
            assert_eq!(text == *snippet, name == "Ada", "{language}: the snippet names Ada");
            std::fs::write(folder.join(file), text).unwrap();
            let mut command = command(program, &[file]);
            command.current_dir(&folder);
            let ended = run(command).await;
            assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{language}: {ended:?}");
            let token = ended.stdout.trim();
            assert_eq!(token, exact(name, exp(token)), "{language}");
            let accepted = peers.enter(token).await;
            assert_eq!((&accepted["user_id"], &accepted["username"]), (&json!("ada"), &json!(name)), "{language}");
        }
    }
    server.signal("TERM").await;
    assert_eq!(server.end().await.code, Some(0));
}
