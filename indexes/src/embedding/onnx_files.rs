//! Which files an ONNX graph names for its weights: a walk over its protobuf messages, by the field numbers of onnx.proto. It
//! must never overlook one that ONNX Runtime reads: of what is written twice, each counts, however a number is spelt, and what
//! cannot be walked is none.

use std::collections::BTreeSet;

/// Deeper messages within messages than this are refused: each graph within a graph takes three.
const DEEPEST: usize = 96;

/// A message, and which fields of it hold messages that matter.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Sparse,
    Function,
    Training,
    Tensor,
}

impl Kind {
    /// What the message in a field is.
    fn of_field(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) | (Self::Training, 1 | 2) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::Sparse, 1 | 2) => Self::Tensor,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::Sparse,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            _ => return None,
        })
    }
}

/// `TensorProto.external_data`.
const EXTERNAL: u64 = 13;

/// The files; `None` if these bytes are no such graph.
pub(super) fn named(model: &[u8]) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    walk(Kind::Model, model, DEEPEST, &mut found)?;
    Some(found)
}

fn walk(kind: Kind, message: &[u8], deep: usize, found: &mut BTreeSet<String>) -> Option<()> {
    let deep = deep.checked_sub(1)?;
    each_field(message, &mut |field, bytes| {
        if matches!(kind, Kind::Tensor) && field == EXTERNAL {
            return entry(bytes, found);
        }
        kind.of_field(field).map_or(Some(()), |inner| walk(inner, bytes, deep, found))
    })
}

/// A key and its value: all values of one that has the key `location` among its keys.
fn entry(message: &[u8], found: &mut BTreeSet<String>) -> Option<()> {
    let (mut is_location, mut values) = (false, Vec::new());
    each_field(message, &mut |field, bytes| {
        match field {
            1 => is_location |= bytes == b"location",
            2 => values.push(std::str::from_utf8(bytes).ok()?.to_owned()),
            _ => {}
        }
        Some(())
    })?;
    if is_location {
        found.extend(values);
    }
    Some(())
}

/// Hands over every field that is a string of bytes; `None` if the message cannot be read to its end.
fn each_field(mut rest: &[u8], take: &mut dyn FnMut(u64, &[u8]) -> Option<()>) -> Option<()> {
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        match key & 7 {
            0 => drop(varint(&mut rest)?),
            1 => rest = rest.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, after) = rest.split_at_checked(length)?;
                // Readers take the lower 29 bits of a field's number.
                take((key & 0xffff_ffff) >> 3, bytes)?;
                rest = after;
            }
            5 => rest = rest.get(4..)?,
            // Groups are in no ONNX file.
            _ => return None,
        }
    }
    Some(())
}

/// At most ten bytes, of which later ones may be empty.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for at in 0..10 {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f).checked_shl(7 * at).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    /// A graph with one tensor that has this for its external data.
    fn model(data: &[u8]) -> Vec<u8> {
        field(7, &field(5, &field(13, data)))
    }

    fn set(names: &[&str]) -> Option<BTreeSet<String>> {
        Some(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_file_is_found_however_it_is_written() {
        let (key, value) = (field(1, b"location"), field(2, b"w.bin"));
        assert_eq!(named(&model(&[key.clone(), value.clone()].concat())), set(&["w.bin"]));
        assert_eq!(named(&model(&[value.clone(), key.clone()].concat())), set(&["w.bin"]));
        // Twice: the last one counts for others, each one here.
        let twice = [key.clone(), value.clone(), field(2, b"v.bin")].concat();
        assert_eq!(named(&model(&twice)), set(&["v.bin", "w.bin"]));
        let other = [field(1, b"offset"), field(2, b"7"), key.clone(), value.clone()].concat();
        assert!(named(&model(&other)).unwrap().contains("w.bin"));
        // Lengths and field numbers in more bytes than they need.
        let long = [&[0x0a, 0x88, 0x00][..], b"location", &[0x92, 0x80, 0x00, 0x85, 0x00], b"w.bin"].concat();
        assert_eq!(named(&model(&long)), set(&["w.bin"]));
        assert_eq!(named(&model(&[field(1, b"offset"), field(2, b"7")].concat())), set(&[]));
    }

    #[test]
    fn tensors_lie_in_many_places() {
        let tensor = field(13, &[field(1, b"location"), field(2, b"w.bin")].concat());
        let attribute = field(5, &field(5, &tensor));
        let inner = field(5, &field(6, &field(5, &tensor)));
        let sparse = field(15, &field(1, &tensor));
        for graph in [field(1, &attribute), field(1, &inner), sparse] {
            assert_eq!(named(&field(7, &graph)), set(&["w.bin"]), "{graph:?}");
        }
    }

    #[test]
    fn what_cannot_be_walked_is_none() {
        for bytes in [&b"nothing"[..], &[0x3a], &[0x3a, 5, 1], &[0xff; 12], &[0x3b]] {
            assert_eq!(named(bytes), None, "{bytes:?}");
        }
        assert_eq!(named(&[]), set(&[]));
        // Graphs within graphs: some, and too many.
        let within = |times: usize| {
            let long = |number: u8, bytes: &[u8]| {
                let length = [bytes.len() as u8 & 0x7f | 0x80, (bytes.len() >> 7) as u8];
                [&[number << 3 | 2], &length[..], bytes].concat()
            };
            let mut graph = Vec::new();
            for _ in 0..times {
                graph = long(1, &long(5, &long(6, &graph)));
            }
            named(&long(7, &graph))
        };
        assert_eq!(within(20), set(&[]));
        assert_eq!(within(100), None);
    }
}
