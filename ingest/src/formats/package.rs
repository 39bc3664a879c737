//! A ZIP file: the names in it, which tell an office document from an archive, and its members, unpacked under
//! a limit. It must never trust a length that the file states, and never take one of two members of a name.

use super::FailReason;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipFileHeaderRecord, ZipSliceArchive};
use std::io::Read;

/// More members than this are not looked at.
pub(crate) const MOST_MEMBERS: usize = 20_000;

/// An open ZIP file.
pub(crate) struct Package<'a> {
    archive: ZipSliceArchive<&'a [u8]>,
    bytes: &'a [u8],
}

/// A member as the directory states it.
pub(crate) type Member<'a> = ZipFileHeaderRecord<'a>;

impl<'a> Package<'a> {
    /// Opens it; nothing is unpacked.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, FailReason> {
        let archive = ZipArchive::from_slice(bytes).map_err(|_| FailReason::Broken)?;
        Ok(Self { archive, bytes })
    }

    /// All members in the order of the directory, which must hold as many as it says.
    pub(crate) fn members(&self) -> Result<Vec<Member<'_>>, FailReason> {
        if self.archive.entries_hint() > MOST_MEMBERS as u64 {
            return Err(FailReason::Expands);
        }
        let mut members = Vec::new();
        let mut entries = self.archive.entries();
        while let Some(member) = entries.next_entry().map_err(|_| FailReason::Broken)? {
            members.push(member);
            if members.len() > MOST_MEMBERS {
                return Err(FailReason::Expands);
            }
        }
        if members.len() as u64 == self.archive.entries_hint() {
            Ok(members)
        } else {
            Err(FailReason::Broken)
        }
    }

    /// Whether its members overlap or come to more bytes than the file has, as only bombs do.
    pub(crate) fn overlaps(&self, members: &[Member<'_>]) -> bool {
        let packed = members.iter().map(ZipFileHeaderRecord::compressed_size_hint);
        packed.fold(0_u64, u64::saturating_add) > self.bytes.len() as u64
    }

    /// The bytes of a member, which must be those that its checksum is of.
    ///
    /// # Errors
    /// [`FailReason::Expands`] if there are more than `most`.
    pub(crate) fn read(&self, member: &Member<'_>, most: u64) -> Result<Vec<u8>, FailReason> {
        if member.flags().is_encrypted() || member.flags().is_masked() {
            return Err(FailReason::Encrypted);
        }
        let entry = self.archive.get_entry(member.wayfinder()).map_err(|_| FailReason::Broken)?;
        let mut bytes = Vec::new();
        let reading = match member.compression_method() {
            CompressionMethod::STORE => {
                entry.verifying_reader(entry.data()).take(most + 1).read_to_end(&mut bytes)
            }
            CompressionMethod::DEFLATE => entry
                .verifying_reader(DeflateDecoder::new(entry.data()))
                .take(most + 1)
                .read_to_end(&mut bytes),
            _ => return Err(FailReason::Packing),
        };
        if bytes.len() as u64 > most {
            return Err(FailReason::Expands);
        }
        reading.map_err(|_| FailReason::Broken)?;
        Ok(bytes)
    }

    /// The one member of this name (in any case, as office programs find it); `None` if there is none.
    pub(crate) fn part(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, FailReason> {
        let name = name.trim_start_matches('/');
        let members = self.members()?;
        let mut of_name =
            members.iter().filter(|m| m.file_path().as_bytes().eq_ignore_ascii_case(name.as_bytes()));
        let found = of_name.next();
        // Two readers would take two different ones.
        if of_name.next().is_some() {
            return Err(FailReason::Broken);
        }
        found.map(|member| self.read(member, most)).transpose()
    }
}

/// What a ZIP file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A word processor's document.
    Docx,
    /// Files for their own sake.
    Archive,
    /// Another program's document, or code.
    Other,
}

/// Told by the names in it.
pub(super) fn purpose(bytes: &[u8]) -> Result<Purpose, FailReason> {
    let package = Package::open(bytes)?;
    let members = package.members()?;
    let named = |name: &[u8]| members.iter().any(|m| m.file_path().as_bytes().eq_ignore_ascii_case(name));
    let below = |folder: &[u8]| {
        let at = |m: &Member<'_>| {
            let head = m.file_path().as_bytes().get(..folder.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(folder))
        };
        members.iter().any(at)
    };
    if named(b"[Content_Types].xml") {
        return Ok(if below(b"word/") { Purpose::Docx } else { Purpose::Other });
    }
    let first = members.first().map(|member| member.file_path().as_bytes());
    if first == Some(b"mimetype") || named(b"META-INF/MANIFEST.MF") || named(b"AndroidManifest.xml") {
        return Ok(Purpose::Other);
    }
    Ok(Purpose::Archive)
}

/// A ZIP file of these members.
#[cfg(test)]
pub(crate) fn write_for_test(members: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
    for (name, content) in members {
        let new = archive
            .new_file(rawzip::path::EntryPath::verbatim(name.as_bytes()))
            .compression_method(CompressionMethod::DEFLATE);
        let (mut entry, config) = new.start().unwrap();
        let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
        let mut writer = config.wrap(encoder);
        writer.write_all(content).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    out
}
