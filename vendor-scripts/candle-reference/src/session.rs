//! A model file on its way to being ready: what is checked before its weights are read, and which settings it runs with.

use std::collections::BTreeMap;
use std::fs::File;

use candle_core::Device;
use serde_json::Value;

use crate::architectures::{self, Architecture};
use crate::deviations;
use crate::device::{self, DeviceChoice};
use crate::facts;
use crate::failure::{Failure, Result};
use crate::gguf::Header;
use crate::job::{ModelFile, Settings};
use crate::model::Model;
use crate::template::ChatTemplate;
use crate::tokenizer::TextCodec;

pub struct Session {
    pub device: Device,
    header: Header,
    file: File,
    architecture: &'static dyn Architecture,
    settings: Settings,
    facts: BTreeMap<String, Value>,
    deviations: Vec<String>,
    vocabulary_size: usize,
}

impl Session {
    /// Opens the device and reads the header.
    ///
    /// # Errors
    /// Refused if Candle's model would compute otherwise than the file says, unless `accept_deviations` is set.
    pub fn open(model: &ModelFile, settings: Settings) -> Result<Self> {
        let choice = settings.device.unwrap_or_else(DeviceChoice::of_this_build);
        let device = choice.open()?;
        let (mut header, file) = Header::open(&model.path)?;
        let architecture = architectures::of(&header)?;
        if let Some(dtype) = settings.rope_dtype {
            architecture.set_rope_dtype(&mut header, dtype)?;
        }
        let mut facts = facts::facts(architecture, &header, &settings, choice);
        facts.insert("device".into(), choice.name().into());
        let deviations = deviations::everywhere(architecture, &header);
        let mut session = Self {
            deviations: Vec::new(),
            vocabulary_size: header.rows("token_embd.weight")?,
            device,
            header,
            file,
            architecture,
            settings,
            facts,
        };
        session.accept(deviations)?;
        Ok(session)
    }

    /// Reads the weights onto the device; can be done once.
    pub fn load_weights(&mut self) -> Result<Box<dyn Model>> {
        let content = self.header.take_weights();
        let model = self
            .architecture
            .load(content, &mut self.file, &self.device)?;
        self.device.synchronize()?;
        Ok(model)
    }

    pub fn load_tokenizer(&mut self) -> Result<TextCodec> {
        let (codec, from) = match &self.settings.tokenizer {
            Some(path) => (
                TextCodec::from_file(path, &self.header)?,
                path.display().to_string(),
            ),
            None => (
                TextCodec::from_gguf(&self.header)?,
                "rebuilt from the GGUF".into(),
            ),
        };
        self.facts.insert("tokenizer".into(), from.into());
        Ok(codec)
    }

    pub fn load_template(&self) -> Result<Option<ChatTemplate>> {
        ChatTemplate::read(&self.header)
    }

    /// # Errors
    /// Refused if the model has no embedding for one of `ids`.
    pub fn check_ids(&self, ids: &[u32]) -> Result<()> {
        match ids.iter().find(|id| **id as usize >= self.vocabulary_size) {
            None => Ok(()),
            Some(id) => Err(Failure::refused(format!(
                "id {id} lies outside the vocabulary of {}",
                self.vocabulary_size
            ))),
        }
    }

    /// # Errors
    /// Refused if Candle's model has no RoPE table for that many positions, or computes them otherwise than the file
    /// says and `accept_deviations` isn't set.
    pub fn check_positions(&mut self, positions: usize) -> Result<()> {
        let limit = self.architecture.positions(&self.header);
        if positions > limit {
            return Err(Failure::refused(format!(
                "{positions} positions are needed, and Candle's {} has RoPE tables for {limit}",
                self.architecture.name()
            )));
        }
        self.accept(deviations::at(self.architecture, &self.header, positions))
    }

    /// Settings used: asked for, taken by Candle, or given by the file.
    pub fn in_force(&self) -> BTreeMap<String, Value> {
        let mut values = device::facts();
        values.extend(self.facts.clone());
        if !self.deviations.is_empty() {
            values.insert("deviations".into(), self.deviations.join(", ").into());
        }
        values
    }

    fn accept(&mut self, deviations: Vec<String>) -> Result<()> {
        if !deviations.is_empty() && !self.settings.accept_deviations {
            let message = format!(
                "Candle's {} {}",
                self.architecture.name(),
                deviations.join(", ")
            );
            let speed = if self.architecture.dequantises() {
                "its text may not be right, and its speed is not that of quantised weights"
            } else {
                "its speed is right, its text may not be"
            };
            return Err(Failure::refused(message).with_remedy(format!(
                "set `accept_deviations` to run it all the same: {speed}"
            )));
        }
        self.deviations.extend(deviations);
        Ok(())
    }
}
