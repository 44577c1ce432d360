//! The architectures that this program runs, and what Candle's quantised models make of each.

use candle_core::quantized::gguf_file::Value;
use candle_transformers::models::quantized_llama;

use crate::failure::{Failure, Result};
use crate::gguf::Header;
use crate::job::RopeDtype;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Llama,
    Phi3,
    Qwen3,
}

impl Architecture {
    pub fn of(header: &Header) -> Result<Self> {
        match header.text("general.architecture") {
            Some("llama") => Ok(Self::Llama),
            Some("phi3") => Ok(Self::Phi3),
            Some("qwen3") => Ok(Self::Qwen3),
            Some(other) => Err(Failure::refused(format!(
                "architecture `{other}`: this program runs llama, phi3 and qwen3"
            ))),
            None => Err(Failure::refused("the file names no architecture")),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Phi3 => "phi3",
            Self::Qwen3 => "qwen3",
        }
    }

    /// A metadata key under the architecture's name.
    pub fn key(self, name: &str) -> String {
        format!("{}.{name}", self.name())
    }

    /// How many positions Candle's RoPE tables have.
    pub fn positions(self, header: &Header) -> usize {
        match self {
            Self::Llama => quantized_llama::MAX_SEQ_LEN,
            Self::Phi3 | Self::Qwen3 => self.count(header, "context_length").unwrap_or(usize::MAX),
        }
    }

    /// Width of an attention head in Candle's model; `None` where the file does not give it one.
    pub fn head_size(self, header: &Header) -> Option<usize> {
        match self {
            Self::Qwen3 => self.count(header, "attention.key_length"),
            Self::Llama | Self::Phi3 => {
                let heads = self.count(header, "attention.head_count")?;
                self.count(header, "embedding_length")?.checked_div(heads)
            }
        }
    }

    /// How many positions back the file lets attention look, where Candle's model looks back on all.
    pub fn ignored_window(self, header: &Header) -> Option<usize> {
        self.count(header, "attention.sliding_window")
            .filter(|window| *window > 0)
    }

    /// The type that Candle computes RoPE's angles and tables in.
    pub fn rope_dtype(self, header: &Header) -> RopeDtype {
        match self {
            Self::Qwen3 => match header.content.metadata.get("general.dtype") {
                Some(Value::U32(0)) => RopeDtype::F32,
                _ => RopeDtype::F16,
            },
            Self::Llama | Self::Phi3 => RopeDtype::F32,
        }
    }

    /// A number under the architecture's name.
    pub fn count(self, header: &Header, name: &str) -> Option<usize> {
        usize::try_from(header.unsigned(&self.key(name))?).ok()
    }
}
