//! Qwen2 and Qwen2.5: biases of queries, keys and values.

use std::fs::File;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_qwen2::ModelWeights;

use super::{Architecture, PLAIN_BLOCK};
use crate::failure::Result;
use crate::gguf::Header;
use crate::model::Model;

pub struct Qwen2;

impl Architecture for Qwen2 {
    fn name(&self) -> &'static str {
        "qwen2"
    }

    fn load(&self, content: Content, file: &mut File, device: &Device) -> Result<Box<dyn Model>> {
        Ok(Box::new(ModelWeights::from_gguf(content, file, device)?))
    }

    fn reads(&self, _header: &Header, name: &str) -> bool {
        PLAIN_BLOCK.contains(&name) || matches!(name, "attn_q.bias" | "attn_k.bias" | "attn_v.bias")
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
