//! Llama and what is built like it, Mixtral's experts included.

use std::fs::File;

use candle_core::quantized::gguf_file::{Content, ValueType};
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::{MAX_SEQ_LEN, ModelWeights};

use super::{Architecture, PLAIN_BLOCK};
use crate::failure::Result;
use crate::gguf::Header;
use crate::keys::Rule;
use crate::model::Model;

pub struct Llama;

impl Architecture for Llama {
    fn name(&self) -> &'static str {
        "llama"
    }

    fn load(&self, content: Content, file: &mut File, device: &Device) -> Result<Box<dyn Model>> {
        Ok(Box::new(ModelWeights::from_gguf(content, file, device)?))
    }

    fn rule(&self, _header: &Header, key: &str) -> Option<Rule> {
        match key {
            "context_length" => Some(Rule::Harmless),
            "expert_count" | "expert_used_count" => Some(Rule::Obeyed(ValueType::U32)),
            _ => None,
        }
    }

    fn reads(&self, header: &Header, name: &str) -> bool {
        let experts = self.count(header, "expert_count").unwrap_or(0);
        if experts <= 1 || !is_feed_forward(name) {
            return PLAIN_BLOCK.contains(&name) || (experts > 1 && name == "ffn_gate_inp.weight");
        }
        let mut parts = name.split('.');
        let (Some(_), Some(number), Some("weight"), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        number.parse().is_ok_and(|number: usize| number < experts)
    }

    fn positions(&self, _header: &Header) -> usize {
        MAX_SEQ_LEN
    }
}

fn is_feed_forward(name: &str) -> bool {
    ["ffn_gate.", "ffn_up.", "ffn_down."]
        .iter()
        .any(|part| name.starts_with(part))
}

impl Model for ModelWeights {
    fn step(&mut self, ids: &Tensor, offset: usize) -> candle_core::Result<Tensor> {
        self.forward(ids, offset)
    }

    fn clear(&mut self) {
        self.clear_kv_cache();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::gguf_file::Value;

    #[test]
    fn experts_beyond_their_number_and_a_plain_block_beside_experts_are_never_read() {
        let reads = |experts, name| {
            let key = ("llama.expert_count".to_owned(), Value::U32(experts));
            Llama.reads(&Header::of_metadata([key]), name)
        };
        assert!(reads(8, "ffn_gate.7.weight"));
        assert!(reads(8, "ffn_gate_inp.weight"));
        assert!(reads(8, "attn_q.weight"));
        assert!(!reads(8, "ffn_gate.8.weight"));
        assert!(!reads(8, "ffn_gate.weight"));
        assert!(!reads(8, "ffn_gate_exps.weight"));
        assert!(!reads(0, "ffn_gate_inp.weight"));
        assert!(!reads(0, "ffn_gate.0.weight"));
        assert!(reads(0, "ffn_gate.weight"));
        assert!(!reads(0, "attn_q_norm.weight"));
    }
}
