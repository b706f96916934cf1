//! The demo in real browsers: people who play, whatever carries it.

use std::collections::BTreeMap;
use std::process::Stdio;

use anteroom_tests::browser::{self, Browser};
use anteroom_tests::program::{Running, command, example};
use anteroom_tests::server::TestServer;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_are_two_players_over_webtransport() {
    two_tabs_are_two_players(Browser::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_are_two_players_over_webtransport_in_firefox() {
    two_tabs_are_two_players(Browser::Firefox).await;
}

async fn two_tabs_are_two_players(browser: Browser) {
    let server = TestServer::start();
    let about = json!({"url": format!("http://{}", server.addr())});
    browser::tell_in(browser, "two_tabs.mjs", &about, browser::nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn back_and_forward_lead_to_the_seat_over_the_same_transport() {
    back_and_forward_lead_to_the_seat(Browser::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn back_and_forward_lead_to_the_seat_over_the_same_transport_in_firefox() {
    back_and_forward_lead_to_the_seat(Browser::Firefox).await;
}

async fn back_and_forward_lead_to_the_seat(browser: Browser) {
    let server = TestServer::start();
    let about = json!({"url": format!("http://{}", server.addr())});
    if let Some(told) = browser::tell_in(browser, "history.mjs", &about, browser::nothing).await {
        // Or the other half would not have been tried: Firefox loads it anew, as things are.
        println!("{} of 3 times the page had been kept", told["kept"]);
        assert!(browser != Browser::Chromium || told["kept"] == 3, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_complains_is_heard() {
    let server = TestServer::start();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let about = json!({"url": format!("http://{}", server.addr()), "gone": format!("http://{gone}")});
    for browser in [Browser::Chromium, Browser::Firefox] {
        browser::tell_in(browser, "complaints.mjs", &about, browser::nothing).await;
    }
}

/// The program for terminals, without one: it prints every state, and reads moves.
struct Terminal {
    program: Running,
    board: String,
}

impl Terminal {
    fn start(server: &TestServer, ask: &Value) -> Self {
        let [name, option, room] = ["name", "option", "room"].map(|key| ask[key].as_str().unwrap());
        let addr = server.addr().to_string();
        let mut command = command(example("native_quic"), &["--server", &addr, "--transport", "quic", "--name", name]);
        command.args([option, room]).stdin(Stdio::piped());
        Self { program: Running::start(command), board: String::new() }
    }

    /// Reads until this board is shown, which has to be the next one.
    async fn sees(&mut self, board: &str) {
        while self.board != board {
            let mut rows = Vec::new();
            for number in ["0 ", "1 ", "2 "] {
                rows.push(self.program.line_with(number).await.replace(' ', ""));
                // The numbers above the columns begin like the first row.
                if rows == ["12"] {
                    rows = vec![self.program.line_with(number).await.replace(' ', "")];
                }
            }
            let next = rows.join("/");
            assert!(next == board || next == self.board || self.board.is_empty(), "{next} after {}", self.board);
            self.board = next;
        }
    }

    /// Reads until a line says this.
    async fn told(&mut self, words: &str) {
        loop {
            match self.program.line().await {
                Some(line) if line.contains(words) => return,
                line => assert!(line.is_some(), "it ended before {words:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_browsers_and_a_terminal_play_and_watch_the_same_matches() {
    // Building it may take longer than a story waits.
    drop(example("native_quic"));
    let server = TestServer::start();
    let about = json!({"url": format!("http://{}", server.addr())});
    let mut terminals = BTreeMap::new();
    let act = async |ask: &Value| {
        let name = ask["name"].as_str().unwrap().to_owned();
        let word = |key: &str| ask[key].as_str().unwrap();
        let terminal = terminals.entry(name).or_insert_with(|| Terminal::start(&server, ask));
        match word("ask") {
            "terminal" => drop(terminal.program.line_with("You ").await),
            "type" => terminal.program.say(word("line")).await,
            "sees" => terminal.sees(word("board")).await,
            "told" => terminal.told(word("words")).await,
            _ => panic!("nobody can do this here: {ask}"),
        }
        json!(null)
    };
    if browser::tell("three_ways.mjs", &about, act).await.is_none() {
        return;
    }
    for (name, mut terminal) in terminals {
        terminal.program.say("quit").await;
        let ended = terminal.program.end().await;
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{name}");
    }
}
