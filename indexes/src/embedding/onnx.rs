//! The few ONNX messages that a graph needs, written as protobuf bytes.
//!
//! Only what [`super::graph`] uses is here. It writes and never reads: no foreign bytes are parsed.
//! Field numbers are those of `onnx.proto` (ONNX IR version 8).

/// Element types of `TensorProto.DataType`.
#[derive(Clone, Copy)]
pub(crate) enum Element {
    F32 = 1,
    I8 = 3,
    I64 = 7,
}

/// A value of a node's attribute.
pub(crate) enum Attr<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
}

/// Where the numbers of an initializer are: here, or in a file beside the graph.
pub(crate) enum Data<'a> {
    /// Little-endian bytes.
    Inline(Vec<u8>),
    /// A span of a file.
    External { file: &'a str, offset: u64, length: u64 },
}

/// A protobuf message under construction. Fields are written in the order of the calls.
#[derive(Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A whole number (negative ones take ten bytes, as protobuf wants it for `int64`).
    pub(crate) fn int(&mut self, field: u64, value: i64) -> &mut Self {
        self.varint(field << 3);
        self.varint(value as u64);
        self
    }

    fn float(&mut self, field: u64, value: f32) -> &mut Self {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(&mut self, field: u64, value: &[u8]) -> &mut Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn text(&mut self, field: u64, value: &str) -> &mut Self {
        self.bytes(field, value.as_bytes())
    }

    pub(crate) fn message(&mut self, field: u64, value: &Message) -> &mut Self {
        self.bytes(field, &value.0)
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// `NodeProto`.
pub(crate) fn node(
    op: &str,
    name: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[(&str, Attr<'_>)],
) -> Message {
    let mut node = Message::default();
    for input in inputs {
        node.text(1, input);
    }
    for output in outputs {
        node.text(2, output);
    }
    node.text(3, name).text(4, op);
    for (key, value) in attributes {
        let mut attribute = Message::default();
        attribute.text(1, key);
        match value {
            Attr::Float(v) => attribute.float(2, *v).int(20, 1),
            Attr::Int(v) => attribute.int(3, *v).int(20, 2),
            Attr::Ints(values) => {
                for v in *values {
                    attribute.int(8, *v);
                }
                attribute.int(20, 7)
            }
        };
        node.message(5, &attribute);
    }
    node
}

/// `TensorProto` of an initializer.
pub(crate) fn tensor(name: &str, element: Element, shape: &[u64], data: &Data<'_>) -> Message {
    let mut tensor = Message::default();
    for dimension in shape {
        tensor.int(1, *dimension as i64);
    }
    tensor.int(2, element as i64).text(8, name);
    match data {
        Data::Inline(bytes) => {
            tensor.bytes(9, bytes);
        }
        Data::External { file, offset, length } => {
            let entries = [
                ("location", (*file).to_owned()),
                ("offset", offset.to_string()),
                ("length", length.to_string()),
            ];
            for (key, value) in &entries {
                let mut entry = Message::default();
                entry.text(1, key).text(2, value);
                tensor.message(13, &entry);
            }
            tensor.int(14, 1);
        }
    }
    tensor
}

/// `ValueInfoProto` of a tensor; a dimension is a name (free) or a number.
pub(crate) fn value_info(name: &str, element: Element, shape: &[Result<u64, &str>]) -> Message {
    let mut dimensions = Message::default();
    for dimension in shape {
        let mut one = Message::default();
        match dimension {
            Ok(size) => one.int(1, *size as i64),
            Err(free) => one.text(2, free),
        };
        dimensions.message(1, &one);
    }
    let mut tensor = Message::default();
    tensor.int(1, element as i64).message(2, &dimensions);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut info = Message::default();
    info.text(1, name).message(2, &kind);
    info
}

/// `ModelProto` around a finished `GraphProto`, for the standard operators of `opset`.
pub(crate) fn model(graph: &Message, opset: i64) -> Vec<u8> {
    let mut operators = Message::default();
    operators.text(1, "").int(2, opset);
    let mut model = Message::default();
    model.int(1, 8).text(2, "kenward").message(7, graph).message(8, &operators);
    model.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_bytes_that_protobuf_gives_them() {
        let mut m = Message::default();
        m.int(1, 150).int(2, -1).float(3, 1.0).text(4, "ab");
        assert_eq!(
            m.into_bytes(),
            [
                &[0x08, 0x96, 0x01][..],
                &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                &[0x1d, 0, 0, 0x80, 0x3f],
                &[0x22, 2, b'a', b'b'],
            ]
            .concat()
        );
    }
}
