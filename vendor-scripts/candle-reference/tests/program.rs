//! The program as parity runs it: a real process on tiny models, judged by what it prints and how it ends.

mod tiny;

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use candle_core::quantized::gguf_file::Value as Metadata;
use serde_json::{Value, json};
use tiny::{Output as Weights, TinyModel};

const ARCHITECTURES: [&str; 5] = ["gemma3", "llama", "phi3", "qwen2", "qwen3"];

fn call(job: &Value) -> Output {
    let file = std::env::temp_dir().join(format!(
        "candle-reference-job-{}-{:?}.json",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&file, job.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_candle-reference"))
        .arg("--job")
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    output
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn job(model: &TinyModel, max_tokens: usize) -> Value {
    json!({
        "settings": {"threads": 1},
        "model": {"path": model.path()},
        "test": {"prompt": "Hello, world 12", "max_tokens": max_tokens, "ignore_end": true},
    })
}

/// A job that scores `ids`, of which the first two are the prompt.
fn score_job(model: &TinyModel, ids: &[u64], top: usize) -> Value {
    let mut job = job(model, 1);
    job["task"] = json!("score");
    job["score"] = json!({"ids": ids, "prompt_tokens": 2, "top": top});
    job
}

/// The events that hold a position's score.
fn scored(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|e| e["ev"] == "scored").collect()
}

/// Runs a job that must succeed.
fn events(job: &Value) -> Vec<Value> {
    let output = call(job);
    assert!(output.status.success(), "{output:?}");
    lines(&output)
}

/// Runs a job that must not: the error event, which stands before a `bye` with the reason `error`.
fn error(job: &Value) -> Value {
    let output = call(job);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let events = lines(&output);
    assert_eq!(events[0]["ev"], "hello");
    let [.., error, bye] = events.as_slice() else {
        panic!("too few events: {events:?}");
    };
    assert_eq!(
        (&error["ev"], &bye["reason"]),
        (&json!("error"), &json!("error"))
    );
    error.clone()
}

fn ids(events: &[Value]) -> Vec<u64> {
    let tokens = events.iter().filter(|e| e["ev"] == "token");
    tokens.map(|e| e["id"].as_u64().unwrap()).collect()
}

/// What each event is, phases with their edge.
fn order(events: &[Value]) -> Vec<String> {
    let told = events.iter().map(|e| match e["ev"].as_str().unwrap() {
        "phase" => format!(
            "{}-{}",
            e["name"].as_str().unwrap(),
            e["edge"].as_str().unwrap()
        ),
        other => other.to_owned(),
    });
    told.collect()
}

fn find<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|e| e["ev"] == kind).unwrap()
}

#[test]
fn events_come_in_the_protocols_order_with_instants_that_never_go_back() {
    let model = TinyModel::write("qwen3", &[]);
    let events = events(&job(&model, 3));
    assert_eq!(
        order(&events),
        [
            "hello",
            "header-begin",
            "header-end",
            "weights-begin",
            "weights-end",
            "tokenizer-begin",
            "tokenizer-end",
            "ready-end",
            "settings",
            "prompt",
            "prefill-begin",
            "prefill-end",
            "token",
            "token",
            "token",
            "text",
            "sampling",
            "bye"
        ]
    );
    let instants: Vec<u64> = events.iter().map(|e| e["t_ns"].as_u64().unwrap()).collect();
    assert!(instants.is_sorted());
    assert_eq!(
        instants[11], instants[12],
        "prefill ends when the first token is there"
    );
    let settings = &find(&events, "settings")["values"];
    assert_eq!(settings["threads"], 1);
    assert_eq!(settings["threads_quantised_matmul"], 1);
    assert_eq!(settings["rope_table_dtype"], "f16");
    assert_eq!(settings["tensors_Q8_0"], 16);
}

#[test]
fn tokens_are_handed_on_a_few_times_a_second() {
    let model = TinyModel::write("qwen3", &[]);
    let file = std::env::temp_dir().join(format!(
        "candle-reference-reads-{}.json",
        std::process::id()
    ));
    std::fs::write(&file, job(&model, 64).to_string()).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_candle-reference"))
        .arg("--job")
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = program.stdout.take().unwrap();
    let (mut reads, mut text, mut room) = (0, String::new(), [0; 65536]);
    let begun = Instant::now();
    loop {
        let size = out.read(&mut room).unwrap();
        if size == 0 {
            break;
        }
        let read = std::str::from_utf8(&room[..size]).unwrap();
        reads += u128::from(read.contains("\"token\""));
        text += read;
    }
    assert!(program.wait().unwrap().success());
    std::fs::remove_file(&file).unwrap();
    assert_eq!(text.matches("\"ev\":\"token\"").count(), 64);
    assert!(reads <= 3 + begun.elapsed().as_millis() / 250, "{reads}");
}

#[test]
fn the_prompt_is_computed_again_where_it_is_asked_for_and_is_no_part_of_the_answer() {
    for architecture in ARCHITECTURES {
        let model = TinyModel::write(architecture, &[]);
        let mut job = job(&model, 4);
        let plain = events(&job);
        assert!(plain.iter().all(|e| e["ev"] != "aside"));
        job["further_prefills"] = 3.into();
        let repeated = events(&job);
        assert_eq!(ids(&repeated), ids(&plain));
        let aside = find(&repeated, "aside");
        let spans: Vec<(u64, u64)> = serde_json::from_value(aside["prefills_ns"].clone()).unwrap();
        assert_eq!(spans.len(), 3);
        let end = aside["t_ns"].as_u64().unwrap();
        let stamps: Vec<u64> = spans
            .iter()
            .flat_map(|(a, b)| [*a, *b])
            .chain([end])
            .collect();
        assert!(stamps.is_sorted());
        assert!(find(&repeated, "text")["t_ns"].as_u64() <= aside["begin_ns"].as_u64());
        assert!(aside["cpu_s"].as_f64().unwrap() >= 0.0);
        assert!(aside["peak_rss_bytes"].as_u64().unwrap() > 0);
        assert_eq!(repeated.last().unwrap()["ev"], "bye");
    }
}

#[test]
fn greedy_tokens_are_the_likeliest_of_the_scores_in_every_architecture() {
    for architecture in ARCHITECTURES {
        let model = TinyModel::write(architecture, &[]);
        let events = events(&job(&model, 24));
        let prompt: Vec<u64> =
            serde_json::from_value(find(&events, "prompt")["ids"].clone()).unwrap();
        let generated = ids(&events);
        assert_eq!(generated.len(), 24);
        let sequence: Vec<u64> = prompt.iter().chain(&generated).copied().collect();
        let events = crate::events(&score_job(&model, &sequence, 2));
        let scored = scored(&events);
        assert_eq!(scored.len(), sequence.len() - 1);
        for event in &scored[prompt.len() - 1..] {
            let best = event["top"][0][1].as_f64().unwrap();
            let taken = event["logprob"].as_f64().unwrap();
            // Prefill and one-by-one use other kernels, so a near-tie may turn over.
            assert!(best - taken < 1e-2, "{architecture}: {event}");
        }
    }
}

#[test]
fn a_sequence_is_scored_position_by_position_without_a_tokenizer() {
    let model = TinyModel::write(
        "llama",
        &[(
            "tokenizer.ggml.pre",
            Metadata::String("of no kind that is rebuilt".into()),
        )],
    );
    let job = score_job(&model, &[30, 31, 32, 33], 3);
    let events = events(&job);
    assert_eq!(
        order(&events),
        [
            "hello",
            "header-begin",
            "header-end",
            "weights-begin",
            "weights-end",
            "ready-end",
            "settings",
            "prompt",
            "scored",
            "scored",
            "scored",
            "bye"
        ]
    );
    let prompt = find(&events, "prompt");
    assert_eq!(
        (&prompt["ids"], &prompt["count"]),
        (&json!([30, 31]), &json!(2))
    );
    assert_eq!(find(&events, "bye")["reason"], "scored");
    let settings = &find(&events, "settings")["values"];
    assert_eq!(settings["rope_table_dtype"], "f32");
    assert_eq!(settings["tokenizer"], Value::Null);
    for (k, event) in scored(&events).into_iter().enumerate() {
        assert_eq!(event["position"], k + 1);
        assert_eq!(event["id"], 31 + k);
        let top: Vec<(u64, f64)> = serde_json::from_value(event["top"].clone()).unwrap();
        assert_eq!(top.len(), 3);
        assert!(top[0].1 >= top[1].1 && top[1].1 >= top[2].1, "{top:?}");
        assert!(event["logprob"].as_f64().unwrap() <= top[0].1);
    }
}

#[test]
fn all_probabilities_of_a_position_sum_to_one() {
    let model = TinyModel::write("qwen3", &[]);
    let events = events(&score_job(&model, &[30, 31, 32], usize::MAX));
    for event in scored(&events) {
        let top: Vec<(u64, f64)> = serde_json::from_value(event["top"].clone()).unwrap();
        let sum: f64 = top.iter().map(|(_, logprob)| logprob.exp()).sum();
        // Rounded to 6 decimals each.
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        let (_, logprob) = top.iter().find(|(id, _)| event["id"] == *id).unwrap();
        assert_eq!(event["logprob"], *logprob);
        assert!(event["logsumexp"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn without_output_weights_the_token_embeddings_are_used_or_the_file_is_refused() {
    for architecture in ["llama", "qwen2", "qwen3"] {
        let scores = |weights| {
            let model = TinyModel::write_with(architecture, &[], weights);
            let events = events(&score_job(&model, &[30, 31, 32, 33, 34], 4));
            scored(&events)
                .iter()
                .map(|e| e["top"].clone())
                .collect::<Vec<_>>()
        };
        let tied = scores(Weights::Tied);
        assert_eq!(tied, scores(Weights::Copied), "{architecture}");
        assert_ne!(tied, scores(Weights::Own), "{architecture}");
    }
    for (architecture, weights) in [("phi3", Weights::Tied), ("gemma3", Weights::Own)] {
        let model = TinyModel::write_with(architecture, &[], weights);
        let error = error(&job(&model, 2));
        assert_eq!(error["kind"], "refused");
        assert!(
            error["message"].as_str().unwrap().contains("output.weight"),
            "{error}"
        );
    }
}

#[test]
fn the_same_job_gives_the_same_tokens_and_another_seed_gives_others() {
    let model = TinyModel::write("llama", &[]);
    let mut job = job(&model, 16);
    let greedy = ids(&events(&job));
    assert_eq!(greedy, ids(&events(&job)));
    let mut draw = |seed: u64| {
        job["test"]["sampling"] = json!({"temperature": 1.5, "seed": seed});
        ids(&events(&job))
    };
    let (one, again, other) = (draw(1), draw(1), draw(2));
    assert_eq!(one, again);
    assert_ne!(one, other);
}

#[test]
fn an_end_token_ends_the_text_always_and_the_generation_unless_ignored() {
    let greedy = {
        let model = TinyModel::write("qwen3", &[]);
        ids(&events(&job(&model, 12)))
    };
    let end = greedy[4];
    let before = greedy.iter().position(|id| *id == end).unwrap();
    let model = TinyModel::write(
        "qwen3",
        &[("tokenizer.ggml.eos_token_id", Metadata::U32(end as u32))],
    );
    let mut job = job(&model, 12);
    let on = events(&job);
    assert_eq!(ids(&on), greedy);
    assert_eq!(find(&on, "bye")["reason"], "length");
    job["test"]["ignore_end"] = json!(false);
    let ended = events(&job);
    assert_eq!(ids(&ended), greedy[..=before]);
    assert_eq!(find(&ended, "bye")["reason"], "end-token");
    assert_eq!(find(&on, "text")["text"], find(&ended, "text")["text"]);
    let marked = ended.iter().filter(|e| e["end"] == true).count();
    assert_eq!(marked, 1);
}

#[test]
fn qwen3s_rope_table_can_be_made_f32_and_that_changes_the_scores() {
    let model = TinyModel::write("qwen3", &[]);
    let score = |dtype: &str| {
        let sequence: Vec<u64> = (100..200).collect();
        let mut job = score_job(&model, &sequence, 1);
        job["settings"]["rope_dtype"] = json!(dtype);
        let events = events(&job);
        let settings = &find(&events, "settings")["values"];
        assert_eq!(settings["rope_table_dtype"], dtype);
        scored(&events)[98]["logprob"].as_f64().unwrap()
    };
    let difference = (score("f16") - score("f32")).abs();
    assert!(difference > 0.0 && difference < 0.5, "{difference}");
}

#[test]
fn the_other_models_rope_tables_are_f32_and_asking_for_that_changes_nothing() {
    for architecture in ["gemma3", "llama", "phi3", "qwen2"] {
        let model = TinyModel::write(architecture, &[]);
        let mut job = score_job(&model, &(100..120).collect::<Vec<u64>>(), 1);
        let by_default = events(&job);
        job["settings"]["rope_dtype"] = json!("f32");
        let asked = events(&job);
        for found in [&by_default, &asked] {
            assert_eq!(find(found, "settings")["values"]["rope_table_dtype"], "f32");
        }
        let logprobs = |events: &[Value]| {
            let each = scored(events).into_iter().map(|e| e["logprob"].clone());
            each.collect::<Vec<_>>()
        };
        assert_eq!(logprobs(&by_default), logprobs(&asked));
    }
}

#[test]
fn positions_that_f16_cannot_tell_apart_are_refused_unless_accepted() {
    let first = {
        let model = TinyModel::write("qwen3", &[]);
        ids(&events(&job(&model, 1)))[0]
    };
    let model = TinyModel::write(
        "qwen3",
        &[
            ("qwen3.context_length", Metadata::U32(4096)),
            ("tokenizer.ggml.eos_token_id", Metadata::U32(first as u32)),
        ],
    );
    // The budget is what is judged; the end token, which comes first, keeps the test short.
    let mut job = job(&model, 2100);
    job["test"]["ignore_end"] = json!(false);
    let error = error(&job);
    assert_eq!(error["kind"], "refused");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("RoPE in F16"), "{message}");
    assert!(message.contains("above 2048"), "{message}");
    let deviations = |job: &Value| find(&events(job), "settings")["values"]["deviations"].clone();
    job["settings"]["accept_deviations"] = json!(true);
    assert!(deviations(&job).as_str().unwrap().contains("RoPE in F16"));
    job["settings"] = json!({"threads": 1, "rope_dtype": "f32"});
    assert_eq!(deviations(&job), Value::Null);
    job["settings"] = json!({"threads": 1});
    job["test"]["max_tokens"] = json!(2);
    assert_eq!(deviations(&job), Value::Null);
    let told = crate::error(&score_job(&model, &vec![first; 2050], 1));
    assert_eq!(told["kind"], "refused", "{told}");
}

#[test]
fn what_candle_would_compute_otherwise_than_the_file_says_is_refused_unless_accepted() {
    let model = TinyModel::write("phi3", &[("phi3.rope.freq_base", Metadata::F32(250_000.0))]);
    let mut job = job(&model, 2);
    let error = error(&job);
    assert_eq!(error["kind"], "refused");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("works as if `phi3.rope.freq_base` were 10000, and it is 250000")
    );
    assert!(
        error["remedy"]
            .as_str()
            .unwrap()
            .contains("accept_deviations")
    );
    job["settings"]["accept_deviations"] = json!(true);
    let accepted = events(&job);
    let settings = &find(&accepted, "settings")["values"];
    assert!(settings["deviations"].as_str().unwrap().contains("250000"));
}

#[test]
fn metadata_that_candle_does_not_obey_is_refused_by_name_unless_accepted() {
    for (architecture, key, value) in [
        ("llama", "rope.scale_linear", Metadata::F32(4.0)),
        ("qwen3", "rope.scale_linear", Metadata::F32(4.0)),
        ("qwen3", "rope.dimension_count", Metadata::U32(8)),
        ("phi3", "attention.scale", Metadata::F32(0.5)),
        ("llama", "final_logit_softcapping", Metadata::F32(30.0)),
        ("qwen3", "a_key_of_tomorrow", Metadata::Bool(true)),
    ] {
        let key = format!("{architecture}.{key}");
        let model = TinyModel::write(architecture, &[(key.as_str(), value)]);
        for mut job in [job(&model, 2), score_job(&model, &[30, 31, 32], 1)] {
            let error = error(&job);
            assert_eq!(error["kind"], "refused");
            assert!(error["message"].as_str().unwrap().contains(&key), "{error}");
            job["settings"]["accept_deviations"] = json!(true);
            let accepted = events(&job);
            let settings = &find(&accepted, "settings")["values"];
            let deviations = settings["deviations"].as_str().unwrap();
            assert!(deviations.contains(&key), "{deviations}");
        }
    }
}

#[test]
fn heads_that_differ_by_layer_are_refused_by_name() {
    let heads = Metadata::Array(vec![Metadata::U32(4), Metadata::U32(2)]);
    for architecture in ARCHITECTURES {
        let key = format!("{architecture}.attention.head_count_kv");
        let model = TinyModel::write(architecture, &[(key.as_str(), heads.clone())]);
        let error = error(&job(&model, 2));
        assert_eq!(error["kind"], "refused");
        let expected = format!("reads `{key}` as U32 only, and it is a list of 2 values");
        assert!(
            error["message"].as_str().unwrap().contains(&expected),
            "{error}"
        );
    }
}

#[test]
fn a_sliding_window_is_refused_once_the_sequence_is_longer() {
    let model = TinyModel::write(
        "llama",
        &[("llama.attention.sliding_window", Metadata::U32(4))],
    );
    let ids = [30, 31, 32, 33, 34];
    assert_eq!(scored(&events(&score_job(&model, &ids, 1))).len(), 4);
    let error = error(&score_job(&model, &[&ids[..], &[35]].concat(), 1));
    assert_eq!(error["kind"], "refused");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("sliding window of 4 positions (5 are needed)"),
        "{message}"
    );
}

#[test]
fn gemma3s_window_is_obeyed_in_prompts_too() {
    let pattern = ("gemma3.attention.sliding_window_pattern", Metadata::U32(2));
    let with_window = |window| {
        let window = ("gemma3.attention.sliding_window", Metadata::U32(window));
        TinyModel::write("gemma3", &[window, pattern.clone()])
    };
    let sequence: Vec<u64> = (100..140).collect();
    let last = |window| {
        let model = with_window(window);
        scored(&events(&score_job(&model, &sequence, 1)))[38]["logprob"].clone()
    };
    assert_eq!(last(64), last(0));
    assert_ne!(last(8), last(64));
    let model = with_window(8);
    let events = events(&job(&model, 4));
    let prompt: Vec<u64> = serde_json::from_value(find(&events, "prompt")["ids"].clone()).unwrap();
    assert!(prompt.len() > 8, "{prompt:?}");
    let answer = [prompt.as_slice(), &ids(&events)].concat();
    // Scored one by one, the answer of a prompt that was computed whole is the likeliest.
    for position in &scored(&crate::events(&score_job(&model, &answer, 1)))[prompt.len() - 1..] {
        assert_eq!(position["top"][0][0], position["id"], "{position}");
    }
    let settings = &find(&events, "settings")["values"];
    assert_eq!(
        (&settings["sliding_window"], &settings["batch"]),
        (&json!(8), &json!(1))
    );
    assert_eq!(settings["matmul_Q8_0"], "dequantised to f32");
}

#[test]
fn what_the_file_asks_of_a_tokenizer_is_obeyed_or_refused_by_name() {
    let ids = |extra: &[(&str, Metadata)]| -> Vec<u64> {
        let model = TinyModel::write("llama", extra);
        let events = events(&job(&model, 1));
        serde_json::from_value(find(&events, "prompt")["ids"].clone()).unwrap()
    };
    let plain = ids(&[]);
    // The chat of the tiny model's template begins with token 1.
    assert_eq!(plain[0], 1);
    let add_bos = ("tokenizer.ggml.add_bos_token", Metadata::Bool(true));
    assert_eq!(ids(std::slice::from_ref(&add_bos)), plain);
    let bos = ("tokenizer.ggml.bos_token_id", Metadata::U32(2));
    assert_eq!(ids(&[add_bos, bos]), [&[2], plain.as_slice()].concat());
    for key in ["add_eos_token", "add_space_prefix"] {
        let key = format!("tokenizer.ggml.{key}");
        let model = TinyModel::write("llama", &[(key.as_str(), Metadata::Bool(true))]);
        let error = error(&job(&model, 2));
        assert_eq!(error["kind"], "refused");
        assert!(error["message"].as_str().unwrap().contains(&key), "{error}");
    }
}

#[test]
fn jobs_that_cannot_be_done_are_refused_with_the_reason() {
    let model = TinyModel::write("llama", &[]);
    let cases = [
        ("/settings/thread", json!(2), "unknown field `thread`"),
        ("/settings/device", json!("metal"), "no metal in it"),
        ("/settings/rope_dtype", json!("f16"), "no choice for llama"),
        ("/test/max_tokens", json!(5000), "RoPE tables for 4096"),
        ("/test/prompt", Value::Null, "expected a string"),
        ("/task", json!("score"), "no ids in `score`"),
    ];
    for (pointer, value, expected) in cases {
        let mut job = job(&model, 2);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        job.pointer_mut(parent).unwrap()[key] = value;
        let error = error(&job);
        assert_eq!(error["kind"], "refused", "{error}");
        assert!(
            error["message"].as_str().unwrap().contains(expected),
            "{error}"
        );
    }
}

#[test]
fn models_that_are_not_known_here_are_refused_by_name() {
    let cases = [
        ("general.architecture", "mamba", "architecture `mamba`"),
        ("tokenizer.ggml.pre", "tekken", "pre-tokenizer `tekken`"),
        ("tokenizer.ggml.model", "bert", "tokenizer model `bert`"),
        (
            "tokenizer.ggml.model",
            "llama",
            "add_space_prefix` is not false",
        ),
        (
            "tokenizer.chat_template",
            "{{ raise_exception('never') }}",
            "never",
        ),
    ];
    for (key, value, expected) in cases {
        let model = TinyModel::write("llama", &[(key, Metadata::String(value.into()))]);
        let error = error(&job(&model, 2));
        assert_eq!(error["kind"], "refused", "{error}");
        assert!(
            error["message"].as_str().unwrap().contains(expected),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_missing_or_cut_short_is_refused_and_named() {
    let model = TinyModel::write("llama", &[]);
    let mut job = job(&model, 2);
    job["model"]["path"] = json!("/nowhere/model.gguf");
    assert_eq!(error(&job)["kind"], "refused");
    assert!(
        error(&job)["message"]
            .as_str()
            .unwrap()
            .contains("/nowhere/model.gguf")
    );
    job["model"]["path"] = json!(model.path());
    let whole = std::fs::read(model.path()).unwrap();
    for length in [0, 3, 40, whole.len() / 2, whole.len() - 64] {
        std::fs::write(model.path(), &whole[..length]).unwrap();
        assert_eq!(error(&job)["kind"], "refused", "{length} bytes");
    }
}

#[test]
fn the_prompt_that_parity_rendered_is_sent_as_it_is() {
    let model = TinyModel::write(
        "qwen3",
        &[(
            "tokenizer.chat_template",
            Metadata::String("{% generation %}".into()),
        )],
    );
    let mut job = job(&model, 1);
    assert_eq!(error(&job)["kind"], "refused");
    job["chat_turn"] = json!("Hello, world 12 and more");
    assert_eq!(
        find(&events(&job), "prompt")["text"],
        "Hello, world 12 and more"
    );
    job["test"]["raw"] = json!(true);
    assert_eq!(find(&events(&job), "prompt")["text"], "Hello, world 12");
}

#[test]
fn a_panic_inside_candle_is_told_like_any_other_failure() {
    let model = TinyModel::write("llama", &[("llama.attention.head_count", Metadata::U32(0))]);
    let error = error(&job(&model, 2));
    assert_eq!(error["kind"], "failed");
    assert!(
        error["message"].as_str().unwrap().starts_with("panic: "),
        "{error}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_runs_out_is_told_as_such() {
    let model = TinyModel::write("qwen3", &[("qwen3.context_length", Metadata::U32(1 << 30))]);
    let file = model.path().with_extension("oom.json");
    std::fs::write(&file, job(&model, 2).to_string()).unwrap();
    let program = env!("CARGO_BIN_EXE_candle-reference");
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 1000000; exec \"$0\" --job \"$1\"", program])
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let events = lines(&output);
    let [.., error, bye] = events.as_slice() else {
        panic!("too few events: {output:?}");
    };
    assert_eq!(
        (&error["kind"], &bye["reason"]),
        (&json!("oom"), &json!("error"))
    );
}

#[test]
fn ids_outside_the_vocabulary_and_beyond_the_positions_are_not_scored() {
    let model = TinyModel::write("qwen3", &[]);
    for ids in [[1, 999_999], [999_999, 1]] {
        let error = error(&score_job(&model, &ids, 1));
        assert_eq!(error["kind"], "refused", "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("id 999999 lies outside"), "{message}");
    }
    let error = error(&score_job(&model, &[30; 258], 1));
    assert_eq!(error["kind"], "refused", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("RoPE tables for 256"), "{message}");
}

#[test]
fn a_probe_says_what_it_is_and_nothing_else() {
    let output = Command::new(env!("CARGO_BIN_EXE_candle-reference"))
        .arg("--probe")
        .output()
        .unwrap();
    assert!(output.status.success());
    let events = lines(&output);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["protocol"], 1);
    assert!(
        events[0]["version"]
            .as_str()
            .unwrap()
            .contains("candle 0.11.1")
    );
    assert_eq!(events[1]["reason"], "probe");
}

#[test]
fn a_wrong_call_shows_the_usage_and_prints_no_event() {
    for arguments in [
        vec![],
        vec!["--wat"],
        vec!["--score", "score.json"],
        vec!["--job"],
        vec!["--probe", "more"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_candle-reference"))
            .args(&arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage:"));
    }
}
