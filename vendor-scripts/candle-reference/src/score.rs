//! Teacher-forced log-probabilities: how likely a model finds each id of a sequence after the ids before it.
//!
//! Candle's quantised models return the logits of the last position only, so ids go in one by one, through the same
//! kernels as in generation.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::channel;
use crate::failure::{Failure, Result};
use crate::job::ScoreJob;
use crate::model::{self, Model};
use crate::sample;
use crate::session::Session;

pub const FORMAT: &str = "candle-reference-scores/1";

#[derive(Serialize)]
struct Header<'a> {
    format: &'a str,
    version: &'a str,
    method: &'a str,
    sequences: usize,
    top_k: usize,
    settings: BTreeMap<String, Value>,
}

#[derive(Serialize)]
struct Position {
    sequence: usize,
    position: usize,
    id: u32,
    logprob: f64,
    top: Vec<(u32, f64)>,
}

pub fn run(job: ScoreJob) -> Result<()> {
    let mut session = Session::open(&job.model, job.settings)?;
    let longest = job.ids.iter().map(|ids| ids.len() - 1).max().unwrap_or(0);
    session.check_positions(longest)?;
    for ids in &job.ids {
        session.check_ids(ids)?;
    }
    let mut model = session.load_weights()?;
    channel::write_line(&Header {
        format: FORMAT,
        version: crate::VERSION,
        method: "token-by-token",
        sequences: job.ids.len(),
        top_k: job.top_k,
        settings: session.in_force(),
    })?;
    let device = session.device.clone();
    let positions = device.with_context(|| -> Result<usize> {
        let mut positions = 0;
        for (sequence, ids) in job.ids.iter().enumerate() {
            positions += score(&session, &mut model, sequence, ids, job.top_k)?;
        }
        Ok(positions)
    })?;
    Ok(channel::write_line(
        &json!({ "end": true, "positions": positions }),
    )?)
}

/// The last line of a scoring that can't go on.
pub fn write_failure(failure: &Failure) -> Result<()> {
    Ok(channel::write_line(&json!({ "error": failure }))?)
}

fn score(
    session: &Session,
    model: &mut Model,
    sequence: usize,
    ids: &[u32],
    top_k: usize,
) -> Result<usize> {
    model.clear();
    for (offset, pair) in ids.windows(2).enumerate() {
        let [given, id] = [pair[0], pair[1]];
        let logits = model::to_host(&model.forward(&[given], offset, &session.device)?)?;
        sample::check_finite(&logits)?;
        let logprobs = log_softmax(&logits);
        let logprob = *logprobs
            .get(id as usize)
            .ok_or_else(|| Failure::failed(format!("the model has no logit for id {id}")))?;
        channel::write_line(&Position {
            sequence,
            position: offset + 1,
            id,
            logprob,
            top: top(&logprobs, top_k),
        })?;
    }
    Ok(ids.len() - 1)
}

/// Natural-log softmax, summed in `f64` from `f32` logits.
fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let max = f64::from(max);
    let sum: f64 = logits.iter().map(|x| (f64::from(*x) - max).exp()).sum();
    let log_sum = max + sum.ln();
    logits.iter().map(|x| f64::from(*x) - log_sum).collect()
}

/// The `k` likeliest ids, likeliest first; equals by id.
fn top(logprobs: &[f64], k: usize) -> Vec<(u32, f64)> {
    let mut ranked: Vec<(u32, f64)> = (0u32..).zip(logprobs.iter().copied()).collect();
    let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if k < ranked.len() {
        ranked.select_nth_unstable_by(k, order);
        ranked.truncate(k);
    }
    ranked.sort_unstable_by(order);
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_even_where_an_exponential_would_overflow() {
        for logits in [vec![0.0, 1.0, -2.0], vec![1e4, 1e4 - 1.0, -1e4]] {
            let sum: f64 = log_softmax(&logits).iter().map(|x| x.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        }
        let even = log_softmax(&[5.0; 8]);
        assert!(even.iter().all(|x| (x + 8f64.ln()).abs() < 1e-12));
    }

    #[test]
    fn the_likeliest_come_first_and_equals_by_id() {
        let logprobs = [-3.0, -1.0, -2.0, -1.0, -9.0];
        assert_eq!(top(&logprobs, 3), [(1, -1.0), (3, -1.0), (2, -2.0)]);
        assert_eq!(top(&logprobs, 0), []);
        assert_eq!(top(&logprobs, 99).len(), 5);
    }
}
