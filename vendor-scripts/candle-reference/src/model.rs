//! Candle's own quantised models behind one door, and what each of them leaves out of a file.

use std::collections::BTreeMap;
use std::fs::File;

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::{Content, Value as Metadata};
use candle_core::{DType, Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_phi3, quantized_qwen3};
use serde_json::Value;

use crate::device::DeviceChoice;
use crate::failure::{Failure, Result};
use crate::gguf::{Header, type_name};
use crate::job::{RopeDtype, Settings};

/// The base that Candle's `quantized_phi3` computes with, whatever the file says.
const PHI3_ROPE_BASE: f64 = 10_000.0;

/// Above it F16 holds every second integer at most, so neighbouring positions become one.
const F16_POSITIONS: usize = 2048;

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

    /// How many positions Candle's RoPE tables have.
    pub fn positions(self, header: &Header) -> usize {
        let trained = header
            .unsigned(&self.key("context_length"))
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(usize::MAX);
        match self {
            Self::Llama => quantized_llama::MAX_SEQ_LEN,
            Self::Phi3 | Self::Qwen3 => trained,
        }
    }

    /// How many positions back the file lets attention look, where Candle's model looks back on all.
    pub fn ignored_window(self, header: &Header) -> Option<usize> {
        let window = header.unsigned(&self.key("attention.sliding_window"))?;
        usize::try_from(window).ok().filter(|n| *n > 0)
    }

    /// What the file asks for at every position and Candle's model doesn't do.
    pub fn deviations(self, header: &Header) -> Vec<String> {
        let mut deviations = Vec::new();
        let mut unread: Vec<&str> = header
            .content
            .tensor_infos
            .keys()
            .map(String::as_str)
            .filter(|name| !self.reads(name))
            .collect();
        unread.sort_unstable();
        if let [first, rest @ ..] = unread.as_slice() {
            let more = match rest.len() {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            deviations.push(format!("never reads the tensor {first}{more}"));
        }
        if let Some(scaling) = header.text(&self.key("rope.scaling.type"))
            && scaling != "none"
        {
            deviations.push(format!("ignores RoPE scaling `{scaling}`"));
        }
        if self == Self::Phi3
            && let Some(base) = header.float("phi3.rope.freq_base")
            && base != PHI3_ROPE_BASE
        {
            deviations.push(format!("computes RoPE with base 10000 instead of {base}"));
        }
        deviations
    }

    /// What Candle's model computes otherwise than the file says once that many positions are in use.
    pub fn deviations_at(self, header: &Header, positions: usize) -> Vec<String> {
        let mut deviations = Vec::new();
        if let Some(window) = self.ignored_window(header)
            && window < positions
        {
            deviations.push(format!(
                "ignores the sliding window of {window} positions ({positions} are needed)"
            ));
        }
        if self.rope_dtype(header) == RopeDtype::F16 && positions > F16_POSITIONS {
            deviations.push(format!(
                "computes RoPE in F16 (`rope_dtype`), where positions above {F16_POSITIONS} become one with their \
                 neighbours ({positions} are needed)"
            ));
        }
        deviations
    }

    /// The type that Candle computes RoPE's angles and tables in.
    fn rope_dtype(self, header: &Header) -> RopeDtype {
        match self {
            Self::Qwen3 if header.unsigned("general.dtype") != Some(0) => RopeDtype::F16,
            _ => RopeDtype::F32,
        }
    }

    fn key(self, name: &str) -> String {
        format!("{}.{name}", self.name())
    }

    fn reads(self, tensor: &str) -> bool {
        let in_block = |name: &str| match self {
            Self::Llama => {
                matches!(
                    name,
                    "attn_norm" | "attn_q" | "attn_k" | "attn_v" | "attn_output" | "ffn_norm"
                ) || name.starts_with("ffn_gate")
                    || name.starts_with("ffn_up")
                    || name.starts_with("ffn_down")
            }
            Self::Phi3 => matches!(
                name,
                "attn_norm" | "attn_qkv" | "attn_output" | "ffn_norm" | "ffn_up" | "ffn_down"
            ),
            Self::Qwen3 => matches!(
                name,
                "attn_norm"
                    | "attn_q"
                    | "attn_k"
                    | "attn_v"
                    | "attn_q_norm"
                    | "attn_k_norm"
                    | "attn_output"
                    | "ffn_norm"
                    | "ffn_gate"
                    | "ffn_up"
                    | "ffn_down"
            ),
        };
        let Some(name) = tensor.strip_suffix(".weight") else {
            return false;
        };
        match name.strip_prefix("blk.").and_then(|n| n.split_once('.')) {
            Some((_, name)) => in_block(name),
            None => matches!(name, "token_embd" | "output_norm" | "output"),
        }
    }
}

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

/// Makes Candle compute Qwen3's RoPE tables in `dtype`; it takes the type from this key, which no converter writes.
pub fn set_rope_dtype(
    architecture: Architecture,
    header: &mut Header,
    dtype: RopeDtype,
) -> Result<()> {
    if architecture != Architecture::Qwen3 {
        return Err(Failure::refused(format!(
            "rope_dtype: Candle offers no choice for {}, its tables are F32",
            architecture.name()
        )));
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

/// The settings that follow from the file and from Candle's model for it.
pub fn facts(
    architecture: Architecture,
    header: &Header,
    settings: &Settings,
    device: DeviceChoice,
) -> BTreeMap<String, Value> {
    let rope = match architecture.rope_dtype(header) {
        RopeDtype::F16 => "f16",
        RopeDtype::F32 => "f32",
    };
    let mut facts = BTreeMap::from([
        ("architecture".into(), architecture.name().into()),
        ("positions".into(), architecture.positions(header).into()),
        ("kv_cache_dtype".into(), "f32".into()),
        ("prefix_cache".into(), false.into()),
        ("rope_table_dtype".into(), rope.into()),
        ("token_embedding".into(), "dequantised to f32".into()),
        ("weights_read".into(), "read and copied, not mapped".into()),
        ("repeat_penalty".into(), settings.repeat_penalty.into()),
        (
            "accept_deviations".into(),
            settings.accept_deviations.into(),
        ),
    ]);
    if let Some(window) = architecture.ignored_window(header) {
        facts.insert("ignored_sliding_window".into(), window.into());
    }
    if settings.repeat_penalty != 1.0 {
        facts.insert("repeat_last_n".into(), settings.repeat_last_n.into());
    }
    for (name, count) in header.census() {
        facts.insert(format!("tensors_{name}"), count.into());
    }
    for info in header.content.tensor_infos.values() {
        if info.shape.rank() > 1 {
            facts.insert(
                format!("matmul_{}", type_name(info.ggml_dtype)),
                matmul_path(info.ggml_dtype, device, std::env::consts::ARCH).into(),
            );
        }
    }
    facts
}

/// What `QMatMul` does with weights of a type; the environment can make it dequantise them all.
fn matmul_path(dtype: GgmlDType, device: DeviceChoice, cpu: &str) -> &'static str {
    let set = |name: &str| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0");
    match (dtype, cpu) {
        (GgmlDType::F32, _) => "f32",
        (GgmlDType::F16 | GgmlDType::BF16, _) => "dequantised to f32",
        _ if set("CANDLE_DEQUANTIZE_ALL") => "dequantised to f32",
        _ if set("CANDLE_DEQUANTIZE_ALL_F16") => "dequantised to f16",
        _ if device != DeviceChoice::Cpu => "quantised, the device's own kernels",
        (GgmlDType::Q8_0, "x86_64") => {
            "quantised, activations Q8_0, or Q8_K where repacked in the first forward"
        }
        (GgmlDType::Q4_0 | GgmlDType::Q8_0, "aarch64") => {
            "quantised, activations Q8_0, repacked in the first forward where the CPU allows"
        }
        (GgmlDType::Q4K | GgmlDType::Q6K, "x86_64" | "aarch64") | (GgmlDType::Q5K, "aarch64") => {
            "quantised, activations Q8_K, repacked in the first forward where the CPU allows"
        }
        (GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0, _) => "quantised, activations Q8_0",
        (GgmlDType::Q4_1 | GgmlDType::Q5_1 | GgmlDType::Q8_1, _) => "quantised, activations Q8_1",
        (
            GgmlDType::Q2K
            | GgmlDType::Q3K
            | GgmlDType::Q4K
            | GgmlDType::Q5K
            | GgmlDType::Q6K
            | GgmlDType::Q8K,
            _,
        ) => "quantised, activations Q8_K",
    }
}

/// Logits as `f32` on the host.
pub fn to_host(logits: &Tensor) -> Result<Vec<f32>> {
    Ok(logits.to_dtype(DType::F32)?.to_vec1::<f32>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_that_candle_never_reads_are_told_from_those_it_does() {
        assert!(Architecture::Qwen3.reads("blk.3.attn_q_norm.weight"));
        assert!(!Architecture::Llama.reads("blk.3.attn_q_norm.weight"));
        assert!(Architecture::Llama.reads("blk.0.ffn_gate.7.weight"));
        assert!(!Architecture::Llama.reads("rope_freqs.weight"));
        assert!(!Architecture::Phi3.reads("blk.0.attn_qkv.bias"));
        assert!(!Architecture::Phi3.reads("rope_factors_long.weight"));
    }
    #[test]
    fn the_cpus_kernels_are_told_of_the_cpu_alone() {
        let told = |dtype, cpu| matmul_path(dtype, DeviceChoice::Cpu, cpu);
        for dtype in [GgmlDType::Q4_0, GgmlDType::Q5K] {
            assert!(told(dtype, "aarch64").contains("repacked"), "{dtype:?}");
            assert!(!told(dtype, "x86_64").contains("repacked"), "{dtype:?}");
        }
        for dtype in [GgmlDType::Q4K, GgmlDType::Q6K, GgmlDType::Q8_0] {
            assert!(told(dtype, "aarch64").contains("repacked"), "{dtype:?}");
            assert!(told(dtype, "x86_64").contains("repacked"), "{dtype:?}");
            assert!(!told(dtype, "wasm32").contains("repacked"), "{dtype:?}");
            for device in [DeviceChoice::Cuda(0), DeviceChoice::Metal(0)] {
                assert_eq!(
                    matmul_path(dtype, device, "aarch64"),
                    "quantised, the device's own kernels"
                );
            }
        }
        assert_eq!(
            matmul_path(GgmlDType::F16, DeviceChoice::Metal(0), "aarch64"),
            "dequantised to f32"
        );
    }
}
