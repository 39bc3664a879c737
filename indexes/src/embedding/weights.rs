//! The header of a safetensors file: which tensor lies where. The numbers themselves are not touched
//! here: each engine takes them from the same bytes in its own way.

use serde::Deserialize;
use std::collections::BTreeMap;

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    /// Its dimensions.
    pub(super) shape: Vec<u64>,
    /// First byte, from the start of the file.
    pub(super) offset: u64,
    /// Bytes.
    pub(super) length: u64,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Where the header of a file that begins like this ends; `None` if it is too short to say.
pub(super) fn header_end(start: &[u8]) -> Option<u64> {
    let size: [u8; 8] = start.get(..8)?.try_into().ok()?;
    u64::from_le_bytes(size).checked_add(8)
}

/// The f32 tensors of a safetensors file by name, each checked to lie inside the file and to have as
/// many bytes as its shape says. `start` holds the header at least, and the file ends at
/// `end_of_file`.
/// `None` if the file is not well formed.
pub(super) fn tensors(start: &[u8], end_of_file: u64) -> Option<BTreeMap<String, Tensor>> {
    let header_end = header_end(start)?;
    let header = start.get(8..usize::try_from(header_end).ok()?)?;
    let entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    let mut tensors = BTreeMap::new();
    for (name, value) in entries {
        if name == "__metadata__" {
            continue;
        }
        let entry: Entry = serde_json::from_value(value).ok()?;
        if entry.dtype != "F32" {
            continue;
        }
        let (start, end) = entry.data_offsets;
        let length = end.checked_sub(start)?;
        let numbers = entry.shape.iter().try_fold(1_u64, |n, d| n.checked_mul(*d))?;
        let offset = header_end.checked_add(start)?;
        if numbers.checked_mul(4)? != length || offset.checked_add(length)? > end_of_file {
            return None;
        }
        tensors.insert(name, Tensor { shape: entry.shape, offset, length });
    }
    Some(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(file: &[u8]) -> Option<BTreeMap<String, Tensor>> {
        super::tensors(file, file.len() as u64)
    }

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    #[test]
    fn offsets_count_from_the_start_of_the_file() {
        let header = r#"{"__metadata__":{"format":"pt"},"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]}}"#;
        let tensors = tensors(&file(header, 32)).unwrap();
        assert_eq!(tensors.len(), 1);
        let w = &tensors["w"];
        assert_eq!((w.shape.as_slice(), w.length), ([2, 3].as_slice(), 24));
        assert_eq!(w.offset, 8 + header.len() as u64 + 8);
    }

    #[test]
    fn a_tensor_outside_the_file_or_of_another_size_is_refused() {
        let header = r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        assert!(tensors(&file(header, 24)).is_some());
        assert!(tensors(&file(header, 23)).is_none());
        let wrong = r#"{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,24]}}"#;
        assert!(tensors(&file(wrong, 24)).is_none());
        assert!(tensors(b"short").is_none());
        assert!(tensors(&u64::MAX.to_le_bytes()).is_none());
    }
}
