//! A script without what only its readers need: comments and white space are most of the SDK.
//!
//! Of JavaScript it knows where texts, templates, regular expressions and comments begin and end, and which white space
//! means something: between two words, and at the end of a line that may end a statement. A number that the module has
//! given a name is put where the name stands, and a private name, which nothing outside sees, is a letter or two.
//!
//! Of a script it asks that a statement ends with a semicolon or a brace, and that none is empty. One that does not keep
//! to that is no script any more, rather than another one.

use std::collections::BTreeMap;

/// Leaves out comments, white space and semicolons that mean nothing, and names that are for readers.
pub(crate) fn lean(script: &str) -> String {
    let numbers: BTreeMap<_, _> = script.lines().filter_map(named_number).collect();
    let code: String = script.split_inclusive('\n').filter(|line| named_number(line.trim_end()).is_none()).collect();
    let mut lean = String::with_capacity(script.len());
    let (mut rest, mut gap, mut templates, mut private) = (&*code, None, Vec::new(), BTreeMap::new());
    while !rest.is_empty() {
        let (token, behind) = rest.split_at(length(rest, &lean, &mut templates));
        rest = behind;
        if token.starts_with(char::is_whitespace) || token.starts_with("//") || token.starts_with("/*") {
            gap = if token.contains('\n') { Some('\n') } else { gap.or(Some(' ')) };
            continue;
        }
        if let (Some(gap), Some(before), Some(next)) = (gap.take(), lean.chars().next_back(), token.chars().next())
            && matters(before, gap, next)
        {
            lean.push(gap);
        }
        if token == "}" && lean.ends_with(';') {
            lean.pop();
        }
        let number = private.len();
        match token {
            // What assigned to it would have failed.
            "const" if rest.starts_with(' ') && !lean.ends_with('.') => lean.push_str("let"),
            _ if token.starts_with('#') => lean.push_str(private.entry(token).or_insert_with(|| private_name(number))),
            _ => lean.push_str(numbers.get(token).unwrap_or(&token)),
        }
    }
    lean
}

/// The name and the number in a line that does nothing but give one to the other, for the whole module.
fn named_number(line: &str) -> Option<(&str, &str)> {
    let (name, number) = line.strip_prefix("const ")?.strip_suffix(';')?.split_once(" = ")?;
    let is_name = name.contains('_') && name.chars().all(|character| character == '_' || character.is_uppercase());
    (is_name && number.chars().all(|digit| digit.is_ascii_digit())).then_some((name, number))
}

/// A private name: `#a` to `#z`, then `#a1`, and so on.
fn private_name(number: usize) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    if number < 26 { format!("#{letter}") } else { format!("#{letter}{}", number / 26) }
}

/// The length of the token that a script goes on with. `templates` counts, for each template whose expression this is in,
/// the braces that are open there.
fn length(rest: &str, before: &str, templates: &mut Vec<usize>) -> usize {
    let first = rest.chars().next().unwrap_or(' ');
    let ends_template = first == '}' && templates.pop_if(|braces| *braces == 0).is_some();
    match first {
        '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
        '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
        '/' if may_begin_an_expression(before) => literal(rest, |class, text| !class && text.starts_with('/')),
        '"' | '\'' => literal(rest, |_, text| text.starts_with(first)),
        _ if first == '`' || ends_template => {
            let end = literal(rest, |_, text| text.starts_with('`') || text.starts_with("${"));
            if rest[..end].ends_with('$') {
                templates.push(0);
                return end + 1;
            }
            end
        }
        _ => {
            if let Some(braces) = templates.last_mut() {
                *braces += usize::from(first == '{');
                *braces -= usize::from(first == '}');
            }
            let rest_of_word = rest.chars().skip(1).take_while(|next| is_word(first) && is_word(*next));
            first.len_utf8() + rest_of_word.map(char::len_utf8).sum::<usize>()
        }
    }
}

/// The length of what ends with the first character that `is_end`, behind the one it begins with. Is told whether that
/// character is in the brackets of a regular expression.
fn literal(rest: &str, is_end: impl Fn(bool, &str) -> bool) -> usize {
    let (mut class, mut escaped) = (false, false);
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if std::mem::take(&mut escaped) => {}
            '\\' => escaped = true,
            _ if is_end(class, &rest[at..]) => return at + character.len_utf8(),
            '[' => class = true,
            ']' => class = false,
            _ => {}
        }
    }
    rest.len()
}

/// Whether a slash behind this begins a regular expression, rather than divide.
fn may_begin_an_expression(before: &str) -> bool {
    before.is_empty() || before.ends_with(|last| "(,=:[!&|?{;>".contains(last)) || before.ends_with("return")
}

/// Whether white space between two characters means something.
fn matters(before: char, gap: char, next: char) -> bool {
    match gap {
        '\n' => !";,{([}".contains(before) && next != '}',
        // Together they would be another operator, or a comment.
        _ => is_word(before) && is_word(next) || "+-/".contains(before) && "+-/".contains(next),
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || "_$#".contains(character)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::lean;
    use crate::{ASSETS, SCRIPT};

    #[test]
    fn comments_go_and_code_stays() {
        let script = "/**\n * What it is.\n */\nlet a = 1; // so far\n  // why\n\
                      \x20 const b = /** @type {any} */ (a) * 2; /** c */\n/* d */ e()\nreturn f\n";
        assert_eq!(lean(script), "let a=1;let b=(a)*2;e()\nreturn f");
    }

    #[test]
    fn what_means_something_stays() {
        for script in [
            "let url=\"https://a // b\";",
            "let quoted='\\' // b',c=\"'  \\\"  '\";",
            "let said=`a  ${b?`// ${{c:\"} }\"}.c}  `:{}}  // ${d} /* e */`;",
            "let found=/[/] \\/  [^\"]\"/.test(a)?/'/:a/b/c;",
            "return/ \"/.test(a)",
            "let a=b+ ++c- -d/ /e/.f;async function*g(){await h\n(i)}",
            "class A{#a=1\nstatic#b=2;static async*c(){}}",
            "let \u{e9}=\"\u{201c} \u{201d}\"\nyield \u{e9}",
        ] {
            assert_eq!(lean(script), script);
        }
    }

    #[test]
    fn numbers_stand_where_their_names_stood() {
        let script = "const A_MS = 250;\nconst B_MAX = 1 << 20;\nlet c = [A_MS, B_MAX, `A_MS ${A_MS}`, \"A_MS\"];\n\
                      {\n  const D_MS = 7;\n  e(D_MS, SA_MS)\n}\n";
        assert_eq!(lean(script), "let B_MAX=1<<20;let c=[250,B_MAX,`A_MS ${250}`,\"A_MS\"];{let D_MS=7;e(D_MS,SA_MS)}");
    }

    #[test]
    fn white_space_goes_where_it_means_nothing() {
        assert_eq!(lean("if (a  &&  b) {\n\n  c (d,\n e) ;\n}\nelse f\n"), "if(a&&b){c(d,e)}else f");
        assert_eq!(lean("a = {\n  b: [ 1, 2 ],\n} ; `${ a }`"), "a={b:[1,2],};`${a}`");
    }

    #[test]
    fn private_names_are_short_and_differ() {
        let class = "class A {\n  #first = 1;\n  #b = \"#first\";\n  get() { return this.#first + this.#b; }\n}\n";
        assert_eq!(lean(class), "class A{#a=1;#b=\"#first\";get(){return this.#a+this.#b}}");
        let many: String = (0..60).map(|number| format!("#name{number};")).collect();
        let lean = lean(&many);
        assert!(lean.starts_with("#a;#b;") && lean.contains("#z;#a1;") && lean.ends_with("#h2;"), "{lean}");
        let names: BTreeSet<_> = lean.split_terminator(';').collect();
        assert_eq!(names.len(), 60);
    }

    #[test]
    fn what_ends_with_a_brace_needs_no_more() {
        let script = "a.const = {\n  b,\n};\nfor (;;) {\n  if (c) { d(); }\n  e();\n}\nf();\n";
        assert_eq!(lean(script), "a.const={b,};for(;;){if(c){d()}e()}f();");
    }

    /// Once more changes nothing, so what is left was understood.
    #[test]
    fn every_script_is_as_lean_as_can_be() {
        for asset in ASSETS.iter().filter(|asset| asset.content_type == SCRIPT) {
            let once = lean(asset.text);
            assert!(once.len() < asset.text.len(), "{}", asset.path);
            assert_eq!(lean(&once), once, "{}", asset.path);
        }
    }
}
