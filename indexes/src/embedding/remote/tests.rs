//! The engine over a scripted endpoint: what is sent, what is taken, what is tried again, and what is never told.

use super::super::hashing;
use super::*;
use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: &str = "salaries of the night shift";

/// What was asked, and how long it might take.
type Seen = Arc<Mutex<Vec<(Value, Duration)>>>;

type Reply = Box<dyn Fn(&Value, u64) -> Result<Vec<u8>, Refusal> + Send + Sync>;

/// Answers by a rule, and keeps what it was asked.
struct Scripted {
    reply: Reply,
    asked: Seen,
}

impl Endpoint for Scripted {
    fn post(&self, body: &[u8], most: u64, time: Duration) -> Result<Vec<u8>, Refusal> {
        let body: Value = serde_json::from_slice(body).unwrap();
        self.asked.lock().push((body.clone(), time));
        (self.reply)(&body, most)
    }
}

fn asked() -> Asked {
    Asked {
        host: "vectors.harbor.example".to_owned(),
        model: "words".to_owned(),
        dimension: 16,
        max_tokens: 64,
        batch: 3,
        query_prefix: String::new(),
        passage_prefix: String::new(),
    }
}

thread_local! {
    static SLEPT: std::cell::RefCell<Vec<Duration>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn engine(asked: Asked, reply: Reply) -> (Remote, Seen) {
    let seen = Seen::default();
    let endpoint = Arc::new(Scripted { reply, asked: Arc::clone(&seen) });
    let pause = |wait, _: &dyn Fn() -> bool| SLEPT.with_borrow_mut(|slept| slept.push(wait));
    SLEPT.with_borrow_mut(Vec::clear);
    (Remote { space: asked.space(), asked, endpoint, pause }, seen)
}

/// What an endpoint that computes with the hashing embedder answers: vectors twice as long, in turned order.
fn good(body: &Value) -> Value {
    let texts: Vec<&str> = body["input"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let vectors = hashing(16).embed(&texts).unwrap();
    let data = vectors.iter().enumerate().rev().map(|(index, vector)| {
        let twice: Vec<f32> = vector.iter().map(|n| 2.0 * n).collect();
        json!({"object": "embedding", "index": index, "embedding": twice})
    });
    json!({"object": "list", "data": data.collect::<Vec<_>>(), "model": body["model"], "usage": {"total_tokens": 1}})
}

fn bytes(value: &Value) -> Result<Vec<u8>, Refusal> {
    Ok(value.to_string().into_bytes())
}

#[test]
fn vectors_come_in_the_texts_order_of_length_one_and_never_more_texts_at_once_than_said() {
    let (engine, seen) = engine(asked(), Box::new(|body, _| bytes(&good(body))));
    let texts = ["rope", "anchor", "tide", "pier", "quay", "berth", "mast"];
    let vectors = engine.embed(&texts).unwrap();
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-6);
    for (vector, own) in vectors.iter().zip(hashing(16).embed(&texts).unwrap()) {
        assert!(near(vector, &own));
    }
    let seen = seen.lock();
    assert_eq!(
        seen.iter().map(|(body, _)| body["input"].as_array().unwrap().len()).collect::<Vec<_>>(),
        [3, 3, 1]
    );
    assert!(seen.iter().all(|(body, _)| body["model"] == "words" && body["encoding_format"] == "float"));
    assert!(engine.embed(&[]).unwrap().is_empty());
}

#[test]
fn it_is_held_to_what_every_embedder_does() {
    let (engine, _) = engine(Asked { batch: 64, ..asked() }, Box::new(|body, _| bytes(&good(body))));
    super::super::conformance::has_a_space(&engine);
    super::super::conformance::gives_a_unit_vector_for_whatever_comes(&engine, 64);
    // Which holds for this endpoint, since what it computes by keeps texts apart.
    super::super::conformance::a_text_alone_and_in_company_gives_the_same_bits(&engine);
}

#[test]
fn what_goes_before_a_text_is_of_its_kind_and_part_of_the_space() {
    let prefixed = Asked { query_prefix: "query: ".into(), passage_prefix: "passage: ".into(), ..asked() };
    assert_ne!(prefixed.space(), asked().space());
    assert_ne!(Asked { host: "other.example".into(), ..asked() }.space(), asked().space());
    let (engine, seen) = engine(prefixed, Box::new(|body, _| bytes(&good(body))));
    engine.embed(&["rope"]).unwrap();
    engine.embed_query("rope").unwrap();
    let seen = seen.lock();
    assert_eq!(
        (&seen[0].0["input"][0], &seen[1].0["input"][0]),
        (&json!("passage: rope"), &json!("query: rope"))
    );
    assert_eq!((seen[0].1, seen[1].1), (DOCUMENTS, QUERY));
}

#[test]
fn documents_are_patient_within_bounds_and_a_query_asks_once() {
    let later = |after| move || Err(Refusal::Later { reason: "it is busy".into(), after });
    let hour = later(Some(Duration::from_secs(3600)));
    let (engine, seen) = engine(asked(), Box::new(move |_, _| hour()));
    assert!(engine.embed(&["rope"]).is_err());
    assert_eq!(seen.lock().len(), TRIES as usize);
    assert_eq!(SLEPT.take(), vec![LONGEST_PAUSE; TRIES as usize - 1], "an hour is nobody's to wait");
    assert!(engine.embed_query("rope").is_err());
    assert_eq!((seen.lock().len(), SLEPT.take().len()), (TRIES as usize + 1, 0));
}

#[test]
fn whoever_gives_up_waits_for_no_answer_and_no_pause() {
    use std::sync::atomic::{AtomicU32, Ordering};
    // It answers after an hour, as a test that waits for it would.
    let hangs: Reply = Box::new(|_, _| {
        std::thread::sleep(Duration::from_secs(3600));
        Err(Refusal::Never { reason: "late".into() })
    });
    let busy: Reply =
        Box::new(|_, _| Err(Refusal::Later { reason: "busy".into(), after: Some(Duration::from_secs(30)) }));
    for reply in [hangs, busy] {
        let (mut engine, seen) = engine(asked(), reply);
        engine.pause = super::pause;
        let looks = AtomicU32::new(0);
        assert!(engine.embed_while(&["rope"], &|| looks.fetch_add(1, Ordering::Relaxed) < 5).is_err());
        assert_eq!(seen.lock().len(), 1, "once, and not again");
        assert!(engine.embed_while(&["rope"], &|| false).is_err());
        // A request would be on its way by then.
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(seen.lock().len(), 1, "nothing leaves any more");
    }
}

#[test]
fn a_pause_is_the_endpoints_or_twice_the_last_and_then_it_goes_on() {
    let count = Mutex::new(0);
    let reply = move |body: &Value, _| {
        let mut count = count.lock();
        *count += 1;
        let after = (*count == 1).then(|| Duration::from_secs(7));
        if *count < 4 { Err(Refusal::Later { reason: "busy".into(), after }) } else { bytes(&good(body)) }
    };
    let (engine, _) = engine(asked(), Box::new(reply));
    assert_eq!(engine.embed(&["rope"]).unwrap().len(), 1);
    assert_eq!(SLEPT.take(), [Duration::from_secs(7), 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]);
}

/// Whatever an endpoint answers, it is an error or unit vectors; and no word of it, or of the text, is told.
#[test]
fn what_is_wrong_with_an_answer_is_told_without_a_word_of_it() {
    let one = || vec![0.5; 16];
    let datum = |index: usize, vector: Vec<f64>| json!({"index": index, "embedding": vector});
    let pair = |a: Value, b: Value| json!({"data": [a, b]}).to_string();
    let cases = [
        (format!("{{\"error\": \"{SECRET}\"}}"), "no list"),
        (SECRET.to_owned(), "no list"),
        (pair(datum(0, one()), datum(1, one())).replace("0.5]", "NaN]"), "no list"),
        (pair(datum(0, one()), datum(1, one())).replace("0.5]", &format!("\"{SECRET}\"]")), "no list"),
        (pair(datum(0, one()), datum(1, one())).replace("0.5]", "1e300]"), "no direction"),
        (pair(datum(0, one()), datum(1, vec![0.0; 16])), "no direction"),
        (pair(datum(0, one()), datum(1, vec![0.5; 15])), "15 numbers"),
        (pair(datum(0, vec![0.5; 17]), datum(1, one())), "17 numbers"),
        (pair(datum(0, one()), datum(0, one())), "in order"),
        (pair(datum(1, one()), datum(2, one())), "in order"),
        (json!({"data": [datum(0, one())]}).to_string(), "1 vectors for 2 texts"),
        (json!({"data": [datum(0, one()), datum(1, one()), datum(2, one())]}).to_string(), "3 vectors"),
        (json!({"data": []}).to_string(), "0 vectors"),
        (String::new(), "no list"),
    ];
    for (answer, words) in cases {
        let bytes = answer.clone().into_bytes();
        let (engine, seen) = engine(asked(), Box::new(move |_, _| Ok(bytes.clone())));
        let error = engine.embed(&[SECRET, "rope"]).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("vectors.harbor.example"), "{answer}: {error}");
        assert!(!error.contains("night"), "{error}");
        assert_eq!(seen.lock().len(), 1, "a wrong answer is not asked for again");
    }
}

#[test]
fn an_answer_may_be_as_long_as_its_numbers_need_and_no_longer() {
    let (engine, _) = engine(
        Asked { dimension: 2048, ..asked() },
        Box::new(|body, most| {
            let count = body["input"].as_array().unwrap().len() as u64;
            assert!(most > count * 2048 * 30 && most < count * 2048 * 100, "{most}");
            Err(Refusal::Never { reason: "its answer is too long".into() })
        }),
    );
    assert!(engine.embed(&["a", "b"]).unwrap_err().to_string().contains("too long"));
}

#[test]
fn nothing_longer_than_the_endpoint_takes_is_sent_and_never_nothing() {
    let (engine, seen) = engine(asked(), Box::new(|body, _| bytes(&good(body))));
    engine.embed(&["", " \n", &"rope ".repeat(500)]).unwrap();
    let sent = seen.lock()[0].0["input"].clone();
    assert_eq!((&sent[0], &sent[1]), (&json!("-"), &json!("-")));
    let long = sent[2].as_str().unwrap();
    assert!(estimate::tokens(long) == 62 && long.starts_with("rope rope"), "{long}");
    assert_eq!(engine.count_tokens(""), 2);
}

#[test]
fn words_count_by_letters_and_what_is_no_word_by_signs() {
    for (text, tokens) in [
        ("", 0),
        (" \n\t", 0),
        ("pier", 2),
        ("the pier", 3),
        ("a-b", 3),
        ("e3b0c44298fc", 12),
        ("2026", 4),
        ("Donaudampfschifffahrtsgesellschaft", 34),
        ("пирс", 4),
        ("東京", 4),
        ("🚢", 3),
    ] {
        assert_eq!(estimate::tokens(text), tokens, "{text}");
    }
}

proptest! {
    #[test]
    fn an_estimate_is_a_third_of_the_bytes_at_least_and_a_cut_holds_to_it(text in "[\\PC\\n]{0,200}", most in 0usize..80) {
        let bytes: usize = text.split_whitespace().map(str::len).sum();
        prop_assert!(estimate::tokens(&text) * 3 >= bytes);
        let cut = estimate::within(&text, most);
        prop_assert!(text.starts_with(cut) && estimate::tokens(cut) <= most);
        if estimate::tokens(&text) <= most {
            prop_assert_eq!(cut, text.as_str());
        } else if most >= 3 {
            prop_assert!(!cut.is_empty());
        }
    }
}
