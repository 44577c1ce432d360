//! Stand-in for paraphym's example of this name: see the README beside the workspace.

use cyrup_candle::arguments::Arguments;
use cyrup_candle::replay::replay;
use cyrup_candle::scenario::play;
use cyrup_candle::stage::{set, Stage};

fn main() {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let mut stage = Stage::from_env();
    stage.mark("main");
    match set("STANDIN_REPLAY") {
        Some(path) => std::process::exit(replay(&path, &mut stage)),
        None => play(&arguments, &mut stage),
    }
}
