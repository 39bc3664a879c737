//! The state that a file is in, so that it can be told whether that changed since it was opened. It must never take one
//! state for another: what was read would be of no moment.

use super::FetchError;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Changes within one tick of the system's clock bear the same time: at the slowest a hundred a second.
const TICK: Duration = Duration::from_millis(20);
/// A disk that keeps whole seconds alone (ext4 with small inodes, ext3, HFS+), or every other one, bears no finer times
/// than this.
const COARSE: Duration = Duration::from_secs(2);

/// Which file, its length and times. The time at which it was last touched in any way cannot be set by anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Device and number.
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    touched: (i64, i64),
}

impl Stamp {
    /// The state that this is of.
    pub(super) fn of(meta: &Metadata) -> Self {
        let (modified, touched) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
        Self { file: (meta.dev(), meta.ino()), length: meta.len(), modified, touched }
    }

    fn touched(self) -> Option<SystemTime> {
        let (seconds, nanos) = (u64::try_from(self.touched.0).ok()?, u32::try_from(self.touched.1).ok()?);
        UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
    }
}

/// The state of an open file, once it is so old that another one bears another time.
///
/// INVARIANT: a file whose stamp is the same before and after it was read was not written to in between. (A disk of
/// another machine whose clock is ahead is taken at its word, and so is who writes through mapped memory.)
pub(super) fn settled(file: &File) -> Result<Metadata, FetchError> {
    let meta = file.metadata().map_err(FetchError::Io)?;
    let Some(rest) = young(Stamp::of(&meta), SystemTime::now()) else { return Ok(meta) };
    std::thread::sleep(rest);
    let meta = file.metadata().map_err(FetchError::Io)?;
    if young(Stamp::of(&meta), SystemTime::now()).is_some() { Err(FetchError::Moving) } else { Ok(meta) }
}

/// How long until it is old enough, if it is not. A time that is a whole second is hardly ever one by chance.
fn young(stamp: Stamp, now: SystemTime) -> Option<Duration> {
    let age = now.duration_since(stamp.touched()?).ok()?;
    let tick = if stamp.touched.1 == 0 { COARSE } else { TICK };
    tick.checked_sub(age).filter(|rest| !rest.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_disk_of_whole_seconds_is_waited_for() {
        let stamp = |nanos| Stamp { file: (1, 2), length: 3, modified: (0, 0), touched: (100, nanos) };
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(young(stamp(0), at(100_900)), Some(Duration::from_millis(1_100)));
        assert_eq!(young(stamp(0), at(102_000)), None);
        assert_eq!(young(stamp(880_000_000), at(100_890)), Some(Duration::from_millis(10)));
        assert_eq!(young(stamp(880_000_000), at(100_900)), None);
    }

    #[test]
    fn a_change_is_told_though_length_and_time_are_set_back() {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join("a.md");
        std::fs::write(&path, "one").unwrap();
        let file = File::open(&path).unwrap();
        let before = settled(&file).unwrap();
        assert_eq!(Stamp::of(&before), Stamp::of(&file.metadata().unwrap()));
        let mut writer = File::options().write(true).open(&path).unwrap();
        writer.write_all(b"two").unwrap();
        writer.set_modified(before.modified().unwrap()).unwrap();
        let after = file.metadata().unwrap();
        assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
        assert_ne!(Stamp::of(&before), Stamp::of(&after));
        // Replaced, what was opened is told to have gone.
        let before = settled(&file).unwrap();
        std::fs::write(tree.path().join("b.md"), "one").unwrap();
        std::fs::rename(tree.path().join("b.md"), &path).unwrap();
        assert_ne!(Stamp::of(&before), Stamp::of(&file.metadata().unwrap()));
    }
}
