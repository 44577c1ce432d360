//! The choice of the next token, by Candle's own sampler: with the same seed it draws what Candle's examples draw.

use candle_core::Tensor;
use candle_transformers::generation::{LogitsProcessor, Sampling as Candle};
use candle_transformers::utils::apply_repeat_penalty;

use crate::failure::{Failure, Result};
use crate::job::{Sampling, Settings};

pub struct Sampler {
    processor: LogitsProcessor,
    repeat_penalty: f32,
    repeat_last_n: usize,
}

impl Sampler {
    pub fn new(sampling: &Sampling, settings: &Settings) -> Self {
        Self {
            processor: LogitsProcessor::from_sampling(sampling.seed, strategy(sampling)),
            repeat_penalty: settings.repeat_penalty,
            repeat_last_n: settings.repeat_last_n,
        }
    }

    /// Next id by `logits`, of shape (vocabulary); equal maxima go to the lowest id. The penalty looks at generated
    /// tokens only, as in Candle's quantised examples.
    pub fn next(&mut self, logits: &Tensor, generated: &[u32]) -> Result<u32> {
        if self.repeat_penalty == 1.0 || generated.is_empty() {
            return Ok(self.processor.sample(logits)?);
        }
        let window = &generated[generated.len().saturating_sub(self.repeat_last_n)..];
        let penalised = apply_repeat_penalty(logits, self.repeat_penalty, window)?;
        Ok(self.processor.sample(&penalised)?)
    }
}

/// Numbers that aren't finite stay in the KV cache, so the last logits show whether there ever were any.
pub fn check_finite(logits: &[f32]) -> Result<()> {
    if logits.iter().any(|logit| logit.is_nan()) {
        Err(Failure::failed("the model's logits are not numbers (NaN)"))
    } else {
        Ok(())
    }
}

fn strategy(sampling: &Sampling) -> Candle {
    let temperature = sampling.temperature;
    if temperature == 0.0 {
        return Candle::ArgMax;
    }
    match (sampling.top_k, sampling.top_p) {
        (None, None) => Candle::All { temperature },
        (None, Some(p)) => Candle::TopP { p, temperature },
        (Some(k), None) => Candle::TopK {
            k: k.get(),
            temperature,
        },
        (Some(k), Some(p)) => Candle::TopKThenTopP {
            k: k.get(),
            p,
            temperature,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use std::num::NonZeroUsize;

    const LOGITS: [f32; 5] = [0.0, 3.0, 1.0, 3.0, -1.0];

    fn draw(sampling: &Sampling, settings: &Settings, count: usize) -> Vec<u32> {
        let logits = Tensor::new(&LOGITS, &Device::Cpu).unwrap();
        let mut sampler = Sampler::new(sampling, settings);
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(sampler.next(&logits, &ids).unwrap());
        }
        ids
    }

    fn warm(seed: u64) -> Sampling {
        Sampling {
            temperature: 1.0,
            seed,
            ..Sampling::default()
        }
    }

    #[test]
    fn greedy_takes_the_first_of_equal_maxima() {
        let ids = draw(&Sampling::default(), &Settings::default(), 3);
        assert_eq!(ids, [1, 1, 1]);
    }

    #[test]
    fn a_seed_gives_the_same_draws_again_and_another_seed_gives_others() {
        let settings = Settings::default();
        assert_eq!(draw(&warm(7), &settings, 40), draw(&warm(7), &settings, 40));
        assert_ne!(draw(&warm(7), &settings, 40), draw(&warm(8), &settings, 40));
    }

    #[test]
    fn draws_follow_the_softmax_of_the_logits() {
        let ids = draw(&warm(1), &Settings::default(), 4000);
        let total: f32 = LOGITS.iter().map(|logit| logit.exp()).sum();
        for (id, logit) in LOGITS.iter().enumerate() {
            let share = ids.iter().filter(|&&i| i as usize == id).count() as f32 / 4000.0;
            let expected = logit.exp() / total;
            assert!(
                (share - expected).abs() < 0.03,
                "{id}: {share} for {expected}"
            );
        }
    }

    #[test]
    fn truncation_keeps_only_the_likeliest() {
        let sampling = Sampling {
            top_k: NonZeroUsize::new(2),
            ..warm(3)
        };
        let ids = draw(&sampling, &Settings::default(), 200);
        assert!(ids.iter().all(|id| [1, 3].contains(id)) && ids.contains(&1) && ids.contains(&3));
        let nucleus = Sampling {
            top_p: Some(0.4),
            ..warm(3)
        };
        let ids = draw(&nucleus, &Settings::default(), 200);
        assert!(ids.iter().all(|id| *id == ids[0]));
    }

    #[test]
    fn a_penalty_moves_greedy_choice_off_what_was_just_said() {
        let settings = Settings {
            repeat_penalty: 2.0,
            repeat_last_n: 1,
            ..Settings::default()
        };
        assert_eq!(draw(&Sampling::default(), &settings, 4), [1, 3, 1, 3]);
    }

    #[test]
    fn logits_that_are_no_numbers_are_a_failure() {
        assert!(check_finite(&[0.0, f32::NAN]).is_err());
        assert!(check_finite(&[0.0, f32::NEG_INFINITY]).is_ok());
    }
}
