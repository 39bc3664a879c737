//! Texts to index: pages of the evaluation folder cut into chunks by their headings, and generated
//! chunks with words drawn as natural text draws them.

use super::Numbers;
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

#[derive(Debug, Clone, Deserialize)]
pub struct Page {
    #[serde(rename = "_id")]
    pub id: String,
    #[serde(default)]
    pub title: String,
    pub text: String,
}

#[derive(Debug, Clone)]
pub struct Chunk {
    /// Number of the page it comes from.
    pub page: usize,
    pub title: String,
    pub headings: String,
    pub body: String,
}

pub fn pages(folder: &Path) -> Vec<Page> {
    let file = File::open(folder.join("corpus.jsonl.gz")).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

#[derive(Debug, Clone, Deserialize)]
pub struct Query {
    #[serde(rename = "_id")]
    pub id: String,
    pub text: String,
}

pub fn queries(folder: &Path) -> Vec<Query> {
    let file = BufReader::new(File::open(folder.join("queries.jsonl")).unwrap());
    file.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

/// Markdown cut at its headings and then at about `size` characters, at ends of lines.
pub fn cut(page: usize, from: &Page, size: usize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut body = String::new();
    let mut fenced = false;
    let flush = |body: &mut String, path: &[(usize, String)], chunks: &mut Vec<Chunk>| {
        if !body.trim().is_empty() {
            let headings = path.iter().map(|(_, h)| h.as_str()).collect::<Vec<_>>().join("\n");
            chunks.push(Chunk { page, title: from.title.clone(), headings, body: std::mem::take(body) });
        }
        body.clear();
    };
    for line in from.text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let level = line.bytes().take_while(|b| *b == b'#').count();
        if !fenced && (1..=6).contains(&level) && line.as_bytes().get(level) == Some(&b' ') {
            flush(&mut body, &path, &mut chunks);
            path.retain(|(l, _)| *l < level);
            path.push((level, line[level..].trim().to_owned()));
            continue;
        }
        body.push_str(line);
        body.push('\n');
        if body.len() >= size {
            flush(&mut body, &path, &mut chunks);
        }
    }
    flush(&mut body, &path, &mut chunks);
    if chunks.is_empty() {
        chunks.push(Chunk {
            page,
            title: from.title.clone(),
            headings: String::new(),
            body: from.text.clone(),
        });
    }
    chunks
}

/// Words by how often they occur in these chunks, the most frequent first; invented ones where there
/// are none.
pub fn vocabulary(chunks: &[Chunk]) -> Vec<String> {
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for word in chunks.iter().flat_map(|c| c.body.split(|c: char| !c.is_alphanumeric())) {
        if (1..30).contains(&word.len()) {
            *counts.entry(word).or_insert(0) += 1;
        }
    }
    let mut words: Vec<(&str, u32)> = counts.into_iter().collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut words: Vec<String> = words.into_iter().map(|(w, _)| w.to_owned()).collect();
    words.extend((words.len()..60_000).map(|n| format!("w{n}x")));
    words
}

/// Chunks with words by Zipf's law, 40 to 160 of them, in pages of five.
pub fn generated(count: usize, first_page: usize, words: &[String]) -> impl Iterator<Item = Chunk> {
    let mut numbers = Numbers(2026);
    // Rank r with probability ~ 1/(r+2.7) (Zipf and Mandelbrot).
    let mut sums: Vec<f64> = Vec::with_capacity(words.len());
    let mut sum = 0.0;
    for rank in 0..words.len() {
        sum += 1.0 / (rank as f64 + 2.7);
        sums.push(sum);
    }
    let mut title = String::new();
    (0..count).map(move |n| {
        let mut take = |most: usize, least: usize| {
            let length = least + numbers.below(most - least + 1);
            let mut text = String::new();
            for _ in 0..length {
                let at = numbers.unit() * sum;
                text.push_str(&words[sums.partition_point(|s| *s < at).min(words.len() - 1)]);
                text.push(' ');
            }
            text
        };
        if n % 5 == 0 {
            title = take(7, 2);
        }
        Chunk { page: first_page + n / 5, title: title.clone(), headings: take(9, 2), body: take(160, 40) }
    })
}
