//! Phi-3 and Phi-4: fused matrices, and a base of RoPE that Candle's model does not take from the file.

use std::fs::File;

use candle_core::quantized::gguf_file::{Content, ValueType};
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_phi3::ModelWeights;

use super::Architecture;
use crate::failure::Result;
use crate::gguf::Header;
use crate::keys::{Fixed, Rule};
use crate::model::Model;

pub struct Phi3;

impl Architecture for Phi3 {
    fn name(&self) -> &'static str {
        "phi3"
    }

    fn load(&self, content: Content, file: &mut File, device: &Device) -> Result<Box<dyn Model>> {
        let flash_attention = false;
        let model = ModelWeights::from_gguf(flash_attention, content, file, device)?;
        Ok(Box::new(model))
    }

    fn rule(&self, _header: &Header, key: &str) -> Option<Rule> {
        match key {
            "feed_forward_length" => Some(Rule::Obeyed(ValueType::U32)),
            "rope.freq_base" => Some(Rule::Only(Fixed::Number(10_000.0))),
            _ => None,
        }
    }

    fn reads(&self, _header: &Header, name: &str) -> bool {
        matches!(
            name,
            "attn_norm.weight"
                | "attn_qkv.weight"
                | "attn_output.weight"
                | "ffn_norm.weight"
                | "ffn_up.weight"
                | "ffn_down.weight"
        )
    }
}

impl Model for ModelWeights {
    fn step(&mut self, ids: &Tensor, offset: usize) -> candle_core::Result<Tensor> {
        self.forward(ids, offset)
    }

    /// The model does so by itself at position 0.
    fn clear(&mut self) {}
}
