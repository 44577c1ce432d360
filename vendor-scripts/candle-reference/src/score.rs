//! Teacher-forced log-probabilities: how likely a model finds each id of a sequence after the ids before it.
//!
//! Candle's models return the logits of the last position only, so ids go in one by one, through the same
//! kernels as in generation. No tokenizer is needed, and none is loaded.

use crate::events::{Edge, Event, Phase, Reason, emit, phase};
use crate::failure::{Failure, Result};
use crate::job::{ModelFile, Sequence, Settings};
use crate::model::to_host;
use crate::session::Session;

pub fn run(model: &ModelFile, settings: Settings, sequence: &Sequence) -> Result<Reason> {
    let Sequence {
        ids,
        prompt_tokens,
        top,
    } = sequence;
    let mut session = phase(Phase::Header, || {
        let mut session = Session::open(model, settings)?;
        session.check_ids(ids)?;
        session.check_positions(ids.len() - 1)?;
        Ok(session)
    })
    .map_err(Failure::before_the_prompt)?;
    let mut model =
        phase(Phase::Weights, || session.load_weights()).map_err(Failure::before_the_prompt)?;
    emit(Event::Phase {
        name: Phase::Ready,
        edge: Edge::End,
    })?;
    emit(Event::Settings {
        values: &session.in_force(),
    })?;
    emit(Event::Prompt {
        ids: &ids[..*prompt_tokens],
        count: *prompt_tokens,
        text: None,
    })?;
    let device = session.device;
    device.with_context(|| {
        for (before, pair) in ids.windows(2).enumerate() {
            let [given, id] = [pair[0], pair[1]];
            let logits = to_host(&model.forward(&[given], before, &device)?)?;
            let logits = Logits::new(&logits)?;
            emit(Event::Scored {
                position: before + 1,
                id,
                logprob: rounded(logits.logprob(id)?),
                logsumexp: rounded(logits.logsumexp),
                top: &logits.top(*top),
            })?;
        }
        Ok(Reason::Scored)
    })
}

/// The logits of one position, and what makes natural log-probabilities of them.
struct Logits<'a> {
    values: &'a [f32],
    /// Summed in `f64`.
    logsumexp: f64,
}

impl<'a> Logits<'a> {
    /// # Errors
    /// Failed unless every logit is finite: a log-probability would not be a number.
    fn new(values: &'a [f32]) -> Result<Self> {
        if let Some(id) = values.iter().position(|logit| !logit.is_finite()) {
            return Err(Failure::failed(format!(
                "the model's logit of id {id} is {}",
                values[id]
            )));
        }
        let max = f64::from(values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = values.iter().map(|x| (f64::from(*x) - max).exp()).sum();
        Ok(Self {
            values,
            logsumexp: max + sum.ln(),
        })
    }

    fn logprob(&self, id: u32) -> Result<f64> {
        match self.values.get(id as usize) {
            Some(logit) => Ok(f64::from(*logit) - self.logsumexp),
            None => Err(Failure::failed(format!(
                "the model has no logit for id {id}"
            ))),
        }
    }

    /// The `k` likeliest ids with their rounded log-probabilities, likeliest first; equals by id.
    fn top(&self, k: usize) -> Vec<(u32, f64)> {
        let mut ranked: Vec<(u32, f32)> = (0u32..).zip(self.values.iter().copied()).collect();
        let order = |a: &(u32, f32), b: &(u32, f32)| {
            // Both zeros are one number, which `total_cmp` alone would rank.
            (b.1 + 0.0).total_cmp(&(a.1 + 0.0)).then(a.0.cmp(&b.0))
        };
        if k < ranked.len() {
            ranked.select_nth_unstable_by(k, order);
            ranked.truncate(k);
        }
        ranked.sort_unstable_by(order);
        ranked
            .into_iter()
            .map(|(id, logit)| (id, rounded(f64::from(logit) - self.logsumexp)))
            .collect()
    }
}

/// To 6 decimals, which keep transcripts small.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_even_where_an_exponential_would_overflow() {
        for values in [vec![0.0, 1.0, -2.0], vec![1e4, 1e4 - 1.0, -1e4]] {
            let logits = Logits::new(&values).unwrap();
            let ids = 0..values.len() as u32;
            let sum: f64 = ids.map(|id| logits.logprob(id).unwrap().exp()).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        }
        let even = Logits::new(&[5.0; 8]).unwrap();
        assert!((even.logprob(3).unwrap() + 8f64.ln()).abs() < 1e-12);
        assert!((even.logsumexp - (5.0 + 8f64.ln())).abs() < 1e-12);
    }

    #[test]
    fn the_likeliest_come_first_and_equals_by_id() {
        let logits = Logits::new(&[-3.0, 0.0, -2.0, -0.0, -9.0]).unwrap();
        let ids = |k| -> Vec<u32> { logits.top(k).into_iter().map(|(id, _)| id).collect() };
        assert_eq!(ids(3), [1, 3, 2]);
        assert_eq!(ids(1), [1]);
        assert_eq!(ids(99), [1, 3, 2, 0, 4]);
        for (id, logprob) in logits.top(99) {
            assert!((logprob - logits.logprob(id).unwrap()).abs() <= 5e-7);
        }
    }

    #[test]
    fn numbers_have_six_decimals() {
        assert_eq!(rounded(-1.234_567_89), -1.234_568);
        assert_eq!(serde_json::to_string(&rounded(-0.1 - 0.2)).unwrap(), "-0.3");
    }

    #[test]
    fn logits_that_give_no_log_probability_are_a_failure() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let failure = Logits::new(&[0.0, wrong]).err().unwrap();
            assert!(failure.message.contains("id 1"), "{failure:?}");
        }
        let logits = [0.0];
        assert!(Logits::new(&logits).unwrap().logprob(1).is_err());
    }
}
