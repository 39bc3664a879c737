//! What every [`Embedder`] must do, whatever computes it. All engines run it.

use super::Embedder;
use proptest::test_runner::{Config, TestRunner};

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|n| n.to_bits()).collect()
}

/// Runs the whole suite, with so many drawn texts.
pub(super) fn run(embedder: &dyn Embedder, cases: u32) {
    has_a_space(embedder);
    gives_a_unit_vector_for_whatever_comes(embedder, cases);
    a_text_alone_and_in_company_gives_the_same_bits(embedder);
    cuts_what_is_too_long_and_counts_it_in_full(embedder);
}

pub(super) fn has_a_space(embedder: &dyn Embedder) {
    let space = embedder.space();
    for part in [&space.model, &space.tokenizer, &space.pooling, &space.precision, &space.engine] {
        assert!(!part.is_empty(), "{space:?}");
    }
    assert!(space.dimension > 0 && space.max_tokens > 0 && embedder.workers() > 0);
    // It goes into the catalog and comes out again.
    let kept = serde_json::to_string(space).unwrap();
    assert_eq!(&serde_json::from_str::<super::EmbeddingSpace>(&kept).unwrap(), space);
}

pub(super) fn gives_a_unit_vector_for_whatever_comes(embedder: &dyn Embedder, cases: u32) {
    assert!(embedder.embed(&[]).unwrap().is_empty());
    let odd = [
        "",
        " ",
        "\0",
        "\u{feff}\u{200b}",
        "[CLS] [SEP] [PAD] [UNK]",
        "東京🚢",
        "a\u{301}\u{301}\u{301}",
        "\n\n#",
    ];
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let check = |text: &str| {
        let vectors = embedder.embed(&[text]).unwrap();
        assert_eq!(vectors.len(), 1);
        assert_eq!(vectors[0].len(), embedder.space().dimension);
        let length: f64 = vectors[0].iter().map(|n| f64::from(*n) * f64::from(*n)).sum();
        assert!((length - 1.0).abs() < 1e-5, "{text:?}: {length}");
        assert!(embedder.count_tokens(text) <= text.len() + 2);
    };
    odd.iter().for_each(|text| check(text));
    runner
        .run(&"\\PC{0,80}", |text| {
            check(&text);
            Ok(())
        })
        .unwrap();
}

pub(super) fn a_text_alone_and_in_company_gives_the_same_bits(embedder: &dyn Embedder) {
    let long = "the harbour master signs the rope . ".repeat(60);
    let texts = ["the tide", "rope", &long, "", "anchors of the night .", "rope"];
    let alone: Vec<_> = texts.iter().map(|text| bits(&embedder.embed(&[text]).unwrap()[0])).collect();
    let together: Vec<_> = embedder.embed(&texts).unwrap().iter().map(|v| bits(v)).collect();
    assert_eq!(alone, together);
    let turned: Vec<&str> = texts.iter().rev().copied().collect();
    // The same at the same time, in another order, by more threads than there are workers.
    std::thread::scope(|scope| {
        for _ in 0..=embedder.workers() {
            scope.spawn(|| {
                let vectors = embedder.embed(&turned).unwrap();
                assert!(vectors.iter().rev().map(|v| bits(v)).eq(alone.iter().cloned()));
            });
        }
    });
}

fn cuts_what_is_too_long_and_counts_it_in_full(embedder: &dyn Embedder) {
    let special = embedder.count_tokens("");
    let most = embedder.space().max_tokens;
    for words in [1, most - special, most, 3 * most] {
        assert_eq!(embedder.count_tokens(&"rope ".repeat(words)), words + special);
    }
    // What lies beyond the length is not looked at; an engine without a length looks at everything.
    let fits = "rope ".repeat(most - special);
    let [whole, over, under] = [fits.clone(), format!("{fits}anchor"), "rope ".repeat(most - special - 1)]
        .map(|text| bits(&embedder.embed(&[&text]).unwrap()[0]));
    if embedder.space().engine != "hashing" {
        assert_eq!(whole, over);
        assert_ne!(whole, under, "it is not cut earlier");
    }
}
