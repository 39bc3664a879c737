//! Going through the ascending places of an engine in one pass, as both engines do. It must never skip a
//! place that was asked for.

/// The rest of the places, which ascend strictly by `chunk_of`, from `chunk` on. No place lies further ahead than its number is
/// higher, and mostly it lies just there: that is looked at first, then back from it in doubling and halving steps. So
/// a pass costs little where few places are asked for, and no more than their number where most are.
#[inline]
pub(crate) fn skip_to<T>(places: &[T], chunk: u32, chunk_of: impl Fn(&T) -> u32) -> &[T] {
    let before = |place: &T| chunk_of(place) < chunk;
    let Some(first) = places.first().filter(|place| before(place)) else { return places };
    let furthest = (chunk - chunk_of(first)) as usize;
    match places.get(furthest) {
        Some(place) if chunk_of(place) == chunk => return places.get(furthest..).unwrap_or_default(),
        _ => {}
    }
    // From here on: everything from `end` on is not before, and the first place is.
    let mut end = furthest.min(places.len());
    let mut step = 1;
    let start = loop {
        let Some(at) = end.checked_sub(step) else { break 0 };
        if places.get(at).is_some_and(before) {
            break at;
        }
        end = at;
        step *= 2;
    };
    let skip = start + places.get(start..end).map_or(0, |part| part.partition_point(before));
    places.get(skip..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_a_search_one_by_one_leaves() {
        let gaps: [fn(u32) -> u32; 4] = [|n| n, |n| 3 * n, |n| n + n / 7, |n| 5 + n * n / 9 + n];
        for (gaps, length) in gaps.iter().flat_map(|gaps| (0..40).map(move |length| (gaps, length))) {
            let places: Vec<u32> = (0..length).map(gaps).collect();
            for chunk in 0..230 {
                let left = places.iter().position(|place| *place >= chunk).unwrap_or(places.len());
                assert_eq!(skip_to(&places, chunk, |place| *place), &places[left..], "{length} {chunk}");
            }
        }
    }
}
