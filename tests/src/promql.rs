//! A reader of PromQL, as far as the checks of dashboards and alert rules need it: which series an expression
//! selects and inside which functions, and what it compares. Whether an expression is valid, promtool and Prometheus
//! say.

/// What stands behind an aggregation or between operands, before a list of labels.
const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 7] = ["and", "or", "unless", "offset", "bool", "inf", "nan"];
const SET_OPERATORS: [&str; 3] = ["and", "or", "unless"];
const COMPARISONS: [&str; 6] = ["==", "!=", ">=", "<=", ">", "<"];

/// A selection of series in an expression: `name{label="value"}[range]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// The metric; empty if none is named.
    pub name: String,
    /// Label, operator, value.
    pub matchers: Vec<(String, String, String)>,
    /// What stands in the brackets behind it.
    pub range: Option<String>,
    /// The functions and aggregations around it, the innermost last.
    pub within: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Text,
    Sign,
}

/// A token and where it begins and ends.
#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    from: usize,
}

impl Token<'_> {
    fn is(&self, sign: &str) -> bool {
        self.kind != Kind::Text && self.text == sign
    }

    fn is_one_of(&self, words: &[&str]) -> bool {
        self.kind != Kind::Text && words.contains(&self.text)
    }
}

/// The tokens of an expression. A variable of Grafana (`$name`, `${name}`) is a part of a word.
fn tokens(expression: &str) -> Result<Vec<Token<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = expression;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Ok(found);
        };
        let (kind, length) = match first {
            '"' | '\'' => (Kind::Text, quoted(rest).ok_or("a string is not closed")?),
            _ if is_word(first) => (Kind::Word, rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
            _ => (Kind::Sign, sign(rest, first)),
        };
        let (text, after) = rest.split_at(length);
        found.push(Token {
            kind,
            text,
            from: expression.len() - rest.len(),
        });
        rest = after;
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '$' | '.')
}

/// How long the string is that `text` begins with, its quotes included.
fn quoted(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next()?;
    let mut escaped = false;
    for (at, c) in characters {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

fn sign(text: &str, first: char) -> usize {
    let two = ["==", "!=", ">=", "<=", "=~", "!~"];
    match two.iter().any(|sign| text.starts_with(sign)) {
        true => 2,
        false => first.len_utf8(),
    }
}

/// Reads tokens one after the other.
#[derive(Debug)]
struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn take_if(&mut self, sign: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(sign));
        self.next += usize::from(found);
        found
    }

    /// What stands up to the closing sign.
    fn until(&mut self, close: &str) -> Result<Vec<Token<'a>>, String> {
        let mut inside = Vec::new();
        loop {
            match self.take() {
                Some(token) if token.is(close) => return Ok(inside),
                Some(token) => inside.push(token),
                None => return Err(format!("a {close} is missing")),
            }
        }
    }

    /// The matchers of a selector, from behind the opening brace.
    fn matchers(&mut self) -> Result<Vec<(String, String, String)>, String> {
        let inside = self.until("}")?;
        let parts = inside
            .split(|token| token.is(","))
            .filter(|part| !part.is_empty());
        parts
            .map(|part| match part {
                [label, operator, value] if value.kind == Kind::Text => Ok((
                    label.text.to_owned(),
                    operator.text.to_owned(),
                    value.text.trim_matches(['"', '\'']).to_owned(),
                )),
                _ => Err("a matcher is not label, operator, string".to_owned()),
            })
            .collect()
    }
}

/// The selectors of an expression.
///
/// # Errors
/// Strings, braces, brackets or parentheses that are not closed, and matchers that are none.
pub fn selectors(expression: &str) -> Result<Vec<Selector>, String> {
    let mut reader = Reader {
        tokens: tokens(expression)?,
        next: 0,
    };
    let mut found: Vec<Selector> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut function = String::new();
    while let Some(token) = reader.take() {
        if token.is_one_of(&LABEL_LISTS) {
            if reader.take_if("(") {
                reader.until(")")?;
            }
        } else if token.is("(") {
            open.push(std::mem::take(&mut function));
        } else if token.is(")") {
            open.pop().ok_or("a ( is missing")?;
        } else if token.is("[") {
            let range = reader.until("]")?;
            let text: String = range.iter().map(|token| token.text).collect();
            found.last_mut().ok_or("a range of nothing")?.range = Some(text);
        } else if names_a_series(token) || token.is("{") {
            let called = |next: Token<'_>| next.is("(") || next.is_one_of(&["by", "without"]);
            if !token.is("{") && reader.peek().is_some_and(called) {
                token.text.clone_into(&mut function);
                continue;
            }
            let anonymous = token.is("{");
            let braces = anonymous || reader.take_if("{");
            found.push(Selector {
                name: if anonymous {
                    String::new()
                } else {
                    token.text.to_owned()
                },
                matchers: if braces { reader.matchers()? } else { Vec::new() },
                range: None,
                within: open.iter().filter(|name| !name.is_empty()).cloned().collect(),
            });
        }
    }
    match open.is_empty() {
        true => Ok(found),
        false => Err("a ) is missing".to_owned()),
    }
}

/// Whether a token can be the name of a metric or function: no number, duration, variable or keyword.
fn names_a_series(token: Token<'_>) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    token.kind == Kind::Word && token.text.starts_with(begins) && !token.is_one_of(&WORDS)
}

/// The parts of a condition that must have data for the condition to mean something: what set operators connect, each
/// without its comparison with a number.
///
/// # Errors
/// A string that is not closed.
pub fn operands(condition: &str) -> Result<Vec<String>, String> {
    let condition = condition.trim();
    let tokens = tokens(condition)?;
    let mut depth = 0_i32;
    let mut outer = Vec::new(); // the tokens outside of all parentheses
    for token in &tokens {
        depth -= i32::from(token.is_one_of(&[")", "]", "}"]));
        if depth == 0 {
            outer.push(*token);
        }
        depth += i32::from(token.is_one_of(&["(", "[", "{"]));
    }
    let piece = |from: usize, to: usize| condition.get(from..to).unwrap_or_default().trim();
    if let Some(at) = outer.iter().rposition(|token| token.is_one_of(&SET_OPERATORS)) {
        let operator = outer.get(at).ok_or("no operator")?;
        let behind = piece(operator.from + operator.text.len(), condition.len());
        let mut parts = operands(piece(0, operator.from))?;
        parts.extend(operands(without_labels(behind))?);
        return Ok(parts);
    }
    if let Some(comparison) = outer.iter().rfind(|token| token.is_one_of(&COMPARISONS)) {
        let behind = piece(comparison.from + comparison.text.len(), condition.len());
        if behind.parse::<f64>().is_ok() {
            return operands(piece(0, comparison.from));
        }
    }
    match (outer.as_slice(), condition.strip_prefix("absent")) {
        ([word, _, _], Some(inner)) if word.is("absent") => operands(inner),
        ([open, _], _) if open.is("(") => operands(piece(1, condition.len() - 1)),
        _ => Ok(vec![condition.to_owned()]),
    }
}

/// What stands behind `on (…)` or `ignoring (…)`.
fn without_labels(operand: &str) -> &str {
    let list = ["on", "ignoring"]
        .iter()
        .find_map(|word| operand.strip_prefix(word)?.trim_start().strip_prefix('('));
    list.and_then(|list| list.split_once(')'))
        .map_or(operand, |(_, behind)| behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, range and functions of each selector.
    fn read(expression: &str) -> Vec<(String, String, String)> {
        let found = selectors(expression).unwrap();
        let shown = |one: Selector| (one.name, one.range.unwrap_or_default(), one.within.join(" "));
        found.into_iter().map(shown).collect()
    }

    fn one(name: &str, range: &str, within: &str) -> (String, String, String) {
        (name.into(), range.into(), within.into())
    }

    #[test]
    fn selectors_are_found_with_what_is_around_them() {
        assert_eq!(read("up"), [one("up", "", "")]);
        assert_eq!(
            read("histogram_quantile(0.9, sum by (le, job) (rate(a_bucket{x=\"(\"}[$__rate_interval])))"),
            [one("a_bucket", "$__rate_interval", "histogram_quantile sum rate")]
        );
        assert_eq!(
            read("sum(rate(a[5m])) without (b) / on (c) group_left (d) max(e) > 1e3 and f offset 5m"),
            [one("a", "5m", "sum rate"), one("e", "", "max"), one("f", "", "")]
        );
        assert_eq!(
            read("vector($limit) + {job=\"x\"} * inf"),
            [one("", "", "")],
            "a variable and a number are no series"
        );
    }

    #[test]
    fn matchers_are_taken_apart() {
        let found = selectors("a{b=\"c, d}\", e!~'f|\\'g', }").unwrap();
        let matcher =
            |label: &str, operator: &str, value: &str| (label.into(), operator.into(), value.into());
        assert_eq!(
            found[0].matchers,
            [matcher("b", "=", "c, d}"), matcher("e", "!~", "f|\\'g")]
        );
    }

    #[test]
    fn what_is_not_closed_is_an_error() {
        for broken in ["sum(a", "a)", "a{b=\"c\"", "a{b=\"c}", "a[5m", "[5m]", "a{b}"] {
            assert!(selectors(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn the_operands_of_a_condition_are_what_it_compares() {
        let parts = |condition: &str| operands(condition).unwrap();
        assert_eq!(parts("a == 1"), ["a"]);
        assert_eq!(
            parts("up{j=\"x == 1\"} == 0 or absent(up)"),
            ["up{j=\"x == 1\"}", "up"]
        );
        assert_eq!(
            parts("(a > 0.4 and on (j) b >= 10) unless on (j, i) c == 1"),
            ["a", "b", "c"]
        );
        assert_eq!(parts("rate(a[5m]) / b > 0.2"), ["rate(a[5m]) / b"]);
        assert_eq!(parts("(a) / (b) > 0.2"), ["(a) / (b)"]);
        assert_eq!(
            parts("a > b"),
            ["a > b"],
            "only comparisons with numbers are taken away"
        );
    }
}
