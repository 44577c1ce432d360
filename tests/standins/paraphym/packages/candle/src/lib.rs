//! Stand-in for paraphym's crate: see the README beside the workspace.

#[cfg(all(feature = "metal", not(target_vendor = "apple")))]
compile_error!(
    "`objc2` only works on Apple platforms. Pass `--target aarch64-apple-darwin` or similar to compile for macOS."
);

pub mod arguments;
pub mod replay;
pub mod scenario;
pub mod stage;
