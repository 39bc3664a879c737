//! What was measured, as lines, as JSON and as a plot.

use super::company::{Company, PEOPLE};
use crate::support::panels::{self, Panel};
use crate::{Cell, Server, support};
use serde_json::{Value, json};

/// A cell in one line.
pub fn line(cell: &Cell) -> String {
    let counted = &cell.counted;
    format!(
        "{:<30}{:<7}{:>4} connections{:>9.0} requests/s{:>9.2} ms p50{:>9.2} p99{:>9.1} most{:>4} errors{:>8.0} MiB, {:.0} its own; CPU ms a request {:.3}, of others {:.3}",
        cell.server.name(),
        cell.tool,
        cell.connections,
        counted.per_second(),
        counted.p50,
        counted.p99,
        counted.most,
        counted.errors,
        cell.memory,
        cell.own,
        1_000.0 * cell.server_cpu / counted.answers.max(1) as f64,
        1_000.0 * cell.other_cpu / counted.answers.max(1) as f64,
    )
}

fn of<'c>(cells: &'c [Cell], server: Server, like: &Cell) -> Option<&'c Cell> {
    cells
        .iter()
        .find(|cell| (cell.server, cell.tool, cell.connections) == (server, like.tool, like.connections))
}

/// Prints the table of the README, and writes the files.
pub fn tell(company: &Company, seconds: u64, cells: &[Cell]) {
    println!(
        "\n| tool | connections | server | requests/s | p50 ms | p99 ms | CPU ms each | MiB | errors | echo / this |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for tool in ["search", "fetch"] {
        for cell in cells.iter().filter(|cell| cell.tool == tool) {
            let counted = &cell.counted;
            let echo = of(cells, Server::Echo, cell).map(|echo| echo.counted.per_second());
            println!(
                "| {tool} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {} | {:.1} |",
                cell.connections,
                cell.server.name(),
                counted.per_second(),
                counted.p50,
                counted.p99,
                1_000.0 * cell.server_cpu / counted.answers.max(1) as f64,
                cell.memory,
                counted.errors,
                echo.unwrap_or_default() / counted.per_second(),
            );
        }
    }
    let all: Vec<Value> = cells.iter().map(|cell| value(cells, cell)).collect();
    let sees: Vec<Value> =
        PEOPLE.iter().map(|(who, nth)| json!({ "who": who, "share": 1.0 / *nth as f64 })).collect();
    let json = json!({
        "bench": "load", "chunks": company.chunks, "pages": company.files(), "people": sees, "seconds": seconds,
        "cells": all,
    });
    let folder = support::results();
    std::fs::write(folder.join("load.json"), serde_json::to_string_pretty(&json).unwrap()).unwrap();
    std::fs::write(folder.join("load.svg"), plot(company, cells)).unwrap();
}

fn value(cells: &[Cell], cell: &Cell) -> Value {
    let counted = &cell.counted;
    let echo = of(cells, Server::Echo, cell).map(|echo| echo.counted);
    json!({
        "server": cell.server.name(), "tool": cell.tool, "connections": cell.connections,
        "requests": counted.answers, "requests_per_second": counted.per_second(),
        "p50_ms": counted.p50, "p99_ms": counted.p99, "most_ms": counted.most, "errors": counted.errors,
        "bytes_per_answer": counted.bytes, "server_cpu_seconds": cell.server_cpu, "other_cpu_seconds": cell.other_cpu,
        "memory_mib": cell.memory, "own_memory_mib": cell.own, "audit_records": cell.records,
        "ingest_runs": cell.ingested.map(|(runs, _)| runs), "ingested_documents": cell.ingested.map(|(_, put)| put),
        "echo_requests_per_second_times": echo.map(|echo| echo.per_second() / counted.per_second()),
        "times_echo_p50": echo.map(|echo| counted.p50 / echo.p50),
        "times_echo_p99": echo.map(|echo| counted.p99 / echo.p99),
    })
}

fn plot(company: &Company, cells: &[Cell]) -> String {
    let classes = ["ours", "filter", "other", "stock"];
    let legend: Vec<(String, &str)> =
        Server::ALL.iter().zip(classes).map(|(server, class)| (server.name().to_owned(), class)).collect();
    let mut panels = Vec::new();
    for what in ["requests/s", "p99, ms"] {
        let figure = |cell: &Cell| match what {
            "requests/s" => cell.counted.per_second(),
            _ => cell.counted.p99,
        };
        for tool in ["search", "fetch"] {
            let lines = Server::ALL.iter().map(|server| {
                let line = cells.iter().filter(|cell| cell.server == *server && cell.tool == tool);
                line.map(|cell| (cell.connections as f64, figure(cell))).collect()
            });
            panels.push(Panel { name: format!("{tool}: {what}"), lines: lines.collect() });
        }
    }
    let under = format!(
        "{} passages, four people who see all to a hundredth of them, audit on; the generator runs on the same cores",
        company.chunks
    );
    panels::draw("Questions over HTTP", &under, "connections (logarithmic axes)", &legend, &panels)
}
