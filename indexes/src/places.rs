//! Going through the ascending places of an engine in one pass, as both engines do. It must never skip a
//! place that was asked for.

/// The rest of the places, which ascend by `chunk_of`, from `chunk` on: doubling steps, then halving ones, so
/// that a pass costs little where few places are asked for, and no more than their number where most are.
#[inline]
pub(crate) fn skip_to<T>(places: &[T], chunk: u32, chunk_of: impl Fn(&T) -> u32) -> &[T] {
    let before = |place: &T| chunk_of(place) < chunk;
    // Where most are asked for it is this one or the next.
    match places {
        [first, ..] if !before(first) => return places,
        [_, rest @ ..] if rest.first().is_some_and(|second| !before(second)) => return rest,
        _ => {}
    }
    let mut step = 1;
    while places.get(step).is_some_and(before) {
        step *= 2;
    }
    let end = places.len().min(step.saturating_add(1));
    let skip = places.get(..end).map_or(0, |head| head.partition_point(before));
    places.get(skip..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_a_search_one_by_one_leaves() {
        for length in 0..40 {
            let places: Vec<u32> = (0..length).map(|n| 3 * n).collect();
            for chunk in 0..130 {
                let left = places.iter().position(|place| *place >= chunk).unwrap_or(places.len());
                assert_eq!(skip_to(&places, chunk, |place| *place), &places[left..], "{length} {chunk}");
            }
        }
    }
}
