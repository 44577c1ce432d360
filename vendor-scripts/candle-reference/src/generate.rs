//! The answer to a prompt, from header to last token, reported as it goes.

use std::time::Duration;

use candle_core::Device;

use crate::aside;
use crate::clock::monotonic_ns;
use crate::events::{Edge, Event, Phase, Reason, emit, emit_at, emit_later, phase};
use crate::failure::{Failure, Result};
use crate::job::{Generation, ModelFile, Settings, Test};
use crate::model::{self, Model};
use crate::sample::{self, Sampler};
use crate::session::Session;
use crate::template::ChatTemplate;
use crate::tokenizer::TextCodec;

pub fn run(model: &ModelFile, settings: Settings, generation: Generation) -> Result<Reason> {
    let Generation {
        test,
        chat_turn,
        further_prefills,
    } = generation;
    let mut sampler = Sampler::new(&test.sampling, &settings);
    let mut session = phase(Phase::Header, || Session::open(model, settings))
        .map_err(Failure::before_the_prompt)?;
    let mut model =
        phase(Phase::Weights, || session.load_weights()).map_err(Failure::before_the_prompt)?;
    let (codec, prompt) = phase(Phase::Tokenizer, || {
        let codec = session.load_tokenizer()?;
        let text = match chat_turn {
            _ if test.raw => test.prompt.clone(),
            Some(rendered) => rendered,
            None => render(session.load_template()?, &test.prompt)?,
        };
        let prompt = Prompt::encode(text, &codec, test.raw)?;
        session.check_ids(&prompt.ids)?;
        session.check_positions(prompt.ids.len() + test.max_tokens.get() - 1)?;
        Ok((codec, prompt))
    })
    .map_err(Failure::before_the_prompt)?;
    emit(Event::Phase {
        name: Phase::Ready,
        edge: Edge::End,
    })?;
    emit(Event::Settings {
        values: &session.in_force(),
    })?;
    emit(Event::Prompt {
        ids: &prompt.ids,
        count: prompt.ids.len(),
        text: Some(&prompt.text),
    })?;
    let device = session.device;
    device.with_context(|| {
        let (reason, first) = answer(
            &device,
            model.as_mut(),
            &mut sampler,
            &codec,
            &prompt.ids,
            &test,
        )?;
        aside::further_prefills(further_prefills, first, || {
            model.clear();
            device.synchronize()?;
            let begin_ns = monotonic_ns();
            let logits = model.forward(&prompt.ids, 0, &device)?;
            sampler.next(&logits, &[])?;
            Ok((begin_ns, monotonic_ns()))
        })?;
        Ok(reason)
    })
}

/// Answers the prompt; also returns how long prefill took.
fn answer(
    device: &Device,
    model: &mut dyn Model,
    sampler: &mut Sampler,
    codec: &TextCodec,
    ids: &[u32],
    test: &Test,
) -> Result<(Reason, Duration)> {
    let budget = test.max_tokens.get();
    let mut generated: Vec<u32> = Vec::with_capacity(budget);
    let mut text_length = None;
    let (mut prefill, mut sampling) = (Duration::ZERO, Duration::ZERO);
    let begin_ns = monotonic_ns();
    emit_at(
        begin_ns,
        Event::Phase {
            name: Phase::Prefill,
            edge: Edge::Begin,
        },
    )?;
    let mut logits = model.forward(ids, 0, device)?;
    loop {
        device.synchronize()?;
        let computed_ns = monotonic_ns();
        let id = sampler.next(&logits, &generated)?;
        let t_ns = monotonic_ns();
        let end = codec.is_end(id);
        if generated.is_empty() {
            prefill = Duration::from_nanos(t_ns - begin_ns);
            emit_at(
                t_ns,
                Event::Phase {
                    name: Phase::Prefill,
                    edge: Edge::End,
                },
            )?;
        } else {
            sampling += Duration::from_nanos(t_ns - computed_ns);
        }
        generated.push(id);
        let token = Event::Token {
            k: generated.len(),
            id,
            end,
        };
        if generated.len() == 1 {
            emit_at(t_ns, token)?;
        } else {
            emit_later(t_ns, token)?;
        }
        if end && text_length.is_none() {
            text_length = Some(generated.len() - 1);
        }
        if generated.len() == budget || (end && !test.ignore_end) {
            break;
        }
        let position = ids.len() + generated.len() - 1;
        logits = model.forward(&[id], position, device)?;
    }
    sample::check_finite(&model::to_host(&logits)?)?;
    let text = codec.decode(&generated[..text_length.unwrap_or(generated.len())])?;
    emit(Event::Text { text: &text })?;
    emit(Event::Sampling {
        seconds: sampling.as_secs_f64(),
    })?;
    let ended = !test.ignore_end && text_length.is_some();
    let reason = if ended {
        Reason::EndToken
    } else {
        Reason::Length
    };
    Ok((reason, prefill))
}

struct Prompt {
    text: String,
    ids: Vec<u32>,
}

/// A user turn in the model's own chat template, for a job whose prompt parity could not render.
fn render(template: Option<ChatTemplate>, prompt: &str) -> Result<String> {
    match template {
        Some(template) => template.render(prompt),
        None => Err(Failure::refused("the file has no chat template")
            .with_remedy("set `raw` in the test to send the prompt as it is")),
    }
}

impl Prompt {
    fn encode(text: String, codec: &TextCodec, raw: bool) -> Result<Self> {
        let ids = codec.encode(&text, !raw)?;
        if ids.is_empty() {
            return Err(Failure::refused("the prompt has no tokens"));
        }
        Ok(Self { text, ids })
    }
}
