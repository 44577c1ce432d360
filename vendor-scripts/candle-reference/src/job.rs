//! What is asked for, as parity writes it. Settings are closed: a key this program doesn't know is refused. Of the
//! other records, which parity owns, only what is needed is read.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::device::DeviceChoice;
use crate::failure::{Failure, Result};

#[derive(Debug)]
pub struct Job {
    pub model: ModelFile,
    pub settings: Settings,
    pub work: Work,
}

#[derive(Debug)]
pub enum Work {
    Generate(Generation),
    Score(Sequence),
}

#[derive(Debug)]
pub struct Generation {
    pub test: Test,
    /// The prompt in the model's own chat template, as parity rendered it for every runtime.
    pub chat_turn: Option<String>,
    /// How many times to compute the prompt again, once generation is over.
    pub further_prefills: usize,
}

/// Ids whose log-probabilities are asked for, each after all ids before it.
#[derive(Clone, Debug, Deserialize)]
pub struct Sequence {
    pub ids: Vec<u32>,
    /// How many of the ids are the prompt.
    pub prompt_tokens: usize,
    /// How many of the likeliest ids to report for each position.
    pub top: usize,
}

/// A job as it is written down.
#[derive(Deserialize)]
struct Written {
    model: ModelFile,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    task: Task,
    test: Test,
    #[serde(default)]
    chat_turn: Option<String>,
    #[serde(default)]
    further_prefills: usize,
    #[serde(default)]
    score: Option<Sequence>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Task {
    #[default]
    Generate,
    Score,
}

#[derive(Debug, Deserialize)]
pub struct ModelFile {
    pub path: PathBuf,
}

#[derive(Debug, Deserialize)]
pub struct Test {
    pub prompt: String,
    pub max_tokens: NonZeroUsize,
    #[serde(default)]
    pub raw: bool,
    pub ignore_end: bool,
    #[serde(default)]
    pub sampling: Sampling,
}

/// `temperature` 0 is greedy.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Sampling {
    #[serde(default)]
    pub temperature: f64,
    #[serde(default)]
    pub seed: u64,
    #[serde(default)]
    pub top_k: Option<NonZeroUsize>,
    #[serde(default)]
    pub top_p: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Of both of Candle's CPU pools; Candle's own choice unless set.
    pub threads: Option<NonZeroUsize>,
    /// What the build computes on best unless set.
    pub device: Option<DeviceChoice>,
    /// 1 is off.
    pub repeat_penalty: f32,
    /// How many generated tokens the penalty looks back on.
    pub repeat_last_n: usize,
    /// A `tokenizer.json`; rebuilt from the GGUF's vocabulary unless set.
    pub tokenizer: Option<PathBuf>,
    /// `f16` for Candle's Qwen3 alone, whose own choice that is; the others' tables are F32.
    pub rope_dtype: Option<RopeDtype>,
    /// Runs a file although Candle's model leaves something in it out.
    pub accept_deviations: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RopeDtype {
    F16,
    F32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: None,
            device: None,
            repeat_penalty: 1.0,
            repeat_last_n: 64,
            tokenizer: None,
            rope_dtype: None,
            accept_deviations: false,
        }
    }
}

impl Job {
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::failed(format!("cannot read {}: {e}", path.display())))?;
        let written: Written = serde_json::from_str(&text)
            .map_err(|e| Failure::refused(format!("{}: {e}", path.display())))?;
        written.settings.check()?;
        written.test.sampling.check()?;
        let work = match written.task {
            Task::Generate => Work::Generate(Generation {
                test: written.test,
                chat_turn: written.chat_turn,
                further_prefills: written.further_prefills,
            }),
            Task::Score => Work::Score(written.score.ok_or_else(|| {
                Failure::refused("the task is `score`, and the job has no ids in `score`")
            })?),
        };
        if let Work::Score(sequence) = &work {
            sequence.check()?;
        }
        Ok(Self {
            model: written.model,
            settings: written.settings,
            work,
        })
    }
}

impl Sequence {
    fn check(&self) -> Result<()> {
        let count = self.ids.len();
        if count < 2 {
            return Err(Failure::refused(
                "`score.ids` has fewer than two ids: there is nothing to score",
            ));
        }
        if !(1..=count).contains(&self.prompt_tokens) {
            return Err(Failure::refused(format!(
                "`score.prompt_tokens` is {}, and there are {count} ids",
                self.prompt_tokens
            )));
        }
        Ok(())
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        if self.repeat_penalty.is_finite() && self.repeat_penalty > 0.0 {
            Ok(())
        } else {
            Err(Failure::refused("repeat_penalty must be above 0"))
        }
    }
}

impl Sampling {
    fn check(&self) -> Result<()> {
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Err(Failure::refused("temperature must be 0 or above"));
        }
        if self.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            return Err(Failure::refused("top_p must lie above 0 and not above 1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;
    use serde_json::{Value, json};

    fn job() -> Value {
        json!({
            "runtime": "reference", "adapter": "candle", "round": 1, "warmup": false, "scratch": "/tmp/x",
            "settings": {},
            "model": {"name": "m", "path": "/m.gguf", "format": "gguf", "sha256": "0", "size_bytes": 1},
            "test": {
                "name": "t", "title": "T", "prompt": "Hello", "max_tokens": 8, "raw": false, "ignore_end": true,
                "sampling": {"temperature": 0.0, "seed": 0, "top_k": null, "top_p": null},
            },
        })
    }

    fn read(value: &Value) -> Result<Job> {
        let file = std::env::temp_dir().join(format!(
            "candle-reference-job-{}-{:?}.json",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::write(&file, value.to_string()).unwrap();
        let job = Job::read(&file);
        std::fs::remove_file(&file).unwrap();
        job
    }

    fn refusal(value: &Value) -> String {
        let failure = read(value).expect_err("must be refused");
        assert_eq!(failure.kind, Kind::Refused);
        failure.message
    }

    #[test]
    fn a_job_without_settings_leaves_everything_to_candle_and_no_penalty() {
        let job = read(&job()).unwrap();
        assert_eq!(job.settings.repeat_penalty, 1.0);
        assert!(job.settings.threads.is_none() && job.settings.device.is_none());
        let Work::Generate(generation) = job.work else {
            panic!("a job without a task generates");
        };
        assert_eq!(generation.test.max_tokens.get(), 8);
    }

    #[test]
    fn a_sequence_to_score_needs_ids_beyond_the_first_and_a_prompt_within_them() {
        let mut value = job();
        value["task"] = json!("score");
        assert!(refusal(&value).contains("no ids in `score`"));
        let mut score = |ids: &[u32], prompt_tokens| {
            value["score"] = json!({"ids": ids, "prompt_tokens": prompt_tokens, "top": 8});
            read(&value)
        };
        for (ids, prompt_tokens) in [(&[7][..], 1), (&[7, 8][..], 0), (&[7, 8][..], 3)] {
            assert!(
                score(ids, prompt_tokens).is_err(),
                "{ids:?} {prompt_tokens}"
            );
        }
        let Work::Score(sequence) = score(&[7, 8], 2).unwrap().work else {
            panic!("the task is not what was asked");
        };
        assert_eq!((sequence.ids, sequence.top), (vec![7, 8], 8));
        value["task"] = json!("train");
        assert!(refusal(&value).contains("train"));
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let mut value = job();
        value["settings"]["thread"] = json!(2);
        assert!(refusal(&value).contains("unknown field `thread`"));
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        for (key, wrong) in [
            ("threads", json!(0)),
            ("threads", json!("2")),
            ("device", json!("tpu")),
            ("repeat_penalty", json!(0)),
            ("rope_dtype", json!("bf16")),
        ] {
            let mut value = job();
            value["settings"][key] = wrong.clone();
            assert!(read(&value).is_err(), "{key} = {wrong} was taken");
        }
    }

    #[test]
    fn a_budget_of_nothing_and_impossible_sampling_are_refused() {
        let mut value = job();
        value["test"]["max_tokens"] = json!(0);
        refusal(&value);
        let mut value = job();
        value["test"]["sampling"]["temperature"] = json!(-1.0);
        assert_eq!(refusal(&value), "temperature must be 0 or above");
        let mut value = job();
        value["test"]["sampling"]["top_p"] = json!(1.5);
        refusal(&value);
    }
}
