//! Checks that the table of files is whole, and that the page keeps to what its Content-Security-Policy allows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

fn paths() -> BTreeSet<&'static str> {
    ASSETS.iter().map(|asset| asset.path).collect()
}

/// What stands between each of these beginnings and the next quotation mark.
fn quoted<'a>(text: &'a str, beginnings: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let after = |beginning: &'a &str| text.split(beginning).skip(1).filter_map(|rest| rest.split('"').next());
    beginnings.iter().flat_map(after)
}

/// The path that a reference leads to from where it stands, as browsers resolve it.
fn resolved(from: &str, target: &str) -> String {
    let mut path: Vec<_> = from.split('/').collect();
    path.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.join("/")
}

#[test]
fn every_file_of_the_demo_is_in_the_table() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    for (folder, below) in [(demo.clone(), ""), (demo.join("games"), "games/")] {
        for file in fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|file| file.file_type().unwrap().is_file())
        {
            let name = format!("{below}{}", file.file_name().into_string().unwrap());
            let path = match &*name {
                "index.html" => "/".to_owned(),
                "replay.html" => "/replay".to_owned(),
                name => format!("/demo/{name}"),
            };
            assert!(paths().contains(&*path), "demo/{name} has no line in ASSETS (crates/web/src/lib.rs)");
        }
    }
}

#[test]
fn each_path_is_there_once_and_nothing_is_empty() {
    assert_eq!(paths().len(), ASSETS.len());
    for asset in ASSETS {
        assert!(asset.path.starts_with('/'), "{}", asset.path);
        assert!(!asset.text.trim().is_empty(), "{} is empty", asset.path);
    }
}

#[test]
fn what_the_files_refer_to_is_in_the_table_and_nothing_else_is() {
    // Browsers ask for the icon, and other pages for the SDK.
    let mut wanted = BTreeSet::from(["/", "/favicon.ico", "/sdk/anteroom.js"].map(str::to_owned));
    for asset in ASSETS {
        let beginnings: &[&str] = match asset.content_type.split(';').next() {
            Some("text/html") => &["src=\"", "href=\""],
            Some("text/javascript") => &["from \"", "import \"", "import(\""],
            Some("text/css") => &["url(\"", "@import \""],
            _ => &[],
        };
        for target in quoted(asset.text, beginnings).filter(|target| !target.starts_with('#')) {
            // A proxy may have the server under a path of its own.
            assert!(!target.starts_with('/'), "{} refers to {target:?}, which is not relative", asset.path);
            let path = resolved(asset.path, target);
            assert!(paths().contains(&*path), "{} refers to {target:?}, which is not served", asset.path);
            wanted.insert(path);
        }
    }
    let unwanted: Vec<_> = paths().into_iter().filter(|path| !wanted.contains(*path)).collect();
    assert!(unwanted.is_empty(), "nothing refers to {unwanted:?}");
}

/// Scripts and styles are files: the page runs nothing that stands in it.
#[test]
fn the_page_has_nothing_inline() {
    for page in ASSETS.iter().filter(|asset| asset.is_page()) {
        for tag in page.text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or(rest)) {
            let name = tag.split_whitespace().next().unwrap_or_default();
            assert!(name != "style", "{}: <{tag}>", page.path);
            assert!(name != "script" || tag.contains(" src=\""), "{}: <{tag}>", page.path);
            for attribute in tag.split_whitespace().skip(1).filter_map(|attribute| attribute.split_once("=\"")) {
                let (name, value) = attribute;
                assert!(name != "style" && !name.starts_with("on"), "{}: <{tag}>", page.path);
                assert!(!value.starts_with("javascript:"), "{}: <{tag}>", page.path);
            }
        }
    }
}

fn scripts_of_the_demo() -> impl Iterator<Item = &'static Asset> {
    ASSETS.iter().filter(|asset| asset.content_type == SCRIPT && asset.path.starts_with("/demo/"))
}

fn page() -> &'static str {
    ASSETS.iter().find(|asset| asset.path == "/").unwrap().text
}

/// What people write, and what the server says, goes into the page as text.
#[test]
fn no_script_makes_a_page_or_a_program_of_a_text() {
    let ways = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "Function("];
    for script in scripts_of_the_demo() {
        for way in ways {
            assert!(!script.text.contains(way), "{} has {way}", script.path);
        }
    }
}

#[test]
fn every_element_that_is_named_is_on_the_page_once() {
    let ids: Vec<_> = quoted(page(), &[" id=\""]).collect();
    let known: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(known.len(), ids.len(), "an id is there twice");
    for script in scripts_of_the_demo() {
        for id in quoted(script.text, &["byId(\""]) {
            assert!(known.contains(id), "{} asks for #{id}", script.path);
        }
    }
    for named in quoted(page(), &[" for=\"", " aria-labelledby=\"", " aria-describedby=\""]) {
        for id in named.split_whitespace() {
            assert!(known.contains(id), "the page names #{id}");
        }
    }
    let fields = ["<input id=\"", "<select id=\"", "<textarea id=\""];
    let labels: BTreeSet<_> = quoted(page(), &[" for=\""]).collect();
    for id in quoted(page(), &fields) {
        assert!(labels.contains(id), "#{id} has no label");
    }
}

/// One that is found only when another one has been read costs a round trip each. What is for one game alone is asked for with
/// it, all at once, too.
#[test]
fn every_script_of_the_demo_is_asked_for_at_once() {
    let html = ASSETS.iter().filter(|asset| asset.is_page());
    let asked: BTreeSet<_> =
        html.flat_map(|page| quoted(page.text, &["modulepreload\" href=\"", "module\" src=\""])).collect();
    let pages = scripts_of_the_demo().find(|script| script.path == "/demo/game-pages.js").unwrap();
    let later: BTreeSet<_> = quoted(pages.text, &["import(\"."]).map(|path| format!("/demo{path}")).collect();
    assert!(later.len() >= 3, "{later:?}");
    for script in scripts_of_the_demo() {
        let is_asked = asked.contains(&script.path[1..]);
        assert!(is_asked != later.contains(script.path), "{} is not preloaded, or for nothing", script.path);
    }
}
