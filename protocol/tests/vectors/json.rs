//! Just enough JSON to write vectors with a stable layout. Reads nothing.

use std::fmt::Write as _;

/// A JSON value.
#[derive(Clone)]
pub enum Json {
    Text(String),
    Number(u64),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: impl AsRef<[u8]>) -> Json {
    Json::Text(bytes.as_ref().iter().fold(String::new(), |mut out, b| {
        write!(out, "{b:02x}").expect("writing into memory does not fail");
        out
    }))
}

/// A text.
pub fn text(s: impl Into<String>) -> Json {
    Json::Text(s.into())
}

/// A number.
pub fn number(n: impl Into<u64>) -> Json {
    Json::Number(n.into())
}

/// Yes or no, as 1 or 0.
pub fn flag(holds: bool) -> Json {
    Json::Number(holds.into())
}

/// An object of these members in this order.
pub fn object<const N: usize>(members: [(&'static str, Json); N]) -> Json {
    Json::Object(members.into())
}

/// A list.
pub fn list<T>(items: impl IntoIterator<Item = T>, json: impl Fn(T) -> Json) -> Json {
    Json::List(items.into_iter().map(json).collect())
}

impl Json {
    /// The value laid out on lines; short lists stay on one.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out.push('\n');
        out
    }

    fn write(&self, depth: usize, out: &mut String) {
        match self {
            Self::Text(s) => write_text(s, out),
            Self::Number(n) => write!(out, "{n}").expect("writing into memory does not fail"),
            Self::List(items) => {
                let flat = items.iter().all(|i| {
                    matches!(i, Self::Number(_)) || matches!(i, Self::Text(s) if s.len() < 24)
                });
                bracketed(depth, ('[', ']'), flat, items, out, |item, out| {
                    item.write(depth + 1, out);
                });
            }
            Self::Object(members) => {
                bracketed(
                    depth,
                    ('{', '}'),
                    false,
                    members,
                    out,
                    |(name, value), out| {
                        write_text(name, out);
                        out.push_str(": ");
                        value.write(depth + 1, out);
                    },
                );
            }
        }
    }
}

fn bracketed<T>(
    depth: usize,
    (open, close): (char, char),
    flat: bool,
    items: &[T],
    out: &mut String,
    write: impl Fn(&T, &mut String),
) {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if !flat {
            out.push('\n');
            out.push_str(&" ".repeat(depth + 1));
        } else if at > 0 {
            out.push(' ');
        }
        write(item, out);
    }
    if !flat && !items.is_empty() {
        out.push('\n');
        out.push_str(&" ".repeat(depth));
    }
    out.push(close);
}

fn write_text(s: &str, out: &mut String) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => write!(out, "\\u{:04x}", c as u32).expect("memory"),
            c => out.push(c),
        }
    }
    out.push('"');
}
