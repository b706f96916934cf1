//! A script without what only its readers need: comments are most of the SDK.
//!
//! Knows just enough of JavaScript: a comment is a block that opens with two stars, or a whole line behind two slashes.

/// Leaves out comments, indentation, and the ends of lines that mean nothing.
pub(crate) fn lean(script: &str) -> String {
    let mut lean = String::with_capacity(script.len());
    let mut is_comment = false;
    for line in script.lines() {
        let is_remark = !is_comment && line.trim_start().starts_with("//");
        let mut code = String::new();
        let mut rest = if is_remark { "" } else { line };
        while !rest.is_empty() {
            let (part, behind) = rest.split_once(if is_comment { "*/" } else { "/**" }).unwrap_or((rest, ""));
            if !is_comment {
                code.push_str(part);
            }
            is_comment ^= part.len() < rest.len();
            rest = behind;
        }
        let code = code.trim();
        if !code.is_empty() {
            lean.push_str(code);
            // Behind what opens or separates; but a remark at the end of a line ends with it.
            if code.contains("//") || !code.ends_with([';', ',', '{', '(', '[']) {
                lean.push('\n');
            }
        }
    }
    lean
}

#[cfg(test)]
mod tests {
    use super::lean;

    #[test]
    fn comments_go_and_code_stays() {
        let script = "/**\n * What it is.\n */\nlet a = 1;\n  // why\n\
                      \x20 const b = /** @type {any} */ (a) * 2; /** c */\n/** d */ e();\n";
        assert_eq!(lean(script), "let a = 1;const b =  (a) * 2;e();");
    }

    #[test]
    fn what_looks_like_a_comment_and_is_none_stays() {
        let script = "const url = \"https://a//b\"; // said at the end of a line;\nconst c = a */ 2\nx = y ** 2\n";
        assert_eq!(lean(script), script);
    }
}
