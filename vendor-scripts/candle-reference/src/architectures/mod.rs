//! The architectures that this program runs: a file each, which says what Candle's model of it makes of a GGUF file.

mod gemma3;
mod llama;
mod phi3;
mod qwen2;
mod qwen3;

use std::fs::File;

use candle_core::Device;
use candle_core::quantized::gguf_file::Content;

use crate::failure::{Failure, Result};
use crate::gguf::Header;
use crate::job::RopeDtype;
use crate::keys::Rule;
use crate::model::Model;

pub static ARCHITECTURES: [&dyn Architecture; 5] = [
    &gemma3::Gemma3,
    &llama::Llama,
    &phi3::Phi3,
    &qwen2::Qwen2,
    &qwen3::Qwen3,
];

/// An architecture and Candle's model of it. The defaults suit a plain decoder with RMSNorm, SwiGLU and RoPE in F32.
pub trait Architecture: Sync {
    /// As the key `general.architecture` has it. The file in this folder has the same name.
    fn name(&self) -> &'static str;

    /// Reads every weight onto the device.
    fn load(&self, content: Content, file: &mut File, device: &Device) -> Result<Box<dyn Model>>;

    /// What becomes of a key under the architecture's name that this model treats in a way of its own. `keys` has the
    /// rules for all other keys.
    fn rule(&self, _header: &Header, _key: &str) -> Option<Rule> {
        None
    }

    /// Whether the model reads a tensor of a block, such as `attn_q.weight`.
    fn reads(&self, _header: &Header, name: &str) -> bool {
        PLAIN_BLOCK.contains(&name)
    }

    /// Whether logits can have weights of their own; otherwise they are computed from the token embeddings.
    fn reads_output(&self) -> bool {
        true
    }

    /// How many positions Candle's RoPE tables have.
    fn positions(&self, header: &Header) -> usize {
        self.count(header, "context_length").unwrap_or(usize::MAX)
    }

    /// Width of an attention head in Candle's model; `None` where the file does not give it one.
    fn head_size(&self, header: &Header) -> Option<usize> {
        let heads = self.count(header, "attention.head_count")?;
        self.count(header, "embedding_length")?.checked_div(heads)
    }

    /// What the model computes otherwise than the file says at every position, besides keys and tensors.
    fn departures(&self, _header: &Header) -> Option<String> {
        None
    }

    /// Whether the model obeys the file's sliding window; otherwise it looks back on all positions.
    fn has_windows(&self) -> bool {
        false
    }

    /// How many ids of a prompt go in at once, where not all of them do.
    fn batch(&self) -> Option<usize> {
        None
    }

    /// Whether the model computes with weights in F32, whatever the file stores.
    fn dequantises(&self) -> bool {
        false
    }

    /// The type that Candle computes RoPE's angles and tables in.
    fn rope_dtype(&self, _header: &Header) -> RopeDtype {
        RopeDtype::F32
    }

    /// Makes Candle compute RoPE's tables in `dtype`.
    ///
    /// # Errors
    /// Refused where Candle offers no choice and `dtype` is not the type of its tables.
    fn set_rope_dtype(&self, header: &mut Header, dtype: RopeDtype) -> Result<()> {
        if self.rope_dtype(header) == dtype {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "rope_dtype: Candle offers no choice for {}, its tables are F32",
            self.name()
        )))
    }

    /// How many positions back the file lets attention look.
    fn window(&self, header: &Header) -> Option<usize> {
        self.count(header, "attention.sliding_window")
            .filter(|window| *window > 0)
    }

    /// A metadata key under the architecture's name.
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.name())
    }

    /// A number under the architecture's name.
    fn count(&self, header: &Header, name: &str) -> Option<usize> {
        usize::try_from(header.unsigned(&self.key(name))?).ok()
    }
}

/// Tensors of a block that most models read.
const PLAIN_BLOCK: [&str; 9] = [
    "attn_norm.weight",
    "attn_q.weight",
    "attn_k.weight",
    "attn_v.weight",
    "attn_output.weight",
    "ffn_norm.weight",
    "ffn_gate.weight",
    "ffn_up.weight",
    "ffn_down.weight",
];

/// The architecture that a file names.
///
/// # Errors
/// Refused if it is none of `ARCHITECTURES`.
pub fn of(header: &Header) -> Result<&'static dyn Architecture> {
    let Some(name) = header.text("general.architecture") else {
        return Err(Failure::refused("the file names no architecture"));
    };
    named(name).ok_or_else(|| {
        let known = ARCHITECTURES.map(|each| each.name()).join(", ");
        Failure::refused(format!("architecture `{name}`: this program runs {known}"))
    })
}

fn named(name: &str) -> Option<&'static dyn Architecture> {
    ARCHITECTURES.into_iter().find(|each| each.name() == name)
}

#[cfg(test)]
pub fn known(name: &str) -> &'static dyn Architecture {
    named(name).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_is_a_file_of_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/architectures");
        let files = std::fs::read_dir(folder).unwrap().map(|file| {
            let path = file.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        });
        let mut files: Vec<String> = files.filter(|name| name != "mod").collect();
        files.sort_unstable();
        assert_eq!(files, ARCHITECTURES.map(|each| each.name()));
    }
}
