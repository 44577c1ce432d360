//! The event protocol, version 1: one JSON object a line, first `hello`, last `bye`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::channel;
use crate::clock::monotonic_ns;
use crate::failure::{Failure, Kind, Result};

pub const PROTOCOL_VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(tag = "ev", rename_all = "lowercase")]
pub enum Event<'a> {
    Hello {
        protocol: u32,
        runtime: &'a str,
        version: &'a str,
        device: &'a str,
    },
    Phase {
        name: Phase,
        edge: Edge,
    },
    Prompt {
        ids: &'a [u32],
        count: usize,
        text: Option<&'a str>,
    },
    Token {
        k: usize,
        id: u32,
        end: bool,
    },
    Text {
        text: &'a str,
    },
    Sampling {
        seconds: f64,
    },
    Aside {
        begin_ns: u64,
        cpu_s: f64,
        peak_rss_bytes: u64,
        prefills_ns: &'a [(u64, u64)],
    },
    Scored {
        position: usize,
        id: u32,
        logprob: f64,
        logsumexp: f64,
        top: &'a [(u32, f64)],
    },
    Settings {
        values: &'a BTreeMap<String, Value>,
    },
    Error {
        kind: Kind,
        message: &'a str,
        remedy: Option<&'a str>,
    },
    Bye {
        reason: Reason,
    },
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Header,
    Weights,
    Tokenizer,
    Ready,
    Prefill,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    Begin,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Length,
    EndToken,
    Scored,
    Probe,
    Error,
}

#[derive(Serialize)]
struct Line<'a> {
    t_ns: u64,
    #[serde(flatten)]
    event: Event<'a>,
}

/// Reports a fact that has just become true.
pub fn emit(event: Event) -> Result<()> {
    emit_at(monotonic_ns(), event)
}

/// Reports a fact that became true at `t_ns`.
pub fn emit_at(t_ns: u64, event: Event) -> Result<()> {
    Ok(channel::write_line(&Line { t_ns, event })?)
}

/// Reports a fact that became true at `t_ns` and that may be read a little later.
pub fn emit_later(t_ns: u64, event: Event) -> Result<()> {
    Ok(channel::hold_line(&Line { t_ns, event })?)
}

/// Does `work` between the two edges of a phase; a failed phase has no end.
pub fn phase<T>(name: Phase, work: impl FnOnce() -> Result<T>) -> Result<T> {
    emit(Event::Phase {
        name,
        edge: Edge::Begin,
    })?;
    let done = work()?;
    emit(Event::Phase {
        name,
        edge: Edge::End,
    })?;
    Ok(done)
}

/// The last two events of a run that can't go on.
pub fn emit_failure(failure: &Failure) -> Result<()> {
    emit(Event::Error {
        kind: failure.kind,
        message: &failure.message,
        remedy: failure.remedy.as_deref(),
    })?;
    emit(Event::Bye {
        reason: Reason::Error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(event: Event) -> Value {
        serde_json::to_value(Line { t_ns: 7, event }).unwrap()
    }

    #[test]
    fn an_event_is_one_flat_object_with_its_instant() {
        assert_eq!(
            line(Event::Token {
                k: 1,
                id: 42,
                end: true
            }),
            json!({"t_ns": 7, "ev": "token", "k": 1, "id": 42, "end": true})
        );
    }

    #[test]
    fn words_are_spelled_as_the_protocol_spells_them() {
        let bye = Event::Bye {
            reason: Reason::EndToken,
        };
        assert_eq!(
            line(bye),
            json!({"t_ns": 7, "ev": "bye", "reason": "end-token"})
        );
        let phase = Event::Phase {
            name: Phase::Weights,
            edge: Edge::Begin,
        };
        assert_eq!(
            line(phase),
            json!({"t_ns": 7, "ev": "phase", "name": "weights", "edge": "begin"})
        );
    }
}
