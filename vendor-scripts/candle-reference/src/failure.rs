//! Why the program can't go on, in the event protocol's own classes.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It can't do this job.
    Refused,
    /// Memory, of the host or of the device, is exhausted.
    Oom,
    Failed,
}

#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    pub remedy: Option<String>,
}

pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    pub fn oom(message: impl Into<String>) -> Self {
        Self::new(Kind::Oom, message)
    }

    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same before the model was asked anything: what goes wrong then is a job that this program can't do.
    pub fn before_the_prompt(self) -> Self {
        let kind = match self.kind {
            Kind::Failed => Kind::Refused,
            kind => kind,
        };
        Self { kind, ..self }
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: None,
        }
    }
}

impl From<candle_core::Error> for Failure {
    fn from(error: candle_core::Error) -> Self {
        let told = error.to_string();
        let message = without_backtrace(&told).to_owned();
        let lower = message.to_lowercase();
        if lower.contains("out of memory") || lower.contains("out_of_memory") {
            Self::oom(message)
        } else if lower.contains("unknown dtype for tensor") {
            Self::refused(format!("a tensor type that Candle doesn't read: {message}"))
        } else {
            Self::failed(message)
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

/// Candle appends a backtrace to its messages where `RUST_BACKTRACE` is set.
fn without_backtrace(message: &str) -> &str {
    message.split("\n   0: ").next().unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str) -> Failure {
        candle_core::Error::Msg(message.into()).into()
    }

    #[test]
    fn candles_errors_are_classed_by_what_they_say() {
        assert_eq!(failure("CUDA_ERROR_OUT_OF_MEMORY").kind, Kind::Oom);
        assert_eq!(failure("unknown dtype for tensor 20").kind, Kind::Refused);
        assert_eq!(failure("cannot find tensor info for x").kind, Kind::Failed);
    }

    #[test]
    fn a_backtrace_is_no_part_of_the_message() {
        let bare = failure("no such index\n   0: main\n   1: start");
        assert_eq!(bare.message, "no such index");
    }
}
