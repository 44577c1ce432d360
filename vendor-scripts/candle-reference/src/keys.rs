//! Metadata keys that say how to compute: which of them are obeyed, and which ask for nothing but what is done anyway.
//! A key that is not listed may change what the file means, so it is never ignored in silence.

use candle_core::quantized::gguf_file::{Value, ValueType};

use crate::architectures::Architecture;
use crate::gguf::{Header, number, shown};

/// What becomes of a key's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// It is obeyed where it has this type; Candle's models fail at other types, or ignore them.
    Obeyed(ValueType),
    /// It changes nothing, whatever it is.
    Harmless,
    /// What is done is right for this value only.
    Only(Fixed),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fixed {
    Number(f64),
    OneOf(&'static [&'static str]),
    Flag(bool),
}

/// What the file asks for under its architecture's name and Candle's model does not do, by key.
pub fn ignored_by_the_model(architecture: &dyn Architecture, header: &Header) -> Vec<String> {
    ignored(header, &architecture.key(""), |name| {
        let own = architecture.rule(header, name);
        own.or_else(|| rule_of_most_models(architecture, header, name))
    })
}

/// What the file asks of a tokenizer and the one rebuilt from it does not do, by key.
pub fn ignored_by_the_tokenizer(header: &Header) -> Vec<String> {
    ignored(header, "tokenizer.ggml.", rule_of_the_tokenizer)
}

/// As the models of `candle_transformers` 0.11.1 read the keys, unless one has a rule of its own. What a value means is
/// what llama.cpp makes of it.
fn rule_of_most_models(
    architecture: &dyn Architecture,
    header: &Header,
    name: &str,
) -> Option<Rule> {
    let only = |value| Some(Rule::Only(Fixed::Number(value)));
    let factor = ["rope.scaling.factor", "rope.scale_linear"]
        .iter()
        .find_map(|name| number(header.content.metadata.get(&architecture.key(name))?));
    let unscaled = header.text(&architecture.key("rope.scaling.type")) == Some("none");
    match name {
        "block_count" | "embedding_length" | "attention.head_count" | "attention.head_count_kv" => {
            Some(Rule::Obeyed(ValueType::U32))
        }
        "attention.layer_norm_rms_epsilon" | "rope.freq_base" => Some(Rule::Obeyed(ValueType::F32)),
        // The size of the RoPE tables; longer sequences are refused.
        "context_length" => Some(Rule::Obeyed(ValueType::U32)),
        // Where a model does with it otherwise than the file says, sequences for which that differs are refused.
        "attention.sliding_window" => Some(Rule::Obeyed(ValueType::U32)),
        "attention.key_length" | "attention.value_length" | "rope.dimension_count" => {
            match architecture.head_size(header) {
                Some(size) => only(size as f64),
                // Candle's model fails to load without it.
                None => Some(Rule::Harmless),
            }
        }

        // A factor of 0 stands for none.
        "rope.scaling.type" if matches!(factor, None | Some(0.0 | 1.0)) => {
            Some(Rule::Only(Fixed::OneOf(&["none", "linear"])))
        }
        "rope.scaling.type" => Some(Rule::Only(Fixed::OneOf(&["none"]))),
        "rope.scaling.factor" | "rope.scale_linear" if unscaled => Some(Rule::Harmless),
        "rope.scaling.factor" | "rope.scale_linear" if factor == Some(0.0) => only(0.0),
        "rope.scaling.factor" | "rope.scale_linear" | "rope.scaling.attn_factor" => only(1.0),
        // Kinds of scaling that these are for are refused above; as llama.cpp's writer states them without any.
        "rope.scaling.yarn_attn_factor" | "rope.scaling.yarn_beta_slow" => only(1.0),
        "rope.scaling.yarn_beta_fast" => only(32.0),
        "rope.scaling.yarn_ext_factor" => only(-1.0),
        "rope.scaling.yarn_log_multiplier" => only(0.0),
        // Where scaling begins, and a remark on training: nothing without a kind of scaling that is refused above.
        "rope.scaling.original_context_length" | "rope.scaling.finetuned" => Some(Rule::Harmless),

        "expert_count" | "expert_used_count" => only(0.0),
        "logit_scale" | "embedding_scale" | "residual_scale" => only(1.0),
        "attn_logit_softcapping" | "final_logit_softcapping" => only(0.0),
        "attention.causal" => Some(Rule::Only(Fixed::Flag(true))),
        // The shapes of the tensors say the same, and they are what Candle goes by.
        "vocab_size" | "feed_forward_length" => Some(Rule::Harmless),
        _ => None,
    }
}

/// As the rebuilt tokenizers treat the keys.
fn rule_of_the_tokenizer(name: &str) -> Option<Rule> {
    match name {
        "model" | "pre" => Some(Rule::Obeyed(ValueType::String)),
        "tokens" | "token_type" | "merges" | "scores" => Some(Rule::Obeyed(ValueType::Array)),
        "add_bos_token" => Some(Rule::Obeyed(ValueType::Bool)),
        "bos_token_id" | "eos_token_id" | "eot_token_id" | "eom_token_id" | "fim_pad_token_id"
        | "fim_rep_token_id" | "fim_sep_token_id" => Some(Rule::Obeyed(ValueType::U32)),
        // An end token after the prompt would leave nothing to generate.
        "add_eos_token" | "add_sep_token" | "add_space_prefix" | "remove_extra_whitespaces" => {
            Some(Rule::Only(Fixed::Flag(false)))
        }
        // No unknown token is needed, because every byte has a token; the others mark places that no prompt here has.
        "token_type_count" | "unknown_token_id" | "padding_token_id" | "seperator_token_id"
        | "separator_token_id" | "cls_token_id" | "mask_token_id" | "prefix_token_id"
        | "suffix_token_id" | "middle_token_id" | "fim_pre_token_id" | "fim_suf_token_id"
        | "fim_mid_token_id" => Some(Rule::Harmless),
        _ => None,
    }
}

fn ignored(header: &Header, prefix: &str, rule: impl Fn(&str) -> Option<Rule>) -> Vec<String> {
    let mut ignored: Vec<String> = header
        .content
        .metadata
        .iter()
        .filter_map(|(key, value)| objection(rule(key.strip_prefix(prefix)?), key, value))
        .collect();
    ignored.sort_unstable();
    ignored
}

fn objection(rule: Option<Rule>, key: &str, value: &Value) -> Option<String> {
    let told = shown(value);
    match rule {
        None => Some(format!("does not know `{key}`, which is {told}")),
        Some(Rule::Obeyed(kind)) if value.value_type() != kind => {
            Some(format!("reads `{key}` as {kind:?} only, and it is {told}"))
        }
        Some(Rule::Only(fixed)) if !fixed.is(value) => {
            let fixed = fixed.shown();
            Some(format!(
                "works as if `{key}` were {fixed}, and it is {told}"
            ))
        }
        Some(_) => None,
    }
}

impl Fixed {
    fn is(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Number(fixed), _) => number(value) == Some(fixed),
            (Self::OneOf(fixed), Value::String(text)) => fixed.contains(&text.as_str()),
            (Self::Flag(fixed), Value::Bool(flag)) => fixed == *flag,
            _ => false,
        }
    }

    fn shown(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::OneOf(texts) => format!("`{}`", texts.join("` or `")),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architectures::{ARCHITECTURES, known};

    /// A header with heads of 16, and what Candle's model does not do of one more key.
    fn ignored_with(architecture: &dyn Architecture, name: &str, value: Value) -> Vec<String> {
        let shape = [
            ("embedding_length", Value::U32(64)),
            ("attention.head_count", Value::U32(4)),
            ("attention.key_length", Value::U32(16)),
        ];
        let all = shape.into_iter().chain([(name, value)]);
        let header = Header::of_metadata(all.map(|(k, v)| (architecture.key(k), v)));
        ignored_by_the_model(architecture, &header)
    }

    fn text(value: &str) -> Value {
        Value::String(value.into())
    }

    fn heads() -> Value {
        Value::Array(vec![Value::U32(4), Value::U32(2)])
    }

    #[test]
    fn keys_that_ask_for_what_no_model_of_candles_does_are_named() {
        for (name, value) in [
            ("rope.scale_linear", Value::F32(4.0)),
            ("rope.scaling.type", text("yarn")),
            ("rope.scaling.type", text("longrope")),
            ("rope.scaling.factor", Value::F32(2.0)),
            ("rope.scaling.attn_factor", Value::F32(1.19)),
            ("rope.scaling.yarn_log_multiplier", Value::F32(0.1)),
            ("rope.scaling.yarn_ext_factor", Value::F32(1.0)),
            ("rope.scaling.yarn_beta_fast", Value::F32(16.0)),
            ("rope.dimension_count", Value::U32(8)),
            ("rope.dimension_sections", heads()),
            ("attention.key_length_swa", Value::U32(16)),
            ("attention.sliding_window", heads()),
            ("attention.sliding_window_pattern", Value::F32(6.0)),
            ("attention.value_length", Value::U32(32)),
            ("attention.head_count", heads()),
            ("attention.head_count_kv", heads()),
            ("attention.scale", Value::F32(0.5)),
            ("attention.causal", Value::Bool(false)),
            ("attention.layer_norm_rms_epsilon", Value::F64(1e-6)),
            ("attn_logit_softcapping", Value::F32(50.0)),
            ("final_logit_softcapping", Value::F32(30.0)),
            ("logit_scale", Value::F32(0.0625)),
            ("embedding_scale", Value::F32(12.0)),
            ("residual_scale", Value::F32(0.22)),
            ("expert_shared_count", Value::U32(1)),
            ("expert_weights_scale", Value::F32(2.5)),
            ("a_key_of_tomorrow", Value::Bool(false)),
        ] {
            for architecture in ARCHITECTURES {
                let told = ignored_with(architecture, name, value.clone());
                let key = format!("`{}`", architecture.key(name));
                assert_eq!(told.len(), 1, "{key} {}: {told:?}", shown(&value));
                assert!(told[0].contains(&key), "{told:?}");
            }
        }
    }

    #[test]
    fn keys_that_are_obeyed_or_change_nothing_are_taken() {
        for (name, value) in [
            ("rope.scaling.type", text("none")),
            ("rope.scaling.type", text("linear")),
            ("rope.scale_linear", Value::F32(1.0)),
            ("rope.scale_linear", Value::F32(0.0)),
            ("rope.scaling.factor", Value::F32(0.0)),
            ("rope.scaling.yarn_ext_factor", Value::F32(-1.0)),
            ("rope.scaling.yarn_attn_factor", Value::F32(1.0)),
            ("rope.scaling.yarn_beta_fast", Value::F32(32.0)),
            ("rope.scaling.yarn_beta_slow", Value::F32(1.0)),
            ("rope.scaling.yarn_log_multiplier", Value::F32(0.0)),
            ("rope.scaling.factor", Value::F32(1.0)),
            ("rope.scaling.attn_factor", Value::F32(1.0)),
            ("rope.scaling.original_context_length", Value::U32(4096)),
            ("rope.scaling.finetuned", Value::Bool(true)),
            ("rope.dimension_count", Value::U32(16)),
            ("rope.freq_base", Value::F32(10_000.0)),
            ("attention.sliding_window", Value::U32(0)),
            ("attention.value_length", Value::U32(16)),
            ("attention.head_count_kv", Value::U32(2)),
            ("attention.causal", Value::Bool(true)),
            ("attn_logit_softcapping", Value::F32(0.0)),
            ("final_logit_softcapping", Value::F32(0.0)),
            ("logit_scale", Value::F32(1.0)),
            ("expert_count", Value::U32(0)),
            ("context_length", Value::U32(2048)),
            ("feed_forward_length", Value::U32(128)),
            ("vocab_size", Value::U32(512)),
        ] {
            for architecture in ARCHITECTURES {
                let told = ignored_with(architecture, name, value.clone());
                assert!(told.is_empty(), "{told:?}");
            }
        }
    }

    #[test]
    fn what_one_model_of_candles_obeys_and_another_ignores_is_told_by_architecture() {
        let [base, swa] = [250_000.0, 20_000.0].map(Value::F32);
        for (name, value, obeyed_by) in [
            (
                "rope.freq_base",
                base,
                &["gemma3", "llama", "qwen2", "qwen3"][..],
            ),
            ("rope.freq_base_swa", swa, &["gemma3"]),
            ("attention.key_length", Value::U32(32), &["gemma3", "qwen3"]),
            (
                "attention.sliding_window_pattern",
                Value::U32(6),
                &["gemma3"],
            ),
            ("expert_count", Value::U32(8), &["llama"]),
            ("expert_used_count", Value::U32(2), &["llama"]),
        ] {
            for architecture in ARCHITECTURES {
                let told = ignored_with(architecture, name, value.clone());
                let taken = obeyed_by.contains(&architecture.name());
                assert_eq!(told.is_empty(), taken, "{}: {told:?}", architecture.name());
            }
        }
        let told = ignored_with(known("phi3"), "rope.freq_base", Value::F32(250_000.0));
        assert_eq!(
            told,
            ["works as if `phi3.rope.freq_base` were 10000, and it is 250000"]
        );
    }

    #[test]
    fn a_type_that_candle_would_fail_at_or_ignore_is_named() {
        let told = ignored_with(known("llama"), "rope.freq_base", Value::F64(5e5));
        assert_eq!(
            told,
            ["reads `llama.rope.freq_base` as F32 only, and it is 500000"]
        );
        let told = ignored_with(known("llama"), "expert_count", Value::U64(8));
        assert_eq!(
            told,
            ["reads `llama.expert_count` as U32 only, and it is 8"]
        );
    }

    #[test]
    fn a_factor_beside_no_scaling_changes_nothing() {
        for name in ["rope.scaling.factor", "rope.scale_linear"] {
            let header = Header::of_metadata([
                ("llama.rope.scaling.type".to_owned(), text("none")),
                (format!("llama.{name}"), Value::F32(4.0)),
            ]);
            assert!(ignored_by_the_model(known("llama"), &header).is_empty());
        }
    }

    #[test]
    fn linear_scaling_is_taken_where_its_factor_scales_nothing() {
        for (factor, taken) in [(0.0, true), (1.0, true), (2.0, false)] {
            for name in ["rope.scaling.factor", "rope.scale_linear"] {
                let header = Header::of_metadata([
                    ("llama.rope.scaling.type".to_owned(), text("linear")),
                    (format!("llama.{name}"), Value::F32(factor)),
                ]);
                let told = ignored_by_the_model(known("llama"), &header);
                assert_eq!(told.is_empty(), taken, "{name} {factor}: {told:?}");
            }
        }
    }

    #[test]
    fn keys_of_another_architecture_are_none_of_this_models() {
        let header = Header::of_metadata([
            ("llama.rope.scale_linear".to_owned(), Value::F32(4.0)),
            ("general.name".to_owned(), text("x")),
        ]);
        assert!(ignored_by_the_model(known("qwen3"), &header).is_empty());
        assert_eq!(
            ignored_by_the_model(known("llama"), &header),
            ["works as if `llama.rope.scale_linear` were 1, and it is 4"]
        );
    }

    #[test]
    fn what_the_rebuilt_tokenizer_does_not_do_is_named() {
        let ignored = |name: &str, value: Value| {
            ignored_by_the_tokenizer(&Header::of_metadata([(
                format!("tokenizer.ggml.{name}"),
                value,
            )]))
        };
        for (name, value) in [
            ("add_eos_token", Value::Bool(true)),
            ("add_sep_token", Value::Bool(true)),
            ("add_space_prefix", Value::Bool(true)),
            ("remove_extra_whitespaces", Value::Bool(true)),
            ("add_bos_token", Value::U32(1)),
            ("pre", Value::U32(1)),
            ("bos_token_id", text("<s>")),
            ("suppress_tokens", heads()),
            ("precompiled_charsmap", heads()),
            ("normalizer.lowercase", Value::Bool(true)),
        ] {
            let told = ignored(name, value);
            assert_eq!(told.len(), 1, "{name}");
            assert!(
                told[0].contains(&format!("`tokenizer.ggml.{name}`")),
                "{told:?}"
            );
        }
        for (name, value) in [
            ("add_eos_token", Value::Bool(false)),
            ("add_space_prefix", Value::Bool(false)),
            ("add_bos_token", Value::Bool(true)),
            ("padding_token_id", Value::U32(0)),
            ("scores", heads()),
        ] {
            assert!(ignored(name, value).is_empty(), "{name}");
        }
    }
}
