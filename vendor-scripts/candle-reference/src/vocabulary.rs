//! A tokenizer rebuilt from what a GGUF file says of its vocabulary: byte-level BPE, or SentencePiece's. It follows
//! llama.cpp, which applies no Unicode normalisation.

use std::collections::HashSet;

use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use crate::failure::{Failure, Result};
use crate::gguf::Header;
use crate::{keys, sentencepiece};

/// Where the file's own vocabulary does not serve.
pub const REMEDY: &str = "name the model's tokenizer.json in the setting `tokenizer`";

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DIGIT: &str = r"\p{N}";

/// llama.cpp's pre-tokenizer for files that name none.
const DEFAULT: [&str; 4] = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"];

const SPACE_PREFIX: &str = "tokenizer.ggml.add_space_prefix";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";

const NORMAL: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// llama.cpp's list of tokens that end a turn or a text by their text alone. It also takes them for control tokens,
/// whatever their type is.
pub const END_TEXTS: [&str; 33] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// A vocabulary as a GGUF file holds it. `types` are llama.cpp's, one a token.
pub struct Vocabulary {
    tokens: Vec<String>,
    types: Vec<u64>,
    family: Family,
}

/// What joins characters or bytes to tokens.
enum Family {
    ByteLevel { merges: Vec<String>, pre: String },
    SentencePiece { scores: Vec<f32> },
}

impl Vocabulary {
    /// # Errors
    /// Refused if the vocabulary is of a kind that isn't rebuilt here, or the file asks more of the tokenizer than is
    /// done; the remedy is a `tokenizer.json`.
    pub fn read(header: &Header) -> Result<Self> {
        let read_family = match header.text("tokenizer.ggml.model") {
            Some("gpt2") => byte_level,
            Some("llama") => sentencepiece,
            Some(other) => return Err(not_rebuilt(&format!("tokenizer model `{other}`"))),
            None => return Err(not_rebuilt("a file that names no tokenizer model")),
        };
        let ignored = keys::ignored_by_the_tokenizer(header);
        if !ignored.is_empty() {
            let message = format!("the rebuilt tokenizer {}", ignored.join(", "));
            return Err(Failure::refused(message).with_remedy(REMEDY));
        }
        // llama.cpp goes by the name, and drops white space after special tokens then.
        let name = header.text("general.name").unwrap_or_default();
        if ["phi-3", "phi3"]
            .iter()
            .any(|part| name.to_lowercase().contains(part))
        {
            let message = format!("the tokenizer of a model named `{name}`");
            return Err(not_rebuilt(&message));
        }
        let tokens = owned(header.texts("tokenizer.ggml.tokens")?);
        let types = match header.content.metadata.get(TOKEN_TYPE) {
            None => vec![NORMAL; tokens.len()],
            Some(_) => header.unsigneds(TOKEN_TYPE)?,
        };
        if types.len() != tokens.len() {
            return Err(Failure::refused(format!(
                "{} tokens but {} token types",
                tokens.len(),
                types.len()
            )));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = tokens.iter().find(|t| !t.is_empty() && !seen.insert(*t)) {
            return Err(Failure::refused(format!("the token `{twice}` has two ids")));
        }
        Ok(Self {
            family: read_family(header)?,
            types,
            tokens,
        })
    }

    /// Whether a text begins with the begin token where the file doesn't say.
    pub fn begins_by_default(&self) -> bool {
        match &self.family {
            Family::ByteLevel { pre, .. } => whole_words_first(pre),
            Family::SentencePiece { .. } => true,
        }
    }

    pub fn build(self) -> Result<Tokenizer> {
        let broken = |e: tokenizers::Error| Failure::refused(format!("broken vocabulary: {e}"));
        let mut tokenizer = match &self.family {
            Family::ByteLevel { merges, pre } => {
                let (patterns, merges) = (patterns(pre)?, pairs(merges)?);
                let whole = whole_words_first(pre);
                build_byte_level(&self.tokens, merges, &patterns, whole).map_err(broken)?
            }
            Family::SentencePiece { scores } => {
                sentencepiece::check(&self.tokens, &self.types, scores)
                    .map_err(|failure| failure.with_remedy(REMEDY))?;
                sentencepiece::build(&self.tokens, &self.types, scores).map_err(broken)?
            }
        };
        let added: Vec<AddedToken> = self
            .tokens
            .iter()
            .zip(&self.types)
            .filter_map(|(text, kind)| {
                let hidden =
                    matches!(*kind, CONTROL | UNKNOWN) || END_TEXTS.contains(&text.as_str());
                (hidden || *kind == USER_DEFINED)
                    .then(|| AddedToken::from(text.as_str(), hidden).normalized(false))
            })
            .collect();
        tokenizer.add_tokens(added).map_err(broken)?;
        Ok(tokenizer)
    }
}

fn byte_level(header: &Header) -> Result<Family> {
    let pre = header.text("tokenizer.ggml.pre").unwrap_or("default");
    Ok(Family::ByteLevel {
        merges: owned(header.texts("tokenizer.ggml.merges")?),
        pre: pre.to_owned(),
    })
}

fn sentencepiece(header: &Header) -> Result<Family> {
    // Without the key, llama.cpp puts a space before each text.
    if header.flag(SPACE_PREFIX) != Some(false) {
        let message = format!("a vocabulary for which `{SPACE_PREFIX}` is not false");
        return Err(not_rebuilt(&message));
    }
    Ok(Family::SentencePiece {
        scores: header.reals("tokenizer.ggml.scores")?,
    })
}

fn owned(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

/// `a b` → (`a`, `b`).
fn pairs(merges: &[String]) -> Result<Merges> {
    let pair = |text: &String| {
        text.split_once(' ')
            .map(|(left, right)| (left.to_owned(), right.to_owned()))
            .ok_or_else(|| Failure::refused(format!("`{text}` is no merge")))
    };
    merges.iter().map(pair).collect()
}

/// The tokenizer without its special tokens. `whole`: a word that is a token stays whole.
fn build_byte_level(
    tokens: &[String],
    merges: Merges,
    patterns: &[&str],
    whole: bool,
) -> tokenizers::Result<Tokenizer> {
    let ids = (0u32..).zip(tokens).map(|(id, text)| (text.clone(), id));
    let bpe = BPE::builder()
        .vocab_and_merges(ids.collect::<tokenizers::models::bpe::Vocab>(), merges)
        .ignore_merges(whole)
        .build()?;
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(patterns)?));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    Ok(tokenizer)
}

/// Regular expressions, applied one after the other, each to what the last one left in one piece.
fn patterns(pre: &str) -> Result<Vec<&'static str>> {
    Ok(match pre {
        "default" => DEFAULT.to_vec(),
        "gpt-2" => vec![GPT2],
        "smollm" => vec![DIGIT, GPT2],
        "qwen2" | "deepseek-r1-qwen" => vec![QWEN2],
        "llama-bpe" | "llama3" | "llama-v3" | "dbrx" => vec![LLAMA3],
        other => return Err(not_rebuilt(&format!("pre-tokenizer `{other}`"))),
    })
}

/// llama.cpp gives the Llama 3 pre-tokenizers two defaults: a word that is a token stays whole, and BOS comes first.
fn whole_words_first(pre: &str) -> bool {
    matches!(pre, "llama-bpe" | "llama3" | "llama-v3")
}

fn pre_tokenizer(patterns: &[&str]) -> tokenizers::Result<PreTokenizerWrapper> {
    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    for pattern in patterns {
        let regex = SplitPattern::Regex((*pattern).to_owned());
        steps.push(Split::new(regex, SplitDelimiterBehavior::Isolated, false)?.into());
    }
    steps.push(ByteLevel::new(false, false, false).into());
    Ok(Sequence::new(steps).into())
}

fn not_rebuilt(what: &str) -> Failure {
    Failure::refused(format!("{what}: no tokenizer is rebuilt from it")).with_remedy(REMEDY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;
    use candle_core::quantized::gguf_file::Value;
    use serde::Deserialize;

    /// Recorded from llama.cpp by `tests/record_tokens.py`.
    #[derive(Deserialize)]
    struct Recorded {
        tokens: Vec<String>,
        types: Vec<u64>,
        merges: Vec<String>,
        texts: Vec<String>,
        /// Pre-tokenizer → ids of each text.
        ids: std::collections::BTreeMap<String, Vec<Vec<u32>>>,
    }

    fn recorded() -> Recorded {
        serde_json::from_str(include_str!("../tests/fixtures/small_vocabulary.json")).unwrap()
    }

    fn build(pre: &str) -> Result<Tokenizer> {
        let Recorded {
            tokens,
            types,
            merges,
            ..
        } = recorded();
        let pre = pre.to_owned();
        Vocabulary {
            tokens,
            types,
            family: Family::ByteLevel { merges, pre },
        }
        .build()
    }

    #[test]
    fn every_pre_tokenizer_gives_the_ids_of_llama_cpp() {
        let recorded = recorded();
        assert!(recorded.ids.len() >= 5 && recorded.texts.len() >= 20);
        for (pre, all_ids) in &recorded.ids {
            let tokenizer = build(pre).unwrap();
            assert_eq!(all_ids.len(), recorded.texts.len());
            for (text, ids) in recorded.texts.iter().zip(all_ids) {
                let got = tokenizer.encode(text.as_str(), false).unwrap();
                assert_eq!(got.get_ids(), ids, "{pre}: {text:?}");
            }
        }
    }

    #[test]
    fn decoding_gives_back_the_text_without_control_tokens() {
        let tokenizer = build("smollm").unwrap();
        let text = "naïve 42\n\t 日本 👩‍👧";
        let ids = tokenizer
            .encode(format!("{text}<|im_end|>"), false)
            .unwrap();
        assert_eq!(tokenizer.decode(ids.get_ids(), true).unwrap(), text);
    }

    #[test]
    fn a_pre_tokenizer_that_is_not_known_is_refused_by_name() {
        let failure = build("tekken").unwrap_err();
        assert_eq!(failure.kind, Kind::Refused);
        assert!(failure.message.contains("`tekken`"));
        assert!(failure.remedy.unwrap().contains("tokenizer.json"));
    }

    fn read(extra: &[(&str, Value)]) -> Result<Vocabulary> {
        let texts = |texts: &[&str]| {
            Value::Array(texts.iter().map(|t| Value::String((*t).into())).collect())
        };
        let plain = [
            ("model", Value::String("gpt2".into())),
            ("tokens", texts(&["a", "b", "ab"])),
            ("merges", texts(&["a b"])),
        ];
        let all = plain.into_iter().chain(extra.iter().cloned());
        Vocabulary::read(&Header::of_metadata(
            all.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)),
        ))
    }

    #[test]
    fn a_file_that_asks_more_of_its_tokenizer_is_refused_by_key() {
        assert!(read(&[]).is_ok());
        let failure = read(&[("add_eos_token", Value::Bool(true))]).err().unwrap();
        assert_eq!(failure.kind, Kind::Refused);
        assert_eq!(
            failure.message,
            "the rebuilt tokenizer works as if `tokenizer.ggml.add_eos_token` were false, and it is true"
        );
    }

    #[test]
    fn token_types_that_are_no_types_and_tokens_with_two_ids_are_refused() {
        let refusal = |key, value| read(&[(key, value)]).err().unwrap().message;
        let types = Value::Array(vec![Value::I32(-1), Value::I32(1), Value::I32(1)]);
        assert!(refusal("token_type", types).contains("no non-negative integer"));
        let types = Value::Array(vec![Value::I32(1)]);
        assert_eq!(refusal("token_type", types), "3 tokens but 1 token types");
        let tokens = ["a", "b", "a"].map(|t| Value::String(t.into()));
        assert_eq!(
            refusal("tokens", Value::Array(tokens.into())),
            "the token `a` has two ids"
        );
    }
}
