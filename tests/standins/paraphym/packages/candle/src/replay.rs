//! Replays a recorded transcript: `SECONDS \t STREAM \t "BYTES OF ONE READ"` a line, `#` before remarks.

use crate::stage::{deadlock, monotonic_ns, set, wait_until, Stage};

struct Row<'a> {
    seconds: f64,
    stream: &'a str,
    content: &'a str,
}

/// Writes each piece on its stream when it is due. A recording that was ended from outside never ends by itself.
pub fn replay(path: &str, stage: &mut Stage) -> i32 {
    let recorded = std::fs::read_to_string(path).expect("the transcript to replay");
    let scale: f64 = set("STANDIN_SCALE").map_or(1.0, |text| text.parse().expect("STANDIN_SCALE"));
    let section = set("STANDIN_SECTION");
    let begun_ns = monotonic_ns();
    for row in rows(&recorded, section.as_deref()) {
        let due_ns = begun_ns + (row.seconds * scale * 1e9) as i64;
        wait_until(due_ns);
        match row.stream {
            "out" | "err" => {
                stage.mark(row.stream);
                let text = unquote(row.content);
                if row.stream == "out" {
                    stage.out(&text);
                } else {
                    stage.err(&text);
                }
            }
            "exit" => {
                let status = row.content.split_whitespace().next().and_then(|text| text.parse().ok());
                return status.expect("an exit status");
            }
            _ => break,
        }
    }
    deadlock()
}

fn rows<'a>(recorded: &'a str, section: Option<&'a str>) -> impl Iterator<Item = Row<'a>> {
    let mut wanted = section.is_none();
    recorded.lines().filter_map(move |line| {
        if let (Some(title), Some(section)) = (line.strip_prefix("# --- "), section) {
            wanted = title.starts_with(section);
        }
        if !wanted || line.starts_with('#') {
            return None;
        }
        let mut columns = line.splitn(3, '\t');
        Some(Row {
            seconds: columns.next()?.parse().ok()?,
            stream: columns.next()?,
            content: columns.next()?,
        })
    })
}

/// The text of a JSON string.
fn unquote(quoted: &str) -> String {
    let inner = quoted
        .trim()
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .expect("a JSON string");
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next().expect("an escape") {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'u' => {
                let code: String = characters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&code, 16).expect("four hexadecimal digits");
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => text.push(other),
        }
    }
    text
}
