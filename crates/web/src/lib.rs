//! What browsers get from the server, embedded in the program: files, and nothing that runs on the server.

use std::borrow::Cow;

mod lean;

/// A file that the server hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Where it is, beginning with a slash.
    pub path: &'static str,
    /// What a browser is told that it is.
    pub content_type: &'static str,
    /// What is in it, as it was written.
    pub text: &'static str,
}

impl Asset {
    /// The file as it is sent: scripts go without their comments, which are most of the SDK.
    #[must_use]
    pub fn content(&self) -> Cow<'static, str> {
        if self.content_type == SCRIPT { lean::lean(self.text).into() } else { self.text.into() }
    }

    /// Whether it is a page that a person opens.
    #[must_use]
    pub fn is_page(&self) -> bool {
        self.content_type == HTML
    }

    /// Whether pages of other origins may load it: the SDK, and nothing else.
    #[must_use]
    pub fn is_for_everyone(&self) -> bool {
        self.path.starts_with("/sdk/")
    }
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What a file is, by the end of its name.
const fn content_type(file: &str) -> &'static str {
    match file.as_bytes() {
        [.., b'.', b'h', b't', b'm', b'l'] => HTML,
        [.., b'.', b'c', b's', b's'] => "text/css; charset=utf-8",
        [.., b'.', b'j', b's'] => SCRIPT,
        [.., b'.', b'd', b'.', b't', b's'] => "text/plain; charset=utf-8",
        [.., b'.', b's', b'v', b'g'] => "image/svg+xml; charset=utf-8",
        _ => panic!("nothing is known of files with this ending"),
    }
}

/// One file to a line; its path is its own name, unless `at` says another. Behind the semicolon is what the build has made.
macro_rules! assets {
    ($($file:literal $(at $path:literal)?),*; $($built:literal),* $(,)?) => {
        &[
            $(assets!(@asset $file, assets!(@path $file $($path)?), "..")),*,
            $(assets!(@asset $built, concat!("/", $built), env!("OUT_DIR"))),*
        ]
    };
    (@asset $file:literal, $path:expr, $folder:expr) => {
        Asset { path: $path, content_type: content_type($file), text: include_str!(concat!($folder, "/", $file)) }
    };
    (@path $file:literal) => { concat!("/", $file) };
    (@path $file:literal $path:literal) => { $path };
}

/// Every file of the demo and the SDK that is handed out.
pub const ASSETS: &[Asset] = assets![
    "demo/index.html" at "/",
    "demo/icon.svg" at "/favicon.ico",
    "demo/board.js",
    "demo/chat-lines.js",
    "demo/chat-view.js",
    "demo/company.css",
    "demo/create-dialog.js",
    "demo/demo.css",
    "demo/demo.js",
    "demo/dialog.js",
    "demo/dom.js",
    "demo/entry-view.js",
    "demo/forms.css",
    "demo/game-pages.js",
    "demo/games.css",
    "demo/games.js",
    "demo/games/dice.js",
    "demo/games/owe-drahn.js",
    "demo/games/parts.js",
    "demo/games/tic-tac-toe.js",
    "demo/icon.svg",
    "demo/invite-dialog.js",
    "demo/layout.css",
    "demo/link-view.js",
    "demo/lobby-filter.js",
    "demo/lobby-view.js",
    "demo/log.js",
    "demo/marks.js",
    "demo/match-bar.js",
    "demo/members-view.js",
    "demo/memory.js",
    "demo/menu.js",
    "demo/notice.js",
    "demo/options-form.js",
    "demo/password-dialog.js",
    "demo/people.js",
    "demo/qr.js",
    "demo/reconnecting.js",
    "demo/replay.css",
    "demo/replay.html" at "/replay",
    "demo/replay.js",
    "demo/rights.js",
    "demo/room-head.js",
    "demo/room-view.js",
    "demo/settings-dialog.js",
    "demo/table.css",
    "demo/views.css",
    "demo/views.js",
    "demo/words.js";
    "sdk/anteroom-tools.js",
    "sdk/anteroom.js",
];

#[cfg(test)]
mod tests;
