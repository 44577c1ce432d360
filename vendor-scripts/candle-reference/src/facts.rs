//! The settings that follow from a file and from Candle's model for it.

use std::collections::BTreeMap;

use candle_core::quantized::GgmlDType;
use serde_json::Value;

use crate::architectures::Architecture;
use crate::device::DeviceChoice;
use crate::gguf::{Header, type_name};
use crate::job::{RopeDtype, Settings};

pub fn facts(
    architecture: &dyn Architecture,
    header: &Header,
    settings: &Settings,
    device: DeviceChoice,
) -> BTreeMap<String, Value> {
    let rope = match architecture.rope_dtype(header) {
        RopeDtype::F16 => "f16",
        RopeDtype::F32 => "f32",
    };
    let mut facts = BTreeMap::from([
        ("architecture".into(), architecture.name().into()),
        ("positions".into(), architecture.positions(header).into()),
        ("kv_cache_dtype".into(), "f32".into()),
        ("prefix_cache".into(), false.into()),
        ("rope_table_dtype".into(), rope.into()),
        ("token_embedding".into(), "dequantised to f32".into()),
        ("weights_read".into(), "read and copied, not mapped".into()),
        ("repeat_penalty".into(), settings.repeat_penalty.into()),
        (
            "accept_deviations".into(),
            settings.accept_deviations.into(),
        ),
    ]);
    if let Some(window) = architecture.window(header) {
        let obeyed = architecture.has_windows();
        let name = if obeyed {
            "sliding_window"
        } else {
            "ignored_sliding_window"
        };
        facts.insert(name.into(), window.into());
    }
    if let Some(batch) = architecture.batch() {
        facts.insert("batch".into(), batch.into());
    }
    if settings.repeat_penalty != 1.0 {
        facts.insert("repeat_last_n".into(), settings.repeat_last_n.into());
    }
    for (name, count) in header.census() {
        facts.insert(format!("tensors_{name}"), count.into());
    }
    for info in header.content.tensor_infos.values() {
        if info.shape.rank() > 1 {
            let path = match info.ggml_dtype {
                GgmlDType::F32 => "f32",
                _ if architecture.dequantises() => "dequantised to f32",
                dtype => matmul_path(dtype, device, std::env::consts::ARCH),
            };
            facts.insert(
                format!("matmul_{}", type_name(info.ggml_dtype)),
                path.into(),
            );
        }
    }
    facts
}

/// What `QMatMul` does with weights of a type; the environment can make it dequantise them all.
fn matmul_path(dtype: GgmlDType, device: DeviceChoice, cpu: &str) -> &'static str {
    let set = |name: &str| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0");
    match (dtype, cpu) {
        (GgmlDType::F32, _) => "f32",
        (GgmlDType::F16 | GgmlDType::BF16, _) => "dequantised to f32",
        _ if set("CANDLE_DEQUANTIZE_ALL") => "dequantised to f32",
        _ if set("CANDLE_DEQUANTIZE_ALL_F16") => "dequantised to f16",
        _ if device != DeviceChoice::Cpu => "quantised, the device's own kernels",
        (GgmlDType::Q8_0, "x86_64") => {
            "quantised, activations Q8_0, or Q8_K where repacked in the first forward"
        }
        (GgmlDType::Q4_0 | GgmlDType::Q8_0, "aarch64") => {
            "quantised, activations Q8_0, repacked in the first forward where the CPU allows"
        }
        (GgmlDType::Q4K | GgmlDType::Q6K, "x86_64" | "aarch64") | (GgmlDType::Q5K, "aarch64") => {
            "quantised, activations Q8_K, repacked in the first forward where the CPU allows"
        }
        (GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0, _) => "quantised, activations Q8_0",
        (GgmlDType::Q4_1 | GgmlDType::Q5_1 | GgmlDType::Q8_1, _) => "quantised, activations Q8_1",
        (
            GgmlDType::Q2K
            | GgmlDType::Q3K
            | GgmlDType::Q4K
            | GgmlDType::Q5K
            | GgmlDType::Q6K
            | GgmlDType::Q8K,
            _,
        ) => "quantised, activations Q8_K",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpus_kernels_are_told_of_the_cpu_alone() {
        let told = |dtype, cpu| matmul_path(dtype, DeviceChoice::Cpu, cpu);
        for dtype in [GgmlDType::Q4_0, GgmlDType::Q5K] {
            assert!(told(dtype, "aarch64").contains("repacked"), "{dtype:?}");
            assert!(!told(dtype, "x86_64").contains("repacked"), "{dtype:?}");
        }
        for dtype in [GgmlDType::Q4K, GgmlDType::Q6K, GgmlDType::Q8_0] {
            assert!(told(dtype, "aarch64").contains("repacked"), "{dtype:?}");
            assert!(told(dtype, "x86_64").contains("repacked"), "{dtype:?}");
            assert!(!told(dtype, "wasm32").contains("repacked"), "{dtype:?}");
            for device in [DeviceChoice::Cuda(0), DeviceChoice::Metal(0)] {
                assert_eq!(
                    matmul_path(dtype, device, "aarch64"),
                    "quantised, the device's own kernels"
                );
            }
        }
        assert_eq!(
            matmul_path(GgmlDType::F16, DeviceChoice::Metal(0), "aarch64"),
            "dequantised to f32"
        );
    }
}
