//! Runs a GGUF model on Candle and shows what no example of Candle's shows: token ids and when each was there, phases
//! of loading, settings used, log-probabilities.

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![deny(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod architectures;
mod aside;
mod channel;
mod clock;
mod deviations;
mod device;
mod events;
mod facts;
mod failure;
mod generate;
mod gguf;
mod job;
mod keys;
mod memory;
mod model;
mod sample;
mod score;
mod sentencepiece;
mod session;
mod template;
mod tokenizer;
mod vocabulary;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::device::DeviceChoice;
use crate::events::{Event, PROTOCOL_VERSION, Reason, emit};
use crate::failure::{Failure, Result};
use crate::job::{Job, Work};

pub const CANDLE_VERSION: &str = "0.11.1";
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (candle 0.11.1)");

const USAGE: &str = "usage: candle-reference --probe | --job FILE";

enum Command {
    Probe,
    Job(PathBuf),
}

fn main() -> ExitCode {
    let command = match read_arguments() {
        Ok(command) => command,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = channel::open() {
        eprintln!("cannot take standard output over: {error}");
        return ExitCode::FAILURE;
    }
    report_panics();
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&failure);
            ExitCode::FAILURE
        }
    }
}

fn read_arguments() -> std::result::Result<Command, lexopt::Error> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_env();
    let command = match parser.next()? {
        Some(Long("probe")) => Command::Probe,
        Some(Long("job")) => Command::Job(parser.value()?.into()),
        Some(other) => return Err(other.unexpected()),
        None => return Err("nothing was asked".into()),
    };
    match parser.next()? {
        None => Ok(command),
        Some(other) => Err(other.unexpected()),
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Probe => {
            hello(DeviceChoice::of_this_build())?;
            bye(Reason::Probe)
        }
        Command::Job(file) => {
            let job = Job::read(&file);
            let asked = job.as_ref().ok().and_then(|job| job.settings.device);
            hello(asked.unwrap_or_else(DeviceChoice::of_this_build))?;
            bye(work(job?)?)
        }
    }
}

fn work(job: Job) -> Result<Reason> {
    if let Some(threads) = job.settings.threads {
        // SAFETY: Candle starts its threads when it first computes, and nothing else here starts any.
        unsafe { device::set_threads(threads) };
    }
    match job.work {
        Work::Generate(generation) => generate::run(&job.model, job.settings, generation),
        Work::Score(sequence) => score::run(&job.model, job.settings, &sequence),
    }
}

fn hello(device: DeviceChoice) -> Result<()> {
    emit(Event::Hello {
        protocol: PROTOCOL_VERSION,
        runtime: env!("CARGO_PKG_NAME"),
        version: VERSION,
        device: &device.name(),
    })
}

fn bye(reason: Reason) -> Result<()> {
    emit(Event::Bye { reason })
}

/// A panic, in whichever thread, is reported like any other failure and ends the process at once.
fn report_panics() {
    let on_stderr = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        on_stderr(panic);
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic
            .location()
            .map(|l| format!(" ({l})"))
            .unwrap_or_default();
        tell(&Failure::failed(format!("panic: {message}{place}")));
        std::process::exit(1);
    }));
}

fn tell(failure: &Failure) {
    if let Err(error) = events::emit_failure(failure) {
        eprintln!(
            "{}\n(and it can't be reported: {})",
            failure.message, error.message
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_candle_that_is_named_is_the_candle_that_is_locked() {
        let lock = include_str!("../Cargo.lock");
        let (_, entry) = lock.split_once("name = \"candle-core\"\n").unwrap();
        let version = entry.lines().next().unwrap();
        assert_eq!(version, format!("version = \"{}\"", super::CANDLE_VERSION));
        assert!(super::VERSION.contains(super::CANDLE_VERSION));
    }
}
