//! Text to ids and back: by a `tokenizer.json`, or by a tokenizer rebuilt from what a GGUF file says of its vocabulary.
//! The rebuilt one follows llama.cpp, which applies no Unicode normalisation.

use std::path::Path;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use crate::failure::{Failure, Result};
use crate::gguf::Header;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DIGIT: &str = r"\p{N}";

/// llama.cpp's pre-tokenizer for files that name none.
const DEFAULT: [&str; 4] = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"];

const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// Control tokens that end a turn or a text, whatever the metadata name.
const END_TOKENS: [&str; 6] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|end|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "</s>",
];

/// A byte-level BPE vocabulary as a GGUF file holds it. `types` are llama.cpp's, one a token.
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Vocabulary {
    pub tokens: Vec<String>,
    pub types: Vec<u64>,
    pub merges: Vec<String>,
    pub pre: String,
}

/// What is put around a text that isn't a rendered chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Frame {
    bos: Option<u32>,
    eos: Option<u32>,
}

pub struct TextCodec {
    tokenizer: Tokenizer,
    /// `None` where the tokenizer's own post-processor does it.
    frame: Option<Frame>,
    end_ids: Vec<u32>,
}

impl TextCodec {
    /// # Errors
    /// Refused if the vocabulary is of a kind that isn't rebuilt here; the remedy is a `tokenizer.json`.
    pub fn from_gguf(header: &Header) -> Result<Self> {
        let vocabulary = Vocabulary::read(header)?;
        let frame = Frame::read(header, &vocabulary.pre);
        let tokenizer = vocabulary.build()?;
        Ok(Self::new(tokenizer, Some(frame), header))
    }

    pub fn from_file(path: &Path, header: &Header) -> Result<Self> {
        let tokenizer = Tokenizer::from_file(path)
            .map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?;
        Ok(Self::new(tokenizer, None, header))
    }

    fn new(tokenizer: Tokenizer, frame: Option<Frame>, header: &Header) -> Self {
        let named = ["eos", "eot", "eom"]
            .iter()
            .filter_map(|name| special_id(header, name));
        let known = END_TOKENS
            .iter()
            .filter_map(|text| control_id(&tokenizer, text));
        let mut end_ids: Vec<u32> = named.chain(known).collect();
        end_ids.sort_unstable();
        end_ids.dedup();
        Self {
            tokenizer,
            frame,
            end_ids,
        }
    }

    /// Ids of a rendered chat, which brings its own special tokens, or of a raw text, which is framed as the model
    /// asks.
    pub fn encode(&self, text: &str, rendered_chat: bool) -> Result<Vec<u32>> {
        let own_frame = !rendered_chat && self.frame.is_none();
        let encoding = self
            .tokenizer
            .encode(text, own_frame)
            .map_err(|e| Failure::failed(format!("cannot tokenise the prompt: {e}")))?;
        let Frame { bos, eos } = match self.frame {
            Some(frame) if !rendered_chat => frame,
            _ => Frame::default(),
        };
        Ok(bos
            .into_iter()
            .chain(encoding.get_ids().iter().copied())
            .chain(eos)
            .collect())
    }

    /// Text of ids without their control tokens; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer
            .decode(ids, true)
            .map_err(|e| Failure::failed(format!("cannot decode what was generated: {e}")))
    }

    pub fn is_end(&self, id: u32) -> bool {
        self.end_ids.contains(&id)
    }
}

impl Vocabulary {
    fn read(header: &Header) -> Result<Self> {
        match header.text("tokenizer.ggml.model") {
            Some("gpt2") => {}
            Some(other) => return Err(not_rebuilt(&format!("tokenizer model `{other}`"))),
            None => return Err(not_rebuilt("a file that names no tokenizer model")),
        }
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let tokens: Vec<String> = owned(header.texts("tokenizer.ggml.tokens")?);
        let types = match header.unsigneds("tokenizer.ggml.token_type") {
            Ok(types) if types.len() == tokens.len() => types,
            Ok(types) => {
                return Err(Failure::refused(format!(
                    "{} tokens but {} token types",
                    tokens.len(),
                    types.len()
                )));
            }
            Err(_) => vec![1; tokens.len()],
        };
        Ok(Self {
            types,
            merges: owned(header.texts("tokenizer.ggml.merges")?),
            pre: header
                .text("tokenizer.ggml.pre")
                .unwrap_or("default")
                .to_owned(),
            tokens,
        })
    }

    fn build(self) -> Result<Tokenizer> {
        let broken = |e: tokenizers::Error| Failure::refused(format!("broken vocabulary: {e}"));
        let patterns = patterns(&self.pre)?;
        let merges = self
            .merges
            .iter()
            .map(|pair| {
                pair.split_once(' ')
                    .map(|(left, right)| (left.to_owned(), right.to_owned()))
                    .ok_or_else(|| Failure::refused(format!("`{pair}` is no merge")))
            })
            .collect::<Result<Vec<_>>>()?;
        let added: Vec<AddedToken> = self
            .tokens
            .iter()
            .zip(&self.types)
            .filter(|(_, kind)| matches!(**kind, CONTROL | USER_DEFINED))
            .map(|(text, kind)| AddedToken::from(text.as_str(), *kind == CONTROL).normalized(false))
            .collect();
        let ids = (0u32..).zip(self.tokens).map(|(id, text)| (text, id));
        let bpe = BPE::builder()
            .vocab_and_merges(ids.collect::<tokenizers::models::bpe::Vocab>(), merges)
            .ignore_merges(whole_words_first(&self.pre))
            .build()
            .map_err(broken)?;
        let mut tokenizer = Tokenizer::new(bpe);
        tokenizer.with_pre_tokenizer(Some(pre_tokenizer(&patterns).map_err(broken)?));
        tokenizer.with_decoder(Some(ByteLevel::default()));
        tokenizer.add_tokens(added).map_err(broken)?;
        Ok(tokenizer)
    }
}

impl Frame {
    fn read(header: &Header, pre: &str) -> Self {
        let wants = |name: &str, otherwise: bool| {
            let key = format!("tokenizer.ggml.add_{name}_token");
            header.flag(&key).unwrap_or(otherwise)
        };
        Self {
            bos: wants("bos", whole_words_first(pre))
                .then(|| special_id(header, "bos"))
                .flatten(),
            eos: wants("eos", false)
                .then(|| special_id(header, "eos"))
                .flatten(),
        }
    }
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
    Failure::refused(format!("{what}: no tokenizer is rebuilt from it"))
        .with_remedy("name the model's tokenizer.json in the setting `tokenizer`")
}

fn special_id(header: &Header, name: &str) -> Option<u32> {
    let id = header.unsigned(&format!("tokenizer.ggml.{name}_token_id"))?;
    u32::try_from(id).ok()
}

fn control_id(tokenizer: &Tokenizer, text: &str) -> Option<u32> {
    let id = tokenizer.token_to_id(text)?;
    let added = tokenizer.get_added_tokens_decoder();
    added
        .get(&id)
        .is_some_and(|token| token.special)
        .then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;
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
        Vocabulary {
            tokens,
            types,
            merges,
            pre: pre.to_owned(),
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

    #[test]
    #[ignore = "needs the real model: CANDLE_REFERENCE_SMOLLM2=…/SmolLM2-135M-Instruct.Q4_1.gguf"]
    fn smollm2_gives_the_ids_of_llama_cpp() {
        #[derive(Deserialize)]
        struct Case {
            text: String,
            ids: Vec<u32>,
        }
        let path = std::env::var("CANDLE_REFERENCE_SMOLLM2").unwrap();
        let (header, _) = Header::open(Path::new(&path)).unwrap();
        let codec = TextCodec::from_gguf(&header).unwrap();
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../tests/fixtures/smollm2_ids.json")).unwrap();
        for Case { text, ids } in cases {
            assert_eq!(codec.encode(&text, false).unwrap(), ids, "{text:?}");
        }
    }
}
