//! Where Candle computes, and with what.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use candle_core::{Device, utils};
use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Failure, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum DeviceChoice {
    Cpu,
    Cuda(usize),
    Metal(usize),
}

impl DeviceChoice {
    /// As Candle's own examples choose: CUDA, then Metal, then the CPU.
    pub fn of_this_build() -> Self {
        if utils::cuda_is_available() {
            Self::Cuda(0)
        } else if utils::metal_is_available() {
            Self::Metal(0)
        } else {
            Self::Cpu
        }
    }

    pub fn name(self) -> String {
        match self {
            Self::Cpu => "cpu".into(),
            Self::Cuda(ordinal) => format!("cuda:{ordinal}"),
            Self::Metal(ordinal) => format!("metal:{ordinal}"),
        }
    }

    pub fn open(self) -> Result<Device> {
        let feature = match self {
            Self::Cuda(_) if !utils::cuda_is_available() => "cuda",
            Self::Metal(_) if !utils::metal_is_available() => "metal",
            Self::Cpu => return Ok(Device::Cpu),
            Self::Cuda(ordinal) => return Ok(Device::new_cuda(ordinal)?),
            Self::Metal(ordinal) => return Ok(Device::new_metal(ordinal)?),
        };
        Err(
            Failure::refused(format!("this build has no {feature} in it"))
                .with_remedy(format!("build it with --features {feature}")),
        )
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let (kind, ordinal) = text.split_once(':').unwrap_or((&text, "0"));
        let ordinal = ordinal
            .parse()
            .map_err(|_| format!("`{ordinal}` is no device number"))?;
        match kind {
            "cpu" if text == "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(ordinal)),
            "metal" => Ok(Self::Metal(ordinal)),
            _ => Err(format!(
                "`{text}` is no device: cpu, cuda, cuda:N, metal or metal:N"
            )),
        }
    }
}

/// Sizes both of Candle's CPU pools, which read the environment when they are first used.
///
/// # Safety
/// No other thread may run yet.
pub unsafe fn set_threads(threads: NonZeroUsize) {
    for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        // SAFETY: the caller promises that no other thread reads the environment.
        unsafe { std::env::set_var(name, threads.to_string()) };
    }
}

/// Threads, instruction sets and build of the Candle that is in this program, as Candle itself reports them.
pub fn facts() -> BTreeMap<String, Value> {
    let features: Vec<&str> = [
        ("accelerate", cfg!(feature = "accelerate")),
        ("cuda", cfg!(feature = "cuda")),
        ("metal", cfg!(feature = "metal")),
        ("mkl", cfg!(feature = "mkl")),
    ]
    .into_iter()
    .filter_map(|(name, on)| on.then_some(name))
    .collect();
    BTreeMap::from([
        ("candle".into(), crate::CANDLE_VERSION.into()),
        (
            "threads".into(),
            utils::with_threadpool(rayon::current_num_threads).into(),
        ),
        (
            "threads_quantised_matmul".into(),
            (utils::barrier_pool().n_workers() + 1).into(),
        ),
        ("cpu_avx2".into(), utils::with_avx().into()),
        ("cpu_f16c".into(), utils::with_f16c().into()),
        ("cpu_neon".into(), utils::with_neon().into()),
        ("build_features".into(), features.join(",").into()),
        (
            "build_profile".into(),
            if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            }
            .into(),
        ),
        (
            "build_target_cpu".into(),
            if cfg!(target_feature = "avx512f") {
                "avx512f"
            } else if cfg!(target_feature = "avx2") {
                "avx2"
            } else {
                "baseline"
            }
            .into(),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<DeviceChoice, String> {
        DeviceChoice::try_from(text.to_string())
    }

    #[test]
    fn devices_are_named_by_kind_and_number() {
        assert_eq!(parse("cpu"), Ok(DeviceChoice::Cpu));
        assert_eq!(parse("cuda"), Ok(DeviceChoice::Cuda(0)));
        assert_eq!(parse("metal:1"), Ok(DeviceChoice::Metal(1)));
    }

    #[test]
    fn what_names_no_device_is_refused() {
        for wrong in ["", "gpu", "cpu:1", "cuda:", "cuda:x"] {
            assert!(parse(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_was_not_built_in_is_refused_with_the_feature_to_build() {
        let failure = DeviceChoice::Cuda(0).open().unwrap_err();
        assert_eq!(
            failure.remedy.as_deref(),
            Some("build it with --features cuda")
        );
    }
}
