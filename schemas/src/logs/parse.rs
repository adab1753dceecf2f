//! The query language: words, `"phrases"`, `field:value`, `AND`, `OR`, `NOT` or `-`, and parentheses. Pure.

use std::fmt;

use uuid::Uuid;

use super::words::words;
use super::{Stream, words};

/// Characters of a query.
const MAX_CHARS: usize = 4_096;
/// Parentheses and negations inside each other.
const MAX_DEPTH: usize = 64;

/// What a line has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// Anything.
    All,
    /// It holds these words, one right after the other.
    Words(Vec<String>),
    /// What is known of it is this.
    Field(Field, String),
    /// All of these.
    And(Vec<Expr>),
    /// One of these.
    Or(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
}

/// What is known of a line beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The fleet's owner.
    Owner,
    /// `owner/fleet`.
    Fleet,
    /// The container's name in its fleet, or the task's.
    Container,
    /// `stdout`, `stderr` or `gap`.
    Stream,
    /// Where it ran.
    Node,
    /// The run's id.
    Run,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 6] = [Self::Owner, Self::Fleet, Self::Container, Self::Stream, Self::Node, Self::Run];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Fleet => "fleet",
            Self::Container => "container",
            Self::Stream => "stream",
            Self::Node => "node",
            Self::Run => "run",
        }
    }
}

/// Why a query cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// The character, counted from 1.
    pub column: usize,
    /// What was seen, what was expected, a hint.
    pub message: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for QueryError {}

impl Expr {
    /// Reads a query. An empty one is [`Expr::All`].
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let chars: Vec<char> = text.chars().collect();
        if chars.len() > MAX_CHARS {
            let message = format!("the query has {} characters, at most {MAX_CHARS} are read", chars.len());
            return Err(QueryError { column: MAX_CHARS + 1, message });
        }
        let mut parser = Parser { chars, at: 0, depth: 0 };
        parser.skip_space();
        if parser.peek().is_none() {
            return Ok(Self::All);
        }
        let expr = parser.any()?;
        match parser.peek() {
            None => Ok(expr),
            Some(_) => Err(parser.error_here("this `)` closes nothing: remove it, or put it into quotes")),
        }
    }

    pub(super) fn fits(&self, it: &super::Found) -> bool {
        match self {
            Self::All => true,
            Self::Words(wanted) => words::holds(&it.text, wanted),
            Self::Field(field, value) => match field {
                Field::Owner => it.origin.fleet.owner.as_str() == value,
                Field::Fleet => {
                    let fleet = &it.origin.fleet;
                    value.split_once('/').is_some_and(|(o, f)| o == fleet.owner.as_str() && f == fleet.name.as_str())
                }
                Field::Container => it.origin.container == *value,
                Field::Stream => it.stream.as_str() == value,
                Field::Node => it.node.as_str() == value,
                Field::Run => it.origin.run.is_some_and(|run| run.to_string() == *value),
            },
            Self::And(all) => all.iter().all(|one| one.fits(it)),
            Self::Or(any) => any.iter().any(|one| one.fits(it)),
            Self::Not(inner) => !inner.fits(it),
        }
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn error_here(&self, message: impl Into<String>) -> QueryError {
        QueryError { column: self.at + 1, message: message.into() }
    }

    /// Whether the next word is this one; then it is taken.
    fn takes(&mut self, word: &str) -> bool {
        let length = word.chars().count();
        let end = self.at + length;
        let same = self.chars.get(self.at..end).is_some_and(|it| it.iter().copied().eq(word.chars()));
        let whole = self.chars.get(end).is_none_or(|it| it.is_whitespace() || matches!(it, '(' | ')' | '"'));
        if same && whole {
            self.at = end;
            self.skip_space();
        }
        same && whole
    }

    /// `a OR b`
    fn any(&mut self) -> Result<Expr, QueryError> {
        let mut any = vec![self.all()?];
        loop {
            let at = self.at;
            if !self.takes("OR") {
                break;
            }
            self.must_go_on(at, "OR")?;
            any.push(self.all()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Expr::Or(any) })
    }

    /// `a AND b`, or `a b`
    fn all(&mut self) -> Result<Expr, QueryError> {
        let mut all = vec![self.one()?];
        loop {
            let at = self.at;
            if self.takes("AND") {
                self.must_go_on(at, "AND")?;
            } else if self.at_end_of_all() {
                break;
            }
            all.push(self.one()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn at_end_of_all(&mut self) -> bool {
        let at = self.at;
        let is_or = self.takes("OR");
        self.at = at;
        is_or || matches!(self.peek(), None | Some(')'))
    }

    /// After an operator there has to be something for it.
    fn must_go_on(&self, at: usize, operator: &str) -> Result<(), QueryError> {
        if matches!(self.peek(), None | Some(')')) {
            let message =
                format!("nothing follows `{operator}`: write what should, or \"{operator}\" in quotes for the word");
            return Err(QueryError { column: at + 1, message });
        }
        Ok(())
    }

    fn one(&mut self) -> Result<Expr, QueryError> {
        let at = self.at;
        if self.depth >= MAX_DEPTH {
            return Err(
                self.error_here(format!("more than {MAX_DEPTH} parentheses inside each other: write it flatter"))
            );
        }
        for operator in ["AND", "OR"] {
            if self.takes(operator) {
                let message = format!(
                    "nothing comes before `{operator}`: write what should, or \"{operator}\" in quotes for the word"
                );
                return Err(QueryError { column: at + 1, message });
            }
        }
        if self.takes("NOT") {
            self.must_go_on(at, "NOT")?;
            return self.not();
        }
        match self.peek() {
            Some('-') => {
                self.at += 1;
                if self.peek().is_none_or(|it| it.is_whitespace() || matches!(it, ')' | '-')) {
                    let message = "nothing follows `-`: write the word that must not be there right behind it";
                    return Err(QueryError { column: at + 1, message: message.to_owned() });
                }
                self.not()
            }
            Some('(') => {
                self.at += 1;
                self.skip_space();
                if self.peek() == Some(')') {
                    return Err(QueryError {
                        column: at + 1,
                        message: "there is nothing between `(` and `)`".to_owned(),
                    });
                }
                self.depth += 1;
                let inner = self.any()?;
                self.depth -= 1;
                if self.peek() != Some(')') {
                    let message = "this `(` is not closed: add a `)`".to_owned();
                    return Err(QueryError { column: at + 1, message });
                }
                self.at += 1;
                self.skip_space();
                Ok(inner)
            }
            Some('"') => {
                let text = self.quoted()?;
                self.text(at, &text)
            }
            _ => self.word(),
        }
    }

    fn not(&mut self) -> Result<Expr, QueryError> {
        self.depth += 1;
        let inner = self.one()?;
        self.depth -= 1;
        Ok(Expr::Not(Box::new(inner)))
    }

    /// What stands between two `"`; a `\` before one makes it part of the text.
    fn quoted(&mut self) -> Result<String, QueryError> {
        let begin = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => {
                    let message = "this `\"` is not closed: add a `\"`".to_owned();
                    return Err(QueryError { column: begin + 1, message });
                }
                Some('"') => break,
                Some('\\') if matches!(self.chars.get(self.at + 1), Some('"' | '\\')) => {
                    text.push(self.chars[self.at + 1]);
                    self.at += 2;
                }
                Some(it) => {
                    text.push(it);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        self.skip_space();
        Ok(text)
    }

    /// A word, or `field:value`.
    fn word(&mut self) -> Result<Expr, QueryError> {
        let begin = self.at;
        let mut text = String::new();
        while let Some(it) = self.peek().filter(|it| !it.is_whitespace() && !matches!(it, '(' | ')' | '"')) {
            text.push(it);
            self.at += 1;
        }
        let Some((name, value)) = text.split_once(':').filter(|(name, _)| is_name(name)) else {
            self.skip_space();
            if text.contains('*') {
                let message = format!(
                    "`{text}`: words are found as a whole, `*` stands for nothing; leave it out, or put the text into quotes"
                );
                return Err(QueryError { column: begin + 1, message });
            }
            return self.text(begin, &text);
        };
        let Some(field) = Field::ALL.into_iter().find(|it| it.as_str() == name) else {
            let known: Vec<_> = Field::ALL.iter().map(|it| format!("`{}`", it.as_str())).collect();
            let message = format!(
                "there is no field `{name}`: the fields are {}; to look for the text, put it into quotes: \"{text}\"",
                known.join(", ")
            );
            return Err(QueryError { column: begin + 1, message });
        };
        let value = match (value, self.peek()) {
            ("", Some('"')) => self.quoted()?,
            (value, _) => {
                self.skip_space();
                value.to_owned()
            }
        };
        let column = begin + name.chars().count() + 2;
        check(field, &value).map_err(|message| QueryError { column, message })?;
        Ok(Expr::Field(field, if field == Field::Run { value.to_lowercase() } else { value }))
    }

    fn text(&self, begin: usize, text: &str) -> Result<Expr, QueryError> {
        let found = words(text);
        if found.is_empty() {
            let message = format!("`{text}` holds no letter and no digit: only words can be looked for");
            return Err(QueryError { column: begin + 1, message });
        }
        Ok(Expr::Words(found))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_alphabetic() || it == '_')
}

fn check(field: Field, value: &str) -> Result<(), String> {
    let expected = match field {
        _ if value.is_empty() => "a value right behind the `:`",
        Field::Stream if value.parse::<Stream>().is_err() => "`stdout`, `stderr` or `gap`",
        Field::Fleet if value.parse::<crate::names::FleetId>().is_err() => "a fleet's whole name, such as `acme/shop`",
        Field::Run if value.parse::<Uuid>().is_err() => "a run's whole id, as `fleetlog runs` shows it",
        _ => return Ok(()),
    };
    Err(format!("`{}:{value}` is not what can be looked for: expected {expected}", field.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Expr {
        Expr::Words(words(text))
    }

    fn not(expr: Expr) -> Expr {
        Expr::Not(Box::new(expr))
    }

    #[test]
    fn queries_are_read_as_people_mean_them() {
        use Expr::{And, Field as Is, Or};
        let shop = || Is(Field::Fleet, "acme/shop".to_owned());
        for (text, expected) in [
            ("", Expr::All),
            ("  ", Expr::All),
            ("Timeout", word("timeout")),
            ("a b", And(vec![word("a"), word("b")])),
            ("a AND b OR c", Or(vec![And(vec![word("a"), word("b")]), word("c")])),
            ("a AND (b OR c)", And(vec![word("a"), Or(vec![word("b"), word("c")])])),
            ("NOT a", not(word("a"))),
            ("a -b -\"c d\"", And(vec![word("a"), not(word("b")), not(word("c d"))])),
            ("\"connection refused\"", word("connection refused")),
            ("order-17", word("order 17")),
            ("fleet:acme/shop error", And(vec![shop(), word("error")])),
            ("-(a OR fleet:\"acme/shop\")", not(Or(vec![word("a"), shop()]))),
            ("and or not", And(vec![word("and"), word("or"), word("not")])),
            ("\"AND\" ORDER", And(vec![word("and"), word("order")])),
            ("stream:stderr", Is(Field::Stream, "stderr".to_owned())),
            (r#""say \"hi\"""#, word("say hi")),
        ] {
            assert_eq!(Expr::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place_and_a_way_out() {
        for (text, column, says) in [
            ("a AND", 3, "nothing follows `AND`"),
            ("OR a", 1, "nothing comes before `OR`"),
            ("a OR OR b", 6, "nothing comes before `OR`"),
            ("NOT", 1, "nothing follows `NOT`"),
            ("a -", 3, "nothing follows `-`"),
            ("(a b", 1, "not closed"),
            ("a b)", 4, "closes nothing"),
            ("a ()", 3, "nothing between"),
            ("say \"hi", 5, "not closed"),
            ("a level:error", 3, "\"level:error\""),
            ("stream:out", 8, "`stdout`"),
            ("container:", 11, "a value"),
            ("fleet:shop", 7, "`acme/shop`"),
            ("run:17", 5, "whole id"),
            ("time*", 1, "leave it out"),
            ("a ***", 3, "`*`"),
            ("a --- b", 3, "nothing follows"),
            ("a &&", 3, "no letter"),
            (&"(".repeat(100), 65, "flatter"),
        ] {
            let error = Expr::parse(text).unwrap_err();
            assert_eq!(error.column, column, "{text}: {error}");
            assert!(error.message.contains(says), "{text}: {error}");
        }
    }
}
