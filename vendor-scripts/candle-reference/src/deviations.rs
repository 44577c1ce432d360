//! What a file asks for and Candle's model for it does not do.

use crate::architecture::Architecture;
use crate::gguf::Header;
use crate::job::RopeDtype;
use crate::keys;

/// Above it F16 holds every second integer at most, so neighbouring positions become one.
const F16_POSITIONS: usize = 2048;

/// Blocks have these in both.
const ATTENTION: [&str; 6] = [
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output",
    "ffn_norm",
];
const FEED_FORWARD: [&str; 3] = ["ffn_gate", "ffn_up", "ffn_down"];

/// What Candle's model leaves out at every position.
pub fn everywhere(architecture: Architecture, header: &Header) -> Vec<String> {
    let blocks = architecture.count(header, "block_count").unwrap_or(0);
    let experts = architecture.count(header, "expert_count").unwrap_or(0);
    let mut unread: Vec<&str> = header
        .content
        .tensor_infos
        .keys()
        .map(String::as_str)
        .filter(|name| !reads(architecture, blocks, experts, name))
        .collect();
    unread.sort_unstable();
    let mut deviations = Vec::new();
    if let [first, rest @ ..] = unread.as_slice() {
        let more = match rest.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        deviations.push(format!("never reads the tensor {first}{more}"));
    }
    deviations.extend(keys::ignored_by_the_model(architecture, header));
    deviations
}

/// What Candle's model computes otherwise than the file says once that many positions are in use.
pub fn at(architecture: Architecture, header: &Header, positions: usize) -> Vec<String> {
    let mut deviations = Vec::new();
    if let Some(window) = architecture.ignored_window(header)
        && window < positions
    {
        deviations.push(format!(
            "ignores the sliding window of {window} positions ({positions} are needed)"
        ));
    }
    if architecture.rope_dtype(header) == RopeDtype::F16 && positions > F16_POSITIONS {
        deviations.push(format!(
            "computes RoPE in F16 (`rope_dtype`), where positions above {F16_POSITIONS} become one with their \
             neighbours ({positions} are needed)"
        ));
    }
    deviations
}

/// Whether Candle's model with so many blocks and experts reads a tensor of that name.
fn reads(architecture: Architecture, blocks: usize, experts: usize, tensor: &str) -> bool {
    let Some(name) = tensor.strip_suffix(".weight") else {
        return false;
    };
    let Some(name) = name.strip_prefix("blk.") else {
        return matches!(name, "token_embd" | "output_norm" | "output");
    };
    let Some((block, name)) = name.split_once('.') else {
        return false;
    };
    block.parse().is_ok_and(|block: usize| block < blocks) && in_block(architecture, experts, name)
}

fn in_block(architecture: Architecture, experts: usize, name: &str) -> bool {
    match architecture {
        Architecture::Llama if experts > 1 => {
            let expert = |(part, number): (&str, &str)| {
                FEED_FORWARD.contains(&part) && number.parse().is_ok_and(|n: usize| n < experts)
            };
            ATTENTION.contains(&name)
                || name == "ffn_gate_inp"
                || name.split_once('.').is_some_and(expert)
        }
        Architecture::Llama => ATTENTION.contains(&name) || FEED_FORWARD.contains(&name),
        Architecture::Phi3 => matches!(
            name,
            "attn_norm" | "attn_qkv" | "attn_output" | "ffn_norm" | "ffn_up" | "ffn_down"
        ),
        Architecture::Qwen3 => {
            ATTENTION.contains(&name)
                || FEED_FORWARD.contains(&name)
                || matches!(name, "attn_q_norm" | "attn_k_norm")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Architecture::{Llama, Phi3, Qwen3};
    use candle_core::quantized::gguf_file::Value;

    #[test]
    fn tensors_that_candle_never_reads_are_told_from_those_it_does() {
        assert!(reads(Qwen3, 4, 0, "blk.3.attn_q_norm.weight"));
        assert!(!reads(Llama, 4, 0, "blk.3.attn_q_norm.weight"));
        assert!(!reads(Llama, 4, 0, "rope_freqs.weight"));
        assert!(!reads(Phi3, 4, 0, "blk.0.attn_qkv.bias"));
        assert!(!reads(Phi3, 4, 0, "rope_factors_long.weight"));
    }

    #[test]
    fn blocks_and_experts_beyond_their_number_are_never_read() {
        assert!(reads(Llama, 4, 8, "blk.0.ffn_gate.7.weight"));
        assert!(reads(Llama, 4, 8, "blk.0.ffn_gate_inp.weight"));
        assert!(!reads(Llama, 4, 8, "blk.0.ffn_gate.8.weight"));
        assert!(!reads(Llama, 4, 0, "blk.0.ffn_gate_inp.weight"));
        assert!(!reads(Llama, 4, 8, "blk.0.ffn_gate_exps.weight"));
        assert!(!reads(Llama, 4, 0, "blk.4.ffn_gate.weight"));
    }

    #[test]
    fn a_window_matters_only_to_sequences_that_are_longer() {
        let window = |value| {
            Header::of_metadata([(
                "phi3.attention.sliding_window".to_owned(),
                Value::U32(value),
            )])
        };
        assert!(at(Phi3, &window(8), 8).is_empty());
        assert!(at(Phi3, &window(0), 9).is_empty());
        assert!(at(Phi3, &window(8), 9)[0].contains("sliding window of 8 positions"));
    }
}
