//! Gemma 3: norms after each part too, sliding windows in most layers, GELU in the feed-forward (arXiv:2503.19786).
//!
//! Candle's quantised model of it computes SiLU instead, and has no windows in generation. So this is Candle's plain
//! model, on weights in F32, which takes the ids of a prompt one by one: of several at once it looks back on one position
//! more than the window has, and it fails where there is more than one key head.

use std::collections::HashMap;
use std::fs::File;

use candle_core::quantized::gguf_file::{Content, Value, ValueType};
use candle_core::{DType, Device, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::gemma3::{Config, Model as Gemma};

use super::{Architecture, PLAIN_BLOCK};
use crate::failure::{Failure, Result};
use crate::gguf::{Header, number};
use crate::keys::Rule;
use crate::model::Model;

pub struct Gemma3;

/// Candle makes RoPE tables for every layer, so a file's whole context would take gigabytes.
const MOST_POSITIONS: usize = 8192;

/// One layer in so many sees all positions, unless the file says otherwise.
const USUAL_PERIOD: usize = 6;

/// Of the 27B model, by which llama.cpp knows it.
const LARGEST_BLOCKS: usize = 62;

/// llama.cpp's base of RoPE for files that name none.
const USUAL_BASE: f64 = 10_000.0;

const PATTERN: &str = "attention.sliding_window_pattern";

impl Architecture for Gemma3 {
    fn name(&self) -> &'static str {
        "gemma3"
    }

    fn load(&self, content: Content, file: &mut File, device: &Device) -> Result<Box<dyn Model>> {
        let weights = weights(&content, file, device)?;
        let config = self.config(&Header { content })?;
        let weights = VarBuilder::from_tensors(weights, DType::F32, device);
        let flash_attention = false;
        Ok(Box::new(Gemma::new(flash_attention, &config, weights)?))
    }

    fn rule(&self, header: &Header, key: &str) -> Option<Rule> {
        match key {
            "attention.key_length" | "feed_forward_length" => Some(Rule::Obeyed(ValueType::U32)),
            "rope.freq_base_swa" => Some(Rule::Obeyed(ValueType::F32)),
            PATTERN => {
                let value = header.content.metadata.get(&self.key(PATTERN))?;
                let blocks = self.count(header, "block_count").unwrap_or(0);
                // llama.cpp takes a list layer by layer, so that a shorter one says nothing of the last layers.
                let is_short = matches!(value, Value::Array(list) if list.len() < blocks);
                let is_obeyed = !is_short && period(value).is_some();
                is_obeyed.then(|| Rule::Obeyed(value.value_type()))
            }
            _ => None,
        }
    }

    fn reads(&self, _header: &Header, name: &str) -> bool {
        PLAIN_BLOCK.contains(&name)
            || matches!(
                name,
                "attn_q_norm.weight"
                    | "attn_k_norm.weight"
                    | "post_attention_norm.weight"
                    | "post_ffw_norm.weight"
            )
    }

    fn reads_output(&self) -> bool {
        false
    }

    fn positions(&self, header: &Header) -> usize {
        let context = self.count(header, "context_length");
        context.unwrap_or(usize::MAX).min(MOST_POSITIONS)
    }

    fn head_size(&self, header: &Header) -> Option<usize> {
        let given = self.count(header, "attention.key_length");
        given.or_else(|| {
            let heads = self.count(header, "attention.head_count")?;
            self.count(header, "embedding_length")?.checked_div(heads)
        })
    }

    fn departures(&self, header: &Header) -> Option<String> {
        let size = self.count(header, "embedding_length");
        let shared = size.zip(self.count(header, "attention.head_count"));
        let shared = shared.and_then(|(size, heads)| size.checked_div(heads));
        let differs = self.count(header, "block_count") == Some(LARGEST_BLOCKS)
            && shared != self.head_size(header);
        differs.then(|| {
            "scales queries by 1/√(size of a head), where this model has 1/√(embedding ÷ heads)"
                .into()
        })
    }

    fn has_windows(&self) -> bool {
        true
    }

    fn batch(&self) -> Option<usize> {
        Some(1)
    }

    fn dequantises(&self) -> bool {
        true
    }
}

impl Gemma3 {
    /// What Candle's model is made with.
    fn config(&self, header: &Header) -> Result<Config> {
        let needed = |name: &str| {
            self.count(header, name).ok_or_else(|| {
                Failure::refused(format!("the file has no number in `{}`", self.key(name)))
            })
        };
        let real = |name: &str| number(header.content.metadata.get(&self.key(name))?);
        let window = self.window(header);
        let pattern = header.content.metadata.get(&self.key(PATTERN));
        let period = pattern.and_then(period).unwrap_or(USUAL_PERIOD);
        let heads = needed("attention.head_count")?;
        Ok(Config {
            attention_bias: false,
            head_dim: self.head_size(header).unwrap_or(0),
            hidden_activation: Activation::GeluPytorchTanh,
            hidden_size: needed("embedding_length")?,
            intermediate_size: needed("feed_forward_length")?,
            num_attention_heads: heads,
            num_hidden_layers: needed("block_count")?,
            num_key_value_heads: self
                .count(header, "attention.head_count_kv")
                .unwrap_or(heads),
            rms_norm_eps: real("attention.layer_norm_rms_epsilon").ok_or_else(|| {
                let key = self.key("attention.layer_norm_rms_epsilon");
                Failure::refused(format!("the file has no number in `{key}`"))
            })?,
            rope_theta: real("rope.freq_base").unwrap_or(USUAL_BASE),
            rope_local_base_freq: real("rope.freq_base_swa").unwrap_or(USUAL_BASE),
            vocab_size: header.rows("token_embd.weight")?,
            final_logit_softcapping: None,
            attn_logit_softcapping: None,
            query_pre_attn_scalar: self.head_size(header).unwrap_or(0),
            // Without a window, every layer sees all positions.
            sliding_window: window.unwrap_or(1),
            sliding_window_pattern: if window.is_some() { period } else { 1 },
            max_position_embeddings: self.positions(header),
        })
    }
}

/// All weights in F32, by Candle's names of them.
fn weights(content: &Content, file: &mut File, device: &Device) -> Result<HashMap<String, Tensor>> {
    let mut tensors: Vec<_> = content.tensor_infos.iter().collect();
    tensors.sort_unstable_by_key(|(_, info)| info.offset);
    let mut weights = HashMap::new();
    for (name, _) in tensors {
        let Some(candles) = name_in_candle(name) else {
            continue;
        };
        let weight = content.tensor(file, name, device)?.dequantize(device)?;
        let weight = if candles.ends_with("norm.weight") {
            // The model adds 1 to what it is given, and a GGUF file holds the sum.
            (weight - 1.0)?
        } else {
            weight
        };
        weights.insert(candles, weight);
    }
    Ok(weights)
}

/// `blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`; `None` for a tensor that is not read.
fn name_in_candle(tensor: &str) -> Option<String> {
    let name = match tensor.strip_suffix(".weight")? {
        "token_embd" => "embed_tokens".to_owned(),
        "output_norm" => "norm".to_owned(),
        other => {
            let (block, name) = other.strip_prefix("blk.")?.split_once('.')?;
            let name = match name {
                "attn_norm" => "input_layernorm",
                "attn_q" => "self_attn.q_proj",
                "attn_k" => "self_attn.k_proj",
                "attn_v" => "self_attn.v_proj",
                "attn_q_norm" => "self_attn.q_norm",
                "attn_k_norm" => "self_attn.k_norm",
                "attn_output" => "self_attn.o_proj",
                "post_attention_norm" => "post_attention_layernorm",
                "ffn_norm" => "pre_feedforward_layernorm",
                "ffn_gate" => "mlp.gate_proj",
                "ffn_up" => "mlp.up_proj",
                "ffn_down" => "mlp.down_proj",
                "post_ffw_norm" => "post_feedforward_layernorm",
                _ => return None,
            };
            format!("layers.{block}.{name}")
        }
    };
    Some(format!("model.{name}.weight"))
}

/// Every how many layers one sees all positions, from a number or from a truth value a layer, true for windows; `None`
/// where it is another order.
fn period(value: &Value) -> Option<usize> {
    let Value::Array(windows) = value else {
        let Value::U32(number) = value else {
            return None;
        };
        return usize::try_from(*number).ok().filter(|number| *number > 0);
    };
    let windows: Vec<bool> = windows
        .iter()
        .map(|each| match each {
            Value::Bool(flag) => Some(*flag),
            Value::U32(number) => Some(*number != 0),
            Value::I32(number) => Some(*number != 0),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let period = 1 + windows.iter().take_while(|window| **window).count();
    let regular = (1..)
        .zip(&windows)
        .all(|(layer, window)| *window == (layer % period > 0));
    (regular && !windows.is_empty()).then_some(period)
}

impl Model for Gemma {
    fn step(&mut self, ids: &Tensor, offset: usize) -> candle_core::Result<Tensor> {
        let last = ids.dim(1)?.saturating_sub(1);
        for at in 0..last {
            self.forward(&ids.narrow(1, at, 1)?, offset + at)?;
        }
        self.forward(&ids.narrow(1, last, 1)?, offset + last)?
            .squeeze(1)
    }

    fn clear(&mut self) {
        self.clear_kv_cache();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_that_are_read_are_those_that_have_a_name_in_candle() {
        let header = Header::of_metadata([]);
        let named = |name: &str| name_in_candle(&format!("blk.7.{name}"));
        for name in PLAIN_BLOCK {
            assert!(
                named(name).is_some_and(|name| name.starts_with("model.layers.7.")),
                "{name}"
            );
        }
        for name in [
            "attn_q_norm.weight",
            "post_ffw_norm.weight",
            "attn_q.bias",
            "ffn_x.weight",
        ] {
            assert_eq!(Gemma3.reads(&header, name), named(name).is_some(), "{name}");
        }
        assert!(!Gemma3.reads_output() && name_in_candle("output.weight").is_none());
    }

    #[test]
    fn a_pattern_of_windows_is_a_number_or_a_regular_list() {
        let list = |windows: &[bool]| {
            Value::Array(windows.iter().map(|window| Value::Bool(*window)).collect())
        };
        let numbers = Value::Array(vec![Value::U32(1), Value::U32(1), Value::U32(0)]);
        for (value, meant) in [
            (Value::U32(6), Some(6)),
            (list(&[true, true, false, true, true, false, true]), Some(3)),
            (list(&[true, true, true]), Some(4)),
            (list(&[false, false]), Some(1)),
            (numbers, Some(3)),
            (list(&[true, false, false]), None),
            (list(&[]), None),
            (Value::U32(0), None),
            (Value::F32(2.5), None),
            (Value::Array(vec![Value::String("x".into())]), None),
            (Value::Array(vec![Value::F32(1.0), Value::F32(0.0)]), None),
        ] {
            assert_eq!(period(&value), meant, "{value:?}");
        }
    }

    #[test]
    fn a_list_of_windows_is_obeyed_if_it_has_one_for_each_layer() {
        let rule = |blocks: u32| {
            let windows = [true, false, true].map(Value::Bool);
            let header = Header::of_metadata([
                (Gemma3.key(PATTERN), Value::Array(windows.to_vec())),
                (Gemma3.key("block_count"), Value::U32(blocks)),
            ]);
            Gemma3.rule(&header, PATTERN).is_some()
        };
        assert_eq!([rule(2), rule(3), rule(4)], [true, true, false]);
    }

    #[test]
    fn the_largest_model_scales_queries_otherwise_where_its_heads_do_not_share_the_embedding() {
        let departs = |blocks: u32, head: u32| {
            let numbers = [
                ("attention.head_count", Value::U32(4)),
                ("attention.key_length", Value::U32(head)),
                ("embedding_length", Value::U32(64)),
                ("block_count", Value::U32(blocks)),
            ];
            let header = Header::of_metadata(numbers.map(|(k, v)| (Gemma3.key(k), v)));
            Gemma3.departures(&header).is_some()
        };
        let largest = LARGEST_BLOCKS as u32;
        assert_eq!(
            [departs(largest, 32), departs(largest, 16), departs(26, 32)],
            [true, false, false]
        );
    }

    #[test]
    fn a_file_without_windows_has_none_in_any_layer() {
        let shape = |window: u32| {
            let numbers = [
                ("attention.head_count", Value::U32(4)),
                ("embedding_length", Value::U32(64)),
                ("feed_forward_length", Value::U32(128)),
                ("block_count", Value::U32(26)),
                ("context_length", Value::U32(131_072)),
                ("attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
                ("attention.sliding_window", Value::U32(window)),
            ];
            let mut header = Header::of_metadata(numbers.map(|(k, v)| (Gemma3.key(k), v)));
            header.add_matrix("token_embd.weight", 512, 64);
            header
        };
        let config = |window| Gemma3.config(&shape(window)).unwrap();
        assert_eq!(config(0).sliding_window_pattern, 1);
        let config = config(512);
        assert_eq!(
            (config.sliding_window, config.sliding_window_pattern),
            (512, 6)
        );
        assert_eq!((config.head_dim, config.num_key_value_heads), (16, 4));
        assert_eq!(
            (config.vocab_size, config.max_position_embeddings),
            (512, 8192)
        );
    }
}
