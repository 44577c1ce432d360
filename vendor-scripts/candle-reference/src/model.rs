//! Candle's own quantised models behind one door.

use std::fs::File;

use candle_core::quantized::gguf_file::{Content, Value as Metadata};
use candle_core::{DType, Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_phi3, quantized_qwen3};

use crate::architecture::Architecture;
use crate::failure::{Failure, Result};
use crate::gguf::Header;
use crate::job::RopeDtype;

pub enum Model {
    Llama(quantized_llama::ModelWeights),
    Phi3(quantized_phi3::ModelWeights),
    Qwen3(quantized_qwen3::ModelWeights),
}

impl Model {
    /// Reads every weight onto the device.
    pub fn load(
        architecture: Architecture,
        content: Content,
        file: &mut File,
        device: &Device,
    ) -> Result<Self> {
        let model = match architecture {
            Architecture::Llama => Self::Llama(quantized_llama::ModelWeights::from_gguf(
                content, file, device,
            )?),
            Architecture::Phi3 => Self::Phi3(quantized_phi3::ModelWeights::from_gguf(
                false, content, file, device,
            )?),
            Architecture::Qwen3 => Self::Qwen3(quantized_qwen3::ModelWeights::from_gguf(
                content, file, device,
            )?),
        };
        device.synchronize()?;
        Ok(model)
    }

    /// Logits after the last of `ids`, which stand at positions `offset`, `offset + 1`, …; shape (vocabulary).
    pub fn forward(&mut self, ids: &[u32], offset: usize, device: &Device) -> Result<Tensor> {
        let input = Tensor::new(ids, device)?.unsqueeze(0)?;
        let logits = match self {
            Self::Llama(model) => model.forward(&input, offset)?,
            Self::Phi3(model) => model.forward(&input, offset)?,
            Self::Qwen3(model) => model.forward(&input, offset)?,
        };
        Ok(logits.squeeze(0)?)
    }

    /// Forgets all positions. Candle's Phi-3 does so by itself at position 0.
    pub fn clear(&mut self) {
        match self {
            Self::Llama(model) => model.clear_kv_cache(),
            Self::Phi3(_) => {}
            Self::Qwen3(model) => model.clear_kv_cache(),
        }
    }
}

/// Makes Candle compute RoPE's tables in `dtype`. Qwen3's model takes the type from a key that no converter writes; the
/// tables of the others are F32.
pub fn set_rope_dtype(
    architecture: Architecture,
    header: &mut Header,
    dtype: RopeDtype,
) -> Result<()> {
    if architecture != Architecture::Qwen3 {
        return match dtype {
            RopeDtype::F32 => Ok(()),
            RopeDtype::F16 => Err(Failure::refused(format!(
                "rope_dtype: Candle offers no choice for {}, its tables are F32",
                architecture.name()
            ))),
        };
    }
    let code = match dtype {
        RopeDtype::F32 => 0,
        RopeDtype::F16 => 1,
    };
    header
        .content
        .metadata
        .insert("general.dtype".into(), Metadata::U32(code));
    Ok(())
}

/// Logits as `f32` on the host.
pub fn to_host(logits: &Tensor) -> Result<Vec<f32>> {
    Ok(logits.to_dtype(DType::F32)?.to_vec1::<f32>()?)
}
