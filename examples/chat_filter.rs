//! A server that filters what is said in its rooms by a list of words: some are starred out, others are not said at all.
//!
//! `cargo run --release --example chat_filter -- words.txt`, with one word a line; `!word` is one that is refused. Without a file
//! it has a list of its own. It finds words as they are written, whatever their case, and nothing that stands for them.

use std::collections::BTreeSet;
use std::error::Error;

use anteroom_server::{ChatFacts, ChatFilter, Config, Mode, Server, Verdict};

/// The list of whoever brings none.
const WORDS: &str = "darn\nheck\n!freecoins";

/// Which words are not welcome, in lower case.
struct WordList {
    starred: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl WordList {
    fn parse(lines: &str) -> Self {
        let words = || lines.lines().map(|line| line.trim().to_lowercase()).filter(|word| !word.is_empty());
        Self {
            starred: words().filter(|word| !word.starts_with('!')).collect(),
            refused: words().filter_map(|word| Some(word.strip_prefix('!')?.to_owned())).collect(),
        }
    }

    fn verdict(&self, text: &str) -> Verdict {
        let mut said = String::with_capacity(text.len());
        for part in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
            let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
            let known = word.to_lowercase();
            if self.refused.contains(&known) {
                return Verdict::Refuse("That is not said here.".into());
            }
            if self.starred.contains(&known) {
                said.extend(word.chars().map(|_| '*'));
            } else {
                said.push_str(word);
            }
            said.push_str(&part[word.len()..]);
        }
        if said == text { Verdict::Pass } else { Verdict::Replace(said) }
    }
}

impl ChatFilter for WordList {
    fn check(&self, text: &str, _facts: &ChatFacts<'_>) -> Verdict {
        self.verdict(text)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => WORDS.to_owned(),
    };
    anteroom_server::cli::runtime()?.block_on(async {
        let server = Server::builder(Config::development(), Mode::Development { on_network: false })
            .games(anteroom_games::registry()?)
            .chat_filter(WordList::parse(&words))
            .start()?;
        println!("http://{}", server.local_addr());
        tokio::signal::ctrl_c().await?;
        server.shutdown().await;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_starred_out_or_refused_and_others_pass() {
        let list = WordList::parse("Darn\n\n  heck \n!freecoins\n");
        for (text, said) in [
            ("Oh DARN, what the heck?", Some("Oh ****, what the ****?")),
            ("darn", Some("****")),
            ("a darned good move", None),
            ("Zürich, 12:30 \u{1f600}", None),
            ("", None),
        ] {
            let wanted = said.map_or(Verdict::Pass, |said| Verdict::Replace(said.into()));
            assert_eq!(list.verdict(text), wanted, "{text}");
        }
        assert!(matches!(list.verdict("Get FreeCoins!"), Verdict::Refuse(_)));
    }
}
