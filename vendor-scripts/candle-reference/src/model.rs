//! Candle's own models behind one door.

use candle_core::{DType, Device, Tensor};

use crate::failure::Result;

/// A loaded model and the positions that it remembers.
pub trait Model: Send {
    /// Logits after the last of `ids`, a batch of one that stands at positions `offset`, `offset + 1`, …; shape
    /// (1, vocabulary).
    fn step(&mut self, ids: &Tensor, offset: usize) -> candle_core::Result<Tensor>;

    /// Forgets all positions.
    fn clear(&mut self);
}

impl dyn Model + '_ {
    /// Logits after the last of `ids`, which stand at positions `offset`, `offset + 1`, …; shape (vocabulary).
    pub fn forward(&mut self, ids: &[u32], offset: usize, device: &Device) -> Result<Tensor> {
        let ids = Tensor::new(ids, device)?.unsqueeze(0)?;
        Ok(self.step(&ids, offset)?.squeeze(0)?)
    }
}

/// Logits as `f32` on the host.
pub fn to_host(logits: &Tensor) -> Result<Vec<f32>> {
    Ok(logits.to_dtype(DType::F32)?.to_vec1::<f32>()?)
}
