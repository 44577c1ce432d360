//! Text to ids and back: by a `tokenizer.json`, or by a tokenizer rebuilt from the GGUF file.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::failure::{Failure, Result};
use crate::gguf::Header;
use crate::vocabulary::{END_TEXTS, REMEDY, Vocabulary};

pub struct TextCodec {
    tokenizer: Tokenizer,
    frame: Frame,
    end_ids: Vec<u32>,
}

/// What is put around the ids of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// This id at the beginning of any text, once: a text may bring its own.
    Bos(Option<u32>),
    /// What the tokenizer's post-processor puts around a text, unless that is a rendered chat.
    PostProcessor,
}

impl TextCodec {
    /// # Errors
    /// Refused if no tokenizer can be rebuilt that does all that the file asks for; the remedy is a `tokenizer.json`.
    pub fn from_gguf(header: &Header) -> Result<Self> {
        let vocabulary = Vocabulary::read(header)?;
        let frame = Frame::Bos(bos(header, vocabulary.begins_by_default())?);
        Ok(Self::new(vocabulary.build()?, frame, header))
    }

    pub fn from_file(path: &Path, header: &Header) -> Result<Self> {
        let tokenizer = Tokenizer::from_file(path)
            .map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?;
        Ok(Self::new(tokenizer, Frame::PostProcessor, header))
    }

    fn new(tokenizer: Tokenizer, frame: Frame, header: &Header) -> Self {
        let named = ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"]
            .iter()
            .filter_map(|name| special_id(header, name));
        let added = tokenizer.get_added_tokens_decoder();
        let known = END_TEXTS.iter().filter_map(|text| {
            let id = tokenizer.token_to_id(text)?;
            added.get(&id).filter(|token| token.special).map(|_| id)
        });
        let mut end_ids: Vec<u32> = named.chain(known).collect();
        end_ids.sort_unstable();
        end_ids.dedup();
        Self {
            tokenizer,
            frame,
            end_ids,
        }
    }

    /// Ids of a rendered chat, which brings its own special tokens, or of a raw text.
    pub fn encode(&self, text: &str, rendered_chat: bool) -> Result<Vec<u32>> {
        let post_process = self.frame == Frame::PostProcessor && !rendered_chat;
        let encoding = self
            .tokenizer
            .encode(text, post_process)
            .map_err(|e| Failure::failed(format!("cannot tokenise the prompt: {e}")))?;
        let ids = encoding.get_ids();
        let bos = match self.frame {
            Frame::Bos(Some(bos)) if ids.first() != Some(&bos) => Some(bos),
            _ => None,
        };
        Ok(bos.into_iter().chain(ids.iter().copied()).collect())
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

/// The token that the file puts before any text. llama.cpp guesses one where the file asks for it and names none.
fn bos(header: &Header, by_default: bool) -> Result<Option<u32>> {
    let wanted = header
        .flag("tokenizer.ggml.add_bos_token")
        .unwrap_or(by_default);
    match (wanted, special_id(header, "bos")) {
        (false, _) => Ok(None),
        (true, Some(id)) => Ok(Some(id)),
        (true, None) => Err(Failure::refused(
            "texts begin with a token that the file does not name: it has no `tokenizer.ggml.bos_token_id`",
        )
        .with_remedy(REMEDY)),
    }
}

fn special_id(header: &Header, name: &str) -> Option<u32> {
    let id = header.unsigned(&format!("tokenizer.ggml.{name}_token_id"))?;
    u32::try_from(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::gguf_file::Value;
    use serde::Deserialize;

    fn codec(extra: &[(&str, Value)]) -> Result<TextCodec> {
        named_codec("SmolLM2", extra)
    }

    fn named_codec(name: &str, extra: &[(&str, Value)]) -> Result<TextCodec> {
        let recorded: serde_json::Value =
            serde_json::from_str(include_str!("../tests/fixtures/small_vocabulary.json")).unwrap();
        let texts = |key: &str| {
            let texts = recorded[key].as_array().unwrap().iter();
            Value::Array(
                texts
                    .map(|t| Value::String(t.as_str().unwrap().into()))
                    .collect(),
            )
        };
        let types = recorded["types"].as_array().unwrap().iter();
        let types = types.map(|kind| Value::I32(kind.as_i64().unwrap() as i32));
        let plain = [
            ("model", Value::String("gpt2".into())),
            ("pre", Value::String("smollm".into())),
            ("tokens", texts("tokens")),
            ("token_type", Value::Array(types.collect())),
            ("merges", texts("merges")),
        ];
        let all = plain.into_iter().chain(extra.iter().cloned());
        let keys = all.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value));
        let name = ("general.name".to_owned(), Value::String(name.into()));
        TextCodec::from_gguf(&Header::of_metadata(keys.chain([name])))
    }

    #[test]
    fn a_name_that_makes_llama_cpp_tokenise_otherwise_is_refused() {
        for name in ["Phi-3 mini", "my phi3"] {
            let failure = named_codec(name, &[]).err().unwrap();
            assert!(failure.message.contains(name), "{failure:?}");
        }
        assert!(named_codec("Phi-4 mini", &[]).is_ok());
    }

    #[test]
    fn a_begin_token_comes_first_once_in_chats_and_in_raw_texts() {
        let bos = ("bos_token_id", Value::U32(1));
        let without = codec(std::slice::from_ref(&bos)).unwrap();
        let with = codec(&[bos, ("add_bos_token", Value::Bool(true))]).unwrap();
        for chat in [true, false] {
            let plain = without.encode("Hello", chat).unwrap();
            assert_ne!(plain[0], 1);
            let framed = with.encode("Hello", chat).unwrap();
            assert_eq!(framed, [&[1], plain.as_slice()].concat());
            // Token 1 of this vocabulary.
            assert_eq!(with.encode("<|im_start|>Hello", chat).unwrap(), framed);
        }
    }

    #[test]
    fn a_begin_token_that_the_file_does_not_name_is_refused() {
        let asked = codec(&[("add_bos_token", Value::Bool(true))]);
        assert!(asked.err().unwrap().message.contains("bos_token_id"));
        let implied = codec(&[("pre", Value::String("llama-bpe".into()))]);
        assert!(implied.is_err());
        let denied = [
            ("pre", Value::String("llama-bpe".into())),
            ("add_bos_token", Value::Bool(false)),
        ];
        assert!(codec(&denied).is_ok());
    }

    #[test]
    fn text_ends_at_the_tokens_that_are_named_and_at_those_of_known_texts() {
        let codec = codec(&[("eot_token_id", Value::U32(40))]).unwrap();
        for id in [0, 2, 4, 40] {
            assert!(codec.is_end(id), "{id}");
        }
        for id in [1, 3, 41] {
            assert!(!codec.is_end(id), "{id}");
        }
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
