//! SentencePiece's BPE, rebuilt from tokens and scores, for a vocabulary that puts no space before a text.
//!
//! llama.cpp joins, of all neighbours that make a token, those whose token has the highest score, the leftmost first.
//! Merges in the order of the scores of what they make do the same.

use std::collections::HashSet;

use tokenizers::Tokenizer;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence;
use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::normalizers::replace::Replace;

use crate::failure::{Failure, Result};

/// Stands for a space in tokens.
const SPACE: &str = "\u{2581}";

const NORMAL: u64 = 1;
const UNUSED: u64 = 5;
const BYTE: u64 = 6;

/// The tokenizer without its special tokens. `types` are llama.cpp's; `types` and `scores` have one for each token.
pub fn build(tokens: &[String], types: &[u64], scores: &[f32]) -> tokenizers::Result<Tokenizer> {
    let ids = (0u32..).zip(tokens).map(|(id, text)| (text.clone(), id));
    let bpe = BPE::builder()
        .vocab_and_merges(
            ids.collect::<tokenizers::models::bpe::Vocab>(),
            merges(tokens, types, scores),
        )
        .byte_fallback(true)
        .build()?;
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer.with_normalizer(Some(Replace::new(" ", SPACE)?))?;
    let decoders: Vec<DecoderWrapper> = vec![
        Replace::new(SPACE, " ")?.into(),
        ByteFallback::new().into(),
        Fuse::new().into(),
    ];
    tokenizer.with_decoder(Some(Sequence::new(decoders)));
    Ok(tokenizer)
}

/// # Errors
/// Refused, by the name of what stands in the way, where merges can't do what llama.cpp does with the vocabulary.
pub fn check(tokens: &[String], types: &[u64], scores: &[f32]) -> Result<()> {
    let refused = |message: String| Err(Failure::refused(message));
    if scores.len() != tokens.len() {
        let (tokens, scores) = (tokens.len(), scores.len());
        return refused(format!("{tokens} tokens but {scores} scores"));
    }
    let bytes = types.iter().filter(|kind| **kind == BYTE).count();
    if bytes != 256 {
        return refused(format!("{bytes} of the 256 bytes have a token"));
    }
    let known: HashSet<&str> = tokens.iter().map(String::as_str).collect();
    let mut seen = HashSet::new();
    for ((token, kind), score) in tokens.iter().zip(types).zip(scores) {
        if !is_part(*kind) || token.chars().nth(1).is_none() {
            continue;
        }
        if !seen.insert(score.to_bits()) {
            return refused(format!("the token `{token}` has the score of another one"));
        }
        let mut single = [0; 4];
        if let Some(strange) = token
            .chars()
            .find(|c| !known.contains(&*c.encode_utf8(&mut single)))
        {
            return refused(format!("`{strange}` of the token `{token}` is no token"));
        }
    }
    Ok(())
}

/// Both halves of each token, wherever it can be cut into two tokens, the token with the highest score first.
fn merges(tokens: &[String], types: &[u64], scores: &[f32]) -> Merges {
    let mut parts: Vec<(&str, f32)> = tokens
        .iter()
        .zip(types)
        .zip(scores)
        .filter(|((_, kind), _)| is_part(**kind))
        .map(|((token, _), score)| (token.as_str(), *score))
        .collect();
    let known: HashSet<&str> = parts.iter().map(|(token, _)| *token).collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut merges = Vec::new();
    for (token, _) in parts {
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if known.contains(left) && known.contains(right) {
                merges.push((left.to_owned(), right.to_owned()));
            }
        }
    }
    merges
}

fn is_part(kind: u64) -> bool {
    matches!(kind, NORMAL | UNUSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes, letters and a few joined pieces, with types and scores.
    fn vocabulary() -> (Vec<String>, Vec<u64>, Vec<f32>) {
        let bytes = (0..256).map(|byte| (format!("<0x{byte:02X}>"), BYTE, 0.0));
        let letters = ["a", "b", "c", SPACE].map(|c| (c.to_owned(), NORMAL, -100.0));
        let joined = [("bc", -2.0), ("ab", -3.0), ("abc", -4.0)];
        let joined = joined.map(|(text, score)| (text.to_owned(), NORMAL, score));
        let all: Vec<_> = bytes.chain(letters).chain(joined).collect();
        (
            all.iter().map(|(token, ..)| token.clone()).collect(),
            all.iter().map(|(_, kind, _)| *kind).collect(),
            all.iter().map(|(.., score)| *score).collect(),
        )
    }

    #[test]
    fn the_token_with_the_highest_score_is_joined_first_and_strangers_become_bytes() {
        let (tokens, types, scores) = vocabulary();
        check(&tokens, &types, &scores).unwrap();
        let tokenizer = build(&tokens, &types, &scores).unwrap();
        for (text, pieces) in [
            ("abb", vec!["ab", "b"]),
            ("abc", vec!["abc"]),
            ("bab c", vec!["b", "ab", SPACE, "c"]),
            ("é", vec!["<0xC3>", "<0xA9>"]),
        ] {
            let encoding = tokenizer.encode(text, false).unwrap();
            assert_eq!(encoding.get_tokens(), pieces, "{text}");
            assert_eq!(tokenizer.decode(encoding.get_ids(), true).unwrap(), text);
        }
    }

    #[test]
    fn vocabularies_that_merges_cannot_do_justice_are_refused() {
        let (tokens, types, scores) = vocabulary();
        let told = |tokens: &[String], types: &[u64], scores: &[f32]| {
            check(tokens, types, scores).unwrap_err().message
        };
        assert!(told(&tokens, &types, &scores[1..]).contains("263 tokens but 262 scores"));
        let mut same = scores.clone();
        same[262] = -2.0;
        assert!(told(&tokens, &types, &same).contains("`abc` has the score of another one"));
        let mut fewer = types.clone();
        fewer[0] = NORMAL;
        assert!(told(&tokens, &fewer, &scores).contains("255 of the 256 bytes"));
        let mut strange = tokens.clone();
        strange[262] = "abd".into();
        assert!(told(&strange, &types, &scores).contains("`d` of the token `abd` is no token"));
    }
}
