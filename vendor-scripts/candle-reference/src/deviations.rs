//! What a file asks for and Candle's model for it does not do.

use crate::architectures::Architecture;
use crate::gguf::Header;
use crate::job::RopeDtype;
use crate::keys;

/// Above it F16 holds every second integer at most, so neighbouring positions become one.
const F16_POSITIONS: usize = 2048;

/// What Candle's model leaves out, or computes otherwise than the file says, at every position.
pub fn everywhere(architecture: &dyn Architecture, header: &Header) -> Vec<String> {
    let blocks = architecture.count(header, "block_count").unwrap_or(0);
    let tensors = header.content.tensor_infos.keys().map(String::as_str);
    let mut unread: Vec<&str> = tensors
        .filter(|name| !reads(architecture, header, blocks, name))
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
    deviations.extend(architecture.departures(header));
    deviations.extend(keys::ignored_by_the_model(architecture, header));
    deviations
}

/// What Candle's model computes otherwise than the file says once that many positions are in use.
pub fn at(architecture: &dyn Architecture, header: &Header, positions: usize) -> Vec<String> {
    let mut deviations = Vec::new();
    if let Some(window) = architecture.window(header)
        && window < positions
        && !architecture.has_windows()
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

/// Whether Candle's model with so many blocks reads a tensor of that name.
fn reads(architecture: &dyn Architecture, header: &Header, blocks: usize, tensor: &str) -> bool {
    let Some(name) = tensor.strip_prefix("blk.") else {
        return match tensor {
            "token_embd.weight" | "output_norm.weight" => true,
            "output.weight" => architecture.reads_output(),
            _ => false,
        };
    };
    let Some((block, name)) = name.split_once('.') else {
        return false;
    };
    block.parse().is_ok_and(|block: usize| block < blocks) && architecture.reads(header, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architectures::{ARCHITECTURES, known};
    use candle_core::quantized::gguf_file::Value;

    #[test]
    fn tensors_that_candle_never_reads_are_told_from_those_it_does() {
        let reads =
            |architecture, tensor| reads(known(architecture), &Header::of_metadata([]), 4, tensor);
        assert!(reads("qwen3", "blk.3.attn_q_norm.weight"));
        assert!(!reads("llama", "blk.3.attn_q_norm.weight"));
        assert!(!reads("llama", "blk.4.ffn_gate.weight"));
        assert!(!reads("llama", "rope_freqs.weight"));
        assert!(reads("qwen2", "blk.0.attn_v.bias"));
        assert!(!reads("qwen2", "blk.0.attn_output.bias"));
        assert!(!reads("phi3", "blk.0.attn_qkv.bias"));
        assert!(!reads("phi3", "rope_factors_long.weight"));
        assert!(reads("phi3", "output.weight"));
        assert!(reads("gemma3", "blk.3.post_ffw_norm.weight"));
        assert!(!reads("gemma3", "output.weight"));
    }

    #[test]
    fn a_window_that_is_ignored_matters_only_to_sequences_that_are_longer() {
        for architecture in ARCHITECTURES {
            let told = |window, positions| {
                let key = architecture.key("attention.sliding_window");
                let header = Header::of_metadata([(key, Value::U32(window))]);
                at(architecture, &header, positions).join("")
            };
            assert_eq!(told(8, 8), "");
            assert_eq!(told(0, 9), "");
            let ignored = architecture.name() != "gemma3";
            assert_eq!(told(8, 9).contains("window of 8 positions"), ignored);
        }
    }
}
