//! Switches that break the promise on purpose, so that the leak harness can show that it notices.
//! They exist only under the feature `faults`, which no normal build has, and start switched off.
//! Set them before the first query of a process: views made earlier are not made again.

use std::sync::atomic::{AtomicBool, Ordering};

/// BM25 statistics over all live chunks instead of the visible ones.
pub static GLOBAL_STATISTICS: AtomicBool = AtomicBool::new(false);
/// Equals are ordered by where they are stored instead of by their tie key.
pub static STORAGE_ORDER: AtomicBool = AtomicBool::new(false);
/// The list is cut first and filtered afterwards.
pub static POST_FILTER: AtomicBool = AtomicBool::new(false);

/// Whether a switch is on.
pub(crate) fn on(switch: &AtomicBool) -> bool {
    switch.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexical::{ChunkText, LexicalIndex};
    use crate::testing::{ByHash, bits, seeing};
    use crate::vector::open_flat;
    use kenward_access::ids::ChunkNo;
    use std::process::Command;

    /// What a caller who sees the even ones of 60 chunks gets, with or without the odd ones there.
    fn answers(hidden_too: bool, backwards: bool) -> [Vec<(u32, u64)>; 2] {
        let folder = tempfile::tempdir().unwrap();
        let mut lexical = LexicalIndex::open(&folder.path().join("lexical")).unwrap();
        let mut vector = open_flat(&folder.path().join("vector"), 2).unwrap();
        let mut numbers: Vec<u32> = (0..60).filter(|n| hidden_too || n % 2 == 0).collect();
        if backwards {
            numbers.reverse();
        }
        for n in numbers {
            // Hidden ones have the rare word; the visible ones come in pairs of equals.
            let body = if n % 2 == 0 { "ward night ".repeat(1 + n as usize / 4) } else { "ward ".repeat(40) };
            lexical
                .add(ChunkText { chunk: ChunkNo(n), language: None, title: "", headings: "", body: &body })
                .unwrap();
            vector.append(&[(ChunkNo(n), vec![1.0, if n % 2 == 0 { 0.5 } else { 0.0 }])]).unwrap();
        }
        lexical.commit(1).unwrap();
        vector.commit(1).unwrap();
        let searcher = lexical.searcher().unwrap();
        seeing((0..60).filter(|n| n % 2 == 0), [], |visible| {
            let view = searcher.view(&visible).unwrap();
            let words = searcher.search("ward night", visible.clone(), &view, &|_| true, 5, &ByHash).unwrap();
            let near = vector.snapshot().search(&[1.0, 0.0], visible, &|_| true, 5, &ByHash).unwrap();
            [bits(&words), bits(&near)]
        })
    }

    /// Switches are of the whole process, so this runs in one of its own.
    #[test]
    #[ignore = "run by `each_switch_breaks_what_it_says`"]
    fn in_a_process_of_its_own() {
        assert_eq!(answers(true, false), answers(false, true), "no switch is on");

        GLOBAL_STATISTICS.store(true, Ordering::Relaxed);
        assert_ne!(answers(true, false)[0], answers(false, false)[0]);
        GLOBAL_STATISTICS.store(false, Ordering::Relaxed);

        POST_FILTER.store(true, Ordering::Relaxed);
        let (all, restricted) = (answers(true, false), answers(false, false));
        assert_ne!(all[1], restricted[1], "the hidden ones took places before the cut");
        POST_FILTER.store(false, Ordering::Relaxed);

        STORAGE_ORDER.store(true, Ordering::Relaxed);
        assert_ne!(answers(false, false)[0], answers(false, true)[0]);
        STORAGE_ORDER.store(false, Ordering::Relaxed);

        assert_eq!(answers(true, false), answers(false, true), "and all are off again");
    }

    #[test]
    fn each_switch_breaks_what_it_says() {
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::tests::in_a_process_of_its_own", "--ignored", "--test-threads=1"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
    }
}
