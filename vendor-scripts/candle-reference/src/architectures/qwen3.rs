//! Qwen3: norms of each query and key head, and RoPE in F16 unless a key says otherwise.

use std::fs::File;

use candle_core::quantized::gguf_file::{Content, Value, ValueType};
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_qwen3::ModelWeights;

use super::{Architecture, PLAIN_BLOCK};
use crate::failure::Result;
use crate::gguf::Header;
use crate::job::RopeDtype;
use crate::keys::Rule;
use crate::model::Model;

pub struct Qwen3;

/// No converter writes it. Candle's model takes the type of its tables from it.
const DTYPE: &str = "general.dtype";

impl Architecture for Qwen3 {
    fn name(&self) -> &'static str {
        "qwen3"
    }

    fn load(&self, content: Content, file: &mut File, device: &Device) -> Result<Box<dyn Model>> {
        Ok(Box::new(ModelWeights::from_gguf(content, file, device)?))
    }

    fn rule(&self, _header: &Header, key: &str) -> Option<Rule> {
        (key == "attention.key_length").then_some(Rule::Obeyed(ValueType::U32))
    }

    fn reads(&self, _header: &Header, name: &str) -> bool {
        PLAIN_BLOCK.contains(&name) || matches!(name, "attn_q_norm.weight" | "attn_k_norm.weight")
    }

    fn head_size(&self, header: &Header) -> Option<usize> {
        self.count(header, "attention.key_length")
    }

    fn rope_dtype(&self, header: &Header) -> RopeDtype {
        match header.content.metadata.get(DTYPE) {
            Some(Value::U32(0)) => RopeDtype::F32,
            _ => RopeDtype::F16,
        }
    }

    fn set_rope_dtype(&self, header: &mut Header, dtype: RopeDtype) -> Result<()> {
        let code = match dtype {
            RopeDtype::F32 => 0,
            RopeDtype::F16 => 1,
        };
        let metadata = &mut header.content.metadata;
        metadata.insert(DTYPE.into(), Value::U32(code));
        Ok(())
    }
}

impl Model for ModelWeights {
    fn step(&mut self, ids: &Tensor, offset: usize) -> candle_core::Result<Tensor> {
        self.forward(ids, offset)
    }

    fn clear(&mut self) {
        self.clear_kv_cache();
    }
}
