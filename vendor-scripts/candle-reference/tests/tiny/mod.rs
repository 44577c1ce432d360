//! Tiny models of true structure with random weights, written as GGUF files.

use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{Value, write};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

const HIDDEN: usize = 64;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD: usize = HIDDEN / HEADS;
const FFN: usize = 128;
const BLOCKS: u32 = 2;

/// A file that is gone with its owner.
pub struct TinyModel(PathBuf);

/// Which weights turn the last hidden state into logits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Own,
    /// A copy of the token embeddings.
    Copied,
    /// None: the token embeddings are used.
    Tied,
}

impl TinyModel {
    /// Of the shape of any architecture that the program runs. `extra` metadata is added last, so it can replace what is
    /// there.
    pub fn write(architecture: &str, extra: &[(&str, Value)]) -> Self {
        let output = match architecture {
            "gemma3" => Output::Tied,
            _ => Output::Own,
        };
        Self::write_with(architecture, extra, output)
    }

    pub fn write_with(architecture: &str, extra: &[(&str, Value)], output: Output) -> Self {
        let path = std::env::temp_dir().join(format!(
            "candle-reference-{architecture}-{}-{:?}.gguf",
            std::process::id(),
            std::thread::current().id()
        ));
        let vocabulary: serde_json::Value =
            serde_json::from_str(include_str!("../fixtures/small_vocabulary.json")).unwrap();
        let mut metadata = vocabulary_metadata(&vocabulary);
        metadata.extend(shape_metadata(architecture));
        for (key, value) in extra {
            metadata.retain(|(k, _)| k != key);
            metadata.push(((*key).to_owned(), value.clone()));
        }
        let vocabulary_size = vocabulary["tokens"].as_array().unwrap().len();
        let tensors = tensors(architecture, vocabulary_size, output);
        let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, t)| (k.as_str(), t)).collect();
        let mut file = std::fs::File::create(&path).unwrap();
        write(&mut file, &metadata, &tensors).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TinyModel {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn vocabulary_metadata(vocabulary: &serde_json::Value) -> Vec<(String, Value)> {
    let list = |key: &str, item: fn(&serde_json::Value) -> Value| {
        Value::Array(
            vocabulary[key]
                .as_array()
                .unwrap()
                .iter()
                .map(item)
                .collect(),
        )
    };
    let text = |value: &serde_json::Value| Value::String(value.as_str().unwrap().to_owned());
    let number = |value: &serde_json::Value| Value::I32(value.as_i64().unwrap() as i32);
    let template =
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";
    [
        ("model", Value::String("gpt2".into())),
        ("pre", Value::String("smollm".into())),
        ("tokens", list("tokens", text)),
        ("token_type", list("types", number)),
        ("merges", list("merges", text)),
        ("bos_token_id", Value::U32(1)),
        ("eos_token_id", Value::U32(2)),
        ("add_bos_token", Value::Bool(false)),
    ]
    .into_iter()
    .map(|(key, value)| (format!("tokenizer.ggml.{key}"), value))
    .chain([(
        "tokenizer.chat_template".to_owned(),
        Value::String(template.into()),
    )])
    .collect()
}

fn shape_metadata(architecture: &str) -> Vec<(String, Value)> {
    [
        ("block_count", Value::U32(BLOCKS)),
        ("embedding_length", Value::U32(HIDDEN as u32)),
        ("feed_forward_length", Value::U32(FFN as u32)),
        ("context_length", Value::U32(256)),
        ("attention.head_count", Value::U32(HEADS as u32)),
        ("attention.head_count_kv", Value::U32(KV_HEADS as u32)),
        ("attention.key_length", Value::U32(HEAD as u32)),
        ("attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
        ("rope.dimension_count", Value::U32(HEAD as u32)),
        ("rope.freq_base", Value::F32(10_000.0)),
    ]
    .into_iter()
    .map(|(key, value)| (format!("{architecture}.{key}"), value))
    .chain([(
        "general.architecture".to_owned(),
        Value::String(architecture.into()),
    )])
    .collect()
}

/// `output.weight`, if there is one, comes last: a file that is cut short loses it first.
fn tensors(architecture: &str, vocabulary_size: usize, output: Output) -> Vec<(String, QTensor)> {
    let mut random = Random::new();
    let mut tensors = vec![
        (
            "token_embd.weight".into(),
            random.matrix(vocabulary_size, HIDDEN),
        ),
        ("output_norm.weight".into(), ones(HIDDEN)),
    ];
    let kv = KV_HEADS * HEAD;
    for block in 0..BLOCKS {
        let mut add =
            |name: &str, tensor| tensors.push((format!("blk.{block}.{name}.weight"), tensor));
        add("attn_norm", ones(HIDDEN));
        add("ffn_norm", ones(HIDDEN));
        add("attn_output", random.matrix(HIDDEN, HIDDEN));
        add("ffn_down", random.matrix(HIDDEN, FFN));
        if architecture == "phi3" {
            add("attn_qkv", random.matrix(HIDDEN + 2 * kv, HIDDEN));
            add("ffn_up", random.matrix(2 * FFN, HIDDEN));
            continue;
        }
        add("attn_q", random.matrix(HIDDEN, HIDDEN));
        add("attn_k", random.matrix(kv, HIDDEN));
        add("attn_v", random.matrix(kv, HIDDEN));
        add("ffn_gate", random.matrix(FFN, HIDDEN));
        add("ffn_up", random.matrix(FFN, HIDDEN));
        if matches!(architecture, "gemma3" | "qwen3") {
            add("attn_q_norm", ones(HEAD));
            add("attn_k_norm", ones(HEAD));
        }
        if architecture == "gemma3" {
            add("post_attention_norm", ones(HIDDEN));
            add("post_ffw_norm", ones(HIDDEN));
        }
        if architecture == "qwen2" {
            for (name, length) in [("attn_q", HIDDEN), ("attn_k", kv), ("attn_v", kv)] {
                tensors.push((format!("blk.{block}.{name}.bias"), ones(length)));
            }
        }
    }
    let output = match output {
        Output::Own => Some(random.matrix(vocabulary_size, HIDDEN)),
        Output::Copied => Some(Random::new().matrix(vocabulary_size, HIDDEN)),
        Output::Tied => None,
    };
    tensors.extend(output.map(|tensor| ("output.weight".into(), tensor)));
    tensors
}

fn ones(length: usize) -> QTensor {
    let tensor = Tensor::ones(length, candle_core::DType::F32, &Device::Cpu).unwrap();
    QTensor::quantize(&tensor, GgmlDType::F32).unwrap()
}

/// xorshift64*: the same weights on every machine.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> QTensor {
        let spread = 2.0 * (3.0 / columns as f32).sqrt();
        let values: Vec<f32> = (0..rows * columns)
            .map(|_| (self.unit() - 0.5) * spread)
            .collect();
        let tensor = Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap();
        QTensor::quantize(&tensor, GgmlDType::Q8_0).unwrap()
    }

    fn unit(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1u64 << 24) as f32
    }
}
