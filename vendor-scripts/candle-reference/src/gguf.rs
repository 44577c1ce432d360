//! A GGUF file's header, with its metadata typed. Nothing here reads a weight.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::{Content, Value};

use crate::failure::{Failure, Result};

pub struct Header {
    pub content: Content,
}

impl Header {
    /// Opens a model and parses what lies before its weights; the file is left open for them.
    pub fn open(path: &Path) -> Result<(Self, File)> {
        let named = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let mut file = File::open(path).map_err(|e| Failure::failed(named(&e)))?;
        let content = Content::read(&mut file).map_err(|e| {
            let mut failure = Failure::from(e);
            failure.message = named(&failure.message);
            failure
        })?;
        let header = Self { content };
        let bytes = file
            .metadata()
            .map_err(|e| Failure::failed(named(&e)))?
            .len();
        match header.tensor_beyond(bytes) {
            None => Ok((header, file)),
            Some(tensor) => Err(Failure::refused(named(&format!(
                "the file is cut short: its {bytes} bytes do not hold the whole of `{tensor}`"
            )))),
        }
    }

    /// A tensor that is not wholly within the first `bytes` of the file. Where a model of Candle's can't read
    /// `output.weight`, it uses the token embeddings for it and says nothing.
    fn tensor_beyond(&self, bytes: u64) -> Option<&str> {
        let mut beyond: Vec<&str> = self
            .content
            .tensor_infos
            .iter()
            .filter(|(_, info)| {
                let blocks = info
                    .shape
                    .elem_count()
                    .div_ceil(info.ggml_dtype.block_size());
                let size = blocks.saturating_mul(info.ggml_dtype.type_size()) as u64;
                let begin = self.content.tensor_data_offset.saturating_add(info.offset);
                begin.saturating_add(size) > bytes
            })
            .map(|(name, _)| name.as_str())
            .collect();
        beyond.sort_unstable();
        beyond.first().copied()
    }

    /// What Candle's models take: the tensors' places, which leave this header, and all metadata but the tokenizer's.
    pub fn take_weights(&mut self) -> Content {
        let metadata = &self.content.metadata;
        Content {
            magic: self.content.magic,
            metadata: metadata
                .iter()
                .filter(|(key, _)| !key.starts_with("tokenizer."))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            tensor_infos: std::mem::take(&mut self.content.tensor_infos),
            tensor_data_offset: self.content.tensor_data_offset,
        }
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.content.metadata.get(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.content.metadata.get(key)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    pub fn unsigned(&self, key: &str) -> Option<u64> {
        unsigned(self.content.metadata.get(key)?)
    }

    /// An array of strings; refused if it isn't there.
    pub fn texts(&self, key: &str) -> Result<Vec<&str>> {
        self.array(key)?
            .iter()
            .map(|value| match value {
                Value::String(text) => Ok(text.as_str()),
                _ => Err(Failure::refused(format!("`{key}` holds what is no string"))),
            })
            .collect()
    }

    /// An array of non-negative integers; refused if it isn't there.
    pub fn unsigneds(&self, key: &str) -> Result<Vec<u64>> {
        self.array(key)?
            .iter()
            .map(|value| {
                unsigned(value).ok_or_else(|| {
                    Failure::refused(format!("`{key}` holds what is no non-negative integer"))
                })
            })
            .collect()
    }

    /// An array of numbers; refused if it isn't there.
    pub fn reals(&self, key: &str) -> Result<Vec<f32>> {
        self.array(key)?
            .iter()
            .map(|value| match value {
                Value::F32(number) => Ok(*number),
                _ => Err(Failure::refused(format!("`{key}` holds what is no F32"))),
            })
            .collect()
    }

    /// Rows of a matrix; refused if it isn't there.
    pub fn rows(&self, tensor: &str) -> Result<usize> {
        match self
            .content
            .tensor_infos
            .get(tensor)
            .map(|info| info.shape.dims())
        {
            Some(&[rows, _]) => Ok(rows),
            Some(_) => Err(Failure::refused(format!("`{tensor}` is no matrix"))),
            None => Err(Failure::refused(format!("the file has no `{tensor}`"))),
        }
    }

    /// Tensor type → number of tensors.
    pub fn census(&self) -> BTreeMap<String, usize> {
        let mut census = BTreeMap::new();
        for info in self.content.tensor_infos.values() {
            *census.entry(type_name(info.ggml_dtype)).or_default() += 1;
        }
        census
    }

    fn array(&self, key: &str) -> Result<&[Value]> {
        match self.content.metadata.get(key) {
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(Failure::refused(format!("`{key}` is no array"))),
            None => Err(Failure::refused(format!("the file has no `{key}`"))),
        }
    }
}

/// A tensor type as GGUF spells it (`Q4_K`, where Candle says `Q4K`).
pub fn type_name(dtype: GgmlDType) -> String {
    let name = format!("{dtype:?}");
    match name.strip_suffix('K') {
        Some(bits) => format!("{bits}_K"),
        None => name,
    }
}

fn unsigned(value: &Value) -> Option<u64> {
    match *value {
        Value::U8(n) => Some(n.into()),
        Value::U16(n) => Some(n.into()),
        Value::U32(n) => Some(n.into()),
        Value::U64(n) => Some(n),
        Value::I8(n) => n.try_into().ok(),
        Value::I16(n) => n.try_into().ok(),
        Value::I32(n) => n.try_into().ok(),
        Value::I64(n) => n.try_into().ok(),
        _ => None,
    }
}

/// A number of any type.
pub fn number(value: &Value) -> Option<f64> {
    match *value {
        Value::F32(number) => Some(number.into()),
        Value::F64(number) => Some(number),
        _ => unsigned(value).map(|number| number as f64),
    }
}

/// A value as messages show it: lists by their length, and no more than the beginning of a text.
pub fn shown(value: &Value) -> String {
    match value {
        Value::U8(n) => n.to_string(),
        Value::U16(n) => n.to_string(),
        Value::U32(n) => n.to_string(),
        Value::U64(n) => n.to_string(),
        Value::I8(n) => n.to_string(),
        Value::I16(n) => n.to_string(),
        Value::I32(n) => n.to_string(),
        Value::I64(n) => n.to_string(),
        Value::F32(n) => n.to_string(),
        Value::F64(n) => n.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::String(text) => format!("`{}`", text.chars().take(40).collect::<String>()),
        Value::Array(values) => format!("a list of {} values", values.len()),
    }
}

#[cfg(test)]
impl Header {
    /// Metadata alone.
    pub fn of_metadata(metadata: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self {
            content: Content {
                magic: candle_core::quantized::gguf_file::VersionedMagic::GgufV3,
                metadata: metadata.into_iter().collect(),
                tensor_infos: std::collections::HashMap::new(),
                tensor_data_offset: 0,
            },
        }
    }

    /// A matrix in F32, as the header alone says of it.
    pub fn add_matrix(&mut self, name: &str, rows: usize, columns: usize) {
        let info = candle_core::quantized::gguf_file::TensorInfo {
            ggml_dtype: GgmlDType::F32,
            shape: (rows, columns).into(),
            offset: 0,
        };
        self.content.tensor_infos.insert(name.to_owned(), info);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_types_are_spelled_as_gguf_spells_them() {
        assert_eq!(type_name(GgmlDType::Q4K), "Q4_K");
        assert_eq!(type_name(GgmlDType::Q8_0), "Q8_0");
        assert_eq!(type_name(GgmlDType::F32), "F32");
    }

    #[test]
    fn what_is_no_gguf_fails_with_its_path() {
        let failure = Header::open(Path::new("Cargo.toml")).err().unwrap();
        assert!(failure.message.starts_with("Cargo.toml: "), "{failure:?}");
    }
}
