//! Puts the modules of the SDK together into the files that the server hands out: each `sdk/src/anteroom*.js`, behind
//! all that it imports. `sdk/build.mjs` makes the same files for npm, byte by byte; a test of the SDK holds both together.
//!
//! This is no bundler: it knows JavaScript by whole lines.
//!
//! - A module begins with a comment that says what it is for, and that stays in the file.
//! - `import { a, b } from "./other.js";`, in one line, goes. Imports decide the order, so there are no cycles. An
//!   import from a module that is a file of its own stays.
//! - `/** @import { A } from "./other.js" */`, which is for types, goes, and decides nothing.
//! - `export` in front of a declaration goes, except in the module that the file is named after. That one may have
//!   `export { a, b };`, too: it alone says what the file exports.
//! - No name is at the top level of a file twice. Each module is in one file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=sdk/src");
    if let Err(error) = build(Path::new("sdk/src")) {
        println!("cargo::error=sdk/src: {error}");
    }
}

/// Writes the files that a folder of modules makes.
fn build(folder: &Path) -> Result<(), String> {
    let place = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("sdk");
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let name = entry.map_err(|error| error.to_string())?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".js") {
            names.insert(name);
        }
    }
    let mut places = BTreeMap::new();
    for name in names.iter().filter(|name| is_output(name)) {
        let text = Output::join(folder, name, &mut places)?;
        fs::write(place.join(name), text).map_err(|error| format!("{name} cannot be written: {error}"))?;
    }
    match names.iter().find(|name| !places.contains_key(*name)) {
        Some(left) => Err(format!("{left} is in no file, since no module imports it")),
        None => Ok(()),
    }
}

/// Whether a module becomes a file of its own.
fn is_output(name: &str) -> bool {
    name.starts_with("anteroom")
}

/// One file, while it is put together.
struct Output<'a> {
    folder: &'a Path,
    name: &'a str,
    /// Which file each module is in.
    places: &'a mut BTreeMap<String, String>,
    /// Where each name at the top level is from.
    origins: BTreeMap<String, String>,
    /// What stays an import, since it is in another file.
    outside: BTreeSet<String>,
    parts: String,
}

impl<'a> Output<'a> {
    fn join(folder: &'a Path, name: &'a str, places: &'a mut BTreeMap<String, String>) -> Result<String, String> {
        let (origins, outside, parts) = (BTreeMap::new(), BTreeSet::new(), String::new());
        let mut output = Self { folder, name, places, origins, outside, parts };
        let (head, body) = output.add(&[name])?;
        let mut outside: String = output.outside.into_iter().collect();
        if !outside.is_empty() {
            outside.push('\n');
        }
        Ok(format!("{head}\n{outside}{}{body}", output.parts))
    }

    /// Adds what the last module of a path, which begins with the output, imports. Gives the module's own head and body.
    fn add(&mut self, path: &[&str]) -> Result<(String, String), String> {
        let name = path[path.len() - 1];
        self.places.insert(name.to_owned(), self.name.to_owned());
        let text = fs::read_to_string(self.folder.join(name));
        let text = text.map_err(|error| format!("{name} cannot be read: {error}"))?.replace("\r\n", "\n");
        let end = text.find(" */\n").filter(|_| text.starts_with("/**\n"));
        let end = end.ok_or_else(|| format!("{name} does not begin with a comment that says what it is for"))? + 4;
        let mut body = String::new();
        for line in text[end..].split('\n') {
            if let Some(line) = self.line(path, name, line)? {
                body.push_str(line);
                body.push('\n');
            }
        }
        Ok((text[..end].to_owned(), format!("{}\n", body.trim())))
    }

    /// What stays of a line.
    fn line<'b>(&mut self, path: &[&str], name: &str, line: &'b str) -> Result<Option<&'b str>, String> {
        if line.starts_with("/** @import ") && line.ends_with(" */") {
            return Ok(None);
        }
        if let Some((names, file)) = import(line) {
            self.import(path, name, names, file)?;
            return Ok(None);
        }
        let (is_main, exported) = (name == self.name, line.strip_prefix("export "));
        let declared = declared(exported.unwrap_or(line));
        if let Some(declared) = declared {
            self.own(declared, name)?;
        }
        let is_list =
            is_main && exported.is_some_and(|list| names(list.strip_suffix(';').unwrap_or_default()).is_some());
        let is_known = declared.is_some() || is_list;
        if !is_known && (line.starts_with("import") || line.starts_with("export")) {
            return Err(format!("{name}: not understood: {line}"));
        }
        Ok(Some(exported.filter(|_| !is_main).unwrap_or(line)))
    }

    fn import(&mut self, path: &[&str], name: &str, names: &str, file: &str) -> Result<(), String> {
        if path.contains(&file) {
            return Err(format!("{name} imports {file}, which imports it"));
        }
        if is_output(file) {
            for imported in names.split(", ") {
                self.own(imported, file)?;
                self.outside.insert(format!("import {{ {imported} }} from \"./{file}\";\n"));
            }
            return Ok(());
        }
        match self.places.get(file) {
            Some(place) if place == self.name => {}
            Some(place) => {
                return Err(format!("{file} is wanted in {place} and {}; one has to export what is in it", self.name));
            }
            None => {
                let (head, body) = self.add(&[path, &[file]].concat())?;
                self.parts.push_str(&format!("{head}\n{body}\n"));
            }
        }
        Ok(())
    }

    fn own(&mut self, declared: &str, from: &str) -> Result<(), String> {
        if declared.is_empty() {
            return Err(format!("{from} declares something without a plain name"));
        }
        match self.origins.insert(declared.to_owned(), from.to_owned()) {
            Some(other) if other != from => Err(format!("{from} and {other} both have the name {declared}")),
            _ => Ok(()),
        }
    }
}

/// The names and the module in a line that imports.
fn import(line: &str) -> Option<(&str, &str)> {
    let (list, file) = line.strip_prefix("import ")?.strip_suffix("\";")?.split_once(" from \"./")?;
    let is_file = file.strip_suffix(".js").is_some_and(|stem| stem.chars().all(|next| is_word(next) || next == '-'));
    names(list).filter(|_| is_file).map(|names| (names, file))
}

/// What is between the braces of a list of plain names.
fn names(list: &str) -> Option<&str> {
    let names = list.strip_prefix("{ ")?.strip_suffix(" }")?;
    names.split(", ").all(|name| !name.is_empty() && name.chars().all(is_word)).then_some(names)
}

/// What a line declares at the top level; an empty name, if it is not a plain one.
fn declared(line: &str) -> Option<&str> {
    let kinds = ["async function ", "function ", "class ", "const ", "let "];
    let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
    Some(&rest[..rest.find(|next| !is_word(next)).unwrap_or(rest.len())])
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
