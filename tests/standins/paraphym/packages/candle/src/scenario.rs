//! What the example does from its first heading to its end, with chosen durations and faults.

use crate::arguments::Arguments;
use crate::stage::{deadlock, is_on, monotonic_ns, set, wait_ms, wait_until, Stage};

const SYSTEM: &str = "You are a helpful AI assistant. Think step-by-step and be concise.";
const PERSONALITY: &str = "Personality: assistant (creativity: 0.5, formality: 0.7, empathy: 0.6)";

const POOL: &str = "capability::registry::pool::capabilities::text_to_text";
const SECOND_POOL: &str = "capability::registry::pool::capabilities::text_embedding";
const QWEN: &str = "capability::text_to_text::qwen3_quantized";
const FILES: &str = "domain::model::traits";
const DEVICE: &str = "core::device_util";

pub fn play(arguments: &Arguments, stage: &mut Stage) {
    let fault = set("STANDIN_PLAY").unwrap_or_else(|| "answer".into());
    headings(arguments, stage);
    memory(stage);
    if needs_second_model(&arguments.query) {
        second_model(stage, &fault);
    }
    if fault != "silent" {
        load(stage, &fault);
        answer(arguments, stage, &fault);
    }
    stage.mark("end");
    stage.out(&format!("\n{}\n📝 Example 2: Interactive Chat Loop\n\n", rule()));
    if fault != "silent" && set("STANDIN_AFTER").as_deref() != Some("finish") {
        stage.mark("deadlock");
        deadlock();
    }
    if fault != "silent" {
        stage.out(" an answer of Example 2");
    }
    stage.out(&format!("\n\n{}\n📝 Example 3: Deep Reasoning\n\n", rule()));
    stage.out(&format!("\n\n{}\n✅ All examples completed!\n{}\n", rule(), rule()));
    stage.mark("exit");
}

fn rule() -> String {
    "=".repeat(80)
}

fn headings(arguments: &Arguments, stage: &mut Stage) {
    stage.out("🚀 Candle Fluent Builder Example\n");
    stage.out(&format!(
        "{}\nQuery: {}\nTemperature: {}\nMax Tokens: {}\nModel: qwen-3 (default)\n{}\n\n",
        rule(),
        arguments.query,
        arguments.temperature,
        arguments.max_tokens,
        rule()
    ));
    stage.out("📝 Example 1: Simple One-Shot Query\n\n");
}

fn memory(stage: &mut Stage) {
    stage.log(
        "INFO",
        "surrealdb::core::kvs::ds",
        "Starting kvs store at surrealkv:///home/user/.cache/cyrup/agent.db",
    );
    stage.log(
        "INFO",
        "memory::core::manager::coordinator::search",
        "Routing: Emergent (confidence: -0.00)",
    );
}

fn needs_second_model(query: &str) -> bool {
    query.contains('?') || query.split_whitespace().count() > 3
}

fn second_model(stage: &mut Stage, fault: &str) {
    stage.log(
        "INFO",
        "capability::registry::text_embedding",
        ">>> About to ensure workers for dunzhang/stella_en_400M_v5",
    );
    stage.log(
        "INFO",
        DEVICE,
        "Using CPU for inference (no GPU available or GPU initialization failed)",
    );
    wait_ms(duration("STANDIN_SECOND_MODEL_MS", 100));
    if fault == "failed-second-model" {
        stage.mark("failure");
        stage.log("ERROR", SECOND_POOL, "TextEmbedding worker 1 failed: Worker spawn failed: request error: error sending request for url (http://127.0.0.1:9/model.safetensors)");
        deadlock();
    }
    stage.log("INFO", SECOND_POOL, "TextEmbedding worker 0 ready");
    stage.log(
        "ERROR",
        "memory::core::manager::surreal::queries",
        "Hybrid search failed (depth 3): Parse error: Unexpected token `M`, expected FROM\n      --> [13:37]\n       |\n    13 | SELECT DISTINCT m.* FROM memory m\n       |                 ^ \n    ",
    );
}

fn load(stage: &mut Stage, fault: &str) {
    stage.log(
        "INFO",
        "capability::registry::pool::core::spawn",
        "Workers spawned successfully for qwen-3 workers_spawned=2",
    );
    stage.mark("load");
    stage.log(
        "INFO",
        QWEN,
        "Loading Qwen3 model using Candle's native quantized implementation",
    );
    stage.log(
        "INFO",
        FILES,
        "✅ Using cached file (available after lock wait): Qwen3-1.7B-Q4_K_M.gguf",
    );
    stage.log(
        "INFO",
        DEVICE,
        "Using CPU for inference (no GPU available or GPU initialization failed)",
    );
    let file = set("STANDIN_MODEL").unwrap_or_else(|| "/hub/Qwen3-1.7B-Q4_K_M.gguf".into());
    stage.log("INFO", QWEN, &format!("Loading model from {file}"));
    stage.log("INFO", QWEN, "EOS token ID from GGUF: Some(151645)");
    wait_ms(duration("STANDIN_LOAD_MS", 100));
    if fault == "failed-load" {
        for worker in [1, 0] {
            stage.mark("failure");
            let message = format!("TextToText worker {worker} failed: Worker spawn failed: Failed to create model: failed to fill whole buffer");
            stage.log("ERROR", POOL, &message);
            wait_ms(20);
        }
        deadlock();
    }
    stage.mark("weights");
    stage.log("INFO", QWEN, "Model loaded successfully");
    stage.log("INFO", QWEN, "Loading tokenizer from /hub/tokenizer.json");
    stage.log("INFO", QWEN, "Tokenizer loaded successfully");
    stage.mark("ready");
    stage.log("INFO", POOL, "TextToText worker 0 ready");
    stage.log(
        "INFO",
        QWEN,
        "Loading Qwen3 model using Candle's native quantized implementation",
    );
    wait_ms(10);
    stage.log("INFO", POOL, "TextToText worker 1 ready");
}

fn answer(arguments: &Arguments, stage: &mut Stage, fault: &str) {
    let prompt = format!("{SYSTEM}\n\n{PERSONALITY}\n\nUser: {}", arguments.query);
    let called = format!(
        ">>> TextToTextPool::prompt() called for registry_key=qwen-3, prompt_len={}",
        prompt.len()
    );
    stage.log("INFO", POOL, &called);
    for message in ["received prompt request", "calling model.prompt()", "completed request"] {
        stage.log("INFO", POOL, &format!(">>> Worker 0 {message}"));
    }
    stage.mark("start");
    stage.log("INFO", QWEN, "✅ Using cached model from memory - no disk I/O!");
    wait_ms(duration("STANDIN_PREFILL_MS", 50));
    let tokens = match set("STANDIN_TEXT") {
        Some(text) => vec![text],
        None => (1..=arguments.sampled()).map(word).collect(),
    };
    generate(&tokens, stage, fault == "crash");
    if is_on("STANDIN_STATISTICS") {
        stage.out("\n\n");
        stage.out("✅ Generation complete!\n");
        stage.out(&format!("   Tokens: {}\n", tokens.len()));
        stage.out("   Time: 0.50s\n");
        stage.out(&format!("   Speed: {:.2} tokens/sec\n", tokens.len() as f64 / 0.5));
    }
}

/// The text of token `k`.
fn word(k: u64) -> String {
    set("STANDIN_WORD").unwrap_or_else(|| format!(" word{k}"))
}

fn generate(tokens: &[String], stage: &mut Stage, crash: bool) {
    let (streamed, interleaved) = (is_on("STANDIN_STREAMED"), is_on("STANDIN_INTERLEAVED"));
    let pause_ns = fraction("STANDIN_TOKEN_MS", 2.0) * 1e6;
    let begun_ns = monotonic_ns();
    let mut held = String::new();
    for (k, token) in tokens.iter().enumerate() {
        // By the clock and not by the last pause: what a busy machine sleeps too long must not add up.
        wait_until(begun_ns + (k as f64 * pause_ns) as i64);
        if crash && k == tokens.len() / 2 {
            stage.mark("text");
            stage.out(&held);
            stage.err("thread 'main' panicked at packages/candle/src/core/generation.rs:1:1:\nout of cache\n");
            std::process::abort();
        }
        held.push_str(token);
        if streamed {
            stage.mark("text");
            stage.out(&std::mem::take(&mut held));
        }
        if interleaved {
            interleave(stage, k);
        }
    }
    if !held.is_empty() {
        stage.mark("text");
        stage.out(&held);
    }
}

/// Log lines between two pieces of text; every third one is cut in two, with text in between if there is any.
fn interleave(stage: &mut Stage, k: usize) {
    let line = stage.line(
        "INFO",
        "memory::core::cognitive_worker::worker_core",
        "Cognitive worker started, waiting for tasks...",
    );
    let (first, second) = line.split_at(if k % 3 == 1 { line.len() / 2 } else { 0 });
    stage.err(first);
    if k % 3 == 1 {
        wait_ms(1);
    }
    stage.err(second);
}

fn duration(name: &str, usual_ms: u64) -> u64 {
    set(name).map_or(usual_ms, |text| text.parse().expect(name))
}

fn fraction(name: &str, usual: f64) -> f64 {
    set(name).map_or(usual, |text| text.parse().expect(name))
}
